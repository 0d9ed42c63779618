//! The layer before an MCP service: nothing reaches the service without a decision of the core.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::Body;
use http_body_util::Full;
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument as _;

use super::{
    Clock, Settings, SettingsError, SystemClock,
    admission::{self, Admitted},
    resource::Resource,
    response::{self, ResponseBody},
};
use crate::Network;

/// Makes [`Protect`] services, all of one protected resource.
///
/// A layer lives as long as the process: its settings are leaked once, when it is made.
#[derive(Clone)]
pub struct ProtectLayer {
    resource: Arc<Resource>,
}

impl ProtectLayer {
    /// Checks the settings; a wrong one is refused with the reason.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Self::with_clock(settings, SystemClock::new())
    }

    /// The same with another clock.
    pub fn with_clock(settings: Settings, clock: impl Clock) -> Result<Self, SettingsError> {
        Self::with_clock_and_network(settings, clock, &Network::system())
    }

    /// The same with another network, too, to ask the authorization server over.
    pub fn with_clock_and_network(
        settings: Settings,
        clock: impl Clock,
        network: &Network,
    ) -> Result<Self, SettingsError> {
        Ok(Self { resource: Arc::new(Resource::new(settings, Arc::new(clock), network)?) })
    }

    /// `service` behind this protection; what [`Layer::layer`] does, without its trait in scope.
    pub fn protect<S>(&self, service: S) -> Protect<S> {
        Protect { resource: Arc::clone(&self.resource), inner: service }
    }

    /// The resource identifier.
    pub fn resource(&self) -> &'static str {
        self.resource.server.configuration().resource
    }

    /// The issuers whose tokens are accepted, as the metadata names them.
    pub fn issuers(&self) -> impl Iterator<Item = &'static str> {
        self.resource.server.configuration().issuers.iter().map(|issuer| issuer.identifier)
    }

    /// The path of the MCP endpoint.
    pub fn endpoint_path(&self) -> &'static str {
        self.resource.server.endpoint_path()
    }

    /// The path of the protected resource metadata (RS-05).
    pub fn metadata_path(&self) -> &'static str {
        self.resource.metadata_path
    }

    /// The URL of the protected resource metadata, as challenges name it.
    pub fn metadata_url(&self) -> &'static str {
        self.resource.server.metadata_url()
    }
}

impl<S> Layer<S> for ProtectLayer {
    type Service = Protect<S>;

    fn layer(&self, inner: S) -> Protect<S> {
        self.protect(inner)
    }
}

/// A protected MCP service.
///
/// It answers for two paths, the endpoint and its metadata, and with 404 for all others, compared as
/// received. A router in front must leave the path as it is (in axum `route_service`, not
/// `nest_service`), or the settings must say what is left of it.
///
/// How strictly requests are framed is for the HTTP server in front: [`serve`](crate::serve::serve) refuses
/// those that two readers could take for different ones; others may forgive some of them.
///
/// The service behind gets the very bytes that were judged, the [`Principal`](super::Principal) in the
/// extensions, and no `Authorization` field: the token is for this server alone (RS-44).
#[derive(Clone)]
pub struct Protect<S> {
    resource: Arc<Resource>,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Protect<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    R: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    /// Always ready: the service behind is asked only for requests that are admitted, so that those
    /// which are not take nothing of its capacity.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (resource, inner) = (Arc::clone(&self.resource), self.inner.clone());
        let span = tracing::debug_span!("protect");
        Box::pin(serve(resource, inner, request).instrument(span))
    }
}

async fn serve<S, B, R>(
    resource: Arc<Resource>,
    inner: S,
    request: Request<B>,
) -> Result<Response<ResponseBody<R>>, S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>>,
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut head, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let admitted: Result<Admitted, _> = admission::admit(&resource, &head, body).await;
    let Admitted { principal, body, session, fields } = match admitted {
        Ok(admitted) => admitted,
        Err(mut answer) => {
            // A refusal does not wait for the body, and hyper then ends the connection. Without a word
            // of it the client's next request would meet a connection that is closing (INV-7).
            if has_body && head.version < Version::HTTP_2 {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            return Ok(answer);
        }
    };
    head.headers.remove(header::AUTHORIZATION);
    #[cfg(feature = "dpop")]
    head.headers.remove("dpop");
    session.set(&mut head.headers);
    // Another protocol on this connection would pass without a decision (SEC-390).
    head.extensions.remove::<hyper::upgrade::OnUpgrade>();
    head.extensions.insert(principal.clone());
    let response = inner.oneshot(Request::from_parts(head, Full::new(body))).await?;
    let mut response = response.map(ResponseBody::service);
    resource.sessions.bind(response.headers_mut(), &principal);
    response::set_fields(&mut response, fields);
    Ok(response)
}
