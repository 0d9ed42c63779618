//! Asking the provider: one connection for each request, which ends with it.

use std::fmt;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, response::Parts};
use http_body_util::Full;
use portcullis_tokio::Authorities;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::form_encoded;
use crate::answers;
use crate::exchange::{AnswerLimits, ExchangeError, exchange};

/// The body is metadata, a key set, or tokens with many groups.
const LIMITS: AnswerLimits = AnswerLimits { head_len_max: 64 * 1024, body_len_max: 256 * 1024 };
/// For name, connection, handshake and answer together. The user is waiting.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpError {
    Connection,
    Tls,
    /// No HTTP, or the connection broke.
    Http,
    /// Anything but 200 where only that helps, redirects included.
    Status,
    MediaType,
    TooLarge,
    Deadline,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "no connection to the provider",
            Self::Tls => "no TLS session with the provider",
            Self::Http => "no HTTP answer from the provider",
            Self::Status => "the provider does not answer with 200",
            Self::MediaType => "the provider's answer is not JSON",
            Self::TooLarge => "the provider's answer is too large",
            Self::Deadline => "the provider took too long",
        })
    }
}

impl From<ExchangeError> for HttpError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Http => Self::Http,
            ExchangeError::TooLarge => Self::TooLarge,
        }
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// No redirect is followed, no proxy is taken from the environment.
pub(super) struct HttpClient {
    tls: TlsConnector,
}

impl HttpClient {
    pub(super) fn new(extra_roots: &[CertificateDer<'static>]) -> Option<Self> {
        Some(Self { tls: Authorities::public_and(extra_roots)?.tls_connector()? })
    }

    /// `bearer` is an access token (RFC 6750 §2.1), where one is needed.
    pub(super) async fn get_json(
        &self,
        url: &Uri,
        bearer: Option<&str>,
    ) -> Result<Bytes, HttpError> {
        let mut request = request(Method::GET, url);
        if let Some(token) = bearer {
            let field = HeaderValue::try_from(format!("Bearer {token}"));
            let mut field = field.map_err(|_| HttpError::Http)?;
            field.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, field);
        }
        let request = request.body(Full::new(Bytes::new())).map_err(|_| HttpError::Http)?;
        let answer = self.send(url, request).await?;
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(HttpError::Status) }
    }

    /// `credentials` are sent as `client_secret_basic` (RFC 6749 §2.3.1).
    pub(super) async fn post_form(
        &self,
        url: &Uri,
        credentials: Option<(&str, &str)>,
        form: String,
    ) -> Result<Answer, HttpError> {
        let mut request = request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((id, secret)) = credentials {
            let pair = format!("{}:{}", form_encoded(id), form_encoded(secret));
            let field = format!("Basic {}", Base64::encode_string(pair.as_bytes()));
            let mut field = HeaderValue::try_from(field).map_err(|_| HttpError::Http)?;
            field.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, field);
        }
        let request = request.body(Full::new(form.into())).map_err(|_| HttpError::Http)?;
        self.send(url, request).await
    }

    async fn send(&self, url: &Uri, request: Request<Full<Bytes>>) -> Result<Answer, HttpError> {
        timeout(DEADLINE, self.exchange(url, request)).await.unwrap_or(Err(HttpError::Deadline))
    }

    async fn exchange(
        &self,
        url: &Uri,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, HttpError> {
        let host = url.host().ok_or(HttpError::Connection)?;
        // An IPv6 address is in brackets in a URL, and without them elsewhere.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_https = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(|_| HttpError::Connection)?;
        if !is_https {
            return talk(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpError::Tls)?;
        let stream = self.tls.connect(name, stream).await.map_err(|_| HttpError::Tls)?;
        talk(stream, request).await
    }
}

/// Path, host and what is taken. The authority is the URL's own: it names no user.
fn request(method: Method, url: &Uri) -> http::request::Builder {
    let path = url.path_and_query().map_or("/", |it| it.as_str());
    let authority = url.authority().map_or("", |it| it.as_str());
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity")
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, HttpError> {
    let (head, body) = exchange(stream, request, LIMITS, judge).await?;
    Ok(Answer { status: head.status, body })
}

fn judge(head: &Parts) -> Result<(), HttpError> {
    let is_json = answers::has_content_type(&head.headers, "application/json")
        || answers::has_content_type(&head.headers, "application/jwk-set+json");
    if is_json && !head.headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    // An error page from something in between is no word of the provider.
    Err(if head.status.is_success() { HttpError::MediaType } else { HttpError::Status })
}
