//! The challenges of an answer, kept until its body was read.

use portcullis_core::{
    challenge::parse::{self, BearerChallenge},
    encoding::scratch::{BufferFull, Scratch},
};

/// Longest `WWW-Authenticate` lines of one answer, together; what does not fit as a whole is passed over.
const LINES_LEN_MAX: usize = 1024;

/// The `WWW-Authenticate` lines of one answer.
pub(super) struct Lines {
    memory: [u8; LINES_LEN_MAX],
    len: usize,
}

impl Lines {
    pub(super) const fn new() -> Self {
        Self { memory: [0; LINES_LEN_MAX], len: 0 }
    }

    /// Takes a field of an answer's head; keeps it if it is a challenge.
    pub(super) fn take(&mut self, name: &str, value: &[u8]) {
        if !name.eq_ignore_ascii_case("www-authenticate") {
            return;
        }
        let room = self.memory.get_mut(self.len..).unwrap_or_default();
        // No field has a line's end in it, so that it can stand between two.
        if room.len() <= value.len() {
            return;
        }
        for (place, byte) in room.iter_mut().zip(value.iter().chain(b"\n")) {
            *place = *byte;
        }
        self.len = self.len.saturating_add(value.len()).saturating_add(1);
    }

    /// The Bearer challenge, if there is one.
    pub(super) fn bearer<'s>(
        &self,
        scratch: &mut Scratch<'s>,
    ) -> Result<Option<BearerChallenge<'s>>, BufferFull> {
        let kept = self.memory.get(..self.len).unwrap_or_default();
        let copy = scratch.take(kept.len())?;
        copy.iter_mut().zip(kept).for_each(|(to, from)| *to = *from);
        let copy: &'s [u8] = copy;
        parse::bearer(copy.split(|byte| *byte == b'\n'), scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::String, vec};

    #[track_caller]
    fn check(fields: &[(&str, &str)], expected: Option<&str>) {
        let mut lines = Lines::new();
        fields.iter().for_each(|(name, value)| lines.take(name, value.as_bytes()));
        let mut memory = vec![0; 4096];
        let challenge = lines.bearer(&mut Scratch::new(&mut memory)).unwrap();
        let url = challenge.and_then(|challenge| challenge.resource_metadata.map(String::from));
        assert_eq!(url.as_deref(), expected);
    }

    #[test]
    fn cl_02_several_challenges_in_several_lines() {
        let ours = r#"Bearer resource_metadata="https://rs/m""#;
        check(&[("WWW-Authenticate", ours)], Some("https://rs/m"));
        check(
            &[("Www-authenticate", "Basic realm=x"), ("www-authenticate", ours)],
            Some("https://rs/m"),
        );
        check(&[("content-type", ours)], None);
        check(&[], None);
    }

    #[test]
    fn sec_443_what_does_not_fit_is_passed_over() {
        let ours = r#"Bearer resource_metadata="https://rs/m""#;
        let long = "x".repeat(LINES_LEN_MAX);
        check(&[("WWW-Authenticate", &long), ("WWW-Authenticate", ours)], Some("https://rs/m"));
        let filling = "x".repeat(LINES_LEN_MAX - ours.len() - 2);
        check(&[("WWW-Authenticate", &filling), ("WWW-Authenticate", ours)], Some("https://rs/m"));
        let too_long = "x".repeat(LINES_LEN_MAX - ours.len() - 1);
        check(&[("WWW-Authenticate", &too_long), ("WWW-Authenticate", ours)], None);
    }
}
