//! JSON strings (RFC 8259 §7): checked once, compared and read without their escapes.

use super::JsonError;
use crate::encoding::scratch::{BufferFull, Scratch};
use crate::encoding::text::TextWriter;

/// A string as it stands between its quotes; all escapes in it are well-formed.
///
/// There is no `PartialEq`, because two spellings can mean one text: see [`JsonStr::eq_str`].
#[derive(Clone, Copy)]
pub struct JsonStr<'j> {
    raw: &'j str,
    escaped: bool,
}

impl<'j> JsonStr<'j> {
    /// Whether the string means `text`, whatever its spelling (SEC-024).
    ///
    /// Code point for code point: no case or normal form is folded (SEC-022).
    #[inline]
    pub fn eq_str(self, text: &str) -> bool {
        match self.plain() {
            Some(plain) => plain == text,
            None => self.eq_unescaped(text),
        }
    }

    #[cold]
    fn eq_unescaped(self, text: &str) -> bool {
        self.chars().eq(text.chars())
    }

    /// Whether both strings mean the same text (SEC-021).
    pub fn eq_json(self, other: JsonStr<'_>) -> bool {
        match (self.plain(), other.plain()) {
            (Some(this), Some(other)) => this == other,
            _ => self.chars().eq(other.chars()),
        }
    }

    /// The text, when it is spelled without escapes.
    #[inline]
    pub const fn plain(self) -> Option<&'j str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// The text: borrowed from the document when plain, else unescaped into `scratch`.
    pub fn read<'s>(self, scratch: &mut Scratch<'s>) -> Result<&'s str, JsonError>
    where
        'j: 's,
    {
        match self.plain() {
            Some(plain) => Ok(plain),
            None => self.unescape(scratch),
        }
    }

    fn unescape<'s>(self, scratch: &mut Scratch<'s>) -> Result<&'s str, JsonError> {
        let bytes = scratch.fill(|free| -> Result<usize, BufferFull> {
            let mut text = TextWriter::new(free);
            self.chars().try_for_each(|character| text.push_char(character))?;
            Ok(text.len())
        })?;
        core::str::from_utf8(bytes).map_err(|_| JsonError::Utf8)
    }

    /// The characters of the text, escapes resolved.
    pub fn chars(self) -> Characters<'j> {
        Characters { raw: self.raw.chars() }
    }

    /// What stands between the quotes, escapes and all.
    pub const fn raw(self) -> &'j str {
        self.raw
    }

    /// A checked string that may have escapes.
    pub(super) const fn escaped(raw: &'j str) -> Self {
        Self { raw, escaped: true }
    }

    /// Reads the string behind an opening quote; gives what follows the closing one too.
    ///
    /// `text` starts behind the opening quote.
    pub(super) fn scan(text: &'j str) -> Result<(Self, &'j str), JsonError> {
        let mut end = 0_usize;
        let mut escaped = false;
        loop {
            let rest = text.as_bytes().get(end..).ok_or(JsonError::Syntax)?;
            end = end.wrapping_add(plain_len(rest));
            match text.as_bytes().get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    let rest = text.as_bytes().get(end..).ok_or(JsonError::Syntax)?;
                    end = end.wrapping_add(escape_len(rest)?);
                }
                Some(_) => return Err(JsonError::Character),
                None => return Err(JsonError::Syntax),
            }
        }
        let (raw, rest) = text.split_at_checked(end).ok_or(JsonError::Syntax)?;
        let rest = rest.get(1..).ok_or(JsonError::Syntax)?;
        Ok((Self { raw, escaped }, rest))
    }
}

impl core::fmt::Debug for JsonStr<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // It may be a token out of an answer.
        f.write_str("JsonStr(..)")
    }
}

/// The characters of a [`JsonStr`].
#[derive(Clone)]
pub struct Characters<'j> {
    raw: core::str::Chars<'j>,
}

impl Characters<'_> {
    /// Four hexadecimal digits: one UTF-16 code unit.
    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0_u32;
        for _ in 0..4 {
            unit = unit.wrapping_shl(4) | self.raw.next()?.to_digit(16)?;
        }
        Some(unit)
    }
}

impl Iterator for Characters<'_> {
    type Item = char;

    /// Ends early on nothing: every escape was checked when the string was read.
    fn next(&mut self) -> Option<char> {
        match self.raw.next()? {
            '\\' => match self.raw.next()? {
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'u' => {
                    let unit = self.unit()?;
                    if let Some(character) = char::from_u32(unit) {
                        return Some(character);
                    }
                    // The other half, behind its `\u`.
                    let _ = (self.raw.next()?, self.raw.next()?);
                    let low = self.unit()?;
                    let code = (unit & 0x3ff).wrapping_shl(10) | (low & 0x3ff);
                    char::from_u32(code.wrapping_add(0x1_0000))
                }
                same => Some(same),
            },
            plain => Some(plain),
        }
    }
}

impl core::fmt::Debug for Characters<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Characters(..)")
    }
}

/// How many bytes come before the first quote, backslash or control character.
///
/// Eight bytes at a time: in each step the lowest byte that matches sets its highest bit, and no
/// byte below it does (a borrow only runs upwards).
#[inline]
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const CONTROL_END: u64 = u64::from_ne_bytes([0x20; 8]);
    const QUOTE: u64 = u64::from_ne_bytes([b'"'; 8]);
    const BACKSLASH: u64 = u64::from_ne_bytes([b'\\'; 8]);
    let mut len = 0_usize;
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let (quote, backslash) = (word ^ QUOTE, word ^ BACKSLASH);
        let found = (word.wrapping_sub(CONTROL_END) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let found = found & HIGH;
        if found != 0 {
            let below = usize::try_from(found.trailing_zeros() / 8).unwrap_or_default();
            return len.wrapping_add(below);
        }
        len = len.wrapping_add(8);
        rest = behind;
    }
    let below = rest.iter().take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')).count();
    len.wrapping_add(below)
}

/// Checks the escape that `bytes` starts with; a surrogate pair counts as one.
fn escape_len(bytes: &[u8]) -> Result<usize, JsonError> {
    match bytes {
        [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(2),
        [_, b'u', a, b, c, d, rest @ ..] => match unit([*a, *b, *c, *d])? {
            0xd800..=0xdbff => match rest {
                [b'\\', b'u', a, b, c, d, ..] => match unit([*a, *b, *c, *d])? {
                    0xdc00..=0xdfff => Ok(12),
                    _ => Err(JsonError::Surrogate),
                },
                _ => Err(JsonError::Surrogate),
            },
            0xdc00..=0xdfff => Err(JsonError::Surrogate),
            _ => Ok(6),
        },
        _ => Err(JsonError::Character),
    }
}

/// Four hexadecimal digits: one UTF-16 code unit.
fn unit(digits: [u8; 4]) -> Result<u32, JsonError> {
    digits.iter().try_fold(0_u32, |unit, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(JsonError::Character)?;
        Ok(unit.wrapping_shl(4) | digit)
    })
}
