//! The strict pull reader.

use super::{Elements, JsonError, JsonStr, Kind, Members};

/// The deepest nesting that the reader can keep track of: one bit for each level.
const DEPTH_MAX: u8 = 64;

/// Reads one document (RFC 8259) value by value, in the order of its text.
///
/// Needs no buffer and a constant piece of stack, however deep the document is nested (SEC-025).
/// Nothing is repaired or converted: no floating point, no replacement characters. A value must be
/// read before the reader goes on, so a member that could not be read can never pass as absent
/// (SEC-032), and only [`Reader::end`] says that the document was well-formed to its last byte.
pub struct Reader<'j> {
    rest: &'j str,
    /// For each open level, innermost lowest: 1 is an object, 0 an array.
    objects: u64,
    depth: u8,
    depth_max: u8,
    /// Whether a value comes next, as opposed to a comma, a closing bracket or the end.
    value_due: bool,
}

impl<'j> Reader<'j> {
    /// A reader of `document`, which may nest `depth_max` levels, 64 at most (LIM-6).
    ///
    /// The document must be UTF-8 without a byte order mark (RFC 8259 §8.1).
    pub fn new(document: &'j [u8], depth_max: u8) -> Result<Self, JsonError> {
        let rest = core::str::from_utf8(document).map_err(|_| JsonError::Utf8)?;
        if rest.starts_with('\u{feff}') {
            return Err(JsonError::Utf8);
        }
        let depth_max = depth_max.min(DEPTH_MAX);
        Ok(Self { rest, objects: 0, depth: 0, depth_max, value_due: true })
    }

    /// The kind of the next value, of which nothing is consumed.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, JsonError> {
        if !self.value_due {
            return Err(JsonError::Syntax);
        }
        self.pass_blanks();
        self.first().and_then(Kind::of).ok_or(JsonError::Syntax)
    }

    /// Enters an object of at most [`MEMBERS_MAX`](crate::limits::MEMBERS_MAX) members.
    pub fn object(&mut self) -> Result<Members<'j>, JsonError> {
        self.object_bounded()
    }

    /// Enters an object of at most `N` members.
    pub fn object_bounded<const N: usize>(&mut self) -> Result<Members<'j, N>, JsonError> {
        self.expect(Kind::Object)?;
        self.enter(true)?;
        Ok(Members::new(self.depth))
    }

    /// Enters an array.
    pub fn array(&mut self) -> Result<Elements, JsonError> {
        self.expect(Kind::Array)?;
        self.enter(false)?;
        Ok(Elements::new(self.depth))
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<JsonStr<'j>, JsonError> {
        self.expect(Kind::String)?;
        let (string, rest) = JsonStr::scan(self.behind_first())?;
        self.pass_value(rest);
        Ok(string)
    }

    /// Reads an integer: no fraction, no exponent, no `-0`, nothing out of range (SEC-029).
    pub fn integer(&mut self) -> Result<i64, JsonError> {
        let (text, rest) = self.integral()?;
        let value = text.parse().map_err(|_| JsonError::Number)?;
        self.pass_value(rest);
        Ok(value)
    }

    /// Reads an integer that is not negative, as [`Reader::integer`] does.
    pub fn unsigned(&mut self) -> Result<u64, JsonError> {
        let (text, rest) = self.integral()?;
        let value = text.parse().map_err(|_| JsonError::Number)?;
        self.pass_value(rest);
        Ok(value)
    }

    /// Reads any number as its checked text; it is never converted.
    pub fn number(&mut self) -> Result<&'j str, JsonError> {
        let (text, rest) = self.numeral()?;
        self.pass_value(rest);
        Ok(text)
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        self.expect(Kind::Bool)?;
        let value = self.first() == Some(b't');
        self.word(if value { "true" } else { "false" })?;
        Ok(value)
    }

    /// Reads `null`.
    pub fn null(&mut self) -> Result<(), JsonError> {
        self.expect(Kind::Null)?;
        self.word("null")
    }

    /// Passes over any value, checked as strictly as one that is read.
    ///
    /// Only names that occur twice are not looked for inside of it.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        let outer = self.depth;
        loop {
            let mut first = self.skip_start()?;
            loop {
                if self.depth == outer {
                    return Ok(());
                }
                let more = if self.is_in_object() {
                    self.next_member(self.depth, first)?.is_some()
                } else {
                    self.next_element(self.depth, first)?
                };
                if more {
                    break;
                }
                first = false;
            }
        }
    }

    /// Passes over any value like [`Reader::skip`] and gives its exact text.
    pub fn raw(&mut self) -> Result<&'j str, JsonError> {
        self.pass_blanks();
        let from = self.rest;
        self.skip()?;
        let len = from.len().saturating_sub(self.rest.len());
        from.get(..len).ok_or(JsonError::Syntax)
    }

    /// Ends the document: all of it was read, and only blanks follow (SEC-030).
    pub fn end(mut self) -> Result<(), JsonError> {
        if self.value_due || self.depth != 0 {
            return Err(JsonError::Syntax);
        }
        self.pass_blanks();
        if self.rest.is_empty() { Ok(()) } else { Err(JsonError::Trailing) }
    }

    /// The name of the next member of the object at `depth`; its value is then due.
    pub(super) fn next_member(
        &mut self,
        depth: u8,
        first: bool,
    ) -> Result<Option<JsonStr<'j>>, JsonError> {
        if !self.step(depth, first, true)? {
            return Ok(None);
        }
        self.pass_blanks();
        if self.first() != Some(b'"') {
            return Err(JsonError::Syntax);
        }
        let (name, rest) = JsonStr::scan(self.behind_first())?;
        self.rest = rest;
        self.pass_blanks();
        if self.first() != Some(b':') {
            return Err(JsonError::Syntax);
        }
        self.rest = self.behind_first();
        self.value_due = true;
        Ok(Some(name))
    }

    /// Whether the array at `depth` has one more element, which is then due.
    pub(super) fn next_element(&mut self, depth: u8, first: bool) -> Result<bool, JsonError> {
        let more = self.step(depth, first, false)?;
        self.value_due = more;
        Ok(more)
    }

    /// Goes to the next item of the innermost level, or leaves that level.
    ///
    /// The level must be the one the caller believes to be in.
    fn step(&mut self, depth: u8, first: bool, object: bool) -> Result<bool, JsonError> {
        if self.value_due || self.depth != depth || self.is_in_object() != object {
            return Err(JsonError::Syntax);
        }
        self.pass_blanks();
        let closing = if object { b'}' } else { b']' };
        match self.first() {
            Some(byte) if byte == closing => {
                self.objects = self.objects.wrapping_shr(1);
                self.depth = self.depth.saturating_sub(1);
                self.rest = self.behind_first();
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.rest = self.behind_first();
                Ok(true)
            }
            _ => Err(JsonError::Syntax),
        }
    }

    /// Passes over a value without parts, or enters one with parts; whether it did the latter.
    fn skip_start(&mut self) -> Result<bool, JsonError> {
        match self.peek()? {
            Kind::Object => self.enter(true).map(|()| true),
            Kind::Array => self.enter(false).map(|()| true),
            Kind::String => self.string().map(|_| false),
            Kind::Number => self.number().map(|_| false),
            Kind::Bool => self.boolean().map(|_| false),
            Kind::Null => self.null().map(|()| false),
        }
    }

    fn enter(&mut self, object: bool) -> Result<(), JsonError> {
        if self.depth >= self.depth_max {
            return Err(JsonError::Depth);
        }
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects.wrapping_shl(1) | u64::from(object);
        self.pass_value(self.behind_first());
        Ok(())
    }

    const fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    #[inline]
    fn expect(&mut self, kind: Kind) -> Result<(), JsonError> {
        if self.peek()? == kind { Ok(()) } else { Err(JsonError::Type) }
    }

    /// The text of the number that comes next, and what follows; nothing is consumed.
    fn numeral(&mut self) -> Result<(&'j str, &'j str), JsonError> {
        self.expect(Kind::Number)?;
        let len = number_len(self.rest.as_bytes()).ok_or(JsonError::Number)?;
        let (text, rest) = self.rest.split_at_checked(len).ok_or(JsonError::Number)?;
        if is_delimited(rest) { Ok((text, rest)) } else { Err(JsonError::Number) }
    }

    /// As [`Reader::numeral`], but only digits with at most a sign, and not `-0`.
    fn integral(&mut self) -> Result<(&'j str, &'j str), JsonError> {
        let (text, rest) = self.numeral()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if text == "-0" || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(JsonError::Number);
        }
        Ok((text, rest))
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        let rest = self.rest.strip_prefix(word).ok_or(JsonError::Syntax)?;
        if !is_delimited(rest) {
            return Err(JsonError::Syntax);
        }
        self.pass_value(rest);
        Ok(())
    }

    fn pass_value(&mut self, rest: &'j str) {
        self.rest = rest;
        self.value_due = false;
    }

    #[inline]
    fn pass_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.first() {
            self.rest = self.behind_first();
        }
    }

    #[inline]
    fn first(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// What follows the next byte, which must be ASCII.
    #[inline]
    fn behind_first(&self) -> &'j str {
        self.rest.get(1..).unwrap_or_default()
    }
}

impl core::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The document may hold a token.
        f.debug_struct("Reader")
            .field("rest_len", &self.rest.len())
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

/// Length of the number that `bytes` begins with (RFC 8259 §6).
fn number_len(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    rest = match rest {
        [b'0', rest @ ..] => rest,
        _ => digits(rest)?,
    };
    if let [b'.', fraction @ ..] = rest {
        rest = digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = match exponent {
            [b'+' | b'-', exponent @ ..] => digits(exponent)?,
            _ => digits(exponent)?,
        };
    }
    bytes.len().checked_sub(rest.len())
}

/// What follows one or more digits.
fn digits(bytes: &[u8]) -> Option<&[u8]> {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 { None } else { bytes.get(len..) }
}

/// Whether a number or word may end before `rest`.
fn is_delimited(rest: &str) -> bool {
    matches!(
        rest.as_bytes().first(),
        None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}')
    )
}
