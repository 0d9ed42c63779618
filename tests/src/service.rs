//! The service behind as the tokio adapter sees it, and what every service behind answers.

use std::{
    convert::Infallible,
    future::{Future as _, Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, combinators::Collect};
use portcullis_tokio::resource_server::Principal;
use tower::Service;

use crate::device::service::CONTENT_TYPE;

/// What it answers: one line about the principal, then the very bytes of the body.
pub fn answer(principal: &str, body: &[u8]) -> Vec<u8> {
    [principal.as_bytes(), b"\n", body].concat()
}

/// The line of [`Line`](crate::device::service::Line) about a principal of the tokio adapter.
fn adapter_line(principal: &Principal) -> String {
    format!(
        "{} {} {} [{}] {} {}",
        principal.subject().unwrap_or("-"),
        principal.client_id().unwrap_or("-"),
        principal.issuer(),
        principal.scopes().collect::<Vec<_>>().join(" "),
        principal.token_id().unwrap_or("-"),
        principal.expires_at().as_secs()
    )
}

/// Counts how often it ran.
#[derive(Clone, Default)]
pub struct Echo(Arc<AtomicUsize>);

impl Echo {
    /// How often it ran.
    pub fn runs(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// It ran once more.
    pub(crate) fn ran(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Service<Request<Full<Bytes>>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        self.ran();
        let (head, body) = request.into_parts();
        // RS-44: the token is for the layer before, and must not come this far.
        let principal = match head.extensions.get::<Principal>() {
            Some(_) if head.headers.contains_key(header::AUTHORIZATION) => {
                "a token came along".into()
            }
            Some(principal) => adapter_line(principal),
            None => "no principal".into(),
        };
        let bytes = now(body.collect());
        let mut response = Response::new(Full::from(answer(&principal, &bytes)));
        let value = header::HeaderValue::from_static(CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, value);
        ready(Ok(response))
    }
}

/// The bytes of a body that is all there at once.
fn now(mut body: Collect<Full<Bytes>>) -> Bytes {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(&mut body).poll(&mut context) {
        Poll::Ready(Ok(body)) => body.to_bytes(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => unreachable!("a Full body does not wait"),
    }
}
