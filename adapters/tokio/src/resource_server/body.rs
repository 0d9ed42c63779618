//! A request body, read once and whole, within its limit of length and time.

use std::{
    error::Error,
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Why there is no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// More bytes than allowed, announced or sent (LIM-10).
    TooLong,
    /// Not complete in time (LIM-14).
    Deadline,
    /// The connection broke, or the framing was wrong.
    Broken,
}

/// Reads `body` to its end; trailers are dropped unread (SEC-126).
///
/// A length that is announced as too large is refused before any byte is read; nothing is allocated
/// for bytes that have not arrived (SEC-443).
pub(super) async fn read<B>(body: B, len_max: usize, deadline: Duration) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > len_max {
        return Err(BodyError::TooLong);
    }
    let mut whole = pin!(Limited::new(body, len_max).collect());
    // A small body is often there already: then no timer is needed.
    let at_once = poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await;
    let read = match at_once {
        Poll::Ready(read) => read,
        Poll::Pending => {
            tokio::time::timeout(deadline, whole).await.map_err(|_| BodyError::Deadline)?
        }
    };
    match read {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLong),
        Err(_) => Err(BodyError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible, pin::Pin, task::Context};

    use http_body::{Frame, SizeHint};
    use http_body_util::Full;

    use super::*;

    /// Sends its pieces, then ends, breaks or waits for ever.
    struct Script(VecDeque<&'static [u8]>, End);

    #[derive(Clone, Copy)]
    enum End {
        Whole,
        Broken,
        Never,
    }

    impl Body for Script {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match (self.0.pop_front(), self.1) {
                (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                (None, End::Whole) => Poll::Ready(None),
                (None, End::Broken) => {
                    Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
                }
                (None, End::Never) => Poll::Pending,
            }
        }
    }

    #[track_caller]
    fn check(pieces: &[&'static [u8]], end: End, expected: Result<&[u8], BodyError>) {
        let body = Script(pieces.iter().copied().collect(), end);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let read = runtime.block_on(read(body, 4, Duration::from_millis(20)));
        assert_eq!(read.as_deref().map_err(|error| *error), expected);
    }

    #[test]
    fn lim_10_the_limit_counts_what_arrives() {
        check(&[b"abc"], End::Whole, Ok(b"abc"));
        check(&[b"ab", b"cd"], End::Whole, Ok(b"abcd"));
        check(&[b"ab", b"cde"], End::Whole, Err(BodyError::TooLong));
        check(&[], End::Whole, Ok(b""));
        // Too long is known before the end is.
        check(&[b"abcde"], End::Never, Err(BodyError::TooLong));
    }

    #[test]
    fn lim_14_a_body_that_does_not_end() {
        check(&[b"abc"], End::Never, Err(BodyError::Deadline));
        check(&[b"abc"], End::Broken, Err(BodyError::Broken));
    }

    /// Announces more than it may be asked for.
    struct Announcing;

    impl Body for Announcing {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("a body announced as too long is not read");
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(4 << 30)
        }
    }

    #[tokio::test]
    async fn sec_443_an_announced_length_is_refused_unread() {
        let second = Duration::from_secs(1);
        assert_eq!(read(Announcing, 4, second).await, Err(BodyError::TooLong));
        let body = Full::new(Bytes::from_static(b"abcd"));
        assert_eq!(read(body, 4, second).await, Ok(Bytes::from_static(b"abcd")));
    }
}
