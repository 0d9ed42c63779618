//! A connection: bytes that were read ahead, and a deadline on everything that waits for the peer.

use core::{future::poll_fn, pin::pin, task::Poll};

use embassy_time::{Duration, Instant, with_deadline};
use embedded_io_async::{Read, Write};
use portcullis_core::limits;

use crate::connections::Place;

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

/// Bytes that are read at once: they are looked at one by one, and a socket is slow to ask.
const AHEAD_LEN: usize = 128;

/// A connection. What was read of the next request is kept for it (SEC-414).
pub(crate) struct Link<'p, T> {
    io: T,
    /// Its place among all connections, where they are counted.
    place: Option<&'p Place<'p>>,
    deadlines: Deadlines,
    until: Instant,
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

/// Takes what is received, and knows where it ends.
pub(crate) trait Sink {
    /// Takes the next byte; says whether it was the last one.
    fn accept(&mut self, byte: u8) -> bool;
}

impl<'p, T: Read + Write> Link<'p, T> {
    pub(crate) const fn new(io: T, deadlines: Deadlines, place: Option<&'p Place<'p>>) -> Self {
        let until = Instant::from_ticks(0);
        Self { io, place, deadlines, until, ahead: [0; AHEAD_LEN], start: 0, end: 0 }
    }

    pub(crate) const fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// Sets the deadline for all that follows.
    pub(crate) fn allow(&mut self, millis: u32) {
        self.until = Instant::now().saturating_add(Duration::from_millis(millis.into()));
    }

    /// Waits for the first byte of a request, or until the connection is to end.
    pub(crate) async fn wait(&mut self) -> Result<(), LinkError> {
        self.allow(self.deadlines.idle_millis);
        let place = self.place;
        if let Some(place) = place {
            place.rest();
        }
        let mut fill = pin!(self.fill());
        poll_fn(|context| match fill.as_mut().poll(context) {
            Poll::Pending if place.is_some_and(|place| place.ends(context.waker())) => {
                Poll::Ready(Err(LinkError::Closed))
            }
            polled => polled,
        })
        .await?;
        if let Some(place) = place {
            place.work();
        }
        Ok(())
    }

    /// Whether the connection is to end with the next answer, for the sake of others.
    pub(crate) fn is_last(&self) -> bool {
        self.place.is_some_and(Place::is_last)
    }

    /// Receives until `sink` has all.
    ///
    /// Not one byte behind is taken. The sink is no type parameter, so that this exists once.
    pub(crate) async fn receive(&mut self, sink: &mut dyn Sink) -> Result<(), LinkError> {
        while !self.drain(sink) {
            self.fill().await?;
        }
        Ok(())
    }

    /// Gives the sink what is there; says whether it has all.
    fn drain(&mut self, sink: &mut dyn Sink) -> bool {
        let there = self.ahead.get(self.start..self.end).unwrap_or_default();
        for byte in there {
            self.start = self.start.saturating_add(1);
            if sink.accept(*byte) {
                return true;
            }
        }
        false
    }

    /// Waits until there are bytes ahead.
    async fn fill(&mut self) -> Result<(), LinkError> {
        if self.start < self.end {
            return Ok(());
        }
        self.start = 0;
        self.end = 0;
        match with_deadline(self.until, self.io.read(&mut self.ahead)).await {
            Ok(Ok(len @ 1..)) => {
                self.end = len.min(AHEAD_LEN);
                Ok(())
            }
            Ok(Ok(0) | Err(_)) => Err(LinkError::Closed),
            Err(_) => Err(LinkError::Deadline),
        }
    }

    /// Sends all bytes.
    pub(crate) async fn send(&mut self, mut bytes: &[u8]) -> Result<(), LinkError> {
        while !bytes.is_empty() {
            match with_deadline(self.until, self.io.write(bytes)).await {
                Ok(Ok(len @ 1..)) => bytes = bytes.get(len..).unwrap_or_default(),
                Ok(Ok(0) | Err(_)) => return Err(LinkError::Closed),
                Err(_) => return Err(LinkError::Deadline),
            }
        }
        Ok(())
    }

    /// Waits until the peer has all that was sent.
    pub(crate) async fn flush(&mut self) -> Result<(), LinkError> {
        match with_deadline(self.until, self.io.flush()).await {
            Ok(flushed) => flushed.map_err(|_| LinkError::Closed),
            Err(_) => Err(LinkError::Deadline),
        }
    }
}
