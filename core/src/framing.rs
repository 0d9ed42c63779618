//! Where one request on a connection ends and the next one begins (RFC 9112), read strictly.
//!
//! For a host whose HTTP library forgives more than it tells: the library may drop a second
//! `Content-Length` before anybody sees it. [`Framing`] looks at the bytes in front of the library, and
//! what two readers could take for different requests goes no further (SEC-400 … 418). It keeps nothing
//! of what it saw, and its limits are those of framing alone: how long a head or a body may be is for
//! the host to say.

use crate::bearer::is_token_byte;

/// Most bytes of one chunk's extension, which is passed over (SEC-408).
const EXTENSION_LEN_MAX: u16 = 64;
/// Most bytes of all trailer lines, which are passed over (SEC-409).
const TRAILER_LEN_MAX: u16 = 512;
/// Most digits of a chunk's size: more than any body that is accepted needs.
const SIZE_DIGITS_MAX: u8 = 8;
/// The two fields that frame; the longer name gives the length of what is kept of a name.
const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
const NAME_LEN_KEPT: usize = TRANSFER_ENCODING.len();
/// The one transfer coding.
const CHUNKED: &[u8] = b"chunked";
/// How a request line ends.
const VERSION_1_0: &[u8; 9] = b" HTTP/1.0";
const VERSION_1_1: &[u8; 9] = b" HTTP/1.1";

/// A reader of requests that are sent one after the other; it reads no answers.
#[derive(Clone, Debug)]
pub struct Framing {
    place: Place,
    head: Head,
}

/// A byte that cannot stand where it does, or fields that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// How many bytes in front of it were in order, of those that were given.
    pub at: usize,
    /// Where it is.
    pub part: Part,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The request line and the fields.
    Head,
    /// What follows them: the body and what frames it.
    Body,
}

/// What the head says so far.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    is_http_1_1: bool,
    length: Option<u64>,
    is_chunked: bool,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the request line, behind these bytes.
    RequestLine {
        tail: [u8; VERSION_1_1.len()],
    },
    /// At the start of a field line, or in its name: what is kept of it in lower case, and its length.
    Name {
        name: [u8; NAME_LEN_KEPT],
        len: usize,
    },
    /// In a value that does not matter here.
    Value,
    /// In a `Content-Length`.
    Length {
        value: Option<u64>,
        is_over: bool,
    },
    /// In a `Transfer-Encoding`, behind so many letters of `chunked`.
    Coding {
        matched: usize,
    },
    /// Behind the carriage return of a line of the head.
    LineEnd,
    /// Behind the carriage return that ends the head.
    HeadEnd,
    /// In a body, or a chunk, of which so much is left.
    Data {
        left: u64,
        is_chunk: bool,
    },
    Size {
        size: u32,
        digits: u8,
    },
    Extension {
        size: u32,
        len: u16,
    },
    SizeEnd {
        size: u32,
    },
    DataEnd,
    DataLineEnd,
    /// In a trailer line; `len` counts all of them.
    Trailer {
        len: u16,
        is_empty: bool,
    },
    TrailerEnd {
        len: u16,
        is_empty: bool,
    },
    /// Behind a violation.
    Over(Part),
}

const REQUEST_LINE: Place = Place::RequestLine { tail: [0; VERSION_1_1.len()] };
const FIELD_LINE: Place = Place::Name { name: [0; NAME_LEN_KEPT], len: 0 };
const CHUNK: Place = Place::Size { size: 0, digits: 0 };

/// The byte cannot stand here.
struct Wrong;

impl Framing {
    /// In front of the first request.
    pub const fn new() -> Self {
        let head = Head { is_http_1_1: false, length: None, is_chunked: false };
        Self { place: REQUEST_LINE, head }
    }

    /// Whether the next byte begins a request: all of those before it have ended.
    pub fn is_at_start(&self) -> bool {
        // No byte of a request line is zero.
        matches!(self.place, Place::RequestLine { tail: [.., 0] })
    }

    /// Looks at the next bytes, however they are cut. Behind a violation nothing is in order.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Place::Data { left, is_chunk } = self.place {
                rest = self.pass(rest, left, is_chunk);
                continue;
            }
            let (place, left) = self.place.run(rest);
            let Some((&byte, behind)) = left.split_first() else {
                self.place = place;
                break;
            };
            match self.step(place, byte) {
                Ok(next) => self.place = next,
                Err(Wrong) => {
                    let part = place.part();
                    self.place = Place::Over(part);
                    let at = bytes.len().saturating_sub(left.len());
                    return Err(Violation { at, part });
                }
            }
            rest = behind;
        }
        Ok(())
    }

    /// Passes over data; gives what is behind it.
    fn pass<'b>(&mut self, bytes: &'b [u8], left: u64, is_chunk: bool) -> &'b [u8] {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.place = match (left, is_chunk) {
            (0, true) => Place::DataEnd,
            (0, false) => self.next_request(),
            _ => Place::Data { left, is_chunk },
        };
        bytes.get(count..).unwrap_or_default()
    }

    fn next_request(&mut self) -> Place {
        self.head = Head::default();
        REQUEST_LINE
    }

    /// What a byte at which no run goes on leads to.
    fn step(&mut self, place: Place, byte: u8) -> Result<Place, Wrong> {
        Ok(match (place, byte) {
            (Place::RequestLine { tail }, b'\r') => {
                self.head.is_http_1_1 = &tail == VERSION_1_1;
                holds(self.head.is_http_1_1 || &tail == VERSION_1_0, Place::LineEnd)?
            }
            (Place::Name { len: 0, .. }, b'\r') => Place::HeadEnd,
            (Place::Name { name, len }, b':') => match name.get(..len) {
                Some([]) => return Err(Wrong),
                Some(CONTENT_LENGTH) => Place::Length { value: None, is_over: false },
                Some(TRANSFER_ENCODING) => Place::Coding { matched: 0 },
                // Longer than either name, or another one.
                _ => Place::Value,
            },
            (Place::Value, b'\r') => Place::LineEnd,
            (Place::Length { value, is_over }, _) => self.length(value, is_over, byte)?,
            (Place::Coding { matched }, _) => self.coding(matched, byte)?,
            (Place::LineEnd, b'\n') => FIELD_LINE,
            (Place::HeadEnd, b'\n') => match self.head {
                Head { is_chunked: true, .. } => CHUNK,
                Head { length: Some(left @ 1..), .. } => Place::Data { left, is_chunk: false },
                _ => self.next_request(),
            },
            (Place::TrailerEnd { is_empty: true, .. }, b'\n') => self.next_request(),
            _ => return chunk_step(place, byte),
        })
    }

    /// SEC-401: one plain decimal within 64 bits, without a leading zero.
    fn length(&mut self, value: Option<u64>, is_over: bool, byte: u8) -> Result<Place, Wrong> {
        match byte {
            b'0'..=b'9' if !is_over && value != Some(0) => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                let grown = value.unwrap_or_default().checked_mul(10).ok_or(Wrong)?;
                let value = Some(grown.checked_add(digit).ok_or(Wrong)?);
                Ok(Place::Length { value, is_over })
            }
            b' ' | b'\t' => Ok(Place::Length { value, is_over: value.is_some() }),
            b'\r' if value.is_some() && self.head.length.is_none() && !self.head.is_chunked => {
                self.head.length = value;
                Ok(Place::LineEnd)
            }
            _ => Err(Wrong),
        }
    }

    /// SEC-402: one `chunked`, on HTTP/1.1, and no length (SEC-400).
    fn coding(&mut self, matched: usize, byte: u8) -> Result<Place, Wrong> {
        let Head { is_http_1_1, length, is_chunked } = self.head;
        match byte {
            b' ' | b'\t' if matched == 0 || matched == CHUNKED.len() => {
                Ok(Place::Coding { matched })
            }
            b'\r' if matched == CHUNKED.len() => {
                self.head.is_chunked = true;
                holds(is_http_1_1 && length.is_none() && !is_chunked, Place::LineEnd)
            }
            _ => {
                let is_next = CHUNKED.get(matched) == Some(&byte.to_ascii_lowercase());
                holds(is_next, Place::Coding { matched: matched.saturating_add(1) })
            }
        }
    }
}

impl Default for Framing {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// Takes the bytes of one kind that most of a head is made of: a byte at a time is slow. Gives what is behind them.
    fn run(self, bytes: &[u8]) -> (Self, &[u8]) {
        match self {
            Self::RequestLine { mut tail } => {
                let (run, behind) = split_while(bytes, is_line_byte);
                if let Some(last) = run.last_chunk() {
                    tail = *last;
                } else {
                    for byte in run {
                        tail.rotate_left(1);
                        let [.., last] = &mut tail;
                        *last = *byte;
                    }
                }
                (Self::RequestLine { tail }, behind)
            }
            Self::Name { mut name, len } => {
                let (run, behind) = split_while(bytes, is_token_byte);
                let room = name.get_mut(len..).unwrap_or_default();
                for (kept, byte) in room.iter_mut().zip(run) {
                    *kept = byte.to_ascii_lowercase();
                }
                (Self::Name { name, len: len.saturating_add(run.len()) }, behind)
            }
            Self::Value => (self, split_while(bytes, is_value_byte).1),
            _ => (self, bytes),
        }
    }

    const fn part(self) -> Part {
        match self {
            Self::RequestLine { .. }
            | Self::Name { .. }
            | Self::Value
            | Self::Length { .. }
            | Self::Coding { .. }
            | Self::LineEnd
            | Self::HeadEnd => Part::Head,
            Self::Over(part) => part,
            _ => Part::Body,
        }
    }
}

/// A byte of what frames a chunked body (RFC 9112 §7.1).
fn chunk_step(place: Place, byte: u8) -> Result<Place, Wrong> {
    Ok(match (place, byte) {
        (Place::Size { size, digits: 1.. }, b'\r') => Place::SizeEnd { size },
        (Place::Size { size, digits: 1.. }, b';') => Place::Extension { size, len: 0 },
        (Place::Size { size, digits }, _) if digits < SIZE_DIGITS_MAX => {
            let digit = char::from(byte).to_digit(16).ok_or(Wrong)?;
            // At most eight digits fill the 32 bits.
            Place::Size { size: size.wrapping_shl(4) | digit, digits: digits.saturating_add(1) }
        }
        (Place::Extension { size, .. }, b'\r') => Place::SizeEnd { size },
        (Place::Extension { size, len }, b'\t' | b' '..=b'~') if len < EXTENSION_LEN_MAX => {
            Place::Extension { size, len: len.saturating_add(1) }
        }
        (Place::SizeEnd { size: 0 }, b'\n') => Place::Trailer { len: 0, is_empty: true },
        (Place::SizeEnd { size }, b'\n') => Place::Data { left: size.into(), is_chunk: true },
        (Place::DataEnd, b'\r') => Place::DataLineEnd,
        (Place::DataLineEnd, b'\n') => CHUNK,
        (Place::Trailer { len, is_empty }, b'\r') => Place::TrailerEnd { len, is_empty },
        (Place::Trailer { len, .. }, _) if is_value_byte(byte) && len < TRAILER_LEN_MAX => {
            Place::Trailer { len: len.saturating_add(1), is_empty: false }
        }
        (Place::TrailerEnd { len, is_empty: false }, b'\n') => {
            Place::Trailer { len, is_empty: true }
        }
        _ => return Err(Wrong),
    })
}

/// SEC-412: a fragment is not sent, and readers drop it.
const fn is_line_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'#'
}

const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// The bytes of one kind at the start, and what is behind them.
fn split_while(bytes: &[u8], is_kind: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let len = bytes.iter().position(|byte| !is_kind(*byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(len).unwrap_or((bytes, &[]))
}

const fn holds(is_so: bool, place: Place) -> Result<Place, Wrong> {
    if is_so { Ok(place) } else { Err(Wrong) }
}

#[cfg(test)]
mod tests;
