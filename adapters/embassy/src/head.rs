//! The head of a request: httparse takes it apart, after every byte was looked at here.
//!
//! httparse knows no limits, takes lines that end without a carriage return, and passes over empty
//! lines in front. So the bytes pass a [`Watch`] first.

use portcullis_core::{limits, message::RequestHead};

use crate::{
    framing::{Framing, FramingError},
    link::{LinkError, Sink},
};

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
    /// Where its body ends is not known.
    Framing(FramingError),
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
            Self::Framing(error) => Some(error.status()),
            Self::Closed => None,
        }
    }
}

/// A head on its way in; it takes no byte behind its end.
pub(crate) struct Incoming<'b> {
    buffer: &'b mut [u8],
    len: usize,
    watch: Watch,
    /// Why the last byte was refused.
    fault: Option<HeadError>,
}

impl<'b> Incoming<'b> {
    pub(crate) const fn new(limits: HeadLimits, buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, watch: Watch::new(limits), fault: None }
    }

    fn take(&mut self, byte: u8) -> Result<bool, HeadError> {
        let is_last = self.watch.accept(byte)?;
        *self.buffer.get_mut(self.len).ok_or(HeadError::Section)? = byte;
        self.len = self.len.saturating_add(1);
        Ok(is_last)
    }

    /// Takes the head apart, after it was `received`; with at most `FIELDS` fields.
    #[inline(never)]
    pub(crate) fn end<const FIELDS: usize>(
        self,
        received: Result<(), LinkError>,
    ) -> Result<Head<'b>, HeadError> {
        received.map_err(|error| match error {
            LinkError::Deadline => HeadError::Deadline,
            LinkError::Closed => HeadError::Closed,
        })?;
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let bytes = self.buffer.get(..self.len).ok_or(HeadError::Section)?;
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        request.parse(bytes).map_err(|error| match error {
            httparse::Error::TooManyHeaders => HeadError::Section,
            _ => HeadError::Malformed,
        })?;
        let (Some(method), Some(target), Some(version)) =
            (request.method, request.path, request.version)
        else {
            return Err(HeadError::Malformed);
        };
        let fields = || request.headers.iter().map(|field| (field.name, field.value));
        let framing = Framing::read(version == 1, fields()).map_err(HeadError::Framing)?;
        Ok(Head { request: RequestHead::new(method, target, fields()), framing })
    }
}

impl Sink for Incoming<'_> {
    fn accept(&mut self, byte: u8) -> bool {
        match self.take(byte) {
            Ok(is_last) => is_last,
            Err(fault) => {
                self.fault = Some(fault);
                true
            }
        }
    }
}

/// A head that was understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'b> {
    pub(crate) request: RequestHead<'b>,
    pub(crate) framing: Framing,
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
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    RequestLine,
    Section,
}

impl Watch {
    const fn new(limits: HeadLimits) -> Self {
        let place = Place::RequestLine;
        Self { limits, place, previous: 0, len: 0, line_len: 0, fields: 0 }
    }

    /// Looks at the next byte; says whether it is the last one of the head.
    fn accept(&mut self, byte: u8) -> Result<bool, HeadError> {
        self.len = self.len.saturating_add(1);
        let (len_max, too_long) = match self.place {
            Place::RequestLine => (self.limits.request_line_len_max, HeadError::RequestLine),
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
        match (self.place, byte) {
            (_, b'\n') => return self.end_line(),
            (_, b'\r') => return Ok(false),
            // SEC-410, SEC-412.
            (Place::Section, _) | (Place::RequestLine, b' '..=b'~') => {}
            (Place::RequestLine, _) => return Err(HeadError::Malformed),
        }
        self.line_len = self.line_len.saturating_add(1);
        Ok(false)
    }

    fn end_line(&mut self) -> Result<bool, HeadError> {
        match (self.place, core::mem::take(&mut self.line_len)) {
            (Place::RequestLine, 0) => Err(HeadError::Malformed),
            (Place::RequestLine, _) => {
                self.place = Place::Section;
                self.len = 0;
                Ok(false)
            }
            (Place::Section, 0) => Ok(true),
            (Place::Section, _) => {
                self.fields = self.fields.saturating_add(1);
                if self.fields > self.limits.fields_max {
                    return Err(HeadError::Section);
                }
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;
