//! The head of a request: edge-http parses it, after every byte was looked at here.
//!
//! edge-http takes lines that end without a carriage return, has one limit for the whole head and
//! forgets how a method was spelled. So the bytes pass a [`Watch`] on their way to it.

use edge_http::{RequestHeaders, io::Error};
use embedded_io_async::{ErrorType, Read};
use portcullis_core::limits;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest request line in bytes (LIM-1).
    pub request_line_len_max: usize,
    /// Longest header section in bytes (LIM-2).
    pub section_len_max: usize,
    /// Most header fields (LIM-3).
    pub fields_max: usize,
}

impl HeadLimits {
    /// For a microcontroller.
    pub const SMALL: Self = Self {
        request_line_len_max: limits::REQUEST_LINE_LEN_MAX,
        section_len_max: limits::HEADER_SECTION_LEN_MAX,
        fields_max: limits::HEADER_FIELDS_MAX,
    };
}

/// Longest method that is looked at; none that is registered is longer.
const METHOD_LEN_MAX: usize = 24;
/// A method as it was spelled.
pub(crate) type Method = heapless::String<METHOD_LEN_MAX>;

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// Not HTTP/1.x (SEC-403 … 411).
    Malformed,
    /// The request line is too long (LIM-1).
    RequestLine,
    /// The header section is too long, or has too many fields (LIM-2, LIM-3).
    Section,
    /// Not complete in time (LIM-13).
    Deadline,
    /// The peer went away.
    Closed,
}

impl HeadError {
    /// The status to answer with, if there is anybody to answer.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Malformed => Some(400),
            Self::RequestLine => Some(414),
            Self::Section => Some(431),
            Self::Deadline => Some(408),
            Self::Closed => None,
        }
    }
}

/// Receives one head; no byte behind it is read from `input`.
pub(crate) async fn receive<'b, R: Read, const N: usize>(
    input: &mut R,
    limits: HeadLimits,
    buffer: &'b mut [u8],
) -> Result<(RequestHeaders<'b, N>, Method), HeadError> {
    let mut watched = Watched { input, watch: Watch::new(limits) };
    let mut head = RequestHeaders::new();
    let received = head.receive(buffer, &mut watched, true).await.map(|_| ());
    let Watch { fault, method, .. } = watched.watch;
    match (fault, received) {
        (Some(fault), _) => Err(fault),
        (None, Ok(())) => Ok((head, method)),
        (None, Err(Error::TooLongHeaders | Error::TooManyHeaders)) => Err(HeadError::Section),
        (None, Err(Error::ConnectionClosed | Error::IncompleteHeaders | Error::Io(_))) => {
            Err(HeadError::Closed)
        }
        (None, Err(_)) => Err(HeadError::Malformed),
    }
}

/// Hands on bytes as long as the watch accepts them; afterwards it is as if the peer were gone.
struct Watched<'i, R> {
    input: &'i mut R,
    watch: Watch,
}

impl<R: ErrorType> ErrorType for Watched<'_, R> {
    type Error = R::Error;
}

impl<R: Read> Read for Watched<'_, R> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, R::Error> {
        let len = self.input.read(buffer).await?;
        for byte in buffer.iter().take(len) {
            if let Err(fault) = self.watch.accept(*byte) {
                self.watch.fault = Some(fault);
                return Ok(0);
            }
        }
        Ok(len)
    }
}

/// What was seen of a head so far.
struct Watch {
    limits: HeadLimits,
    place: Place,
    previous: u8,
    /// Length of the request line, then of the section.
    len: usize,
    /// Length of the line.
    line_len: usize,
    fields: usize,
    method: Method,
    fault: Option<HeadError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Method,
    RequestLine,
    Section,
}

impl Watch {
    const fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            place: Place::Method,
            previous: 0,
            len: 0,
            line_len: 0,
            fields: 0,
            method: Method::new(),
            fault: None,
        }
    }

    fn accept(&mut self, byte: u8) -> Result<(), HeadError> {
        self.len = self.len.saturating_add(1);
        let (len_max, too_long) = match self.place {
            Place::Method | Place::RequestLine => {
                (self.limits.request_line_len_max, HeadError::RequestLine)
            }
            Place::Section => (self.limits.section_len_max, HeadError::Section),
        };
        if self.len > len_max {
            return Err(too_long);
        }
        // SEC-404, SEC-405: a line ends by CR LF, and neither stands anywhere else.
        if (byte == b'\n') != (self.previous == b'\r') {
            return Err(HeadError::Malformed);
        }
        self.previous = byte;
        match byte {
            b'\r' => Ok(()),
            b'\n' => self.end_line(),
            _ => self.accept_in_line(byte),
        }
    }

    fn accept_in_line(&mut self, byte: u8) -> Result<(), HeadError> {
        self.line_len = self.line_len.saturating_add(1);
        match (self.place, byte) {
            (Place::Section, _) => Ok(()),
            (Place::Method, b' ') => {
                self.place = Place::RequestLine;
                Ok(())
            }
            (Place::Method, _) if byte.is_ascii_graphic() => {
                self.method.push(char::from(byte)).map_err(|_| HeadError::Malformed)
            }
            // SEC-410, SEC-412.
            (Place::RequestLine, b' ' | b'!'..=b'~') => Ok(()),
            (Place::Method | Place::RequestLine, _) => Err(HeadError::Malformed),
        }
    }

    fn end_line(&mut self) -> Result<(), HeadError> {
        match self.place {
            Place::Method => return Err(HeadError::Malformed),
            Place::RequestLine => {
                self.place = Place::Section;
                self.len = 0;
            }
            Place::Section if self.line_len > 0 => {
                self.fields = self.fields.saturating_add(1);
                if self.fields > self.limits.fields_max {
                    return Err(HeadError::Section);
                }
            }
            Place::Section => {}
        }
        self.line_len = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
