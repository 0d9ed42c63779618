//! What carries a request: a connection to its destination, encrypted or, on the own machine, plain.

use core::pin::pin;

use edge_nal::{Close, TcpConnect, TcpShutdown, with_timeout};
use embassy_time::{Instant, with_deadline};
use embedded_io_async::{Read, Write};
use portcullis_core::time::UnixTime;

use super::Destination;

/// How long the last bytes of a connection may take to be taken.
const CLOSE_MILLIS_MAX: u32 = 1_000;

/// No connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// This transport does not go to this destination (SEC-372).
    Destination,
    /// Nobody is reached at the address.
    Connect,
    /// Whoever answers there does not prove to be its host, or speaks no TLS 1.3 that is spoken here.
    Handshake,
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Destination => "this transport does not go to this destination",
            Self::Connect => "the server is not reached",
            Self::Handshake => "the server does not prove who it is",
        })
    }
}

impl core::error::Error for OpenError {}

/// A way to connect to a destination.
pub trait Transport {
    /// Connects to the destination, lends the connection to `conversation`, and closes it.
    ///
    /// `now` is what certificates are compared with; `until` is when the connection has to be there. A connection is lent
    /// rather than given, so that it lies in one place: moving one costs an asynchronous task its size again.
    async fn converse<C: Conversation>(
        &mut self,
        destination: &Destination<'_>,
        now: UnixTime,
        until: Instant,
        conversation: C,
    ) -> Result<C::Outcome, OpenError>;
}

/// What is done over a connection that may carry credentials.
pub trait Conversation {
    /// What comes of it.
    type Outcome;

    /// Talks, and says how the connection is to be closed.
    async fn over<S: Read + Write>(self, connection: &mut S) -> (Self::Outcome, Closing);
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The peer is told, and waited for a short while.
    Orderly,
    /// Nothing more is expected from it.
    Abrupt,
}

/// Makes a TCP connection.
pub(super) async fn connect<'t, T: TcpConnect>(
    tcp: &'t T,
    destination: &Destination<'_>,
    until: Instant,
) -> Result<T::Socket<'t>, OpenError> {
    let connected = with_deadline(until, pin!(tcp.connect(destination.address()))).await;
    connected.ok().and_then(Result::ok).ok_or(OpenError::Connect)
}

/// Ends a TCP connection, so that its memory is free again.
pub(super) async fn close<S: TcpShutdown>(socket: &mut S, closing: Closing) {
    let is_closed = match closing {
        Closing::Orderly => {
            with_timeout(CLOSE_MILLIS_MAX, pin!(socket.close(Close::Both))).await.is_ok()
        }
        Closing::Abrupt => false,
    };
    if !is_closed {
        // The peer is gone, or pretends to be: nothing is left to be told.
        let _ = with_timeout(CLOSE_MILLIS_MAX, pin!(socket.abort())).await;
    }
}

/// Plain HTTP to the own machine, for tests: goes to [`Destination::loopback_http`] and nowhere else (SEC-372).
#[derive(Clone, Copy, Debug)]
pub struct LoopbackHttp<T>(pub T);

impl<T: TcpConnect> Transport for LoopbackHttp<T> {
    async fn converse<C: Conversation>(
        &mut self,
        destination: &Destination<'_>,
        _now: UnixTime,
        until: Instant,
        conversation: C,
    ) -> Result<C::Outcome, OpenError> {
        if destination.url().is_https() {
            return Err(OpenError::Destination);
        }
        let mut socket = connect(&self.0, destination, until).await?;
        let (outcome, closing) = conversation.over(&mut socket).await;
        close(&mut socket, closing).await;
        Ok(outcome)
    }
}
