//! The service behind the layer: it sends what was admitted to the upstream, and the answer back.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{encoding::uri, limits, time::UnixTime};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower_service::Service;
use zeroize::Zeroizing;

use super::{
    UpstreamError, UpstreamLimits, UpstreamSettings,
    body::ProxyBody,
    connect::Timed,
    failure::Failure,
    fields::{self, Passing},
    identity::{self, Vouching},
};
use crate::{
    Network,
    resource_server::{Clock, Principal, SystemClock},
};

/// Idle connections are given up before a usual server does so, which is after five seconds for the servers of Node
/// and for uvicorn: a request that meets a connection which is just being closed is lost, and is not sent twice.
const POOL_IDLE_TIME: Duration = Duration::from_secs(4);
/// Most idle connections that are kept.
const POOL_IDLE_MAX: usize = 64;
/// Most fields in the head of an answer.
const ANSWER_FIELDS_MAX: usize = 128;
/// What hyper asks for at least.
const HEADER_BYTES_MIN: usize = 8192;
/// The grace for a stream whose token has ended, in seconds: that of the token itself.
const STREAM_LEEWAY_SECS: u64 = limits::LEEWAY_SECS_DEFAULT as u64;

/// Sends requests to one MCP server. Cheap to clone; the clones share their connections.
///
/// It serves nobody by itself: a request without the [`Principal`] that
/// [`Protect`](crate::resource_server::Protect) puts into it is answered with 500 and goes nowhere.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    client: Client<Timed, Full<Bytes>>,
    connector: Timed,
    url: Uri,
    host: HeaderValue,
    credential: Option<(HeaderName, HeaderValue)>,
    request_fields: Passing,
    answer_fields: Passing,
    vouching: Vouching,
    limits: UpstreamLimits,
    places: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

impl Proxy {
    /// Checks the settings and reads the files that they name; a wrong one is refused with the reason.
    /// `resource` is the identifier of the protected resource, in whose name identities are signed.
    pub fn new(settings: UpstreamSettings, resource: &str) -> Result<Self, UpstreamError> {
        let clock = Arc::new(SystemClock::new());
        Self::with_clock_and_network(settings, resource, clock, &Network::system())
    }

    /// The same with another clock, and another network to reach the upstream over.
    pub fn with_clock_and_network(
        settings: UpstreamSettings,
        resource: &str,
        clock: Arc<dyn Clock>,
        network: &Network,
    ) -> Result<Self, UpstreamError> {
        check(&settings.limits)?;
        let url = url(&settings)?;
        let host = match &settings.host {
            Some(host) => HeaderValue::from_str(host)
                .ok()
                .filter(|_| host.parse::<http::uri::Authority>().is_ok() && !host.contains('@')),
            None => url.authority().and_then(|own| HeaderValue::from_str(own.as_str()).ok()),
        };
        let connector = Timed::new(&settings, network)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIME)
            .pool_max_idle_per_host(POOL_IDLE_MAX)
            .http1_max_buf_size(settings.limits.header_bytes)
            .http1_max_headers(ANSWER_FIELDS_MAX)
            .build(connector.clone());
        Ok(Self(Arc::new(Inner {
            client,
            connector,
            host: host.ok_or(UpstreamError::Host)?,
            credential: credential(&settings)?,
            request_fields: Passing::requests(&settings.fields)?,
            answer_fields: Passing::answers(&settings.answer_fields)?,
            vouching: Vouching::new(&settings.identity, resource, &settings.url)?,
            limits: settings.limits,
            places: Arc::new(Semaphore::new(settings.limits.requests)),
            url,
            clock,
        })))
    }

    /// Whether the upstream takes connections now.
    pub async fn is_ready(&self) -> bool {
        let mut connector = Timed::clone(&self.0.connector);
        connector.call(self.0.url.clone()).await.is_ok()
    }
}

impl Service<Request<Full<Bytes>>> for Proxy {
    type Response = Response<ProxyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let id = identity::request_id();
            let started = inner.clock.monotonic();
            let answered = inner.forward(request, id.as_deref()).await;
            let took = inner.clock.monotonic().saturating_sub(started);
            let outcome = answered.as_ref().map_or_else(|failure| failure.as_str(), |_| "answered");
            metrics::counter!("portcullis_upstream_requests_total", "outcome" => outcome)
                .increment(1);
            metrics::histogram!("portcullis_upstream_seconds").record(took.as_secs_f64());
            let request_id = id.as_deref().unwrap_or_default();
            Ok(match answered {
                Ok(response) => {
                    let status = response.status().as_u16();
                    tracing::info!(request_id, status, took_millis = took.as_millis(), "forwarded");
                    response
                }
                Err(failure) => {
                    tracing::warn!(request_id, reason = outcome, "not forwarded");
                    failure.answer()
                }
            })
        })
    }
}

impl Inner {
    async fn forward(
        &self,
        request: Request<Full<Bytes>>,
        id: Option<&str>,
    ) -> Result<Response<ProxyBody>, Failure> {
        let principal =
            request.extensions().get::<Principal>().cloned().ok_or(Failure::Identity)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let now = self.clock.unix_time();
        let request = self.outgoing(request, &principal, id.ok_or(Failure::Identity)?, now)?;
        let asking = self.client.request(request);
        let response = timeout(Duration::from_secs(self.limits.answer_secs), asking)
            .await
            .map_err(|_| Failure::Deadline)?
            .map_err(|error| {
                tracing::debug!(%error, cause = ?std::error::Error::source(&error), "upstream");
                Failure::of(&error)
            })?;
        self.incoming(response, &principal, now, place)
    }

    /// Everything in it is from the settings, from the layer before, or listed.
    fn outgoing(
        &self,
        request: Request<Full<Bytes>>,
        principal: &Principal,
        id: &str,
        now: Option<UnixTime>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let (head, body) = request.into_parts();
        let mut fields: HeaderMap = self.request_fields.of(&head.headers);
        fields.insert(header::HOST, self.host.clone());
        if let Some((name, value)) = &self.credential {
            fields.insert(name, value.clone());
        }
        self.vouching.add_to(&mut fields, principal, id, now).ok_or(Failure::Identity)?;
        // Only a POST has a message in it.
        let body = if head.method == Method::POST { body } else { Full::default() };
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = fields;
        Ok(request)
    }

    fn incoming(
        &self,
        response: Response<Incoming>,
        principal: &Principal,
        now: Option<UnixTime>,
        place: OwnedSemaphorePermit,
    ) -> Result<Response<ProxyBody>, Failure> {
        let (head, body) = response.into_parts();
        match head.status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                return Err(Failure::Credential);
            }
            status if status.is_redirection() => return Err(Failure::Redirect),
            status if status.is_informational() => return Err(Failure::Upgrade),
            // RFC 9110 §15: there is no class beyond 5.
            status if status.as_u16() > 599 => return Err(Failure::Broken),
            _ if !is_framed_once(&head.headers) => return Err(Failure::Broken),
            _ => {}
        }
        // TS-94. Where the time is unknown nobody was admitted.
        let life = now.map(|now| {
            let end = principal.expires_at().as_secs().saturating_add(STREAM_LEEWAY_SECS);
            Duration::from_secs(end.saturating_sub(now.as_secs()))
        });
        let life = life.filter(|_| is_event_stream(&head.headers));
        let idle = Duration::from_secs(self.limits.idle_secs);
        let mut response = Response::new(ProxyBody::upstream(body, idle, life, place));
        *response.status_mut() = head.status;
        *response.headers_mut() = self.answer_fields.of(&head.headers);
        Ok(response)
    }
}

/// Whether the body is framed in one way that is known. hyper does not mind a length beside chunks, and reads what
/// is coded in another way as it is, to the end of the connection (SEC-420).
fn is_framed_once(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(only), None) => {
            let is_chunked = only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            is_chunked && !headers.contains_key(header::CONTENT_LENGTH)
        }
        (Some(_), Some(_)) => false,
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

fn check(limits: &UpstreamLimits) -> Result<(), UpstreamError> {
    /// A year: what is longer is a mistake, and past what timers can count.
    const SECS_MAX: u64 = 365 * 24 * 3600;
    let limit = |holds: bool, name| if holds { Ok(()) } else { Err(UpstreamError::Limit(name)) };
    limit((1..=SECS_MAX * 1000).contains(&limits.connect_millis), "limits.connect_millis")?;
    limit((1..=SECS_MAX).contains(&limits.answer_secs), "limits.answer_secs")?;
    limit((1..=SECS_MAX).contains(&limits.idle_secs), "limits.idle_secs")?;
    limit((1..=Semaphore::MAX_PERMITS).contains(&limits.requests), "limits.requests")?;
    limit(limits.header_bytes >= HEADER_BYTES_MIN, "limits.header_bytes")
}

/// TLS, or plain text on loopback or where it is permitted by name.
fn url(settings: &UpstreamSettings) -> Result<Uri, UpstreamError> {
    let parsed = uri::Uri::parse(&settings.url).map_err(|_| UpstreamError::Url)?;
    let permitted = parsed.is_https()
        || parsed.is_loopback_http()
        || (settings.plain_http && parsed.scheme().eq_ignore_ascii_case("http"));
    if !permitted || parsed.userinfo().is_some() || parsed.fragment().is_some() {
        return Err(UpstreamError::Url);
    }
    if !parsed.is_https() && !parsed.is_loopback_http() {
        tracing::warn!(url = settings.url, "upstream over plain http");
    }
    settings.url.parse().map_err(|_| UpstreamError::Url)
}

fn credential(
    settings: &UpstreamSettings,
) -> Result<Option<(HeaderName, HeaderValue)>, UpstreamError> {
    let Some(credential) = &settings.credential else { return Ok(None) };
    let is_authorization = credential.field.eq_ignore_ascii_case(header::AUTHORIZATION.as_str());
    let name = match is_authorization {
        true => header::AUTHORIZATION,
        false => fields::own_name(&credential.field)?,
    };
    let secret = &credential.secret;
    let secret = secret.read().map_err(|error| UpstreamError::Secret("credential", error))?;
    let secret = std::str::from_utf8(&secret).map_err(|_| UpstreamError::Credential)?;
    let scheme = if is_authorization { "Bearer " } else { "" };
    let text = Zeroizing::new(format!("{scheme}{secret}"));
    let mut value = HeaderValue::from_str(&text).map_err(|_| UpstreamError::Credential)?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AuthoritiesError,
        proxy::{Credential, Identity},
        resource_server::Secret,
    };

    fn made(change: impl FnOnce(&mut UpstreamSettings)) -> Result<(), UpstreamError> {
        let mut settings = UpstreamSettings::new("http://127.0.0.1:3000/mcp");
        change(&mut settings);
        Proxy::new(settings, "https://mcp.example.com/mcp").map(drop)
    }

    #[test]
    fn plain_text_only_on_loopback_or_by_name() {
        for good in ["https://mcp.internal/mcp?k=v", "http://localhost:3000", "http://[::1]/mcp"] {
            assert_eq!(made(|settings| settings.url = good.into()), Ok(()), "{good}");
        }
        for bad in
            ["http://10.0.0.7/mcp", "ftp://127.0.0.1/", "/mcp", "", "https://u@h/", "https://h/#f"]
        {
            assert_eq!(
                made(|settings| settings.url = bad.into()),
                Err(UpstreamError::Url),
                "{bad}"
            );
        }
        let by_name = |settings: &mut UpstreamSettings| {
            settings.url = "http://10.0.0.7/mcp".into();
            settings.plain_http = true;
        };
        assert_eq!(made(by_name), Ok(()));
    }

    #[test]
    fn numbers_hosts_and_files_have_bounds() {
        assert_eq!(made(|settings| settings.host = Some("mcp.internal:8443".into())), Ok(()));
        for bad in ["", "a b", "u@h", "h/p", "h\r\nX: y"] {
            let error = made(|settings| settings.host = Some(bad.into()));
            assert_eq!(error, Err(UpstreamError::Host), "{bad:?}");
        }
        for (name, change) in [
            ("limits.connect_millis", (|l| l.connect_millis = 0) as fn(&mut UpstreamLimits)),
            ("limits.answer_secs", |l| l.answer_secs = 0),
            ("limits.answer_secs", |l| l.answer_secs = u64::MAX),
            ("limits.idle_secs", |l| l.idle_secs = 0),
            ("limits.requests", |l| l.requests = 0),
            ("limits.header_bytes", |l| l.header_bytes = 8191),
        ] {
            let error = made(|settings| change(&mut settings.limits));
            assert_eq!(error, Err(UpstreamError::Limit(name)));
        }
        let error = made(|settings| settings.ca_file = Some("/nowhere/ca.pem".into()));
        assert!(matches!(error, Err(UpstreamError::CaFile(AuthoritiesError::File(..)))));
        let error = made(|settings| {
            settings.ca_file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into())
        });
        assert!(matches!(error, Err(UpstreamError::CaFile(AuthoritiesError::Certificates(_)))));
    }

    #[test]
    fn sec_320_a_credential_that_no_field_carries_is_refused_without_its_text() {
        let with = |secret: &str, field: &str| {
            let (secret, field) = (Secret::value(secret), field.to_owned());
            made(|settings| settings.credential = Some(Credential { secret, field }))
        };
        for field in ["authorization", "Authorization", "x-api-key"] {
            assert_eq!(with("s3cret", field), Ok(()));
        }
        for field in ["cookie", "portcullis-identity", "host", "x y"] {
            assert_eq!(with("s3cret", field), Err(UpstreamError::Field(field.into())));
        }
        let settings = |field: &str| UpstreamSettings {
            credential: Some(Credential { secret: Secret::value("s3cret"), field: field.into() }),
            ..UpstreamSettings::new("http://127.0.0.1/")
        };
        for field in ["authorization", "x-api-key"] {
            let (_, value) = credential(&settings(field)).unwrap().unwrap();
            assert!(value.is_sensitive() && !format!("{value:?}").contains("s3cret"));
        }
        assert_eq!(with("s3\r\ncret", "x-api-key"), Err(UpstreamError::Credential));
        assert!(matches!(with("", "x-api-key"), Err(UpstreamError::Secret("credential", _))));
        let mut settings = UpstreamSettings::new("http://127.0.0.1/");
        settings.identity =
            Identity::Signed { key: Secret::value("hunter2"), audience: None, lifetime_secs: 60 };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
