//! The end of a connection on which a request was answered before all of it had come.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};

/// How long what still comes is read.
const TIME_MAX: Duration = Duration::from_secs(10);
/// How much of it is: more than the bodies that are accepted by default.
const LEN_MAX: usize = 4 << 20;

/// Reads away what a peer still sends, once all was written that it gets (RFC 9112 §9.6).
///
/// A system that closes with bytes unread resets the connection, and a reset may take the answer from a peer that
/// has not read it: it would see a broken connection instead of a 401.
pub(super) struct Lingering {
    end: Pin<Box<Sleep>>,
    left: usize,
}

impl Lingering {
    pub(super) fn new() -> Self {
        Self { end: Box::pin(sleep(TIME_MAX)), left: LEN_MAX }
    }

    /// Ready when the peer has ended or broken the connection, or has had its time or its measure.
    pub(super) fn poll(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut room = [0; 4096];
        while self.left > 0 && self.end.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Arc};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::Instant,
    };

    use super::{
        super::{connections::Connection, strict::Strict},
        *,
    };

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n";

    /// Both ends of a connection on which `sent` was read.
    async fn after(sent: &[u8]) -> (Strict<DuplexStream>, DuplexStream) {
        let (own, mut peer) = duplex(64 * 1024);
        let mut own = Strict::new(own, Arc::new(Connection::new(Ipv4Addr::LOCALHOST.into())));
        peer.write_all(sent).await.unwrap();
        own.read_exact(&mut vec![0; sent.len()]).await.unwrap();
        (own, peer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_silent_inside_its_request_has_its_time() {
        let (mut own, mut peer) = after(HEAD).await;
        let begun = Instant::now();
        let ending = tokio::spawn(async move { own.shutdown().await });
        // It sees at once that there is no more.
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(begun.elapsed() < TIME_MAX);
        ending.await.unwrap().unwrap();
        let took = begun.elapsed();
        assert!(took >= TIME_MAX && took < TIME_MAX + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn sec_443_a_peer_that_goes_on_has_its_measure() {
        let (mut own, mut peer) = after(HEAD).await;
        let ending = tokio::spawn(async move {
            own.shutdown().await.unwrap();
        });
        let mut sent = 0;
        while peer.write_all(&[b'x'; 4096]).await.is_ok() {
            sent += 4096;
        }
        ending.await.unwrap();
        assert!((LEN_MAX..2 * LEN_MAX).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_ends_or_owes_nothing_is_not_waited_for() {
        let begun = Instant::now();
        let (mut own, peer) = after(HEAD).await;
        drop(peer);
        own.shutdown().await.unwrap();
        let (mut own, peer) = after(b"GET / HTTP/1.1\r\n\r\n").await;
        own.shutdown().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1));
        drop(peer);
    }
}
