//! Answers of a server with tools; rendered when they are sent, so that they need no buffer.

use core::fmt::{Display, Formatter, Result};

use super::{ServerInfo, ToolServer};
use crate::{
    encoding::json::Escaped,
    mcp::{Era, Id},
};

/// One JSON-RPC answer with HTTP status 200; its `Display` is what is sent as `application/json`.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    id: Id<'a>,
    content: Content<'a>,
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
enum Content<'a> {
    Empty,
    Discovery(ToolServer<'a>),
    Handshake(ToolServer<'a>, Option<&'a str>),
    Tools(Era, ToolServer<'a>),
    Call(Era, ServerInfo<'a>, CallOutcome<'a>),
    Error(i32, &'static str),
}

const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;

impl<'a> Reply<'a> {
    pub(super) const fn empty(id: Id<'a>) -> Self {
        Self { id, content: Content::Empty }
    }

    pub(super) const fn discovery(id: Id<'a>, server: ToolServer<'a>) -> Self {
        Self { id, content: Content::Discovery(server) }
    }

    pub(super) const fn handshake(
        id: Id<'a>,
        server: ToolServer<'a>,
        asked: Option<&'a str>,
    ) -> Self {
        Self { id, content: Content::Handshake(server, asked) }
    }

    pub(super) const fn tools(id: Id<'a>, era: Era, server: ToolServer<'a>) -> Self {
        Self { id, content: Content::Tools(era, server) }
    }

    pub(super) const fn call(
        id: Id<'a>,
        era: Era,
        info: ServerInfo<'a>,
        outcome: CallOutcome<'a>,
    ) -> Self {
        Self { id, content: Content::Call(era, info, outcome) }
    }

    pub(super) const fn unknown_tool(id: Id<'a>) -> Self {
        Self { id, content: Content::Error(INVALID_PARAMS, "unknown tool") }
    }

    pub(super) const fn malformed_arguments(id: Id<'a>) -> Self {
        Self { id, content: Content::Error(INVALID_PARAMS, "arguments must be an object") }
    }

    pub(super) const fn internal_error(id: Id<'a>) -> Self {
        Self { id, content: Content::Error(INTERNAL_ERROR, "the result does not fit") }
    }
}

impl Display for Reply<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{{\"jsonrpc\":\"2.0\",\"id\":{},", self.id)?;
        match &self.content {
            Content::Error(code, message) => {
                return write!(f, "\"error\":{{\"code\":{code},\"message\":\"{message}\"}}}}");
            }
            Content::Empty => f.write_str("\"result\":{")?,
            Content::Discovery(server) => write_discovery(f, server)?,
            Content::Handshake(server, asked) => write_handshake(f, server, *asked)?,
            Content::Tools(era, server) => write_tools(f, *era, server)?,
            Content::Call(era, info, outcome) => write_call(f, *era, info, *outcome)?,
        }
        f.write_str("}}")
    }
}

/// TS-70. Legacy revisions are listed too, since `initialize` works for them (TD-04).
fn write_discovery(f: &mut Formatter<'_>, server: &ToolServer<'_>) -> Result {
    f.write_str("\"result\":{\"resultType\":\"complete\",\"supportedVersions\":[")?;
    for (index, version) in server.versions.iter().enumerate() {
        write!(f, "{}\"{version}\"", comma(index))?;
    }
    f.write_str("],\"capabilities\":{\"tools\":{}}")?;
    write_instructions(f, &server.info)?;
    write_caching(f, server.ttl_secs)?;
    write_meta(f, &server.info)
}

/// TL-01: the version that was asked for if it is one of the handshake era, else the latest of them.
fn write_handshake(f: &mut Formatter<'_>, server: &ToolServer<'_>, asked: Option<&str>) -> Result {
    let legacy = server.versions.legacy;
    let version = legacy.iter().find(|own| asked == Some(**own)).or(legacy.first());
    let version = version.copied().unwrap_or_default();
    write!(
        f,
        "\"result\":{{\"protocolVersion\":\"{version}\",\"capabilities\":{{\"tools\":{{}}}}"
    )?;
    f.write_str(",\"serverInfo\":")?;
    write_info(f, &server.info)?;
    write_instructions(f, &server.info)
}

/// TS-72; without the modern members in the handshake era (TL-15).
fn write_tools(f: &mut Formatter<'_>, era: Era, server: &ToolServer<'_>) -> Result {
    f.write_str("\"result\":{")?;
    write_type(f, era)?;
    f.write_str("\"tools\":[")?;
    for (index, tool) in server.all().enumerate() {
        let (name, description) = (tool.name, Escaped(tool.description));
        write!(f, "{}{{\"name\":\"{name}\",\"description\":\"{description}\"", comma(index))?;
        write!(f, ",\"inputSchema\":{}}}", tool.input_schema)?;
    }
    f.write_str("]")?;
    if matches!(era, Era::Legacy) {
        return Ok(());
    }
    write_caching(f, server.ttl_secs)?;
    write_meta(f, &server.info)
}

/// TS-76. A structured result is repeated as text; before 2026-07-28 it can only be an object (TL-15).
fn write_call(
    f: &mut Formatter<'_>,
    era: Era,
    info: &ServerInfo<'_>,
    outcome: CallOutcome<'_>,
) -> Result {
    f.write_str("\"result\":{")?;
    write_type(f, era)?;
    let (CallOutcome::Text(text) | CallOutcome::Structured(text) | CallOutcome::Failed(text)) =
        outcome;
    write!(f, "\"content\":[{{\"type\":\"text\",\"text\":\"{}\"}}]", Escaped(text))?;
    match outcome {
        CallOutcome::Structured(value) if era == Era::Modern || value.starts_with('{') => {
            write!(f, ",\"structuredContent\":{value}")?;
        }
        CallOutcome::Text(_) | CallOutcome::Structured(_) => {}
        CallOutcome::Failed(_) => f.write_str(",\"isError\":true")?,
    }
    match era {
        Era::Modern => write_meta(f, info),
        Era::Legacy => Ok(()),
    }
}

/// TS-51.
fn write_type(f: &mut Formatter<'_>, era: Era) -> Result {
    match era {
        Era::Modern => f.write_str("\"resultType\":\"complete\","),
        Era::Legacy => Ok(()),
    }
}

/// The same for every caller, so that anybody may keep it (TS-73).
fn write_caching(f: &mut Formatter<'_>, ttl_secs: u32) -> Result {
    let millis = u64::from(ttl_secs).saturating_mul(1000);
    write!(f, ",\"ttlMs\":{millis},\"cacheScope\":\"public\"")
}

/// TS-34.
fn write_meta(f: &mut Formatter<'_>, info: &ServerInfo<'_>) -> Result {
    f.write_str(",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":")?;
    write_info(f, info)?;
    f.write_str("}")
}

fn write_info(f: &mut Formatter<'_>, info: &ServerInfo<'_>) -> Result {
    write!(f, "{{\"name\":\"{}\",\"version\":\"{}\"}}", Escaped(info.name), Escaped(info.version))
}

fn write_instructions(f: &mut Formatter<'_>, info: &ServerInfo<'_>) -> Result {
    match info.instructions {
        Some(text) => write!(f, ",\"instructions\":\"{}\"", Escaped(text)),
        None => Ok(()),
    }
}

const fn comma(index: usize) -> &'static str {
    if index > 0 { "," } else { "" }
}
