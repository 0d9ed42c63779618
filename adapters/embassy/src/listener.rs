//! Sockets of embassy-net, as a server needs them.

use core::{
    cell::{RefCell, RefMut},
    net::{IpAddr, SocketAddr},
};

use edge_nal::{Close, Readable, TcpAccept, TcpShutdown, TcpSplit};
use embassy_net::{
    Stack,
    tcp::{Error, TcpReader, TcpSocket, TcpWriter},
};
use embassy_time::Duration;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

/// How long a peer may take from its first packet to an open connection (SEC-514).
const HANDSHAKE_TIME_MAX: Duration = Duration::from_millis(2_000);

/// One socket that listens, then serves one connection, and listens again: one for each task.
///
/// embassy-net has no queue of connections that wait to be accepted, so that there are as many
/// connections as listeners, and [`Connections`](crate::Connections) sees to it that one listens. Unlike
/// edge-nal-embassy's acceptor it tells who the peer is, and a peer that only knocks does not keep it.
pub struct Listener<'d> {
    socket: RefCell<TcpSocket<'d>>,
    port: u16,
}

impl<'d> Listener<'d> {
    /// Listens at this port of all addresses; the buffers hold what was received and not read yet, and what was
    /// sent and not acknowledged yet.
    pub fn new(stack: Stack<'d>, port: u16, received: &'d mut [u8], sent: &'d mut [u8]) -> Self {
        Self { socket: RefCell::new(TcpSocket::new(stack, received, sent)), port }
    }
}

impl core::fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Listener").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why a socket does not do what it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerError {
    /// The peer ended the connection, or did not answer.
    Reset,
    /// The listener has a connection already.
    Busy,
    /// The port is none.
    Port,
}

impl core::fmt::Display for ListenerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Reset => "the connection was reset",
            Self::Busy => "the listener has a connection",
            Self::Port => "the port cannot be listened at",
        })
    }
}

impl core::error::Error for ListenerError {}

impl embedded_io_async::Error for ListenerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Reset => ErrorKind::ConnectionReset,
            Self::Busy => ErrorKind::AddrInUse,
            Self::Port => ErrorKind::InvalidInput,
        }
    }
}

impl From<Error> for ListenerError {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionReset => Self::Reset,
        }
    }
}

impl<'d> TcpAccept for Listener<'d> {
    type Error = ListenerError;
    type Socket<'a>
        = Connected<'a, 'd>
    where
        Self: 'a;

    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "who would borrow it meanwhile is told that it is busy"
    )]
    async fn accept(&self) -> Result<(SocketAddr, Connected<'_, 'd>), ListenerError> {
        let mut socket = self.socket.try_borrow_mut().map_err(|_| ListenerError::Busy)?;
        loop {
            // Whatever became of the last connection, it is over.
            socket.abort();
            socket.set_timeout(Some(HANDSHAKE_TIME_MAX));
            socket.accept(self.port).await.map_err(|_| ListenerError::Port)?;
            // There is none when the handshake took too long.
            if let Some(peer) = socket.remote_endpoint() {
                // From here on there are the deadlines of the server.
                socket.set_timeout(None);
                let address = SocketAddr::new(IpAddr::from(peer.addr), peer.port);
                return Ok((address, Connected(socket)));
            }
        }
    }
}

/// A connection of a [`Listener`].
pub struct Connected<'a, 'd>(RefMut<'a, TcpSocket<'d>>);

impl core::fmt::Debug for Connected<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Connected(..)")
    }
}

impl ErrorType for Connected<'_, '_> {
    type Error = ListenerError;
}

impl Read for Connected<'_, '_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ListenerError> {
        Ok(self.0.read(buffer).await?)
    }
}

impl Write for Connected<'_, '_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ListenerError> {
        Ok(self.0.write(bytes).await?)
    }

    async fn flush(&mut self) -> Result<(), ListenerError> {
        Ok(self.0.flush().await?)
    }
}

impl Readable for Connected<'_, '_> {
    async fn readable(&mut self) -> Result<(), ListenerError> {
        self.0.wait_read_ready().await;
        Ok(())
    }
}

impl TcpSplit for Connected<'_, '_> {
    type Read<'h>
        = ReadHalf<'h>
    where
        Self: 'h;
    type Write<'h>
        = WriteHalf<'h>
    where
        Self: 'h;

    fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        let (read, write) = self.0.split();
        (ReadHalf(read), WriteHalf(write))
    }
}

impl TcpShutdown for Connected<'_, '_> {
    /// Says the end, and waits until the peer knows; what it still sends is passed over.
    async fn close(&mut self, what: Close) -> Result<(), ListenerError> {
        if matches!(what, Close::Both | Close::Write) {
            self.0.close();
            self.0.flush().await?;
        }
        if matches!(what, Close::Both | Close::Read) {
            while self.0.read(&mut [0; 32]).await? > 0 {}
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), ListenerError> {
        self.0.abort();
        Ok(self.0.flush().await?)
    }
}

/// The half of a [`Connected`] that receives.
pub struct ReadHalf<'h>(TcpReader<'h>);

/// The half of a [`Connected`] that sends.
pub struct WriteHalf<'h>(TcpWriter<'h>);

impl ErrorType for ReadHalf<'_> {
    type Error = ListenerError;
}

impl ErrorType for WriteHalf<'_> {
    type Error = ListenerError;
}

impl Read for ReadHalf<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ListenerError> {
        Ok(self.0.read(buffer).await?)
    }
}

impl Readable for ReadHalf<'_> {
    async fn readable(&mut self) -> Result<(), ListenerError> {
        self.0.wait_read_ready().await;
        Ok(())
    }
}

impl Write for WriteHalf<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ListenerError> {
        Ok(self.0.write(bytes).await?)
    }

    async fn flush(&mut self) -> Result<(), ListenerError> {
        Ok(self.0.flush().await?)
    }
}

impl core::fmt::Debug for ReadHalf<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ReadHalf(..)")
    }
}

impl core::fmt::Debug for WriteHalf<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("WriteHalf(..)")
    }
}

#[cfg(test)]
mod tests;
