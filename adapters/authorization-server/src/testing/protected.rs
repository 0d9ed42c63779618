//! A protected MCP server under test, with an authorization server of its own.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use portcullis_tokio::resource_server::{ProtectLayer, Settings as ResourceServerSettings};
use portcullis_tokio::serve::{ListenerLimits, serve};
use serde_json::Value;
use tower::Service;

use super::server::{self, Task};
use super::{
    Answer, Caller, SampleService, TestClock, TestServer, TestingError, TokenBuilder, Tokens,
};
use crate::server::AuthorizationServer;
use crate::settings::{Resource, Settings, SettingsError, TokenFormat};

type Change = Box<dyn FnOnce(ResourceServerSettings) -> ResourceServerSettings + Send>;
type AuthorizationServerChange = Box<dyn FnOnce(Settings) -> Settings + Send>;

/// A protected MCP server on a free port of loopback, and the authorization server whose tokens it
/// takes. Both stop when it is dropped.
#[derive(Debug)]
pub struct ProtectedServer {
    authorization_server: TestServer,
    resource: String,
    url: String,
    /// `None` where the authorization server answers for both.
    _task: Option<Task>,
}

/// What a [`ProtectedServer`] is to be like.
#[must_use = "it is started by `start`"]
pub struct ProtectedServerBuilder<S> {
    service: S,
    base_scopes: String,
    tool_scopes: Vec<(String, String)>,
    format: TokenFormat,
    change: Option<Change>,
    authorization_server: Option<AuthorizationServerChange>,
}

impl ProtectedServer {
    /// `service`, an MCP service as it is given to
    /// [`ProtectLayer::protect`], to be protected by a layer in its standard configuration.
    pub fn of<S>(service: S) -> ProtectedServerBuilder<S> {
        ProtectedServerBuilder {
            service,
            base_scopes: String::new(),
            tool_scopes: Vec::new(),
            format: TokenFormat::Hs256,
            change: None,
            authorization_server: None,
        }
    }

    /// A [`SampleService`] that needs the scope `user`, and for `set_time` also `time:write`.
    pub fn sample() -> ProtectedServerBuilder<SampleService> {
        Self::of(SampleService).base_scopes("user").tool_scopes("set_time", "time:write")
    }

    /// The URL of the MCP endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The resource identifier: what tokens must name as their audience.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The authorization server whose tokens it takes.
    #[must_use]
    pub fn authorization_server(&self) -> &TestServer {
        &self.authorization_server
    }

    /// The clock of both servers.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        self.authorization_server.clock()
    }

    /// A token for this server, to be changed before it is made.
    pub fn token(&self) -> TokenBuilder {
        self.authorization_server.token(&self.resource)
    }

    /// Tokens for this server that a user agreed to, as [`TestServer::authorize`] gets them.
    ///
    /// # Errors
    /// Where it ended.
    pub async fn authorize(&self, scope: &str) -> Result<Tokens, TestingError> {
        self.authorization_server.authorize(&self.resource, scope).await
    }

    /// A caller of this server.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::new(self.url())
    }

    /// Calls a tool with this token.
    ///
    /// # Errors
    /// There is no answer. An answer that refuses is none.
    pub async fn call_tool(
        &self,
        token: &str,
        tool: &str,
        arguments: Value,
    ) -> Result<Answer, TestingError> {
        self.caller().call_tool(Some(token), tool, arguments).await
    }
}

impl<S, R> ProtectedServerBuilder<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The scopes that every call needs.
    pub fn base_scopes(mut self, scopes: &str) -> Self {
        scopes.clone_into(&mut self.base_scopes);
        self
    }

    /// Further scopes that one tool needs.
    pub fn tool_scopes(mut self, tool: &str, scopes: &str) -> Self {
        self.tool_scopes.push((tool.to_owned(), scopes.to_owned()));
        self
    }

    /// The kind of token that it takes; HS256 unless set.
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.format = format;
        self
    }

    /// Changes the settings of the layer in any further way.
    pub fn settings(
        mut self,
        change: impl FnOnce(ResourceServerSettings) -> ResourceServerSettings + Send + 'static,
    ) -> Self {
        self.change = Some(Box::new(change));
        self
    }

    /// Changes the settings of the authorization server that [`start`](Self::start) starts with it.
    pub fn authorization_server(
        mut self,
        change: impl FnOnce(Settings) -> Settings + Send + 'static,
    ) -> Self {
        self.authorization_server = Some(Box::new(change));
        self
    }

    /// Starts it, and an authorization server with it.
    ///
    /// # Errors
    /// There is no port, or a setting is wrong.
    pub async fn start(mut self) -> Result<ProtectedServer, TestingError> {
        let listener = server::listen().await?;
        let url = format!("{}/mcp", server::origin(&listener)?);
        let change = self.authorization_server.take().unwrap_or_else(|| Box::new(|same| same));
        let authorization_server = TestServer::start_with([self.resource(&url)?], change).await?;
        self.serve(listener, authorization_server, url.clone(), url)
    }

    /// Starts it as `resource`, one of those of an authorization server that runs already. Its URL is
    /// another than its identifier, so that clients cannot find the way from one to the other.
    ///
    /// # Errors
    /// There is no port, a setting is wrong, or the authorization server has no such resource.
    pub async fn start_as(
        self,
        authorization_server: &TestServer,
        resource: &str,
    ) -> Result<ProtectedServer, TestingError> {
        let listener = server::listen().await?;
        let url = format!("{}/mcp", server::origin(&listener)?);
        self.serve(listener, authorization_server.clone(), resource.to_owned(), url)
    }

    /// Starts it together with its authorization server on one port, for clients of MCP 2025-03-26
    /// ([`Settings::with_legacy_clients`](crate::Settings::with_legacy_clients)).
    ///
    /// # Errors
    /// There is no port, or a setting is wrong.
    pub async fn start_for_legacy_clients(self) -> Result<ProtectedServer, TestingError> {
        let listener = server::listen().await?;
        let origin = server::origin(&listener)?;
        let url = format!("{origin}/mcp");
        let clock = TestClock::now();
        let settings = server::settings(&origin, [self.resource(&url)?], &clock)?;
        let authorization_server = AuthorizationServer::new(settings.with_legacy_clients()).await?;
        let (service, layer) = self.layer(&authorization_server, &clock, &url, None)?;
        let both = authorization_server.with_mcp_server(&layer, service).await;
        let both = both.map_err(|_| SettingsError::LegacyClients)?;
        let authorization_server = TestServer::answer(listener, both, clock);
        Ok(ProtectedServer { authorization_server, resource: url.clone(), url, _task: None })
    }

    fn serve(
        self,
        listener: tokio::net::TcpListener,
        authorization_server: TestServer,
        resource: String,
        url: String,
    ) -> Result<ProtectedServer, TestingError> {
        let (server, clock) = (authorization_server.server(), authorization_server.clock());
        let host = listener.local_addr().map_err(TestingError::Port)?.to_string();
        let (service, layer) = self.layer(server, clock, &resource, Some(host))?;
        let protected = layer.protect(service);
        let task = tokio::spawn(async move {
            serve(listener, protected, ListenerLimits::default(), pending()).await;
        });
        Ok(ProtectedServer { authorization_server, resource, url, _task: Some(Task(task)) })
    }

    /// The layer before the service, for requests that call this server `host`.
    fn layer(
        self,
        server: &AuthorizationServer,
        clock: &TestClock,
        resource: &str,
        host: Option<String>,
    ) -> Result<(S, ProtectLayer), TestingError> {
        let settings = server.resource_server_settings(resource);
        let settings = settings.ok_or(TestingError::UnknownResource)?;
        let settings = settings.base_scopes(self.base_scopes);
        let settings = self
            .tool_scopes
            .into_iter()
            .fold(settings, |settings, (tool, scopes)| settings.tool_scopes(tool, scopes));
        let settings = host
            .into_iter()
            .fold(settings.endpoint_path("/mcp"), |settings, host| settings.host(host));
        let settings = match self.change {
            Some(change) => change(settings),
            None => settings,
        };
        Ok((self.service, ProtectLayer::with_clock(settings, clock.clone())?))
    }

    /// What the authorization server is told of it: the base scopes are granted unasked.
    fn resource(&self, identifier: &str) -> Result<Resource, TestingError> {
        const WORDS: &str = "what the test needs";
        let mut resource = Resource::new(identifier, "Server under test", self.format)?;
        let mut known: Vec<&str> = self.base_scopes.split_ascii_whitespace().collect();
        for scope in &known {
            resource = resource.with_scope(*scope, WORDS);
        }
        let further =
            self.tool_scopes.iter().flat_map(|(_, scopes)| scopes.split_ascii_whitespace());
        for scope in further {
            if !known.contains(&scope) {
                resource = resource.with_further_scope(scope, WORDS);
                known.push(scope);
            }
        }
        // The authorization server knows no resource without one.
        Ok(if known.is_empty() { resource.with_scope("user", WORDS) } else { resource })
    }
}

impl<S> fmt::Debug for ProtectedServerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedServerBuilder")
            .field("base_scopes", &self.base_scopes)
            .field("tool_scopes", &self.tool_scopes)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
