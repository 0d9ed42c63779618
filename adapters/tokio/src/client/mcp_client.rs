//! An MCP client that logs in when it has to (MCP 2026-07-28, one POST for each request).

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, response::Parts};
use portcullis_core::{
    client::{FetchFailure, UrlRefusal},
    mcp::header_value,
};
use serde_json::{Value, json};

use super::{
    AuthorizeError, Authorizer, Judgement, Login, OpenBrowser, Operation, Options, Party,
    Printable,
    event_stream::EventStream,
    fetcher::Received,
    operation::{bearer_challenge, challenge_buffer, challenges},
    tool_parameters::{ToolParameters, WrongArgument},
};

/// The protocol revision that is spoken.
pub const PROTOCOL_VERSION: &str = "2026-07-28";
/// Longest answer in bytes.
pub const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;
/// The JSON-RPC error of a server that misses a field, or finds another value in it.
const HEADER_MISMATCH: i64 = -32020;
/// Most pages of a list of tools that are read by themselves.
const PAGES_MAX: usize = 16;

/// Why a request has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum McpError {
    /// The server's URL must not be used.
    ServerUrl(UrlRefusal),
    /// Logging in failed.
    Authorize(AuthorizeError),
    /// The server refuses fresh tokens too (SEC-476).
    Unauthorized,
    /// The server refused: 403 says that these tokens do not permit it.
    Refused {
        /// The status.
        status: u16,
        /// `error` of the Bearer challenge.
        error: Option<String>,
        /// The scopes that would be needed, if the challenge names them.
        scope: Option<String>,
    },
    /// There was no answer.
    Fetch(FetchFailure),
    /// The request cannot be written as HTTP, or an argument that a field repeats is not of its type (TS-47).
    Request,
    /// The answer is not the answer to this request.
    Answer,
    /// The server answered with a JSON-RPC error.
    Rpc {
        /// `code`.
        code: i64,
        /// `message`, a stranger's text.
        message: String,
    },
}

impl fmt::Display for McpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerUrl(refusal) => write!(f, "server: {refusal}"),
            Self::Authorize(error) => error.fmt(f),
            Self::Unauthorized => f.write_str("server refuses fresh tokens too"),
            Self::Refused { status, error, scope } => {
                write!(f, "refused with status {status}")?;
                for (name, text) in [("error", error), ("scope", scope)] {
                    if let Some(text) = text {
                        write!(f, ", {name} \"{}\"", Printable(text))?;
                    }
                }
                Ok(())
            }
            Self::Fetch(failure) => failure.fmt(f),
            Self::Request => f.write_str("request cannot be written as HTTP"),
            Self::Answer => f.write_str("answer is not one to this request"),
            // Control and bidirectional characters would act on a terminal (SEC-486).
            Self::Rpc { code, message } => write!(f, "error {code}: {}", Printable(message)),
        }
    }
}

impl std::error::Error for McpError {}

impl From<WrongArgument> for McpError {
    fn from(_: WrongArgument) -> Self {
        Self::Request
    }
}

impl From<AuthorizeError> for McpError {
    fn from(error: AuthorizeError) -> Self {
        Self::Authorize(error)
    }
}

impl From<FetchFailure> for McpError {
    fn from(failure: FetchFailure) -> Self {
        Self::Fetch(failure)
    }
}

/// A client of one MCP server.
///
/// Its tokens go to that server and nowhere else (CL-71), in the header of every request (CL-70).
///
/// Parameters that a list of tools marks with `x-mcp-header` are repeated in `Mcp-Param-*` fields of later
/// calls, and tools whose marks are wrong are not in the list (TC-04).
///
/// It is a small client: each request is one POST, of whose answer only the result is read. It opens no streams
/// of its own, does not resume one that breaks off (`Last-Event-ID`), and passes on neither notifications nor
/// what a server asks its client. For those there is [rmcp](super::AuthorizedHttpClient).
pub struct McpClient {
    authorizer: Arc<Authorizer>,
    next_id: AtomicU64,
    parameters: ToolParameters,
}

impl McpClient {
    /// A client without tokens for the server at this URL, kept as the string it is.
    pub fn new(
        server_url: impl Into<String>,
        options: Options,
        browser: impl OpenBrowser + 'static,
    ) -> Result<Self, McpError> {
        let authorizer = Authorizer::new(server_url, options, browser)?;
        Ok(Self::with_authorizer(Arc::new(authorizer)))
    }

    /// A client of the authorizer's server, with its login.
    pub fn with_authorizer(authorizer: Arc<Authorizer>) -> Self {
        Self { authorizer, next_id: AtomicU64::new(1), parameters: ToolParameters::default() }
    }

    /// The login that is used now.
    pub async fn login(&self) -> Option<Login> {
        self.authorizer.login().await
    }

    /// Uses this login; one for another server is not taken (SEC-475). What the user did not agree to before
    /// is forgotten.
    pub async fn set_login(&self, login: Login) {
        self.authorizer.set_login(login).await;
    }

    /// `tools/list`, without tools that must not be called (SEC-484).
    pub async fn list_tools(&self) -> Result<Value, McpError> {
        self.request("tools/list", None, json!({})).await
    }

    /// `tools/call`
    pub async fn call_tool(&self, name: &str, arguments: Value) -> Result<Value, McpError> {
        let params = json!({ "name": name, "arguments": arguments });
        self.request("tools/call", Some(name), params).await
    }

    /// Sends a request and gives its result; logs in, or refreshes, when the server says 401, and asks the
    /// user for further scopes when it says that the operation needs them (403).
    ///
    /// `name` is what `Mcp-Name` repeats: `params.name` or `params.uri`, where the method has one.
    pub async fn request(
        &self,
        method: &str,
        name: Option<&str>,
        params: Value,
    ) -> Result<Value, McpError> {
        let repeated = self.repeated(method, name, &params)?;
        let outcome = self.request_with(method, name, params.clone(), &repeated).await;
        let Err(McpError::Rpc { code: HEADER_MISMATCH, .. }) = &outcome else { return outcome };
        // The server may want other parameters repeated than when its tools were listed, if they were (TC-04).
        if method != "tools/call" || self.list_again().await.is_err() {
            return outcome;
        }
        match self.repeated(method, name, &params)? {
            same if same == repeated => outcome,
            other => self.request_with(method, name, params, &other).await,
        }
    }

    /// The arguments that fields of this request repeat.
    fn repeated(
        &self,
        method: &str,
        name: Option<&str>,
        params: &Value,
    ) -> Result<HeaderMap, McpError> {
        let tool = name.filter(|_| method == "tools/call");
        let fields = tool.map(|tool| self.parameters.fields(tool, params.get("arguments")));
        Ok(fields.transpose()?.unwrap_or_default())
    }

    /// Reads the whole list of tools, for what it says of their parameters.
    async fn list_again(&self) -> Result<(), McpError> {
        let mut params = json!({});
        for _ in 0..PAGES_MAX {
            let none = HeaderMap::new();
            let mut page = self.request_with("tools/list", None, params, &none).await?;
            let Some(cursor @ Value::String(_)) = page.get_mut("nextCursor") else { break };
            params = json!({ "cursor": cursor.take() });
        }
        Ok(())
    }

    async fn request_with(
        &self,
        method: &str,
        name: Option<&str>,
        params: Value,
        repeated: &HeaderMap,
    ) -> Result<Value, McpError> {
        let call = Call { id: self.next_id.fetch_add(1, Ordering::Relaxed), method, name };
        let body = Bytes::from(call.body(params).to_string());
        let mut operation = self.authorizer.operation();
        let received = loop {
            let received = self.send(&call, body.clone(), repeated, &mut operation).await?;
            let Parts { status, headers, .. } = &received.head;
            match operation.judge(*status, headers).await? {
                Judgement::Deliver => break received,
                Judgement::Again => {}
                Judgement::GiveUp => return Err(McpError::Unauthorized),
            }
        };
        let mut result = call.result(&received)?;
        if method == "tools/list" {
            self.parameters.learn(&mut result);
        }
        Ok(result)
    }

    async fn send(
        &self,
        call: &Call<'_>,
        body: Bytes,
        repeated: &HeaderMap,
        operation: &mut Operation<'_>,
    ) -> Result<Received, McpError> {
        let (server_url, options) = (self.authorizer.server_url(), self.authorizer.options());
        options.url_policy(server_url).admit(server_url).map_err(McpError::ServerUrl)?;
        let mut fields = call.fields()?;
        fields.extend(repeated.clone());
        fields.extend(operation.fields(&Method::POST, server_url).await?);
        let (mut events, mut answered) = (EventStream::default(), false);
        let sent = self.authorizer.fetcher().send(
            Method::POST,
            server_url,
            fields,
            body,
            ANSWER_LEN_MAX,
            options.call_time_limit,
            |head, piece| {
                if is_event_stream(&head.headers) {
                    events.push(piece, |data| answered |= call.is_answer(data));
                }
                answered
            },
        );
        let received = sent.await;
        let status = received.as_ref().map(Received::status).map_err(|failure| *failure);
        let with = if operation.has_token() { "with a token" } else { "without a token" };
        let name = call.name.unwrap_or_default();
        let meaning = format!("{} {name} {with}", call.method).replace("  ", " ");
        let parties = (Party::Client, Party::ResourceServer);
        self.authorizer.flow().tell(parties, ("POST", server_url), status, &meaning);
        Ok(received?)
    }
}

impl fmt::Debug for McpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpClient")
            .field("server_url", &self.authorizer.server_url())
            .field("options", self.authorizer.options())
            .finish_non_exhaustive()
    }
}

/// One request.
pub(super) struct Call<'c> {
    pub(super) id: u64,
    pub(super) method: &'c str,
    pub(super) name: Option<&'c str>,
}

impl Call<'_> {
    /// The JSON-RPC request with the `_meta` that the revision asks for (TS-30).
    pub(super) fn body(&self, mut params: Value) -> Value {
        if let Some(params) = params.as_object_mut() {
            params.insert(
                "_meta".to_owned(),
                json!({
                    "io.modelcontextprotocol/protocolVersion": PROTOCOL_VERSION,
                    "io.modelcontextprotocol/clientCapabilities": {},
                }),
            );
        }
        json!({ "jsonrpc": "2.0", "id": self.id, "method": self.method, "params": params })
    }

    /// The fields of the request; those that repeat the body are spelled by the core (TC-03).
    pub(super) fn fields(&self) -> Result<HeaderMap, McpError> {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        fields.insert(header::ACCEPT, accept);
        let mirrored = [
            ("mcp-protocol-version", Some(PROTOCOL_VERSION)),
            ("mcp-method", Some(self.method)),
            ("mcp-name", self.name),
        ];
        for (field, text) in mirrored {
            let Some(text) = text else { continue };
            let value = HeaderValue::from_str(&header_value(text).to_string());
            fields.insert(HeaderName::from_static(field), value.map_err(|_| McpError::Request)?);
        }
        Ok(fields)
    }

    /// Whether a message of an event stream is the answer to this request.
    fn is_answer(&self, message: &[u8]) -> bool {
        self.read(message).is_some()
    }

    fn read(&self, message: &[u8]) -> Option<Result<Value, McpError>> {
        let mut message: Value = serde_json::from_slice(message).ok()?;
        if message.get("jsonrpc")? != "2.0" || message.get("id").is_some_and(|id| *id != self.id) {
            return None;
        }
        if let Some(error) = message.get("error") {
            let code = error.get("code")?.as_i64()?;
            let message = error.get("message")?.as_str()?.to_owned();
            return Some(Err(McpError::Rpc { code, message }));
        }
        // A result is ours only with our id (SEC-483).
        message.get("id")?;
        Some(Ok(message.get_mut("result")?.take()))
    }

    fn result(&self, received: &Received) -> Result<Value, McpError> {
        if received.status() == 403 {
            return Err(refusal(received));
        }
        let mut answer = None;
        if is_event_stream(&received.head.headers) {
            EventStream::default().push(&received.body, |data| {
                answer = answer.take().or_else(|| self.read(data));
            });
        } else {
            answer = self.read(&received.body);
        }
        match answer {
            Some(Ok(_)) if !received.head.status.is_success() => Err(refusal(received)),
            Some(answer) => answer,
            None if received.head.status.is_success() => Err(McpError::Answer),
            None => Err(refusal(received)),
        }
    }
}

fn is_event_stream(fields: &HeaderMap) -> bool {
    let value = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.is_some_and(|name| name.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// What the server says about its refusal.
fn refusal(received: &Received) -> McpError {
    let lines = challenges(&received.head.headers);
    let mut buffer = challenge_buffer(&lines);
    let challenge = bearer_challenge(&lines, &mut buffer);
    McpError::Refused {
        status: received.status(),
        error: challenge.and_then(|challenge| challenge.error).map(str::to_owned),
        scope: challenge
            .and_then(|challenge| challenge.scope)
            .map(|scope| scope.as_str().to_owned()),
    }
}
