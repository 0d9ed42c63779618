//! An event stream of bounded events.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::{Stream, stream::BoxStream};
use http_body::Body;
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::{Sse, SseStream};

/// The events of a body. One that is longer than `len_max` bytes ends the stream with an error, before it is
/// kept in memory (SEC-483).
pub(super) fn events<B>(body: B, len_max: usize) -> BoxStream<'static, Result<Sse, SseError>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: fmt::Display,
{
    Box::pin(SseStream::from_bytes_stream(Bounded {
        body,
        meter: Meter::new(len_max),
        end: End::Open,
    }))
}

/// Why a stream ends before its time.
#[derive(Debug)]
enum StreamError {
    TooLong,
    Broken(String),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("an event is too long"),
            Self::Broken(why) => write!(f, "the stream broke: {why}"),
        }
    }
}

impl std::error::Error for StreamError {}

struct Bounded<B> {
    body: B,
    meter: Meter,
    end: End,
}

/// How far the end of a stream is.
#[derive(Clone, Copy)]
enum End {
    Open,
    /// The events before the one that is too long are out, the error is due.
    TooLong,
    Ended,
}

impl<B> Stream for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.end {
                End::Open => {}
                End::TooLong => {
                    self.end = End::Ended;
                    return Poll::Ready(Some(Err(StreamError::TooLong)));
                }
                End::Ended => return Poll::Ready(None),
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => self.end = End::Ended,
                Some(Err(error)) => {
                    self.end = End::Ended;
                    return Poll::Ready(Some(Err(StreamError::Broken(error.to_string()))));
                }
                Some(Ok(frame)) => {
                    let Ok(mut piece) = frame.into_data() else { continue };
                    let admitted = self.meter.admit(&piece);
                    if admitted < piece.len() {
                        self.end = End::TooLong;
                        piece.truncate(admitted);
                    }
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
        }
    }
}

/// Counts the bytes of the event that is on its way (WHATWG HTML §9.2.5): up to the line without content.
/// Whole comments do not count, since a quiet stream is kept open by them.
struct Meter {
    len_max: usize,
    /// Of the lines that are complete.
    event: usize,
    line: usize,
    is_comment: bool,
    after_return: bool,
}

impl Meter {
    const fn new(len_max: usize) -> Self {
        Self { len_max, event: 0, line: 0, is_comment: false, after_return: false }
    }

    /// How many bytes of the next piece are within the limit.
    fn admit(&mut self, piece: &[u8]) -> usize {
        let too_long = piece.iter().position(|&byte| {
            let second_half = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => self.end_line(),
                byte => {
                    if self.line == 0 {
                        self.is_comment = byte == b':';
                    }
                    self.line = self.line.saturating_add(1);
                }
            }
            self.event.saturating_add(self.line) > self.len_max
        });
        too_long.unwrap_or(piece.len())
    }

    const fn end_line(&mut self) {
        match self.line {
            0 => self.event = 0,
            _ if self.is_comment => {}
            line => self.event = self.event.saturating_add(line),
        }
        self.line = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, len_max: usize, expected: bool) {
        // However the stream is cut, it is judged the same.
        for size in 1..=stream.len() {
            let mut meter = Meter::new(len_max);
            let admitted =
                stream.as_bytes().chunks(size).all(|piece| meter.admit(piece) == piece.len());
            assert_eq!(admitted, expected, "{stream:?} in pieces of {size}");
        }
    }

    #[test]
    fn sec_483_an_event_is_bounded_and_a_stream_is_not() {
        check("data: abcd\n\n", 10, true);
        check("data: abcde\n\n", 10, false);
        check("data: ab\ndata: cd\n\n", 16, true);
        check("data: ab\ndata: cde\n\n", 16, false);
        check(&"data: abcd\r\n\r\n".repeat(50), 10, true);
        check(&"data: abcd\r\n".repeat(2), 10, false);
        check("data: no end in sight", 10, false);
    }

    #[test]
    fn comments_do_not_add_up_but_are_bounded_too() {
        check(&": ping\n".repeat(50), 6, true);
        check(": pings\n", 6, false);
        check(&format!("data: abcd\n{}\n", ": ping\n".repeat(50)), 16, true);
    }
}
