//! A connection of which nothing is read that two readers could take for different requests.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use portcullis_core::framing::{Framing, Part, Violation};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{connections::Connection, lingering::Lingering};

/// Put in the place of what is wrong in a head: no head goes on like this, so that hyper answers with 400
/// when it is that request's turn, and the empty line makes it look.
const NO_HEAD: &[u8] = b"\0\r\n\r\n";

/// Reads what is in order; then, if there is something that is not, the end (SEC-400 … 418). Its own end waits
/// for that of a request which was answered early.
pub(super) struct Strict<T> {
    inner: T,
    /// Is told whether there is a part of a request.
    connection: Arc<Connection>,
    framing: Framing,
    /// Whether bytes wait to be taken by the peer.
    is_writing: bool,
    /// What is read once something was wrong.
    instead: Option<&'static [u8]>,
    /// Set once there is nothing more to write.
    lingering: Option<Lingering>,
}

impl<T> Strict<T> {
    pub(super) const fn new(inner: T, connection: Arc<Connection>) -> Self {
        let framing = Framing::new();
        Self { inner, connection, framing, is_writing: false, instead: None, lingering: None }
    }

    /// Between two requests, unless an answer has not gone out yet.
    fn rest(&self) {
        if self.framing.is_at_start() && !self.is_writing {
            self.connection.wait();
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Strict<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.instead.is_none() {
            let before = buffer.filled().len();
            let read = Pin::new(&mut this.inner).poll_read(context, buffer);
            if read.is_pending() {
                this.rest();
            }
            ready!(read)?;
            this.connection.work();
            let read = buffer.filled().get(before..).unwrap_or_default();
            let Err(Violation { at, part }) = this.framing.accept(read) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before.saturating_add(at));
            // A body that ends too early is broken, whatever its framing is.
            this.instead = Some(if part == Part::Head { NO_HEAD } else { b"" });
        }
        let instead = this.instead.unwrap_or_default();
        let (now, later) = instead.split_at(instead.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.instead = Some(later);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.is_writing |= written.is_pending();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.is_writing = flushed.is_pending();
        self.rest();
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            if this.framing.is_at_start() {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(Lingering::new);
        lingering.poll(&mut this.inner, context).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.is_writing |= written.is_pending();
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
