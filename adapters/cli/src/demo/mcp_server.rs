//! The demo's MCP server: an ordinary rmcp service that knows nothing of tokens but reads who calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use portcullis_tokio::resource_server::Principal;
use rmcp::{
    ErrorData, ServerHandler,
    handler::server::{tool::Extension, wrapper::Parameters},
    model::{CallToolResult, ContentBlock, Implementation, ServerCapabilities, ServerConfig},
    schemars, tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};

/// The service that `Protect` stands in front of.
pub(crate) type Service = StreamableHttpService<Clock, NeverSessionManager>;

/// A clock with a time zone that callers with a further scope may set.
#[derive(Clone)]
pub(crate) struct Clock {
    offset_hours: Arc<AtomicI32>,
}

/// Arguments of `set_time_zone`.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeZone {
    /// Hours east of Greenwich, -12 to 14.
    offset_hours: i32,
}

#[tool_router]
impl Clock {
    #[tool(description = "The current time of day, and for whom it was looked up")]
    async fn get_time(
        &self,
        Extension(parts): Extension<http::request::Parts>,
    ) -> Result<CallToolResult, ErrorData> {
        let offset = self.offset_hours.load(Ordering::Relaxed);
        let caller = parts
            .extensions
            .get::<Principal>()
            .and_then(Principal::subject)
            .ok_or_else(|| ErrorData::internal_error("the request has no principal", None))?;
        let text = format!("{} UTC{offset:+} for {caller}", time_of_day(offset));
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
    }

    #[tool(description = "Sets the time zone; needs the scope time:write")]
    async fn set_time_zone(
        &self,
        Parameters(TimeZone { offset_hours }): Parameters<TimeZone>,
    ) -> Result<CallToolResult, ErrorData> {
        if !(-12..=14).contains(&offset_hours) {
            let text = "offset_hours is not within -12 to 14";
            return Ok(CallToolResult::error(vec![ContentBlock::text(text)]));
        }
        self.offset_hours.store(offset_hours, Ordering::Relaxed);
        Ok(CallToolResult::success(vec![ContentBlock::text("time zone set")]))
    }
}

#[tool_handler]
impl ServerHandler for Clock {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("portcullis-demo", env!("CARGO_PKG_VERSION")))
    }
}

/// Hours, minutes and seconds of now, `offset_hours` east of Greenwich.
fn time_of_day(offset_hours: i32) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let secs = (i64::try_from(now).unwrap_or_default() + i64::from(offset_hours) * 3600)
        .rem_euclid(24 * 60 * 60);
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// A stateless service: every request stands for itself. `Host` and `Origin` are checked before it,
/// by the layer that knows the server's public name.
pub(crate) fn service() -> Service {
    let clock = Clock { offset_hours: Arc::default() };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts();
    StreamableHttpService::new(move || Ok(clock.clone()), Arc::default(), config)
}
