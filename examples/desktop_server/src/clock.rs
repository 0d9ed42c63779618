//! An existing MCP server: two tools, and nothing about OAuth except that they may ask who calls.

use std::time::SystemTime;

use portcullis_tokio::resource_server::Principal;
use rmcp::{
    ServerHandler,
    handler::server::tool::Extension,
    model::{ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};

#[derive(Clone, Copy)]
pub(crate) struct Clock;

#[tool_router]
impl Clock {
    #[tool(description = "Seconds since 1970")]
    async fn get_time(&self, Extension(request): Extension<http::request::Parts>) -> String {
        // Whoever gets here was admitted; the principal says who it is.
        let principal = request.extensions.get::<Principal>();
        let subject = principal.and_then(Principal::subject).unwrap_or("nobody");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        format!("{} for {subject}", now.unwrap_or_default().as_secs())
    }

    #[tool(description = "Sets the time (needs the scope time:write)")]
    async fn set_time(&self) -> String {
        "pretend that the time is set".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Clock {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// Without sessions: each request stands for itself. `Host` is checked by the layer in front, which
/// knows the server's public name.
pub(crate) fn service() -> StreamableHttpService<Clock, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts();
    StreamableHttpService::new(|| Ok(Clock), Default::default(), config)
}
