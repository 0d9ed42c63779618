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
struct Bytes<'t> {
    rest: &'t [u8],
    plus_is_blank: bool,
}

impl Bytes<'_> {
    /// Whether the bytes ended early.
    const fn is_broken(&self) -> bool {
        !self.rest.is_empty()
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
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
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
