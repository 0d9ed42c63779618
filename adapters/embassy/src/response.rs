//! Answers on their way out. They are rendered when they are sent, piece by piece, so that the longest
//! answer needs no more memory than the shortest.

use core::{
    fmt::{self, Display, Formatter, Write as _},
    pin::pin,
};

use edge_nal::with_timeout;
use embedded_io_async::{Read, Write};
use portcullis_core::resource_server::{Answer, Body, CrossOrigin};

use crate::{
    link::{Link, LinkError},
    service::Reply,
};

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'m, 's> {
    /// The core's answer, as it is.
    Answer(&'m Answer<'s>),
    /// The answer of the service behind.
    Reply(Reply<'s>, CrossOrigin<'s>),
    /// A status and nothing else: the request was not understood.
    Bare(u16),
}

/// A response: content and what framing adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response<'m, 's> {
    pub(crate) content: Content<'m, 's>,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
    /// Whether it answers `HEAD`: the same fields, no content (RFC 9110 §9.3.2).
    pub(crate) is_head: bool,
}

/// Bytes that are rendered and sent at once.
const PIECE_LEN: usize = 512;

impl Response<'_, '_> {
    /// Sends the response.
    pub(crate) async fn send<T: Read + Write>(&self, link: &mut Link<T>) -> Result<(), LinkError> {
        let deadline = link.deadlines().body_millis;
        let send = async {
            let mut sent = 0_usize;
            loop {
                let mut piece = Piece { before: sent, bytes: heapless::Vec::new() };
                // It fails on purpose when the piece is full.
                let _ = write!(piece, "{self}");
                if piece.bytes.is_empty() {
                    return link.flush().await;
                }
                link.send(&piece.bytes).await?;
                sent = sent.saturating_add(piece.bytes.len());
            }
        };
        with_timeout(deadline, pin!(send)).await.map_err(LinkError::from)
    }

    const fn status(&self) -> u16 {
        match &self.content {
            Content::Answer(answer) => answer.status(),
            Content::Reply(Reply::Accepted, _) => 202,
            Content::Reply(Reply::Mcp(_) | Reply::Text { .. }, _) => 200,
            Content::Reply(Reply::Reject(error), _) => error.status(),
            Content::Bare(status) => *status,
        }
    }

    fn write_fields(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Bare(_) => Ok(()),
            Content::Answer(answer) => {
                answer.fields().try_for_each(|(name, value)| write!(f, "{name}: {value}\r\n"))
            }
            Content::Reply(reply, cross_origin) => {
                let content_type = match reply {
                    Reply::Accepted => None,
                    Reply::Mcp(_) | Reply::Reject(_) => Some("application/json"),
                    Reply::Text { content_type, .. } => Some(content_type),
                };
                if let Some(content_type) = content_type {
                    write!(f, "content-type: {content_type}\r\n")?;
                }
                let mut fields = cross_origin.fields();
                fields.try_for_each(|(name, value)| write!(f, "{name}: {value}\r\n"))
            }
        }
    }
}

impl Display for Response<'_, '_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let status = self.status();
        write!(f, "HTTP/1.1 {status} {}\r\n", reason(status))?;
        self.write_fields(f)?;
        // RFC 9110 §8.6: 204 has no length.
        if status != 204 {
            let mut len = Length(0);
            write!(len, "{}", Payload(self.content))?;
            write!(f, "content-length: {}\r\n", len.0)?;
        }
        if self.closes {
            f.write_str("connection: close\r\n")?;
        }
        f.write_str("\r\n")?;
        if self.is_head { Ok(()) } else { Payload(self.content).fmt(f) }
    }
}

/// What stands behind the head.
struct Payload<'m, 's>(Content<'m, 's>);

impl Display for Payload<'_, '_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Content::Bare(_) | Content::Reply(Reply::Accepted, _) => Ok(()),
            Content::Answer(answer) => answer.body().fmt(f),
            Content::Reply(Reply::Mcp(reply), _) => reply.fmt(f),
            Content::Reply(Reply::Reject(error), _) => Body::Envelope(error).fmt(f),
            Content::Reply(Reply::Text { text, .. }, _) => f.write_str(text),
        }
    }
}

/// Counts what is written.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// The bytes behind the first `before`, as many as there is room for.
struct Piece {
    before: usize,
    bytes: heapless::Vec<u8, PIECE_LEN>,
}

impl fmt::Write for Piece {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let skipped = self.before.min(text.len());
        self.before = self.before.saturating_sub(skipped);
        let bytes = text.as_bytes().get(skipped..).unwrap_or_default();
        bytes.iter().try_for_each(|byte| self.bytes.push(*byte).map_err(|_| fmt::Error))
    }
}

/// For people who look at the wire; no program reads it.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        503 => "Service Unavailable",
        _ => "",
    }
}
