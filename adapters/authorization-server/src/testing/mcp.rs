//! Requests to an MCP server with whatever token a test has, and the whole answer to each.

use http::HeaderName;
use http::header;
use portcullis_core::mcp::header_value;
use serde_json::{Value, json};

use super::TestingError;
use super::agent::{self, Agent, Answer, Exchange, Observer};

/// The revision of requests that stand for themselves.
const VERSION: &str = "2026-07-28";
/// A revision with a handshake.
const LEGACY_VERSION: &str = "2025-06-18";

/// Sends single MCP requests to a server on loopback. It does not log in: what a server answers to a
/// missing, wrong or insufficient token is what a test wants to see.
#[derive(Clone)]
pub struct Caller {
    url: String,
    legacy: bool,
    observer: Observer,
}

impl Caller {
    /// Calls the MCP server at `url` in the revision 2026-07-28.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), legacy: false, observer: agent::nobody() }
    }

    /// Calls as clients older than 2025-06-18 do, without any header field of MCP's.
    #[must_use]
    pub fn legacy(mut self) -> Self {
        self.legacy = true;
        self
    }

    /// Tells `observer` of each request.
    #[must_use]
    pub fn watched_by(mut self, observer: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        self.observer = std::sync::Arc::new(observer);
        self
    }

    /// `initialize`, with which revisions before 2026-07-28 begin.
    ///
    /// # Errors
    /// No answer, or a URL that is not on loopback.
    pub async fn initialize(&self, token: Option<&str>) -> Result<Answer, TestingError> {
        let params = json!({
            "protocolVersion": LEGACY_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        self.clone().legacy().request(token, "initialize", None, params).await
    }

    /// `tools/call`
    ///
    /// # Errors
    /// As of [`Caller::initialize`].
    pub async fn call_tool(
        &self,
        token: Option<&str>,
        tool: &str,
        arguments: Value,
    ) -> Result<Answer, TestingError> {
        let params = json!({ "name": tool, "arguments": arguments });
        self.request(token, "tools/call", Some(tool), params).await
    }

    /// Any request; `name` is what `Mcp-Name` repeats, where the method has one.
    ///
    /// # Errors
    /// As of [`Caller::initialize`].
    pub async fn request(
        &self,
        token: Option<&str>,
        method: &str,
        name: Option<&str>,
        mut params: Value,
    ) -> Result<Answer, TestingError> {
        let credentials = token.map(|token| format!("Bearer {token}"));
        let mirrored = [method, name.unwrap_or_default()].map(|it| header_value(it).to_string());
        let mut fields = vec![(header::ACCEPT, "application/json, text/event-stream")];
        fields.extend(credentials.as_deref().map(|it| (header::AUTHORIZATION, it)));
        if !self.legacy {
            let [method, name_value] = &mirrored;
            fields.push((HeaderName::from_static("mcp-protocol-version"), VERSION));
            fields.push((HeaderName::from_static("mcp-method"), method));
            fields.extend(name.map(|_| (HeaderName::from_static("mcp-name"), name_value.as_str())));
            if let Some(params) = params.as_object_mut() {
                let meta = json!({
                    "io.modelcontextprotocol/protocolVersion": VERSION,
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
                params.insert("_meta".to_owned(), meta);
            }
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        Agent::new(self.observer.clone()).post_json(&self.url, &fields, &body).await
    }
}

/// Without who watches.
impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("url", &self.url)
            .field("legacy", &self.legacy)
            .finish_non_exhaustive()
    }
}
