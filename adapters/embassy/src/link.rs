//! A connection: bytes that were read ahead, and a deadline on everything that waits for the peer.

use core::pin::pin;

use edge_nal::{WithTimeoutError, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};
use portcullis_core::limits;

/// How long a peer may take; absolute, however it spreads its bytes (SEC-440).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For the whole head, from its first byte (LIM-13).
    pub head_millis: u32,
    /// For the whole body, and for taking the answer (LIM-14).
    pub body_millis: u32,
    /// Before the first byte of a request (LIM-14).
    pub idle_millis: u32,
}

impl Deadlines {
    /// For a microcontroller.
    pub const SMALL: Self = Self {
        head_millis: limits::HEAD_MILLIS_MAX,
        body_millis: limits::BODY_MILLIS_MAX,
        idle_millis: limits::IDLE_MILLIS_MAX,
    };
}

// Futures are pinned before they get a deadline: a future that is moved into another takes its room twice.

/// Bytes that are read at once: heads are looked at one by one, and a socket is slow to ask.
const AHEAD_LEN: usize = 128;

/// A connection. What was read of the next request is kept for it (SEC-414).
pub(crate) struct Link<T> {
    io: T,
    deadlines: Deadlines,
    ahead: [u8; AHEAD_LEN],
    start: usize,
    end: usize,
}

/// Something was not done in time, or cannot be done any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkError {
    Deadline,
    Closed,
}

impl<E> From<WithTimeoutError<E>> for LinkError {
    fn from(error: WithTimeoutError<E>) -> Self {
        match error {
            WithTimeoutError::Timeout => Self::Deadline,
            WithTimeoutError::Error(_) => Self::Closed,
        }
    }
}

impl<T: Read + Write> Link<T> {
    pub(crate) const fn new(io: T, deadlines: Deadlines) -> Self {
        Self { io, deadlines, ahead: [0; AHEAD_LEN], start: 0, end: 0 }
    }

    pub(crate) const fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// Waits for the first byte of a request.
    pub(crate) async fn wait(&mut self) -> Result<(), LinkError> {
        let idle_millis = self.deadlines.idle_millis;
        match with_timeout(idle_millis, pin!(self.fill())).await? {
            0 => Err(LinkError::Closed),
            _ => Ok(()),
        }
    }

    /// Sends all bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), T::Error> {
        self.io.write_all(bytes).await
    }

    pub(crate) async fn flush(&mut self) -> Result<(), T::Error> {
        self.io.flush().await
    }

    /// Bytes that are there to be read, after reading some if there were none; 0 at the end.
    async fn fill(&mut self) -> Result<usize, T::Error> {
        if self.start >= self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.io.read(&mut self.ahead).await?.min(AHEAD_LEN);
        }
        Ok(self.end.saturating_sub(self.start))
    }
}

impl<T: ErrorType> ErrorType for Link<T> {
    type Error = T::Error;
}

impl<T: Read + Write> Read for Link<T> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, T::Error> {
        self.fill().await?;
        let there = self.ahead.get(self.start..self.end).unwrap_or_default();
        let mut len = 0_usize;
        for (to, from) in buffer.iter_mut().zip(there) {
            *to = *from;
            len = len.saturating_add(1);
        }
        self.start = self.start.saturating_add(len);
        Ok(len)
    }
}
