//! An MCP server on the origin of its authorization server (LG-10).

use std::convert::Infallible;
use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http_body_util::Full;
use portcullis_core::metadata::well_known::PROTECTED_RESOURCE;
use portcullis_tokio::resource_server::ProtectLayer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::answers::Response;
use crate::server::AuthorizationServer;

/// Why the two cannot be at one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum McpServerError {
    /// The settings do not ask for it: [`Settings::with_legacy_clients`](crate::Settings::with_legacy_clients).
    NotAsked,
    /// The layer protects another resource than the one that tokens are issued for.
    Resource,
    /// The layer trusts no or other issuers: this server's tokens must be taken, and no others.
    Issuer,
    /// The path of the MCP server is one of the authorization server's own.
    Path,
}

impl fmt::Display for McpServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "the authorization server's settings do not ask for legacy clients",
            Self::Resource => "the layer protects another resource",
            Self::Issuer => "the layer does not trust this authorization server, and it alone",
            Self::Path => "the path of the MCP server is one of the authorization server's",
        })
    }
}

impl std::error::Error for McpServerError {}

/// A protected MCP server, and the paths that are its.
#[derive(Clone)]
pub(crate) struct McpServer {
    paths: [&'static str; 3],
    service: BoxCloneSyncService<Request, Response, Infallible>,
}

impl AuthorizationServer {
    /// Puts an MCP server on the origin of this authorization server, behind `layer`: what
    /// [`router`](Self::router), [`serve`](Self::serve) and [`serve_tls`](Self::serve_tls) answer from
    /// now on is both. For clients of MCP 2025-03-26, which look for endpoints there; those that know
    /// RFC 9728 are led to the same endpoints by the layer's metadata.
    ///
    /// The MCP server shares an origin with the pages where users sign in. So it gets no cookie, and
    /// what it answers runs no script in a browser.
    ///
    /// ```no_run
    /// use portcullis_authorization_server::{AuthorizationServer, Resource, Settings, TokenFormat};
    /// use portcullis_tokio::resource_server::ProtectLayer;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mcp_service = axum::Router::new();
    /// let url = "http://localhost:8000/mcp";
    /// let resource =
    ///     Resource::new(url, "Clock", TokenFormat::Hs256)?.with_scope("user", "read the time for you");
    /// let settings =
    ///     Settings::new("http://localhost:8000")?.with_resource(resource).with_legacy_clients();
    /// let server = AuthorizationServer::new(settings).await?;
    /// let protection = server.resource_server_settings(url).expect("it was named above");
    /// let layer = ProtectLayer::new(protection.base_scopes("user"))?;
    /// let both = server.with_mcp_server(&layer, mcp_service).await?;
    ///
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    /// both.serve(listener, std::future::pending()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Settings without [`Settings::with_legacy_clients`](crate::Settings::with_legacy_clients); a
    /// layer for another resource, or with other issuers; an MCP server whose path is taken.
    pub async fn with_mcp_server<S, R>(
        mut self,
        layer: &ProtectLayer,
        service: S,
    ) -> Result<Self, McpServerError>
    where
        S: Service<http::Request<Full<Bytes>>, Response = http::Response<R>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        R: http_body::Body<Data = Bytes> + Send + 'static,
        R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let settings = &self.inner.settings;
        if !settings.legacy_clients {
            return Err(McpServerError::NotAsked);
        }
        if settings.resource(layer.resource()).is_none() {
            return Err(McpServerError::Resource);
        }
        if !layer.issuers().eq([self.issuer()]) {
            return Err(McpServerError::Issuer);
        }
        if self.has_route(layer.endpoint_path()).await {
            return Err(McpServerError::Path);
        }
        let protected = layer.protect(service);
        let service = tower::service_fn(move |request: Request| {
            let answer = protected.clone().oneshot(request);
            async move { answer.await.map(|response| response.map(Body::new)) }
        });
        self.mcp_server = Some(McpServer {
            paths: [layer.endpoint_path(), layer.metadata_path(), PROTECTED_RESOURCE],
            service: BoxCloneSyncService::new(service),
        });
        Ok(self)
    }

    /// Whether this server answers at `path` itself. Its router is asked, so that no list can be wrong.
    async fn has_route(&self, path: &str) -> bool {
        let Ok(request) = Request::trace(path).body(Body::empty()) else { return true };
        let Ok(answer) = self.router().oneshot(request).await;
        answer.status() != http::StatusCode::NOT_FOUND
    }
}

impl McpServer {
    /// Whether requests for `path` are for it.
    pub(crate) fn answers(&self, path: &str) -> bool {
        self.paths.contains(&path)
    }

    /// `router`, with this server in front of it at its own paths, compared as received.
    pub(crate) fn before(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), choose))
    }

    async fn answer(self, mut request: Request) -> Response {
        // A cookie of this origin signs a user in at the authorization server, and does nothing else.
        request.headers_mut().remove(header::COOKIE);
        let Ok(mut response) = self.service.oneshot(request).await;
        let headers = response.headers_mut();
        headers.remove(header::SET_COOKIE);
        let policy =
            HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

async fn choose(State(mcp_server): State<McpServer>, request: Request, next: Next) -> Response {
    if mcp_server.answers(request.uri().path()) {
        mcp_server.answer(request).await
    } else {
        next.run(request).await
    }
}
