//! The body of an answer: the upstream's, piece by piece as it comes, or words of our own.

use std::{
    fmt,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

/// The body of a [`Proxy`](super::Proxy)'s answer. Dropping it cuts off the upstream's request.
pub struct ProxyBody(Source);

enum Source {
    Own(Bytes),
    Upstream(Box<Upstream>),
}

struct Upstream {
    body: Incoming,
    idle: Pin<Box<Sleep>>,
    idle_time: Duration,
    /// When a stream ends whoever still speaks.
    end: Option<Pin<Box<Sleep>>>,
    /// One of the requests that there may be at once.
    _place: OwnedSemaphorePermit,
}

/// Why the body of an answer broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyBodyError {
    /// The upstream broke off, or its framing is wrong.
    Broken,
    /// The upstream said nothing for too long.
    Idle,
}

impl fmt::Display for ProxyBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "the upstream's answer broke off",
            Self::Idle => "the upstream said nothing for too long",
        })
    }
}

impl std::error::Error for ProxyBodyError {}

impl ProxyBody {
    pub(super) const fn own(words: Bytes) -> Self {
        Self(Source::Own(words))
    }

    /// The upstream's body; an error after `idle_time` without a byte, an end after `life`.
    pub(super) fn upstream(
        body: Incoming,
        idle_time: Duration,
        life: Option<Duration>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        // One whose length was announced cannot end before.
        let life = life.filter(|_| body.size_hint().exact().is_none());
        Self(Source::Upstream(Box::new(Upstream {
            body,
            idle: Box::pin(sleep(idle_time)),
            idle_time,
            end: life.map(|life| Box::pin(sleep(life))),
            _place: place,
        })))
    }
}

impl Upstream {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, ProxyBodyError>>> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            tracing::info!("a stream ends with its token");
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.idle.as_mut().reset(Instant::now() + self.idle_time);
                    // Trailers are dropped (RFC 9110 §6.5.1).
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(%error, "the upstream's answer broke off");
                    return Poll::Ready(Some(Err(ProxyBodyError::Broken)));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        ready!(self.idle.as_mut().poll(context));
        tracing::warn!("the upstream said nothing for too long");
        Poll::Ready(Some(Err(ProxyBodyError::Idle)))
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = ProxyBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyBodyError>>> {
        match &mut self.0 {
            Source::Own(words) if words.is_empty() => Poll::Ready(None),
            Source::Own(words) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(words))))),
            Source::Upstream(upstream) => {
                upstream.poll(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Own(words) => words.is_empty(),
            Source::Upstream(upstream) => upstream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Own(words) => {
                SizeHint::with_exact(u64::try_from(words.len()).unwrap_or(u64::MAX))
            }
            Source::Upstream(upstream) => upstream.body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Request;
    use http_body_util::{BodyExt as _, Empty};
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        sync::Semaphore,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(300);
    const COMMENT: &str = ": still here\n\n";

    /// An answer that goes on as the other end of its connection writes.
    async fn answer(framing: &str, life: Option<Duration>) -> (ProxyBody, DuplexStream) {
        let (own, mut peer) = duplex(64 * 1024);
        let (mut sender, connection) = http1::handshake(TokioIo::new(own)).await.unwrap();
        tokio::spawn(connection);
        let asking = sender.send_request(Request::new(Empty::<Bytes>::new()));
        let answering = async {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                peer.read_buf(&mut request).await.unwrap();
            }
            let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
            peer.write_all(head.as_bytes()).await.unwrap();
        };
        let (response, ()) = tokio::join!(asking, answering);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        (ProxyBody::upstream(response.unwrap().into_body(), IDLE, life, place), peer)
    }

    async fn comment(peer: &mut DuplexStream) {
        let chunk = format!("{:x}\r\n{COMMENT}\r\n", COMMENT.len());
        peer.write_all(chunk.as_bytes()).await.unwrap();
    }

    async fn next(body: &mut ProxyBody) -> Option<Result<Bytes, ProxyBodyError>> {
        Some(body.frame().await?.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_lives_by_its_comments_and_breaks_off_without() {
        let (mut body, mut peer) = answer("Transfer-Encoding: chunked", None).await;
        for _ in 0..3 {
            tokio::time::sleep(IDLE - SECOND).await;
            comment(&mut peer).await;
            assert_eq!(next(&mut body).await, Some(Ok(COMMENT.into())));
        }
        let begun = Instant::now();
        assert_eq!(next(&mut body).await, Some(Err(ProxyBodyError::Idle)));
        assert!((IDLE - SECOND..IDLE + SECOND).contains(&begun.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn ts_94_a_stream_ends_with_its_life_though_its_upstream_speaks() {
        let (mut body, mut peer) = answer("Transfer-Encoding: chunked", Some(10 * SECOND)).await;
        let begun = Instant::now();
        loop {
            comment(&mut peer).await;
            let Some(piece) = next(&mut body).await else { break };
            assert_eq!(piece, Ok(COMMENT.into()));
            tokio::time::sleep(SECOND).await;
        }
        assert!((10 * SECOND..12 * SECOND).contains(&begun.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_a_length_does_not_end_before_it() {
        let (body, mut peer) = answer("Content-Length: 2", Some(SECOND)).await;
        tokio::time::sleep(10 * SECOND).await;
        peer.write_all(b"{}").await.unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "{}");
    }
}
