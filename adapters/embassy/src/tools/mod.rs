//! Tools: plain async functions of a principal and arguments, served as an MCP server of their own.
//!
//! ```
//! use portcullis_core::{mcp::server::Tool, resource_server::Principal};
//! use portcullis_embassy::tools::{NoArguments, ToolError, ToolTable, tool};
//!
//! #[derive(serde::Deserialize)]
//! struct SetLed {
//!     on: bool,
//! }
//!
//! async fn read_temperature(_: &Principal<'_>, _: NoArguments) -> Result<&'static str, ToolError> {
//!     Ok("21.5")
//! }
//!
//! async fn set_led(_: &Principal<'_>, led: SetLed) -> Result<&'static str, ToolError> {
//!     Ok(if led.on { "on" } else { "off" })
//! }
//!
//! const SET_LED: &str =
//!     r#"{"type":"object","properties":{"on":{"type":"boolean"}},"required":["on"]}"#;
//!
//! let tools = ToolTable((
//!     tool(Tool::new("read_temperature", "The room's temperature."), read_temperature),
//!     tool(Tool::new("set_led", "Turns the light on or off.").with_arguments(SET_LED), set_led),
//! ));
//! # let _ = tools;
//! ```

mod function;
mod result;
mod table;

pub use function::{AsyncTool, Callable, NoArguments, tool};
pub use result::{Json, Text, ToolError, ToolResult};
pub use table::{ToolTable, Toolbox};

use core::fmt::Display;

use portcullis_core::{
    encoding::scratch::{BufferFull, Scratch},
    mcp::server::{ServerInfo, Task, ToolServer, Tools, ToolsError},
    resource_server::ResourceServer,
};

use crate::service::{Reply, Request, Service};

/// Why tools cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// A tool cannot be served as it is described.
    Tools(ToolsError),
    /// The policy names a tool that there is not: some other tool would go unprotected.
    RuleWithoutTool,
    /// The resource server lets through what needs sessions; there are none here.
    Sessions,
}

impl Display for SetupError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Tools(error) => return error.fmt(f),
            Self::RuleWithoutTool => "the policy has a rule for a tool that does not exist",
            Self::Sessions => "a server without sessions cannot serve them",
        })
    }
}

impl core::error::Error for SetupError {}

/// Tools as the service behind a [`Server`](crate::Server).
#[derive(Clone, Copy, Debug)]
pub struct ToolService<'c, T> {
    server: ToolServer<'c>,
    tools: &'c ToolTable<T>,
}

impl<'c, T: Toolbox> ToolService<'c, T> {
    /// Serves these tools; which scopes each needs is the policy of `resource_server`.
    pub fn new(
        info: ServerInfo<'c>,
        tools: &'c ToolTable<T>,
        resource_server: &ResourceServer<'c>,
    ) -> Result<Self, SetupError> {
        tools.check().map_err(SetupError::Tools)?;
        let is_tool =
            |name: &str| (0..).map_while(|index| tools.tool(index)).any(|tool| tool.name == name);
        if !resource_server.policy().tools.iter().all(|rule| is_tool(rule.name)) {
            return Err(SetupError::RuleWithoutTool);
        }
        let configuration = resource_server.configuration();
        if configuration.sessions {
            return Err(SetupError::Sessions);
        }
        Ok(Self { server: ToolServer::new(info, tools, configuration.versions), tools })
    }
}

impl<T: Toolbox> Service for ToolService<'_, T> {
    async fn answer<'s>(
        &'s self,
        request: Request<'_, 's>,
        scratch: &mut Scratch<'s>,
    ) -> Reply<'s> {
        match self.server.task(request.envelope, request.head) {
            Task::Accept => Reply::Accepted,
            Task::Reply(reply) => Reply::Mcp(reply),
            Task::Reject(error) => Reply::Reject(error),
            Task::Call(call) => {
                let run = self.tools.0.call(call.tool, request.principal, call.arguments, scratch);
                Reply::Mcp(match run.await {
                    Ok(outcome) => call.finish(outcome),
                    Err(BufferFull) => call.fail(),
                })
            }
        }
    }
}
