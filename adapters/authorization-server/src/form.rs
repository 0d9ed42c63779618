//! Forms and query strings as the endpoints read them: the core's strict reader, decoded.

use std::fmt;

use portcullis_core::encoding::form::{Form as Checked, FormError};
use portcullis_core::encoding::scratch::Scratch;

/// The name that may come more than once (RFC 8707 §2).
const REPEATABLE: [&str; 1] = ["resource"];

/// Decoded pairs of an `application/x-www-form-urlencoded` text, each name at most once
/// (`resource` excepted). A parameter with an empty value counts as absent (AS-50, AS-80).
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, FormError> {
        let checked = Checked::parse_with_repeats(text, &REPEATABLE)?;
        // Decoded text is never longer than its encoding.
        let mut room = vec![0; text.len()];
        let mut scratch = Scratch::new(&mut room);
        let mut pairs = Vec::new();
        for (name, value) in checked.pairs() {
            let name = name.read(&mut scratch)?.to_owned();
            pairs.push((name, value.read(&mut scratch)?.to_owned()));
        }
        Ok(Self(pairs))
    }

    /// A form of these pairs.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The value of `name`, unless it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Every value of `name` that is not empty.
    pub(crate) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords and codes come in forms.
        f.write_str("Form(..)")
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::limits::FORM_PARAMETERS_MAX;

    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, expected: Result<Option<&str>, ()>) {
        let form = Form::parse(text.as_bytes());
        assert_eq!(form.as_ref().map(|form| form.get(name)).map_err(|_| ()), expected, "{text}");
    }

    #[test]
    fn values_are_decoded_once_and_empty_is_absent() {
        check("a=1&b=2", "b", Ok(Some("2")));
        check("a=x%20y+z", "a", Ok(Some("x y z")));
        check("a=%C3%A4", "a", Ok(Some("\u{e4}")));
        check("a=%2525", "a", Ok(Some("%25")));
        check("a=", "a", Ok(None));
        check("", "a", Ok(None));
        check("a=%2", "a", Err(()));
        check("a=%ff", "a", Err(()));
    }

    #[test]
    fn only_resource_may_repeat() {
        check("a=1&a=2", "a", Err(()));
        check("a=1&%61=2", "a", Err(()));
        let form = Form::parse(b"resource=x&resource=y").unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn lim_8_parameters() {
        let text =
            |count: usize| (0..count).map(|at| format!("p{at}=1")).collect::<Vec<_>>().join("&");
        check(&text(FORM_PARAMETERS_MAX - 1), "p1", Ok(Some("1")));
        check(&text(FORM_PARAMETERS_MAX), "p1", Ok(Some("1")));
        check(&text(FORM_PARAMETERS_MAX + 1), "p1", Err(()));
    }
}
