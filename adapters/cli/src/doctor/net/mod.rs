//! One request at a time: to a vetted address, bounded in time and length, no redirect followed, no cookie
//! kept, no credential of anybody's sent.

pub(crate) mod certificate;
pub(crate) mod reach;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use portcullis_core::{client::UrlRefusal, encoding::uri::Uri, limits::METADATA_LEN_MAX_DESKTOP};
use portcullis_tokio::{
    Authorities,
    vetted::{self, ConnectError},
};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use certificate::Session;
use reach::Reach;

/// Longest body that is read: what a client reads of metadata.
pub(crate) const BODY_LEN_MAX: usize = METADATA_LEN_MAX_DESKTOP;
/// Room for the head of an answer.
const HEAD_LEN_MAX: usize = 32 * 1024;
/// For one address: no limit but that of the whole request, which the user sets.
const CONNECT_TIME: Duration = Duration::MAX;

/// One request.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) fields: &'a [(HeaderName, &'a str)],
    pub(crate) body: &'a str,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// It went on beyond [`BODY_LEN_MAX`].
    TooLong,
    TimedOut,
    Broken,
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
    pub(crate) took: Duration,
}

impl Answer {
    /// A field that is there once and readable.
    pub(crate) fn field(&self, name: &HeaderName) -> Option<&str> {
        self.fields.get(name).and_then(|value| value.to_str().ok())
    }

    /// Where a redirect leads.
    pub(crate) fn redirect(&self) -> Option<&str> {
        let redirects = (300..400).contains(&self.status) && self.status != 304;
        redirects.then(|| self.field(&header::LOCATION).unwrap_or("nowhere"))
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Url(UrlRefusal),
    /// An address that is not asked.
    Forbidden(IpAddr),
    Name,
    Connection,
    Tls(String),
    Http(String),
    TimedOut,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(refusal) => write!(f, "not asked: {refusal}"),
            Self::Forbidden(address) => write!(f, "not asked: {address} is not a public address"),
            Self::Name => f.write_str("its name has no address"),
            Self::Connection => f.write_str("no connection"),
            Self::Tls(error) => write!(f, "no TLS session: {error}"),
            Self::Http(error) => write!(f, "no HTTP answer: {error}"),
            Self::TimedOut => f.write_str("no answer in time"),
        }
    }
}

/// The network as the doctor uses it.
pub(crate) struct Net {
    reach: Reach,
    tls: TlsConnector,
    time_limit: Duration,
    seen: Mutex<Seen>,
}

/// What was learnt on the way, by origin.
#[derive(Default)]
struct Seen {
    sessions: BTreeMap<String, Session>,
    /// Origins that let a request run into its time limit are not asked again.
    silent: BTreeSet<String>,
    /// Servers' clocks: seconds ahead of ours.
    clocks: BTreeMap<String, i64>,
}

impl Net {
    /// `None` when there is no usable TLS.
    pub(crate) fn new(
        reach: Reach,
        extra_roots: &[CertificateDer<'static>],
        time_limit: Duration,
    ) -> Option<Self> {
        let tls = Authorities::public_and(extra_roots)?.tls_connector()?;
        Some(Self { reach, tls, time_limit, seen: Mutex::default() })
    }

    pub(crate) const fn reach(&self) -> Reach {
        self.reach
    }

    /// TLS sessions by origin.
    pub(crate) fn sessions(&self) -> BTreeMap<String, Session> {
        self.seen().sessions.clone()
    }

    /// Seconds by which servers' clocks are ahead of ours, by origin.
    pub(crate) fn clocks(&self) -> BTreeMap<String, i64> {
        self.seen().clocks.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a document.
    pub(crate) async fn get(&self, url: &str) -> Result<Answer, Failure> {
        let fields = [(header::ACCEPT, "application/json")];
        self.ask(Ask { method: Method::GET, url, fields: &fields, body: "" }).await
    }

    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let url = self.reach.admit(ask.url).map_err(Failure::Url)?;
        let origin = origin(url);
        if self.seen().silent.contains(&origin) {
            return Err(Failure::TimedOut);
        }
        let begun = Instant::now();
        let deadline = begun + self.time_limit;
        let sent = timeout(self.time_limit, self.send(url, &ask, &origin)).await;
        let Ok(sent) = sent else {
            self.seen().silent.insert(origin);
            return Err(Failure::TimedOut);
        };
        let (head, body) = sent?.into_parts();
        if let Some(ahead) = clock_difference(&head.headers) {
            self.seen().clocks.insert(origin.clone(), ahead);
        }
        let (body, end) = collect(body, &head.headers, deadline).await;
        if end == End::TimedOut {
            self.seen().silent.insert(origin);
        }
        let (status, fields) = (head.status.as_u16(), head.headers);
        Ok(Answer { status, fields, body, end, took: begun.elapsed() })
    }

    async fn send(
        &self,
        url: Uri<'_>,
        ask: &Ask<'_>,
        origin: &str,
    ) -> Result<http::Response<Incoming>, Failure> {
        let stream = self.connect(url).await?;
        let request = request(url, ask).ok_or(Failure::Url(UrlRefusal::TooLong))?;
        if !url.is_https() {
            return exchange(stream, request).await;
        }
        let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| Failure::Name)?;
        let stream = self.tls.connect(name, stream).await;
        let stream = stream.map_err(|error| Failure::Tls(error.to_string()))?;
        let session = Session::of(stream.get_ref().1);
        self.seen().sessions.insert(origin.to_owned(), session);
        exchange(stream, request).await
    }

    async fn connect(&self, url: Uri<'_>) -> Result<TcpStream, Failure> {
        let port = url.origin().and_then(|origin| origin.port).ok_or(Failure::Name)?;
        let permits = |address| self.reach.permits(address);
        let look_up = vetted::look_up(url.host().to_owned(), port);
        vetted::connect(look_up, permits, CONNECT_TIME).await.map_err(|error| match error {
            ConnectError::Name(_) => Failure::Name,
            ConnectError::Forbidden(address) => Failure::Forbidden(address),
            ConnectError::Connection(_) => Failure::Connection,
        })
    }
}

/// Scheme, host and port of a URL.
pub(crate) fn origin(url: Uri<'_>) -> String {
    format!("{}://{}", url.scheme(), url.authority_text().unwrap_or_default())
}

fn request(url: Uri<'_>, ask: &Ask<'_>) -> Option<Request<Full<Bytes>>> {
    let path = if url.path().is_empty() { "/" } else { url.path() };
    let target = match url.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(ask.body.as_bytes())));
    *request.method_mut() = ask.method.clone();
    *request.uri_mut() = target.parse().ok()?;
    let fields = request.headers_mut();
    fields.insert(header::HOST, HeaderValue::from_str(url.authority_text()?).ok()?);
    let agent = concat!("portcullis-doctor/", env!("CARGO_PKG_VERSION"));
    fields.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in ask.fields {
        fields.insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(request)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<http::Response<Incoming>, Failure> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LEN_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::Http(error.to_string()))?;
    // It ends with the answer's body, or with the time limit that drops it.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| Failure::Http(error.to_string()))
}

/// The body until its end or a bound; of an event stream the first event is enough.
async fn collect(mut body: Incoming, fields: &HeaderMap, deadline: Instant) -> (Vec<u8>, End) {
    let media_type = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_events = media_type.is_some_and(|value| value.starts_with("text/event-stream"));
    let mut collected = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let piece = match timeout(left, body.frame()).await {
            Err(_) => return (collected, End::TimedOut),
            Ok(None) => return (collected, End::Whole),
            Ok(Some(Err(_))) => return (collected, End::Broken),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        if piece.len() > BODY_LEN_MAX.saturating_sub(collected.len()) {
            return (collected, End::TooLong);
        }
        collected.extend_from_slice(&piece);
        let has_event = |body: &[u8]| {
            body.windows(2).any(|two| two == b"\n\n")
                || body.windows(4).any(|four| four == b"\r\n\r\n")
        };
        if is_events && has_event(&collected) {
            return (collected, End::Whole);
        }
    }
}

/// Seconds by which the `Date` of an answer is ahead of our clock. What a cache kept says when it was made
/// (RFC 9111 §4).
fn clock_difference(fields: &HeaderMap) -> Option<i64> {
    if fields.contains_key(header::AGE) {
        return None;
    }
    let theirs = httpdate::parse_http_date(fields.get(header::DATE)?.to_str().ok()?).ok()?;
    let secs = |time: Duration| i64::try_from(time.as_secs()).ok();
    match theirs.duration_since(SystemTime::now()) {
        Ok(ahead) => secs(ahead),
        Err(error) => secs(error.duration()).map(|behind| -behind),
    }
}
