//! Answers of a server with tools; rendered when they are sent, so that they need no buffer.

use core::fmt::{Display, Formatter, Result};

use super::{ServerInfo, Tool, ToolServer};
use crate::{
    encoding::json::Escaped,
    mcp::{Era, Id, error::write_versions},
};

/// One JSON-RPC answer with HTTP status 200; its `Display` is what is sent as `application/json`.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    pub(super) id: Id<'a>,
    pub(super) era: Era,
    pub(super) server: &'a ToolServer<'a>,
    pub(super) content: Content<'a>,
}

/// How a tool ended.
#[derive(Clone, Copy, Debug)]
pub enum CallOutcome<'a> {
    /// A text.
    Text(&'a str),
    /// A JSON value, written by [`json::write`](crate::encoding::json::write).
    Structured(&'a str),
    /// The tool failed, or its arguments have values that it does not take (TS-75).
    Failed(&'a str),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Empty,
    Discovery,
    /// With the version that was asked for.
    Handshake(Option<&'a str>),
    Tools,
    Call(CallOutcome<'a>),
    Error(i32, &'static str),
}

const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;

impl Content<'_> {
    pub(super) const UNKNOWN_TOOL: Self = Self::Error(INVALID_PARAMS, "unknown tool");
    pub(super) const UNKNOWN_CURSOR: Self = Self::Error(INVALID_PARAMS, "unknown cursor");
    pub(super) const MALFORMED_ARGUMENTS: Self =
        Self::Error(INVALID_PARAMS, "arguments must be an object");
    pub(super) const NO_ROOM: Self = Self::Error(INTERNAL_ERROR, "the result does not fit");
}

impl Display for Reply<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { id, era, server, content } = *self;
        write!(f, "{{\"jsonrpc\":\"2.0\",\"id\":{id},")?;
        if let Content::Error(code, message) = content {
            return write!(f, "\"error\":{{\"code\":{code},\"message\":\"{message}\"}}}}");
        }
        f.write_str("\"result\":{")?;
        // TS-51; the older revisions do not know it (TL-15).
        if era == Era::Modern {
            f.write_str("\"resultType\":\"complete\",")?;
        }
        match content {
            Content::Empty | Content::Error(..) => {}
            Content::Discovery => write_discovery(f, server)?,
            Content::Handshake(asked) => write_handshake(f, server, asked)?,
            Content::Tools => write_tools(f, era, server)?,
            Content::Call(outcome) => write_call(f, era, outcome)?,
        }
        // TS-34.
        if era == Era::Modern {
            write!(f, ",\"_meta\":{{\"io.modelcontextprotocol/serverInfo\":{}}}", server.info)?;
        }
        f.write_str("}}")
    }
}

/// TS-70. Legacy revisions are listed too, since `initialize` works for them (TD-04).
fn write_discovery(f: &mut Formatter<'_>, server: &ToolServer<'_>) -> Result {
    f.write_str("\"supportedVersions\":")?;
    write_versions(f, server.versions)?;
    f.write_str(",\"capabilities\":{\"tools\":{}}")?;
    write_instructions(f, &server.info)?;
    write_caching(f, server.ttl_secs)
}

/// TL-01: the version that was asked for if it is one of the handshake era, else the latest of them.
fn write_handshake(f: &mut Formatter<'_>, server: &ToolServer<'_>, asked: Option<&str>) -> Result {
    let legacy = server.versions.legacy;
    let version = legacy.iter().find(|own| asked == Some(**own)).or(legacy.first());
    let (version, info) = (version.copied().unwrap_or_default(), &server.info);
    f.write_str("\"capabilities\":{\"tools\":{}}")?;
    write!(f, ",\"protocolVersion\":\"{version}\",\"serverInfo\":{info}")?;
    write_instructions(f, info)
}

/// TS-72; without the modern members in the handshake era (TL-15).
fn write_tools(f: &mut Formatter<'_>, era: Era, server: &ToolServer<'_>) -> Result {
    f.write_str("\"tools\":[")?;
    let mut comma = "";
    for Tool { name, description, input_schema } in server.all() {
        write!(f, "{comma}{{\"name\":\"{name}\",\"description\":\"{}\"", Escaped(description))?;
        write!(f, ",\"inputSchema\":{input_schema}}}")?;
        comma = ",";
    }
    f.write_str("]")?;
    match era {
        Era::Modern => write_caching(f, server.ttl_secs),
        Era::Legacy => Ok(()),
    }
}

/// TS-76. A structured result is repeated as text; before 2026-07-28 it can only be an object (TL-15).
fn write_call(f: &mut Formatter<'_>, era: Era, outcome: CallOutcome<'_>) -> Result {
    let (CallOutcome::Text(text) | CallOutcome::Structured(text) | CallOutcome::Failed(text)) =
        outcome;
    write!(f, "\"content\":[{{\"type\":\"text\",\"text\":\"{}\"}}]", Escaped(text))?;
    match outcome {
        CallOutcome::Structured(value) if era == Era::Modern || value.starts_with(['{']) => {
            write!(f, ",\"structuredContent\":{value}")
        }
        CallOutcome::Text(_) | CallOutcome::Structured(_) => Ok(()),
        CallOutcome::Failed(_) => f.write_str(",\"isError\":true"),
    }
}

/// The same for every caller, so that anybody may keep it (TS-73).
fn write_caching(f: &mut Formatter<'_>, ttl_secs: u32) -> Result {
    let millis = u64::from(ttl_secs).saturating_mul(1000);
    write!(f, ",\"ttlMs\":{millis},\"cacheScope\":\"public\"")
}

fn write_instructions(f: &mut Formatter<'_>, info: &ServerInfo<'_>) -> Result {
    match info.instructions {
        Some(text) => write!(f, ",\"instructions\":\"{}\"", Escaped(text)),
        None => Ok(()),
    }
}

impl Display for ServerInfo<'_> {
    /// The JSON of `serverInfo`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (name, version) = (Escaped(self.name), Escaped(self.version));
        write!(f, "{{\"name\":\"{name}\",\"version\":\"{version}\"}}")
    }
}
