//! Our authorization for an rmcp client: the HTTP below its Streamable HTTP transport.

mod answer;
mod events;

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use futures_core::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::{
        StreamableHttpClientTransport,
        streamable_http_client::{
            AuthRequiredError, InsufficientScopeError, SseError, StreamableHttpClient,
            StreamableHttpClientTransportConfig, StreamableHttpError, StreamableHttpPostResponse,
            StreamableHttpResponseLimits,
        },
    },
};
use sse_stream::Sse;
use tokio::time::timeout;

use super::{
    AuthorizeError, Authorizer, FetchFailure, Judgement, Party,
    operation::{bearer_challenge, challenge_buffer, challenges},
};

/// The id of a session, in the revisions that have them.
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// Where a stream goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What sends the requests of an rmcp client, and authorizes them.
///
/// At a 401 it gets tokens, at a 403 that names further scopes it asks the user for them, as
/// [`McpClient`](super::McpClient) does, and sends the request again. So an rmcp client needs nothing but
/// this instead of its own HTTP:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis_tokio::client::{AuthorizedHttpClient, Authorizer, Options, SystemBrowser};
/// use rmcp::ServiceExt;
///
/// let authorizer = Authorizer::new("http://localhost:8001/mcp", Options::new("My tool"), SystemBrowser)?;
/// let client = ().serve(AuthorizedHttpClient::new(authorizer).transport()).await?;
/// println!("{:?}", client.list_all_tools().await?);
/// # Ok(())
/// # }
/// ```
///
/// Requests to [other URLs](Authorizer::is_for) than the server's are not sent at all, redirects are not
/// followed (SEC-464), and an `Authorization` field that rmcp was configured with is an error. A request has
/// [`Options::call_time_limit`](super::Options::call_time_limit) until its answer begins, and a JSON answer
/// until its end; how long a stream may go on is rmcp's to say.
#[derive(Clone, Debug)]
pub struct AuthorizedHttpClient {
    authorizer: Arc<Authorizer>,
}

/// Why there is no answer to a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthorizedHttpError {
    /// There are no tokens.
    Authorize(AuthorizeError),
    /// There was no answer, or not all of it.
    Fetch(FetchFailure),
    /// The request cannot be written as HTTP.
    Request,
}

impl fmt::Display for AuthorizedHttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorize(error) => error.fmt(f),
            Self::Fetch(failure) => failure.fmt(f),
            Self::Request => f.write_str("request cannot be written as HTTP"),
        }
    }
}

impl std::error::Error for AuthorizedHttpError {}

type Failure = StreamableHttpError<AuthorizedHttpError>;

impl From<AuthorizedHttpError> for Failure {
    fn from(error: AuthorizedHttpError) -> Self {
        Self::Client(error)
    }
}

impl From<FetchFailure> for AuthorizedHttpError {
    fn from(failure: FetchFailure) -> Self {
        Self::Fetch(failure)
    }
}

impl AuthorizedHttpClient {
    /// With the login of this authorizer, which may be shared.
    pub fn new(authorizer: impl Into<Arc<Authorizer>>) -> Self {
        Self { authorizer: authorizer.into() }
    }

    /// A transport to the authorizer's server, as rmcp sets it up by default.
    ///
    /// For another set-up give `self` to
    /// [`StreamableHttpClientTransport::with_client`], with the same URL.
    pub fn transport(self) -> StreamableHttpClientTransport<Self> {
        let url = self.authorizer.server_url();
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        StreamableHttpClientTransport::with_client(self, config)
    }

    /// Sends a request, and again after each refusal that brought a new token.
    async fn exchange(&self, request: &Outgoing<'_>) -> Result<Response<Incoming>, Failure> {
        let mut operation = self.authorizer.operation();
        loop {
            let authorization = operation.fields(&request.method, request.url).await;
            let mut fields = request.fields.clone();
            fields.extend(authorization.map_err(AuthorizedHttpError::Authorize)?);
            let with = if operation.has_token() { "with a token" } else { "without a token" };
            let response = self.send(request, fields, with).await?;
            let judged = operation.judge(response.status(), response.headers()).await;
            match judged.map_err(AuthorizedHttpError::Authorize)? {
                Judgement::Deliver => return admitted(response),
                Judgement::Again => {}
                Judgement::GiveUp => {
                    let challenge = challenge_line(&response);
                    return Err(Failure::AuthRequired(AuthRequiredError::new(challenge)));
                }
            }
        }
    }

    async fn send(
        &self,
        request: &Outgoing<'_>,
        fields: HeaderMap,
        with: &str,
    ) -> Result<Response<Incoming>, AuthorizedHttpError> {
        let Outgoing { method, url, body, what, .. } = request;
        let opened = self.authorizer.fetcher().open(method.clone(), url, fields, body.clone());
        let limit = self.authorizer.options().call_time_limit;
        let opened = timeout(limit, opened).await.unwrap_or(Err(FetchFailure::TimedOut));
        let status = opened.as_ref().map(|response| response.status().as_u16()).map_err(|f| *f);
        let parties = (Party::Client, Party::ResourceServer);
        let meaning = format!("{what} {with}");
        self.authorizer.flow().tell(parties, (method.as_str(), url), status, &meaning);
        Ok(opened?)
    }
}

/// One request, without what authorizes it.
struct Outgoing<'r> {
    method: Method,
    url: &'r str,
    fields: HeaderMap,
    body: Bytes,
    /// For who looks on.
    what: &'r str,
}

/// What rmcp says of each request beside its message.
struct Given {
    session_id: Option<Arc<str>>,
    last_event_id: Option<String>,
    auth_header: Option<String>,
    custom_headers: HashMap<HeaderName, HeaderValue>,
}

impl Given {
    /// The fields of a request that takes this as its answer. The fields that are written here cannot be
    /// given as well: a second `Authorization` would be another user's.
    fn fields(self, accept: &'static str) -> Result<HeaderMap, Failure> {
        let conflict = |name: HeaderName| Failure::ReservedHeaderConflict(name.to_string());
        if self.auth_header.is_some() {
            return Err(conflict(header::AUTHORIZATION));
        }
        let reserved = [header::AUTHORIZATION, header::ACCEPT, header::CONTENT_TYPE, SESSION_ID];
        if let Some(name) = reserved.into_iter().find(|name| self.custom_headers.contains_key(name))
        {
            return Err(conflict(name));
        }
        let mut fields: HeaderMap = self.custom_headers.into_iter().collect();
        fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
        // What the server said of itself comes back to it; it need not be fit to.
        let said = [
            (SESSION_ID, self.session_id.as_deref()),
            (LAST_EVENT_ID, self.last_event_id.as_deref()),
        ];
        for (name, text) in said {
            let Some(text) = text else { continue };
            let value = HeaderValue::from_str(text).map_err(|_| AuthorizedHttpError::Request)?;
            fields.insert(name, value);
        }
        Ok(fields)
    }
}

/// An answer that is no refusal of what the tokens permit.
fn admitted(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    if response.status() != StatusCode::FORBIDDEN {
        return Ok(response);
    }
    let lines = challenges(response.headers());
    let mut buffer = challenge_buffer(&lines);
    let Some(challenge) = bearer_challenge(&lines, &mut buffer) else { return Ok(response) };
    let scope = challenge.scope.map(|scope| scope.as_str().to_owned());
    let error = InsufficientScopeError::new(challenge_line(&response), scope);
    Err(Failure::InsufficientScope(error))
}

/// The challenges as one line, as far as they are text.
fn challenge_line(response: &Response<Incoming>) -> String {
    let lines = response.headers().get_all(header::WWW_AUTHENTICATE);
    let lines: Vec<_> = lines.iter().filter_map(|line| line.to_str().ok()).collect();
    lines.join(", ")
}

impl StreamableHttpClient for AuthorizedHttpClient {
    type Error = AuthorizedHttpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let limits = StreamableHttpResponseLimits::default();
        self.post_message_with_response_limits(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            limits,
        )
        .await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let had_session = session_id.is_some();
        let given = Given { session_id, last_event_id: None, auth_header, custom_headers };
        let mut fields = given.fields("application/json, text/event-stream")?;
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let written = serde_json::to_value(&message)?;
        let request = Outgoing {
            method: Method::POST,
            url: &uri,
            fields,
            body: written.to_string().into(),
            what: written["method"].as_str().unwrap_or("an answer"),
        };
        let response = self.exchange(&request).await?;
        let time_limit = self.authorizer.options().call_time_limit;
        answer::Asked { message: &message, had_session, limits, time_limit }.read(response).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let session_id = Some(session_id);
        let given = Given { session_id, last_event_id: None, auth_header, custom_headers };
        let request = Outgoing {
            method: Method::DELETE,
            url: &uri,
            fields: given.fields("application/json")?,
            body: Bytes::new(),
            what: "end of the session",
        };
        let response = self.exchange(&request).await?;
        match response.status() {
            // TL-04: the server need not let its clients end a session; and it may have ended by itself.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            status => Err(answer::unexpected(status)),
        }
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let limit = StreamableHttpResponseLimits::default().max_sse_event_size;
        self.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            limit,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        let given = Given { session_id, last_event_id, auth_header, custom_headers };
        let request = Outgoing {
            method: Method::GET,
            url: &uri,
            fields: given.fields("text/event-stream")?,
            body: Bytes::new(),
            what: "stream",
        };
        let response = self.exchange(&request).await?;
        answer::stream(response, max_sse_event_size)
    }
}
