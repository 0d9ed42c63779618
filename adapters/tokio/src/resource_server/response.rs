//! Answers of the core as `http` responses, and the body type of what `Protect` returns.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use portcullis_core::resource_server::{Answer, CrossOrigin};

pin_project! {
    /// The body of a response: that of the service behind, or one of the core's own answers.
    pub struct ResponseBody<B> {
        #[pin]
        source: Source<B>,
    }
}

pin_project! {
    #[project = Projection]
    enum Source<B> {
        Service { #[pin] body: B },
        Answer { bytes: Bytes },
    }
}

impl<B> ResponseBody<B> {
    /// The body of the service behind, untouched.
    pub(super) const fn service(body: B) -> Self {
        Self { source: Source::Service { body } }
    }

    const fn answer(bytes: Bytes) -> Self {
        Self { source: Source::Answer { bytes } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().source.project() {
            Projection::Service { body } => body.poll_frame(context),
            Projection::Answer { bytes } if bytes.has_remaining() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Projection::Answer { .. } => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Service { body } => body.is_end_stream(),
            Source::Answer { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Service { body } => body.size_hint(),
            Source::Answer { bytes } => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
        }
    }
}

/// The answer as it is; framing is left to the server (`Content-Length`, `Date`, `Connection`).
pub(super) fn from_answer<B>(answer: &Answer<'_>) -> Response<ResponseBody<B>> {
    let bytes = Bytes::from(answer.body().to_string());
    let mut response = Response::new(ResponseBody::answer(bytes));
    let status = StatusCode::from_u16(answer.status());
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.fields() {
        // The core's field values are made of visible characters: checked when it was configured.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value.to_string())) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}

/// What an allowed page may read, as owned fields: to be set on the answer of the service behind.
pub(super) fn cross_origin_fields(cross_origin: CrossOrigin<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let owned =
        |(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?));
    cross_origin.fields().filter_map(owned).collect()
}

/// These and the nonce for the client's next proof (RFC 9449 §8.2).
#[cfg(feature = "dpop")]
pub(super) fn with_nonce(
    mut fields: Vec<(HeaderName, HeaderValue)>,
    nonce: Option<portcullis_core::dpop::Nonce>,
) -> Vec<(HeaderName, HeaderValue)> {
    let value = nonce.and_then(|nonce| HeaderValue::from_str(&nonce.to_string()).ok());
    fields.extend(value.map(|value| (HeaderName::from_static("dpop-nonce"), value)));
    fields
}

/// Sets them instead of what the service behind said itself: a second value would void both.
pub(super) fn set_fields<B>(response: &mut Response<B>, fields: Vec<(HeaderName, HeaderValue)>) {
    for (name, value) in fields {
        if name == header::VARY {
            response.headers_mut().append(name, value);
        } else {
            response.headers_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty, Full};

    use super::*;

    #[tokio::test]
    async fn both_kinds_of_body_say_their_length_and_end() {
        let answer: ResponseBody<Empty<Bytes>> = ResponseBody::answer(Bytes::from_static(b"abc"));
        assert_eq!(answer.size_hint().exact(), Some(3));
        assert!(!answer.is_end_stream());
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "abc");
        let service = ResponseBody::service(Full::new(Bytes::from_static(b"abcd")));
        assert_eq!(service.size_hint().exact(), Some(4));
        assert_eq!(service.collect().await.unwrap().to_bytes(), "abcd");
        let empty: ResponseBody<Empty<Bytes>> = ResponseBody::answer(Bytes::new());
        assert!(empty.is_end_stream());
    }

    #[test]
    fn rs_36_the_core_decides_who_may_read() {
        let mut response = Response::new(());
        response.headers_mut().insert("access-control-allow-origin", "*".parse().unwrap());
        response.headers_mut().insert("vary", "Accept".parse().unwrap());
        let field = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        set_fields(
            &mut response,
            vec![field("access-control-allow-origin", "https://app"), field("vary", "Origin")],
        );
        let all = |name| -> Vec<_> { response.headers().get_all(name).iter().collect() };
        assert_eq!(all("access-control-allow-origin"), ["https://app"]);
        assert_eq!(all("vary"), ["Accept", "Origin"]);
    }
}
