//! What carries a question: a connection to the endpoint, encrypted or, on the own machine, plain.

use core::pin::pin;

use edge_nal::{Close, TcpConnect, TcpShutdown, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};
use portcullis_core::time::UnixTime;

use super::Endpoint;

/// How long the last bytes of a connection may take to be taken.
pub(super) const CLOSE_MILLIS_MAX: u32 = 1_000;

/// No connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// This transport does not carry questions to this endpoint (SEC-372).
    Endpoint,
    /// Nobody is reached at the address.
    Connect,
    /// Whoever answers there does not prove to be the endpoint, or speaks no TLS 1.3 that is spoken here.
    Handshake,
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Endpoint => "this transport does not go to this endpoint",
            Self::Connect => "the authorization server is not reached",
            Self::Handshake => "the authorization server does not prove who it is",
        })
    }
}

impl core::error::Error for OpenError {}

/// A way to connect to an endpoint.
pub trait Transport {
    /// A connection that may carry credentials.
    type Connection<'t>: Connection
    where
        Self: 't;

    /// Connects to the endpoint; `now` is what certificates are compared with.
    ///
    /// May be dropped before it is done: the caller keeps the deadline.
    async fn open(
        &mut self,
        endpoint: &Endpoint<'_>,
        now: UnixTime,
    ) -> Result<Self::Connection<'_>, OpenError>;
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The peer is told, and waited for a short while.
    Orderly,
    /// Nothing more is expected from it.
    Abrupt,
}

/// Bytes to and from the endpoint.
pub trait Connection: Read + Write {
    /// Ends the connection within a second or so.
    async fn close(self, closing: Closing);
}

/// Ends a TCP connection, so that its memory is free again.
pub(super) async fn close_tcp<S: TcpShutdown>(socket: &mut S, closing: Closing) {
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

/// Plain HTTP to the own machine, for tests: goes to [`Endpoint::loopback_http`] and nowhere else (SEC-372).
#[derive(Clone, Copy, Debug)]
pub struct LoopbackHttp<T>(pub T);

impl<T: TcpConnect> Transport for LoopbackHttp<T> {
    type Connection<'t>
        = Plain<T::Socket<'t>>
    where
        Self: 't;

    async fn open(
        &mut self,
        endpoint: &Endpoint<'_>,
        _now: UnixTime,
    ) -> Result<Self::Connection<'_>, OpenError> {
        if endpoint.url().is_https() {
            return Err(OpenError::Endpoint);
        }
        let connected = self.0.connect(endpoint.address()).await;
        connected.map(Plain).map_err(|_| OpenError::Connect)
    }
}

/// A TCP connection as it is.
pub struct Plain<S>(S);

impl<S: ErrorType> ErrorType for Plain<S> {
    type Error = S::Error;
}

impl<S: Read> Read for Plain<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, S::Error> {
        self.0.read(buffer).await
    }
}

impl<S: Write> Write for Plain<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, S::Error> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.0.flush().await
    }
}

impl<S: Read + Write + TcpShutdown> Connection for Plain<S> {
    async fn close(mut self, closing: Closing) {
        close_tcp(&mut self.0, closing).await;
    }
}
