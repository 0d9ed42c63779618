//! A place in a field value, and the words of its grammar (RFC 9110 §5.6).

use crate::bearer::{is_token_byte, is_token68_byte};

/// What is left of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'h> {
    rest: &'h [u8],
}

impl<'h> Cursor<'h> {
    pub(super) const fn new(line: &'h [u8]) -> Self {
        Self { rest: line }
    }

    /// The piece from here to `end`, which lies behind on the same line.
    pub(super) fn until(self, end: &Self) -> Self {
        let len = self.rest.len().saturating_sub(end.rest.len());
        Self { rest: self.rest.get(..len).unwrap_or_default() }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether an element of the list ends here: with a comma or with the line.
    pub(super) const fn is_at_element_end(&self) -> bool {
        matches!(self.rest, [] | [b',', ..])
    }

    /// Whether a comma stands between `earlier` and here.
    pub(super) fn is_behind_comma(&self, earlier: &Self) -> bool {
        earlier.until(self).rest.contains(&b',')
    }

    /// Whether a parameter begins here, and not another challenge: a name, then `=`.
    pub(super) fn is_at_param(mut self) -> bool {
        self.token().is_some() && {
            self.skip_blanks();
            self.eat(b'=').is_some()
        }
    }

    /// Passes over blanks, and says whether there were any.
    pub(super) fn skip_blanks(&mut self) -> bool {
        !self.take_while(|byte| matches!(byte, b' ' | b'\t')).is_empty()
    }

    /// Passes over what may stand between two elements: commas, empty elements too, and blanks.
    pub(super) fn skip_gap(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b','));
    }

    pub(super) fn eat(&mut self, expected: u8) -> Option<()> {
        match self.rest {
            [byte, rest @ ..] if *byte == expected => {
                self.rest = rest;
                Some(())
            }
            _ => None,
        }
    }

    /// `token`.
    pub(super) fn token(&mut self) -> Option<&'h str> {
        text(self.take_while(is_token_byte))
    }

    /// `token68`, if it fills its element; else nothing is consumed.
    pub(super) fn token68_element(&mut self) -> Option<&'h str> {
        let mut end = *self;
        if end.take_while(is_token68_byte).is_empty() {
            return None;
        }
        end.take_while(|byte| byte == b'=');
        let token68 = self.until(&end).rest;
        end.skip_blanks();
        if !end.is_at_element_end() {
            return None;
        }
        *self = end;
        text(token68)
    }

    /// What stands between the quotes of a `quoted-string`, escapes kept; else nothing is consumed.
    pub(super) fn quoted_string(&mut self) -> Option<&'h [u8]> {
        let mut end = *self;
        end.eat(b'"')?;
        let start = end;
        loop {
            end.rest = match end.rest {
                [b'"', rest @ ..] => {
                    let content = start.until(&end).rest;
                    self.rest = rest;
                    return Some(content);
                }
                [b'\\', byte, rest @ ..] if is_quotable_byte(*byte) => rest,
                [byte, rest @ ..] if *byte != b'\\' && is_quotable_byte(*byte) => rest,
                _ => return None,
            };
        }
    }

    fn take_while(&mut self, matches: impl Fn(u8) -> bool) -> &'h [u8] {
        let len = self.rest.iter().take_while(|byte| matches(**byte)).count();
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or_default();
        self.rest = rest;
        taken
    }
}

/// A byte that may stand in a quoted string, escaped or not: no control character but the tab.
const fn is_quotable_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7E | 0x80..)
}

/// A piece of ASCII that is not empty.
fn text(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}
