//! A tower layer that authorizes the requests of an HTTP client.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_service::Service;

use super::{AuthorizeError, Authorizer, Judgement};

/// Adds the tokens of an [`Authorizer`] to the requests for its server, and gets new ones when the server
/// refuses: what [`McpClient`](super::McpClient) does, for any HTTP client that is a `tower` service.
///
/// A request is sent again, with the same body, after a refresh or login that its refusal led to, so that
/// the body must be [`Clone`], as `Full<Bytes>`, `String` and `Empty` are. Requests are not put in a row:
/// they wait for each other only while a login or a refresh is under way, which serves them all.
///
/// Requests to [other URLs](Authorizer::is_for) pass as they are, without a token (CL-71). The service inside
/// must not follow redirects by itself, for it would take the token along (SEC-464); one outside of this
/// layer may, since each of its requests comes here anew.
///
/// ```no_run
/// # fn example() -> Result<(), portcullis_tokio::client::AuthorizeError> {
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use portcullis_tokio::client::{AuthorizationLayer, Authorizer, Options, SystemBrowser};
/// use tower_layer::Layer;
///
/// let authorizer = Authorizer::new("http://localhost:8001/mcp", Options::new("My tool"), SystemBrowser)?;
/// let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
/// let authorized = AuthorizationLayer::new(authorizer).layer(client);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizationLayer {
    authorizer: Arc<Authorizer>,
}

impl AuthorizationLayer {
    /// With the login of this authorizer, which may be shared.
    pub fn new(authorizer: impl Into<Arc<Authorizer>>) -> Self {
        Self { authorizer: authorizer.into() }
    }
}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorized { inner, authorizer: Arc::clone(&self.authorizer) }
    }
}

/// An HTTP client whose requests are authorized: what [`AuthorizationLayer`] makes.
#[derive(Clone, Debug)]
pub struct Authorized<S> {
    inner: S,
    authorizer: Arc<Authorizer>,
}

/// Why there is no answer to an authorized request.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthorizedError<E> {
    /// The service inside failed.
    Service(E),
    /// There are no tokens.
    Authorize(AuthorizeError),
}

impl<E: fmt::Display> fmt::Display for AuthorizedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Authorize(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for AuthorizedError<E> {}

impl<S, B, R> Service<Request<B>> for Authorized<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Clone + Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = AuthorizedError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(AuthorizedError::Service)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is used; a clone need not be.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let authorizer = Arc::clone(&self.authorizer);
        Box::pin(exchange(inner, authorizer, request))
    }
}

/// Sends a request, and again after each refusal that brought a new token. An answer after which nothing is
/// left to try is given as it is.
async fn exchange<S, B, R>(
    mut ready: S,
    authorizer: Arc<Authorizer>,
    request: Request<B>,
) -> Result<Response<R>, AuthorizedError<S::Error>>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Clone,
{
    let url = request.uri().to_string();
    if !authorizer.is_for(&url) {
        return ready.call(request).await.map_err(AuthorizedError::Service);
    }
    let mut operation = authorizer.operation();
    loop {
        let mut authorized = request.clone();
        let fields = operation.fields(request.method(), &url).await;
        // Each name has one value, which takes the place of what the caller wrote.
        for (name, value) in fields.map_err(AuthorizedError::Authorize)? {
            name.and_then(|name| authorized.headers_mut().insert(name, value));
        }
        let response = ready.call(authorized).await.map_err(AuthorizedError::Service)?;
        let judged = operation.judge(response.status(), response.headers()).await;
        match judged.map_err(AuthorizedError::Authorize)? {
            Judgement::Deliver | Judgement::GiveUp => return Ok(response),
            Judgement::Again => ready.ready().await.map_err(AuthorizedError::Service)?,
        };
    }
}
