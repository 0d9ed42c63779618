//! Texts as header values: as they are, or in the Base64 sentinel (MCP 2026-07-28, value encoding).

use base64ct::{Base64, Encoding};

const SENTINEL_START: &str = "=?base64?";
const SENTINEL_END: &str = "?=";

/// A text in the form that a mirrored header takes; `Display` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderValue<'v>(&'v str);

/// The value of `Mcp-Name` or `Mcp-Param-*` for `text` (TC-03).
///
/// Plain when it arrives unchanged that way; in the sentinel when it is not ASCII, has a control
/// character or a blank at an end, or could be taken for a sentinel.
pub const fn header_value(text: &str) -> HeaderValue<'_> {
    HeaderValue(text)
}

impl HeaderValue<'_> {
    fn is_plain(self) -> bool {
        let bytes = self.0.as_bytes();
        let looks_encoded = bytes
            .split_at_checked(SENTINEL_START.len())
            .is_some_and(|(start, _)| start.eq_ignore_ascii_case(SENTINEL_START.as_bytes()));
        let is_padded = matches!(bytes, [b' ', ..] | [.., b' ']);
        // A tab is a legal character inside a value, but some proxies make a blank of it.
        // An empty value is a field that some readers take as absent.
        !bytes.is_empty()
            && !looks_encoded
            && !is_padded
            && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
    }
}

impl core::fmt::Display for HeaderValue<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.is_plain() {
            return f.write_str(self.0);
        }
        f.write_str(SENTINEL_START)?;
        for chunk in self.0.as_bytes().chunks(3) {
            let mut quad = [0; 4];
            f.write_str(Base64::encode(chunk, &mut quad).map_err(|_| core::fmt::Error)?)?;
        }
        f.write_str(SENTINEL_END)
    }
}

/// Whether a received value stands for `text` (TS-42 … 45); `value` has no outer blanks any more.
///
/// A sentinel is compared by encoding `text`: there is one canonical Base64 form of it (TS-43), and
/// no other spelling is equal to that (SEC-345). Nothing is decoded, so nothing needs a buffer.
// Apart, for less code and less stack on a device.
#[inline(never)]
pub(super) fn stands_for(value: &[u8], text: &str) -> bool {
    match sentinel(value) {
        Some(encoded) => is_base64_of(encoded, text.as_bytes()),
        None => is_field_text(value) && value == text.as_bytes(),
    }
}

/// What stands inside the sentinel, if the value is one; lower case only (TS-43).
pub(super) fn sentinel(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(SENTINEL_START.as_bytes())?.strip_suffix(SENTINEL_END.as_bytes())
}

/// Visible ASCII, blanks and tabs: what a mirrored header may hold (TS-45).
pub(super) fn is_field_text(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

fn is_base64_of(mut encoded: &[u8], bytes: &[u8]) -> bool {
    for chunk in bytes.chunks(3) {
        let Some((received, rest)) = encoded.split_at_checked(4) else { return false };
        let mut quad = [0; 4];
        if Base64::encode(chunk, &mut quad).map(str::as_bytes) != Ok(received) {
            return false;
        }
        encoded = rest;
    }
    encoded.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};

    #[track_caller]
    fn check_written(text: &str, expected: &str) {
        assert_eq!(header_value(text).to_string(), expected);
        assert!(stands_for(expected.as_bytes(), text));
    }

    #[test]
    fn tc_03_plain_where_possible() {
        for text in ["get_time", "a b", "file:///a?b=c", "=?utf-8?x?=", "=", "?="] {
            check_written(text, text);
        }
    }

    #[test]
    fn sec_485_tc_03_encoded_where_needed() {
        check_written("", "=?base64??=");
        check_written("a\r\nX: y", "=?base64?YQ0KWDogeQ==?=");
        check_written("héllo", "=?base64?aMOpbGxv?=");
        check_written(" a", "=?base64?IGE=?=");
        check_written("a ", "=?base64?YSA=?=");
        check_written(" ", "=?base64?IA==?=");
        check_written("a\tb", "=?base64?YQli?=");
        check_written("a\r\nb", "=?base64?YQ0KYg==?=");
        check_written("\u{7f}", "=?base64?fw==?=");
        check_written("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?=");
        check_written("=?BASE64?x", "=?base64?PT9CQVNFNjQ/eA==?=");
    }

    #[test]
    fn ts_43_one_spelling_only() {
        assert!(stands_for(b"=?base64?YQ==?=", "a"));
        for value in [
            "=?base64?YQ?=",    // no padding
            "=?base64?YR==?=",  // trailing bits
            "=?base64?YQ=?=",   // half the padding
            "=?base64?YQ===?=", // too much of it
            "=?base64? YQ==?=", // a blank
            "=?base64?YQ==YQ==?=",
            "=?base64??=",
            "=?BASE64?YQ==?=", // upper case is no sentinel
            "=?base64?YQ==",   // no end
            "=?base64?YQ==?= ",
            "?base64?YQ==?=",
            "YQ==",
        ] {
            assert!(!stands_for(value.as_bytes(), "a"), "{value}");
        }
        // URL-safe letters are another alphabet.
        assert!(stands_for("=?base64?w78/?=".as_bytes(), "ÿ?"));
        assert!(!stands_for("=?base64?w78_?=".as_bytes(), "ÿ?"));
        assert!(stands_for(b"=?base64??=", ""));
        // Start and end share their characters here, so that it is a plain value.
        assert!(stands_for(b"=?base64?=", "=?base64?="));
    }

    #[test]
    fn ts_45_raw_bytes_are_invalid_even_when_equal() {
        for text in ["é", "a\u{0}", "\u{7f}", "a\nb"] {
            assert!(!stands_for(text.as_bytes(), text), "{text:?}");
        }
        assert!(!stands_for(b"\xff", "\u{ff}"));
        assert!(stands_for(b"a\tb", "a\tb"));
    }

    proptest! {
        #[test]
        fn written_values_stand_for_their_text_alone(text in any::<String>(), other in any::<String>()) {
            let written = header_value(&text).to_string();
            prop_assert!(is_field_text(written.as_bytes()));
            prop_assert_eq!(written.trim(), &written);
            prop_assert!(stands_for(written.as_bytes(), &text));
            prop_assert_eq!(stands_for(written.as_bytes(), &other), text == other);
        }
    }
}
