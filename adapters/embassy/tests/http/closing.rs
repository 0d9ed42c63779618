//! How connections are ended: what the server asks of their sockets.

use std::{cell::RefCell, net::SocketAddr};

use edge_nal::{Close, Readable, TcpAccept, TcpShutdown, TcpSplit};
use embedded_io_async::{ErrorType, Read, Write};
use portcullis_embassy::Connections;

use crate::{
    harness::statuses,
    listening::{all_busy, connect, ends, exchange, request, with_watched_server},
};

/// What was asked, by the peer's port.
pub(crate) type Asked = RefCell<Vec<(u16, Close)>>;

/// An acceptor that writes down how its connections are ended.
pub(crate) struct Watched<'w, A> {
    pub(crate) acceptor: A,
    pub(crate) asked: &'w Asked,
}

impl<A: TcpAccept> TcpAccept for Watched<'_, A> {
    type Error = A::Error;
    type Socket<'a>
        = WatchedSocket<'a, A::Socket<'a>>
    where
        Self: 'a;

    async fn accept(&self) -> Result<(SocketAddr, Self::Socket<'_>), A::Error> {
        let (peer, socket) = self.acceptor.accept().await?;
        Ok((peer, WatchedSocket { socket, port: peer.port(), asked: self.asked }))
    }
}

pub(crate) struct WatchedSocket<'w, S> {
    socket: S,
    port: u16,
    asked: &'w Asked,
}

impl<S: ErrorType> ErrorType for WatchedSocket<'_, S> {
    type Error = S::Error;
}

impl<S: Read> Read for WatchedSocket<'_, S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, S::Error> {
        self.socket.read(buffer).await
    }
}

impl<S: Write> Write for WatchedSocket<'_, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, S::Error> {
        self.socket.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.socket.flush().await
    }
}

impl<S: Readable> Readable for WatchedSocket<'_, S> {
    async fn readable(&mut self) -> Result<(), S::Error> {
        self.socket.readable().await
    }
}

impl<S: TcpSplit> TcpSplit for WatchedSocket<'_, S> {
    type Read<'a>
        = S::Read<'a>
    where
        Self: 'a;
    type Write<'a>
        = S::Write<'a>
    where
        Self: 'a;

    fn split(&mut self) -> (S::Read<'_>, S::Write<'_>) {
        self.socket.split()
    }
}

impl<S: TcpShutdown> TcpShutdown for WatchedSocket<'_, S> {
    async fn close(&mut self, what: Close) -> Result<(), S::Error> {
        self.asked.borrow_mut().push((self.port, what));
        self.socket.close(what).await
    }

    async fn abort(&mut self) -> Result<(), S::Error> {
        self.socket.abort().await
    }
}

/// SEC-441: a peer that was waiting and never closes would keep its task for as long as it is waited for.
#[test]
fn sec_441_nobody_waits_for_a_peer_that_is_owed_nothing() {
    let asked = Asked::default();
    with_watched_server(Some(Connections::new()), &asked, async |server| {
        let mut silent = connect(server, 1).await;
        let mut answered = connect(server, 2).await;
        assert_eq!(statuses(&exchange(&mut answered, &request()).await), [200]);
        let _third = connect(server, 3).await;
        let _fourth = connect(server, 4).await;
        let _fifth = connect(server, 5).await;
        assert!(ends(&mut silent).await && ends(&mut answered).await);
        let ports = [&silent, &answered].map(|stream| stream.local_addr().unwrap().port());
        assert_eq!(*asked.borrow(), ports.map(|port| (port, Close::Write)));
    });
}

/// A reset behind an answer could cost the peer that answer: what it still sends is passed over first.
#[test]
fn whoever_has_an_answer_is_waited_for() {
    let asked = Asked::default();
    with_watched_server(Some(Connections::new()), &asked, async |server| {
        let closing = request().replacen("Host:", "Connection: close\r\nHost:", 1);
        let mut own_wish = connect(server, 1).await;
        assert_eq!(statuses(&exchange(&mut own_wish, &closing).await), [200]);
        assert!(ends(&mut own_wish).await);
        let port = own_wish.local_addr().unwrap().port();
        assert_eq!(asked.take(), [(port, Close::Both)]);
        drop(own_wish);

        // All have a part of a request: the first answer is the last one of its connection.
        let request = request();
        let (begin, end) = request.split_at(request.len() - 1);
        let mut busy = all_busy(server, begin).await;
        assert_eq!(statuses(&exchange(&mut busy[0], end).await), [200]);
        assert!(ends(&mut busy[0]).await);
        let port = busy[0].local_addr().unwrap().port();
        assert_eq!(*asked.borrow(), [(port, Close::Both)]);
    });
}
