//! What is decided of a head before the service: its request line and its expectation.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, Uri, header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use portcullis_core::limits::REQUEST_LINE_LEN_MAX_DESKTOP;
use tower_service::Service;

use super::connections::{Call, Connection};

/// The service, behind these decisions; each request tells it the peer's address.
#[derive(Clone)]
pub(super) struct Front<S> {
    pub(super) inner: S,
    pub(super) peer: SocketAddr,
    /// Is told how long a request lasts.
    pub(super) connection: Arc<Connection>,
}

impl<S, B> Service<Request<Incoming>> for Front<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Answering<Either<B, Empty<B::Data>>>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let call = self.connection.call();
        let until_its_end = |body| Answering { body, _call: call };
        let (head, body) = request.into_parts();
        if let Some(status) = refusal(&head) {
            return Box::pin(async move { Ok(bare(status).map(until_its_end)) });
        }
        let mut request = Request::from_parts(head, body);
        request.extensions_mut().insert(self.peer);
        let answering = self.inner.call(request);
        Box::pin(async move { Ok(answering.await?.map(Either::Left).map(until_its_end)) })
    }
}

pin_project! {
    /// The body of an answer, until whose end its request lasts.
    pub(super) struct Answering<B> {
        #[pin]
        body: B,
        _call: Call,
    }
}

impl<B: Body> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The status that a head is refused with, whatever the service is.
fn refusal(head: &Parts) -> Option<StatusCode> {
    // LIM-1. hyper keeps no line as it came, but its parts are kept whole.
    let line_len = head.method.as_str().len() + uri_len(&head.uri) + " ".len() + " HTTP/1.1".len();
    if line_len > REQUEST_LINE_LEN_MAX_DESKTOP {
        return Some(StatusCode::URI_TOO_LONG);
    }
    // SEC-417. What waits for another word would wait for ever.
    let mut expectations = head.headers.get_all(header::EXPECT).iter();
    let is_known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    (!expectations.all(is_known)).then_some(StatusCode::EXPECTATION_FAILED)
}

/// Its length in the request line.
fn uri_len(uri: &Uri) -> usize {
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    scheme + authority + uri.path_and_query().map_or(0, |target| target.as_str().len())
}

/// The last answer of its connection: the body is not read.
fn bare<B: Body>(status: StatusCode) -> Response<Either<B, Empty<B::Data>>> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
