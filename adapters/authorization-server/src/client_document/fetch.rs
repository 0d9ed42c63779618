//! Fetching a document from a place that a stranger named.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header, response::Parts};
use http_body_util::Full;
use portcullis_core::address::is_public;
use portcullis_tokio::Authorities;
use portcullis_tokio::vetted::{self, ConnectError};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::url::DocumentUrl;
use crate::answers;
use crate::exchange::{AnswerLimits, ExchangeError, exchange};

/// Longest document in bytes (LIM-11, AS-39).
pub(super) const DOCUMENT_LEN_MAX: usize = 5 * 1024;
/// Media types of a document about a client.
pub(super) const DOCUMENT: [&str; 1] = ["application/json"];
/// Media types of a key set (RFC 7517 §8.5).
pub(super) const KEY_SET: [&str; 2] = ["application/jwk-set+json", "application/json"];
/// For name, connection, handshake and answer together.
const DEADLINE: Duration = Duration::from_secs(5);
/// For one of several addresses, so that a dead one leaves time for the next.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
const LIMITS: AnswerLimits =
    AnswerLimits { head_len_max: 16 * 1024, body_len_max: DOCUMENT_LEN_MAX };

/// Why there is no document. For the log: whoever asked hears one word for all of them (SEC-287).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchError {
    /// The name has no address.
    Name,
    /// One of its addresses is not of the public internet.
    Address,
    Connection,
    Tls,
    /// No HTTP, or the connection broke.
    Http,
    /// Anything but 200, redirects included (AS-37).
    Status,
    MediaType,
    /// It is compressed, though that was not asked for.
    Encoding,
    TooLarge,
    Deadline,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name has no address",
            Self::Address => "the name has an address that is not public",
            Self::Connection => "no connection",
            Self::Tls => "no TLS session",
            Self::Http => "no HTTP answer",
            Self::Status => "the status is not 200",
            Self::MediaType => "the document is not JSON",
            Self::Encoding => "the document is compressed",
            Self::TooLarge => "the document is too large",
            Self::Deadline => "it took too long",
        })
    }
}

impl From<ExchangeError> for FetchError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Http => Self::Http,
            ExchangeError::TooLarge => Self::TooLarge,
        }
    }
}

/// A document as it came.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Bytes,
    /// How long it may be kept, as its sender says; `None` when it says nothing.
    pub(super) max_age: Option<Duration>,
}

type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// Finds the addresses of a name, with the port.
pub(super) type Resolve = Arc<dyn Fn(String, u16) -> Addresses + Send + Sync>;

/// Fetches documents. No proxy is taken from the environment.
pub(super) struct Fetcher {
    tls: TlsConnector,
    resolve: Resolve,
    /// Development: addresses of this machine are permitted, too.
    loopback: bool,
    deadline: Duration,
}

impl Fetcher {
    /// A fetcher that trusts the roots that browsers trust, and `extra_roots`. `None` when there is
    /// no usable TLS.
    pub(super) fn new(extra_roots: &[CertificateDer<'static>], loopback: bool) -> Option<Self> {
        Some(Self {
            tls: Authorities::public_and(extra_roots)?.tls_connector()?,
            resolve: Arc::new(|name, port| Box::pin(vetted::look_up(name, port))),
            loopback,
            deadline: DEADLINE,
        })
    }

    #[cfg(test)]
    pub(super) fn with_resolve(self, resolve: Resolve) -> Self {
        Self { resolve, ..self }
    }

    #[cfg(test)]
    pub(super) fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Fetches a document of one of these media types.
    pub(super) async fn fetch(
        &self,
        url: DocumentUrl<'_>,
        media_types: &[&str],
        now: SystemTime,
    ) -> Result<Fetched, FetchError> {
        let fetched = timeout(self.deadline, self.get(url, media_types, now));
        fetched.await.unwrap_or(Err(FetchError::Deadline))
    }

    async fn get(
        &self,
        url: DocumentUrl<'_>,
        media_types: &[&str],
        now: SystemTime,
    ) -> Result<Fetched, FetchError> {
        let stream = self.connect(url).await?;
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| FetchError::Tls)?;
        let stream = self.tls.connect(name, stream).await.map_err(|_| FetchError::Tls)?;
        let request = Request::get(url.path())
            .header(header::HOST, url.authority())
            .header(header::ACCEPT, media_types.join(", "))
            .header(header::ACCEPT_ENCODING, "identity")
            .body(Full::new(Bytes::new()))
            .map_err(|_| FetchError::Http)?;
        let judge = |head: &Parts| judge(head.status, &head.headers, media_types);
        let (head, body) = exchange(stream, request, LIMITS, judge).await?;
        Ok(Fetched { body, max_age: max_age(&head.headers, now) })
    }

    async fn connect(&self, url: DocumentUrl<'_>) -> Result<TcpStream, FetchError> {
        let look_up = (self.resolve)(url.host().to_owned(), url.port());
        let permits =
            |address: IpAddr| is_public(address) || (self.loopback && address.is_loopback());
        vetted::connect(look_up, permits, CONNECT_DEADLINE).await.map_err(|error| match error {
            ConnectError::Name(_) => FetchError::Name,
            ConnectError::Forbidden(_) => FetchError::Address,
            ConnectError::Connection(_) => FetchError::Connection,
        })
    }
}

fn judge(status: StatusCode, headers: &HeaderMap, media_types: &[&str]) -> Result<(), FetchError> {
    if status != StatusCode::OK {
        return Err(FetchError::Status);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(FetchError::Encoding);
    }
    if media_types.iter().any(|it| answers::has_content_type(headers, it)) {
        Ok(())
    } else {
        Err(FetchError::MediaType)
    }
}

/// How long an answer that came `now` may be kept, if it says so (RFC 9111 §4.2.1).
fn max_age(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    said_by_cache_control(headers).or_else(|| said_by_expires(headers, now))
}

/// What `Expires` says, counted from the sender's `Date` (RFC 9111 §5.3). What is no date has passed.
fn said_by_expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = |name| {
        let text = headers.get(name).map(|field| field.to_str().unwrap_or_default());
        text.map(|text| httpdate::parse_http_date(text).ok())
    };
    let expires = date(header::EXPIRES)?;
    let sent = date(header::DATE).flatten().unwrap_or(now);
    Some(expires.and_then(|expires| expires.duration_since(sent).ok()).unwrap_or_default())
}

/// What `Cache-Control` says (RFC 9111 §5.2.2): the smallest `max-age`; nothing at all with
/// `no-store` or `no-cache`.
fn said_by_cache_control(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(header::CACHE_CONTROL).iter();
    let directives = fields.filter_map(|field| field.to_str().ok()).flat_map(|it| it.split(','));
    directives
        .filter_map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => Some(0),
                "max-age" => Some(value.trim().trim_matches('"').parse().unwrap_or(0)),
                _ => None,
            }
        })
        .min()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
