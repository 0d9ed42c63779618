//! The body of a request, read once and whole into the caller's buffer.

use embedded_io_async::{Read, Write};

use crate::{
    chunked::{Chunks, Step},
    framing::Extent,
    link::{Link, LinkError, Sink},
};

/// Why there is no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// More bytes than there is room for, announced or sent (LIM-10, SEC-443).
    TooLong,
    /// Not complete in time (LIM-14).
    Deadline,
    /// It broke off, or its chunks are wrong.
    Broken,
}

impl From<LinkError> for BodyError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Deadline => Self::Deadline,
            LinkError::Closed => Self::Broken,
        }
    }
}

/// Reads a body to its end, within the deadline that is set.
pub(crate) async fn read<'b, T: Read + Write>(
    link: &mut Link<'_, T>,
    extent: Extent,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], BodyError> {
    let form = match extent {
        Extent::Length(0) => return Ok(&[]),
        Extent::Length(left) => Form::Plain { left },
        Extent::Chunked => Form::Chunked(Chunks::new()),
    };
    let mut body = Body { buffer, len: 0, form, fault: None };
    link.receive(&mut body).await?;
    match body.fault {
        None => body.buffer.get(..body.len).ok_or(BodyError::TooLong),
        Some(fault) => Err(fault),
    }
}

/// What there is of a body so far.
struct Body<'b> {
    buffer: &'b mut [u8],
    len: usize,
    form: Form,
    fault: Option<BodyError>,
}

enum Form {
    Plain { left: u64 },
    Chunked(Chunks),
}

impl Sink for Body<'_> {
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

impl Body<'_> {
    fn take(&mut self, byte: u8) -> Result<bool, BodyError> {
        let is_last = match &mut self.form {
            Form::Plain { left } => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            Form::Chunked(chunks) => match chunks.accept(byte).map_err(|_| BodyError::Broken)? {
                Step::Framing => return Ok(false),
                Step::End => return Ok(true),
                Step::Data => false,
            },
        };
        *self.buffer.get_mut(self.len).ok_or(BodyError::TooLong)? = byte;
        self.len = self.len.saturating_add(1);
        Ok(is_last)
    }
}

/// Bytes that nobody will look at, so many that the connection can go on behind them.
pub(crate) struct Skipped(pub(crate) u64);

impl Sink for Skipped {
    fn accept(&mut self, _: u8) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 == 0
    }
}
