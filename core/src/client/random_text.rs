//! 32 random octets as text: the form of a `code_verifier` and of a `state`.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::encoding::{base64url, scratch::BufferFull};

/// Length of 32 octets in base64url.
pub(super) const LEN: usize = 43;

/// A text of 43 characters that nobody can guess if the octets were random (SEC-482).
///
/// A secret: `Debug` does not show it, it is overwritten when dropped, and comparing takes the same
/// time wherever the first difference is.
pub struct RandomText([u8; LEN]);

impl RandomText {
    /// The base64url text of `octets`, which the caller took from its random source.
    pub fn new(octets: &[u8; 32]) -> Result<Self, BufferFull> {
        let mut text = [0; LEN];
        base64url::encode(octets, &mut text)?;
        Ok(Self(text))
    }

    /// The text, to be sent; never to be printed.
    pub fn expose(&self) -> &str {
        // Base64url is ASCII, so the check cannot fail.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether `received` is this text, in constant time (CL-46).
    pub fn is(&self, received: &str) -> bool {
        self.0.as_slice().ct_eq(received.as_bytes()).into()
    }
}

impl Drop for RandomText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl core::fmt::Debug for RandomText {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RandomText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn sec_465_only_the_same_text_is_equal() {
        let state = RandomText::new(&[7; 32]).unwrap();
        let text = std::string::String::from(state.expose());
        assert_eq!(text.len(), LEN);
        assert!(state.is(&text));
        let flipped = format!("{}A", &text[..LEN - 1]);
        for other in ["", &text[1..], &format!("{text}A"), &text.to_uppercase(), &flipped] {
            assert!(!state.is(other), "{other}");
        }
    }

    #[test]
    fn sec_482_debug_hides_it() {
        let state = RandomText::new(&[7; 32]).unwrap();
        assert_eq!(format!("{state:?}"), "RandomText(..)");
    }
}
