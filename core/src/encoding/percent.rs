//! Percent-encoding (RFC 3986 §2.1) and its form variant (RFC 6749 Appendix B).

use super::scratch::{BufferFull, Scratch};
use super::text::TextWriter;

/// Why a text was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PercentError {
    /// A `%` without two hexadecimal digits.
    Escape,
    /// A blank, a control character or a byte beyond ASCII that is not escaped.
    Character,
    /// The decoded bytes are not UTF-8.
    Utf8,
    /// The decoded text has a NUL, where another reader would end it.
    Nul,
    /// No room for the decoded text.
    BufferFull,
}

impl core::fmt::Display for PercentError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Escape => "percent sign without two hexadecimal digits",
            Self::Character => "character that must be percent-encoded",
            Self::Utf8 => "percent-encoded text is not UTF-8",
            Self::Nul => "percent-encoded text has a NUL",
            Self::BufferFull => "no room for percent-encoded text",
        })
    }
}

impl core::error::Error for PercentError {}

impl From<BufferFull> for PercentError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// An encoded text, checked once: it decodes to UTF-8 without NUL (SEC-051).
///
/// What it decodes to is never decoded again. There is no `PartialEq`, because many spellings mean
/// one text: see [`Encoded::eq_str`].
#[derive(Clone, Copy)]
pub struct Encoded<'t> {
    raw: &'t str,
    plus_is_blank: bool,
}

impl<'t> Encoded<'t> {
    /// A name or value of a form or a query, in which `+` means a blank.
    pub fn form(raw: &'t str) -> Result<Self, PercentError> {
        Self { raw, plus_is_blank: true }.checked()
    }

    /// A part of a URI, in which `+` means itself.
    pub fn uri(raw: &'t str) -> Result<Self, PercentError> {
        Self { raw, plus_is_blank: false }.checked()
    }

    fn checked(self) -> Result<Self, PercentError> {
        if !self.raw.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PercentError::Character);
        }
        let mut text = Utf8(self.bytes());
        while let Some(character) = text.next() {
            match character {
                Some('\0') => return Err(PercentError::Nul),
                Some(_) => {}
                // A broken escape ends the bytes, maybe in the middle of a character.
                None if text.0.is_broken() => return Err(PercentError::Escape),
                None => return Err(PercentError::Utf8),
            }
        }
        if text.0.is_broken() { Err(PercentError::Escape) } else { Ok(self) }
    }

    /// A name or value that [`Encoded::form`] accepted before.
    pub(super) const fn form_again(raw: &'t str) -> Self {
        Self { raw, plus_is_blank: true }
    }

    /// Whether the text means `text`, whatever its spelling (SEC-052).
    pub fn eq_str(self, text: &str) -> bool {
        self.bytes().eq(text.bytes())
    }

    /// Whether both mean the same text.
    pub fn eq_encoded(self, other: Encoded<'_>) -> bool {
        self.bytes().eq(other.bytes())
    }

    /// The text, when it is spelled without anything to decode.
    pub fn plain(self) -> Option<&'t str> {
        let is_encoded = |byte| byte == b'%' || (byte == b'+' && self.plus_is_blank);
        if self.raw.bytes().any(is_encoded) { None } else { Some(self.raw) }
    }

    /// The text: borrowed when plain, else decoded into `scratch`.
    pub fn read<'s>(self, scratch: &mut Scratch<'s>) -> Result<&'s str, PercentError>
    where
        't: 's,
    {
        if let Some(plain) = self.plain() {
            return Ok(plain);
        }
        let bytes = scratch.fill(|free| -> Result<usize, PercentError> {
            let mut room = free.iter_mut();
            let mut len = 0_usize;
            for byte in self.bytes() {
                *room.next().ok_or(PercentError::BufferFull)? = byte;
                len = len.saturating_add(1);
            }
            Ok(len)
        })?;
        core::str::from_utf8(bytes).map_err(|_| PercentError::Utf8)
    }

    /// The text as received.
    pub const fn raw(self) -> &'t str {
        self.raw
    }

    fn bytes(self) -> Bytes<'t> {
        Bytes { rest: self.raw.as_bytes(), plus_is_blank: self.plus_is_blank }
    }
}

impl core::fmt::Debug for Encoded<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // It may be a secret.
        f.write_str("Encoded(..)")
    }
}

/// Encodes `text` as a name or value of a form: a blank becomes `+`, and all but letters, digits
/// and `*-._` become `%XX` (RFC 6749 Appendix B).
pub fn encode_form(text: &str, out: &mut TextWriter<'_>) -> Result<(), BufferFull> {
    text.bytes().try_for_each(|byte| match byte {
        b' ' => out.push_byte(b'+'),
        b'*' | b'-' | b'.' | b'_' => out.push_byte(byte),
        _ if byte.is_ascii_alphanumeric() => out.push_byte(byte),
        _ => escape(byte, out),
    })
}

/// Encodes `text` as a part of a URI: all but the unreserved characters become `%XX`
/// (RFC 3986 §2.3).
pub fn encode_unreserved(text: &str, out: &mut TextWriter<'_>) -> Result<(), BufferFull> {
    text.bytes().try_for_each(|byte| match byte {
        b'-' | b'.' | b'_' | b'~' => out.push_byte(byte),
        _ if byte.is_ascii_alphanumeric() => out.push_byte(byte),
        _ => escape(byte, out),
    })
}

fn escape(byte: u8, out: &mut TextWriter<'_>) -> Result<(), BufferFull> {
    let digit = |value: u8| {
        char::from_digit(u32::from(value), 16).map_or('0', |digit| digit.to_ascii_uppercase())
    };
    out.push_byte(b'%')?;
    out.push_char(digit(byte.wrapping_shr(4)))?;
    out.push_char(digit(byte & 0xf))
}

/// The bytes of an [`Encoded`]; they end in front of a broken escape.
#[derive(Clone)]
struct Bytes<'t> {
    rest: &'t [u8],
    plus_is_blank: bool,
}

impl Bytes<'_> {
    /// Whether a broken escape comes next.
    fn is_broken(&self) -> bool {
        !self.rest.is_empty() && self.clone().next().is_none()
    }
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.rest {
            [b'%', high, low, rest @ ..] => (hex(*high, *low)?, rest),
            [b'%', ..] | [] => return None,
            [b'+', rest @ ..] if self.plus_is_blank => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        self.rest = rest;
        Some(byte)
    }
}

/// The value of two hexadecimal digits.
pub(crate) fn hex(high: u8, low: u8) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let byte = value(high)?.wrapping_shl(4) | value(low)?;
    u8::try_from(byte).ok()
}

/// The characters of some bytes; `None` for each piece that is not UTF-8.
struct Utf8<I>(I);

impl<I: Iterator<Item = u8>> Iterator for Utf8<I> {
    type Item = Option<char>;

    fn next(&mut self) -> Option<Option<char>> {
        let first = self.0.next()?;
        let len = match first {
            0..0x80 => return Some(Some(char::from(first))),
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
        };
        let mut bytes = [first, 0, 0, 0];
        for byte in bytes.iter_mut().take(len).skip(1) {
            let Some(next) = self.0.next() else { return Some(None) };
            *byte = next;
        }
        let text = bytes.get(..len).and_then(|bytes| core::str::from_utf8(bytes).ok());
        Some(text.and_then(|text| text.chars().next()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{string::String, vec};

    #[track_caller]
    fn check(raw: &str, expected: Result<&str, PercentError>) {
        let mut buffer = vec![0; raw.len()];
        let encoded = Encoded::form(raw);
        let outcome = encoded.and_then(|encoded| encoded.read(&mut Scratch::new(&mut buffer)));
        assert_eq!(outcome, expected, "{raw}");
        if let (Ok(encoded), Ok(text)) = (encoded, expected) {
            assert!(encoded.eq_str(text), "{raw}");
            assert!(!encoded.eq_str(&[text, "x"].concat()), "{raw}");
            assert_eq!(encoded.plain().is_some(), text == raw, "{raw}");
        }
    }

    fn encode(text: &str) -> (String, String) {
        let (mut form, mut uri) = (vec![0; text.len() * 3], vec![0; text.len() * 3]);
        let (mut form, mut uri) = (TextWriter::new(&mut form), TextWriter::new(&mut uri));
        encode_form(text, &mut form).unwrap();
        encode_unreserved(text, &mut uri).unwrap();
        (form.finish().into(), uri.finish().into())
    }

    #[test]
    fn sec_051_decoded_once() {
        check("", Ok(""));
        check("plain-._~!*'()", Ok("plain-._~!*'()"));
        check("a+b%20c%2bd%2Be", Ok("a b c+d+e"));
        check("%2541", Ok("%41"));
        check("%25252525", Ok("%252525"));
        check("%0d%0aX:%20y", Ok("\r\nX: y"));
        check("%e2%82%AC%F0%9f%98%80", Ok("€😀"));
        check("%C3\u{a9}", Err(PercentError::Character));
    }

    #[test]
    fn sec_051_broken_escapes() {
        for raw in [
            "%", "%4", "a%", "%%41", "%zz", "%4g", "%g4", "%+1", "%-1", "%u0041", "%e2%8",
            "%e2%82%",
        ] {
            check(raw, Err(PercentError::Escape));
        }
    }

    #[test]
    fn sec_051_not_utf_8_after_decoding() {
        for raw in [
            "%c0%af",
            "%C1%81",
            "%e0%80%af",
            "%f0%80%80%af",
            "%ed%a0%80",
            "%f4%90%80%80",
            "%80",
            "%ff",
            "%e2%82",
            "%e2%82x",
            "%c3",
            "%f8%88%80%80%80",
        ] {
            check(raw, Err(PercentError::Utf8));
            check(&[raw, "%41"].concat(), Err(PercentError::Utf8));
        }
    }

    #[test]
    fn sec_051_nul() {
        for raw in ["%00", "a%00b", "client_id%00"] {
            check(raw, Err(PercentError::Nul));
        }
        check("%01", Ok("\u{1}"));
    }

    #[test]
    fn sec_051_characters_that_must_be_escaped() {
        for byte in 0..=0x7f_u8 {
            let text = String::from(char::from(byte));
            let accepted = Encoded::uri(&text).is_ok();
            assert_eq!(accepted, (0x21..0x7f).contains(&byte) && byte != b'%', "{byte}");
        }
        check("é", Err(PercentError::Character));
    }

    #[test]
    fn sec_051_plus_is_a_blank_only_in_forms() {
        assert!(Encoded::form("a+b").unwrap().eq_str("a b"));
        assert!(Encoded::uri("a+b").unwrap().eq_str("a+b"));
        assert_eq!(Encoded::uri("a+b").unwrap().plain(), Some("a+b"));
        assert!(Encoded::form("%61b").unwrap().eq_encoded(Encoded::uri("a%62").unwrap()));
        assert!(!Encoded::form("a+b").unwrap().eq_encoded(Encoded::uri("a+b").unwrap()));
    }

    #[test]
    fn encodings() {
        // RFC 6749 Appendix B.
        assert_eq!(encode(" %&+£€").0, "+%25%26%2B%C2%A3%E2%82%AC");
        assert_eq!(encode("aZ09-._~* /").0, "aZ09-._%7E*+%2F");
        assert_eq!(encode("aZ09-._~* /").1, "aZ09-._~%2A%20%2F");
    }

    #[test]
    fn sec_036_too_little_room() {
        for len in 0..6 {
            let mut buffer = vec![0; len];
            let mut text = TextWriter::new(&mut buffer);
            assert_eq!(encode_form("a€ ", &mut text), Err(BufferFull), "{len}");
            assert_eq!(text.finish(), "");
        }
        let mut buffer = [0; 2];
        let mut scratch = Scratch::new(&mut buffer);
        let encoded = Encoded::form("a%2bc").unwrap();
        assert_eq!(encoded.read(&mut scratch), Err(PercentError::BufferFull));
        assert_eq!(scratch.free_len(), 2, "nothing is taken");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "[^\0]{0,40}") {
            let (form, uri) = encode(&text);
            check(&form, Ok(&text));
            prop_assert!(Encoded::uri(&uri).unwrap().eq_str(&text));
        }

        #[test]
        fn any_raw_text_is_read_or_refused(raw in "[%0-9a-fA-F+cCeE8]{0,16}") {
            let mut buffer = vec![0; raw.len()];
            if let Ok(encoded) = Encoded::form(&raw) {
                prop_assert!(encoded.eq_str(encoded.read(&mut Scratch::new(&mut buffer)).unwrap()));
            }
        }
    }
}
