//! Answers on their way out. They are rendered when they are sent, piece by piece, so that the longest
//! answer needs no more memory than the shortest.

use core::fmt::{self, Display, Formatter, Write as _};

use embedded_io_async::{Read, Write};
use portcullis_core::resource_server::Answer;

use crate::link::{Link, LinkError};

/// An answer, and what framing adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response<'s> {
    pub(crate) answer: Answer<'s>,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
    /// Whether it answers `HEAD`: the same fields, no content (RFC 9110 §9.3.2).
    pub(crate) is_head: bool,
}

/// Bytes that are rendered and sent at once.
const PIECE_LEN: usize = 256;

impl Response<'_> {
    /// Sends the response.
    pub(crate) async fn send<T: Read + Write>(
        &self,
        link: &mut Link<'_, T>,
    ) -> Result<(), LinkError> {
        link.allow(link.deadlines().body_millis);
        let mut piece = Piece { sent: 0, before: 0, bytes: heapless::Vec::new() };
        while piece.render(self) {
            link.send(&piece.bytes).await?;
        }
        link.flush().await
    }
}

impl Display for Response<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let status = self.answer.status();
        write!(f, "HTTP/1.1 {status} {}\r\n", reason(status))?;
        for (name, value) in self.answer.fields() {
            write!(f, "{name}: {value}\r\n")?;
        }
        let body = self.answer.body();
        // RFC 9110 §8.6: 204 has no length.
        if status != 204 {
            let mut len = Length(0);
            write!(len, "{body}")?;
            write!(f, "content-length: {}\r\n", len.0)?;
        }
        f.write_str(if self.closes { "connection: close\r\n\r\n" } else { "\r\n" })?;
        if self.is_head { Ok(()) } else { body.fmt(f) }
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

/// A piece of a response.
struct Piece {
    /// Bytes that were sent in earlier pieces.
    sent: usize,
    /// How many of them are still to be passed over.
    before: usize,
    bytes: heapless::Vec<u8, PIECE_LEN>,
}

impl Piece {
    /// Renders the next piece; says whether there is one.
    #[inline(never)]
    fn render(&mut self, response: &Response<'_>) -> bool {
        self.sent = self.sent.saturating_add(self.bytes.len());
        self.before = self.sent;
        self.bytes.clear();
        // It fails on purpose when the piece is full.
        let _ = write!(self, "{response}");
        !self.bytes.is_empty()
    }
}

impl fmt::Write for Piece {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let skipped = self.before.min(text.len());
        self.before = self.before.saturating_sub(skipped);
        let bytes = text.as_bytes().get(skipped..).unwrap_or_default();
        let room = PIECE_LEN.saturating_sub(self.bytes.len());
        let fitting = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(fitting).map_err(|_| fmt::Error)?;
        if fitting.len() < bytes.len() { Err(fmt::Error) } else { Ok(()) }
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
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    }
}
