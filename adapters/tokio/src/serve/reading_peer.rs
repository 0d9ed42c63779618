//! A connection whose peer has to take what is written to it.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Breaks off when bytes wait to be written and the peer takes none of them for too long (SEC-440,
/// SEC-449). While nothing waits, as in a stream without events, no time counts.
pub(super) struct ReadingPeer<T> {
    inner: T,
    limit: Duration,
    /// Set while bytes wait.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<T> ReadingPeer<T> {
    pub(super) const fn new(inner: T, limit: Duration) -> Self {
        Self { inner, limit, waiting: None }
    }

    /// Passes on how a write went; one that waits for longer than the limit has failed.
    fn within_limit<R>(
        &mut self,
        written: Poll<io::Result<R>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let limit = self.limit;
        // A limit beyond what the clock can count is none.
        if Instant::now().checked_add(limit).is_none() {
            return Poll::Pending;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        std::task::ready!(waiting.as_mut().poll(context));
        tracing::debug!("a peer does not read its answer");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ReadingPeer<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ReadingPeer<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.within_limit(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.within_limit(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.within_limit(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.inner).poll_shutdown(context);
        self.within_limit(ended, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    /// What the way to the peer holds.
    const ROOM: usize = 64;

    #[tokio::test(start_paused = true)]
    async fn sec_449_who_stops_reading_is_cut_off_at_the_limit() {
        let (own, mut peer) = duplex(ROOM);
        let mut own = ReadingPeer::new(own, LIMIT);
        own.write_all(&[0; ROOM]).await.unwrap();
        let begun = Instant::now();
        let outcome = own.write_all(b"x").await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let took = begun.elapsed();
        assert!(took >= LIMIT && took < LIMIT + Duration::from_secs(1), "{took:?}");
        // What was on its way may still be read.
        peer.read_exact(&mut [0; ROOM]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn sec_440_a_slow_reader_that_reads_is_served_to_the_end() {
        let (own, mut peer) = duplex(ROOM);
        let mut own = ReadingPeer::new(own, LIMIT);
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            // Each piece comes a little before the limit, all of them long after it.
            loop {
                tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
                let mut piece = [0; ROOM / 2];
                match peer.read(&mut piece).await.unwrap() {
                    0 => return read,
                    len => read.extend_from_slice(&piece[..len]),
                }
            }
        });
        let whole: Vec<u8> = (0..=255).cycle().take(20 * ROOM).collect();
        own.write_all(&whole).await.unwrap();
        own.shutdown().await.unwrap();
        drop(own);
        assert_eq!(reading.await.unwrap(), whole);
    }

    #[tokio::test(start_paused = true)]
    async fn sec_449_a_stream_without_events_stays_open() {
        let (own, mut peer) = duplex(ROOM);
        let mut own = ReadingPeer::new(own, LIMIT);
        for _ in 0..3 {
            own.write_all(b"data: 1\n\n").await.unwrap();
            own.flush().await.unwrap();
            peer.read_exact(&mut [0; 9]).await.unwrap();
            tokio::time::sleep(100 * LIMIT).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_that_the_clock_can_count() {
        let (own, mut peer) = duplex(1);
        let mut own = ReadingPeer::new(own, Duration::MAX);
        own.write_all(b"a").await.unwrap();
        let waiting = tokio::time::timeout(1000 * LIMIT, own.write_all(b"b"));
        assert!(waiting.await.is_err());
        peer.read_exact(&mut [0; 1]).await.unwrap();
        own.write_all(b"b").await.unwrap();
    }
}
