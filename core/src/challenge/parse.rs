//! The challenges of a response, as a client reads them (RFC 9110 §11.6.1, CL-02).
//!
//! A stranger wrote them, so that the rules are strict and every fault costs the sender, never us:
//! a parameter named twice, or more than [`PARAMS_MAX`] of them, and the challenge is passed over; a
//! fault in the syntax, and so is the challenge it stands in with the rest of the line; after
//! [`CHALLENGES_MAX`] challenges nothing more is read. What came before a fault stays.

mod bearer;
mod cursor;

pub use bearer::{BearerChallenge, bearer};

use crate::encoding::scratch::{BufferFull, Scratch};
use cursor::Cursor;

/// Most challenges of one response that are looked at.
pub const CHALLENGES_MAX: usize = 16;
/// Most parameters of one challenge.
pub const PARAMS_MAX: usize = 16;

/// The well-formed challenges of all `WWW-Authenticate` lines of a response, in order.
#[derive(Clone, Debug)]
pub struct Challenges<'h, L> {
    lines: L,
    line: Cursor<'h>,
    seen: usize,
}

impl<'h, L: Iterator<Item = &'h [u8]>> Challenges<'h, L> {
    /// Reads the values of these lines. A line may hold several challenges.
    pub fn parse(lines: impl IntoIterator<IntoIter = L>) -> Self {
        Self { lines: lines.into_iter(), line: Cursor::new(b""), seen: 0 }
    }
}

impl<'h, L: Iterator<Item = &'h [u8]>> Iterator for Challenges<'h, L> {
    type Item = ParsedChallenge<'h>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.skip_gap();
            if self.line.is_at_end() {
                self.line = Cursor::new(self.lines.next()?);
                continue;
            }
            self.seen = self.seen.checked_add(1).filter(|seen| *seen <= CHALLENGES_MAX)?;
            match ParsedChallenge::read(&mut self.line) {
                Ok(Some(challenge)) => return Some(challenge),
                Ok(None) => {}
                Err(Fault) => self.line = Cursor::new(b""),
            }
        }
    }
}

/// One challenge: a scheme, and either a token68 or parameters of which none occurs twice.
#[derive(Clone, Copy, Debug)]
pub struct ParsedChallenge<'h> {
    scheme: &'h str,
    content: Content<'h>,
}

#[derive(Clone, Copy, Debug)]
enum Content<'h> {
    Token68(&'h str),
    /// Only well-formed parameters, so that they can be read again and again.
    Params(Cursor<'h>),
}

impl<'h> ParsedChallenge<'h> {
    /// The scheme as received; see [`ParsedChallenge::is`].
    pub const fn scheme(&self) -> &'h str {
        self.scheme
    }

    /// Whether this is the scheme, in any case (RFC 9110 §11.1).
    pub const fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The token68 of a challenge that has one instead of parameters.
    pub const fn token68(&self) -> Option<&'h str> {
        match self.content {
            Content::Token68(text) => Some(text),
            Content::Params(_) => None,
        }
    }

    /// The parameters in order.
    pub const fn params(&self) -> Params<'h> {
        Params(match self.content {
            Content::Token68(_) => Cursor::new(b""),
            Content::Params(params) => params,
        })
    }

    /// The parameter of this name, in any case (RFC 9110 §11.2).
    pub fn param(&self, name: &str) -> Option<ParamValue<'h>> {
        self.params().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// Reads one challenge; `None` when it is well-formed and yet to be passed over.
    fn read(line: &mut Cursor<'h>) -> Result<Option<Self>, Fault> {
        let scheme = line.token().ok_or(Fault)?;
        if !line.skip_blanks() {
            // Without a blank nothing belongs to it: a comma follows, or a fault.
            let content = Content::Params(Cursor::new(b""));
            return if line.is_at_element_end() {
                Ok(Some(Self { scheme, content }))
            } else {
                Err(Fault)
            };
        }
        if let Some(text) = line.token68_element() {
            return Ok(Some(Self { scheme, content: Content::Token68(text) }));
        }
        let start = *line;
        let mut sound = true;
        let mut count: usize = 0;
        let mut end = *line;
        loop {
            line.skip_gap();
            if !line.is_at_param() {
                break;
            }
            let param = Param::read(line)?;
            // Beyond the limit there is nothing to compare: the challenge is lost already.
            count = count.saturating_add(1);
            sound = sound && count <= PARAMS_MAX && !Params(start.until(&end)).has(param.name);
            end = *line;
        }
        if !line.is_at_end() && !line.is_behind_comma(&end) {
            return Err(Fault);
        }
        Ok(sound.then_some(Self { scheme, content: Content::Params(start.until(&end)) }))
    }
}

/// The parameters of one challenge.
#[derive(Clone, Debug)]
pub struct Params<'h>(Cursor<'h>);

impl Params<'_> {
    fn has(mut self, name: &str) -> bool {
        self.any(|param| param.name.eq_ignore_ascii_case(name))
    }
}

impl<'h> Iterator for Params<'h> {
    type Item = Param<'h>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.skip_gap();
        Param::read(&mut self.0).ok()
    }
}

/// `auth-param` (RFC 9110 §11.2).
#[derive(Clone, Copy, Debug)]
pub struct Param<'h> {
    /// The name as received; names are the same in any case.
    pub name: &'h str,
    /// The value.
    pub value: ParamValue<'h>,
}

impl<'h> Param<'h> {
    fn read(line: &mut Cursor<'h>) -> Result<Self, Fault> {
        let name = line.token().ok_or(Fault)?;
        line.skip_blanks();
        line.eat(b'=').ok_or(Fault)?;
        line.skip_blanks();
        let value = match line.quoted_string() {
            Some(quoted) => ParamValue(Spelling::Quoted(quoted)),
            None => ParamValue(Spelling::Token(line.token().ok_or(Fault)?)),
        };
        line.skip_blanks();
        if line.is_at_element_end() { Ok(Self { name, value }) } else { Err(Fault) }
    }
}

/// The value of a parameter, spelled as a token or as a quoted string.
#[derive(Clone, Copy, Debug)]
pub struct ParamValue<'h>(Spelling<'h>);

#[derive(Clone, Copy, Debug)]
enum Spelling<'h> {
    Token(&'h str),
    /// What stands between the quotes, escapes kept.
    Quoted(&'h [u8]),
}

impl<'h> ParamValue<'h> {
    /// The bytes of the value, escapes resolved (RFC 9110 §5.6.4).
    pub fn bytes(self) -> impl Iterator<Item = u8> + use<'h> {
        let (raw, quoted) = match self.0 {
            Spelling::Token(text) => (text.as_bytes(), false),
            Spelling::Quoted(raw) => (raw, true),
        };
        let mut raw = raw.iter().copied();
        core::iter::from_fn(move || match raw.next() {
            Some(b'\\') if quoted => raw.next(),
            byte => byte,
        })
    }

    /// The value as text: borrowed where nothing is escaped, else copied to `scratch`.
    ///
    /// `None` when it is not UTF-8: no character set is guessed.
    pub fn read<'s>(self, scratch: &mut Scratch<'s>) -> Result<Option<&'s str>, BufferFull>
    where
        'h: 's,
    {
        let bytes = match self.0 {
            Spelling::Token(text) => return Ok(Some(text)),
            Spelling::Quoted(raw) if !raw.contains(&b'\\') => raw,
            Spelling::Quoted(_) => {
                let copy = scratch.take(self.bytes().count())?;
                copy.iter_mut().zip(self.bytes()).for_each(|(to, from)| *to = from);
                copy
            }
        };
        Ok(core::str::from_utf8(bytes).ok())
    }
}

/// The line is not well-formed from here on.
struct Fault;

#[cfg(test)]
mod tests;
