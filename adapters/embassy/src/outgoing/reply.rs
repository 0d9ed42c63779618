//! One answer, read strictly into one buffer: its head first, then its body in the same place (SEC-420, SEC-522).

use embedded_io_async::Read;
use portcullis_core::message::{Field, IncomingResponse};

use crate::{
    chunked::{Chunks, Step},
    framing::{Extent, Framing},
};

/// Most header fields of an answer.
const FIELDS_MAX: usize = 32;
/// Most interim answers (1xx) before the one that counts.
const INTERIM_MAX: usize = 4;

/// What was read; the body lies at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whether the body says that it is JSON.
    pub(crate) is_json: bool,
    pub(crate) body_len: usize,
    /// Whether the connection may be used again.
    pub(crate) keeps_open: bool,
}

/// Why there is no answer. The connection is of no use any more, whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyError {
    /// Not one byte came: the peer had closed the connection.
    Nothing,
    /// It broke off.
    Broken,
    /// Not HTTP/1.x, or with an end that is not known for sure.
    Malformed,
    /// More bytes, fields or interim answers than there is room for (LIM-11).
    TooLong,
}

/// Reads one answer to its end and no byte further.
///
/// `body_len_max` bounds its body (LIM-11), beside the buffer. `watch` is shown the fields of the head, which the
/// body then takes the place of; nothing of an interim answer.
pub(crate) async fn receive<R: Read>(
    input: &mut R,
    buffer: &mut [u8],
    body_len_max: usize,
    mut watch: impl FnMut(&str, &[u8]),
) -> Result<Reply, ReplyError> {
    for _ in 0..=INTERIM_MAX {
        let len = receive_head(input, buffer).await?;
        let head = Head::read(buffer.get(..len).unwrap_or_default(), &mut watch)?;
        // Nothing was offered that could be switched to.
        if head.status == 101 {
            return Err(ReplyError::Malformed);
        }
        if head.status >= 200 {
            let room = body_len_max.min(buffer.len());
            let room = buffer.get_mut(..room).unwrap_or_default();
            let body_len = match head.extent {
                Extent::Length(len) => receive_length(input, len, room).await?,
                Extent::Chunked => receive_chunks(input, room).await?,
            };
            let Head { status, is_json, keeps_open, .. } = head;
            return Ok(Reply { status, is_json, body_len, keeps_open });
        }
    }
    Err(ReplyError::TooLong)
}

/// Reads until the empty line; a line ends by CR LF, and neither stands anywhere else (SEC-404, SEC-405).
async fn receive_head<R: Read>(input: &mut R, buffer: &mut [u8]) -> Result<usize, ReplyError> {
    let (mut previous, mut line_len) = (0, 0_usize);
    for (index, place) in (0_usize..).zip(buffer.iter_mut()) {
        let byte = match next(input).await {
            Err(ReplyError::Broken) if index == 0 => return Err(ReplyError::Nothing),
            byte => byte?,
        };
        if (byte == b'\n') != (previous == b'\r') {
            return Err(ReplyError::Malformed);
        }
        *place = byte;
        previous = byte;
        match byte {
            b'\n' if line_len == 0 => return Ok(index.saturating_add(1)),
            b'\n' => line_len = 0,
            b'\r' => {}
            _ => line_len = line_len.saturating_add(1),
        }
    }
    Err(ReplyError::TooLong)
}

struct Head {
    status: u16,
    is_json: bool,
    keeps_open: bool,
    extent: Extent,
}

impl Head {
    fn read(bytes: &[u8], watch: &mut impl FnMut(&str, &[u8])) -> Result<Self, ReplyError> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut fields);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(ReplyError::TooLong),
            Ok(_) | Err(_) => return Err(ReplyError::Malformed),
        }
        let status = parsed.code.ok_or(ReplyError::Malformed)?;
        let is_http_1_1 = parsed.version == Some(1);
        let fields = || parsed.headers.iter().map(|field| (field.name, field.value));
        let framing = Framing::read(is_http_1_1, fields()).map_err(|_| ReplyError::Malformed)?;
        let is = |name: &str, known: &str| name.eq_ignore_ascii_case(known);
        let is_framed = |name| is(name, "content-length") || is(name, "transfer-encoding");
        let (mut has_end, mut content_type) = (false, Field::Absent);
        for (name, value) in fields() {
            has_end |= is_framed(name);
            if is(name, "content-type") {
                content_type = match content_type {
                    Field::Absent => Field::One(value),
                    Field::One(_) | Field::Repeated => Field::Repeated,
                };
            }
            // None was accepted; what is compressed cannot be read.
            if is(name, "content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
                return Err(ReplyError::Malformed);
            }
        }
        let has_no_body = matches!(status, 100..=199 | 204 | 205 | 304);
        // A body that must not be there would be read as the next answer (SEC-419); one up to the end of the connection
        // may have been cut.
        if (has_no_body && framing.has_body()) || (!has_no_body && !has_end) {
            return Err(ReplyError::Malformed);
        }
        if status >= 200 {
            fields().for_each(|(name, value)| watch(name, value));
        }
        let is_json = IncomingResponse { status, content_type, body: &[] }.is_json();
        Ok(Self { status, is_json, keeps_open: !framing.closes, extent: framing.extent })
    }
}

async fn receive_length<R: Read>(
    input: &mut R,
    len: u64,
    buffer: &mut [u8],
) -> Result<usize, ReplyError> {
    let len = usize::try_from(len).map_err(|_| ReplyError::TooLong)?;
    // Refused from the number (SEC-443).
    let room = buffer.get_mut(..len).ok_or(ReplyError::TooLong)?;
    input.read_exact(room).await.map_err(|_| ReplyError::Broken)?;
    Ok(len)
}

async fn receive_chunks<R: Read>(input: &mut R, buffer: &mut [u8]) -> Result<usize, ReplyError> {
    let (mut chunks, mut len) = (Chunks::new(), 0_usize);
    loop {
        let byte = next(input).await?;
        match chunks.accept(byte).map_err(|_| ReplyError::Malformed)? {
            Step::Framing => {}
            Step::End => return Ok(len),
            Step::Data => {
                *buffer.get_mut(len).ok_or(ReplyError::TooLong)? = byte;
                len = len.saturating_add(1);
            }
        }
    }
}

async fn next<R: Read>(input: &mut R) -> Result<u8, ReplyError> {
    let mut byte = [0];
    match input.read(&mut byte).await {
        Ok(1..) => Ok(u8::from_ne_bytes(byte)),
        Ok(0) | Err(_) => Err(ReplyError::Broken),
    }
}

#[cfg(test)]
mod tests;
