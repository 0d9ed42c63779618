//! A small MCP server that has tools and nothing else: which message asks for what, and the answers.
//!
//! Speaks 2026-07-28 and the handshake revisions from the same table, without any session: every
//! message stands for itself (TS-04, TL-05). Running a tool is the host's business, between
//! [`ToolServer::task`] and [`Reply`].

mod reply;
mod tool;

use reply::Content;
pub use reply::{CallOutcome, Reply};
pub use tool::{Tool, Tools, ToolsError};

use super::{Envelope, EnvelopeError, Era, Id, Message, Versions};
use crate::message::RequestHead;

/// For how long a client may keep what it was told about the server, unless configured (TS-72).
pub const TTL_SECS_DEFAULT: u32 = 3600;

/// What a server says of itself.
#[derive(Clone, Copy, Debug)]
pub struct ServerInfo<'c> {
    /// `name` of `serverInfo`.
    pub name: &'c str,
    /// `version` of `serverInfo`.
    pub version: &'c str,
    /// What a model is told about the server as a whole.
    pub instructions: Option<&'c str>,
}

/// A server and its tools.
#[derive(Clone, Copy)]
pub struct ToolServer<'c> {
    info: ServerInfo<'c>,
    tools: &'c dyn Tools,
    versions: Versions<'c>,
    ttl_secs: u32,
}

/// What a message asks for.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub enum Task<'b> {
    /// Nothing that is answered: 202 without a body (TS-22, TL-02).
    Accept,
    /// Send this answer with status 200.
    Reply(Reply<'b>),
    /// Run the tool, then send what [`Call::finish`] makes of its outcome.
    Call(Call<'b>),
    /// The method is not served (TS-52, TL-15).
    Reject(EnvelopeError<'b>),
}

/// A tool to be run.
#[derive(Clone, Copy, Debug)]
pub struct Call<'b> {
    /// Which one of [`Tools`].
    pub tool: usize,
    /// The JSON text of its arguments: an object, well-formed.
    pub arguments: &'b str,
    reply: Reply<'b>,
}

impl<'b> Call<'b> {
    /// The answer that tells the outcome.
    pub const fn finish<'s>(self, outcome: CallOutcome<'s>) -> Reply<'s>
    where
        'b: 's,
    {
        Reply { content: Content::Call(outcome), ..self.reply }
    }

    /// The answer when the outcome has no room (`-32603`).
    pub const fn fail(self) -> Reply<'b> {
        Reply { content: Content::NO_ROOM, ..self.reply }
    }
}

impl<'c> ToolServer<'c> {
    /// A server with these tools that speaks these revisions.
    pub const fn new(info: ServerInfo<'c>, tools: &'c dyn Tools, versions: Versions<'c>) -> Self {
        Self { info, tools, versions, ttl_secs: TTL_SECS_DEFAULT }
    }

    /// Lets clients keep what they were told for so long (TS-72).
    pub const fn with_ttl_secs(self, ttl_secs: u32) -> Self {
        Self { ttl_secs, ..self }
    }

    /// What a checked message asks for.
    pub fn task<'b>(&'b self, envelope: &Envelope<'b>, head: &RequestHead<'_>) -> Task<'b> {
        // TS-22: a notification is dropped, whatever it says.
        let Message::Request { id } = envelope.message() else { return Task::Accept };
        let era = envelope.era();
        let content = match (envelope.method(), era) {
            ("server/discover", Era::Modern) => Content::Discovery,
            ("initialize", Era::Legacy) => Content::Handshake(envelope.protocol_version()),
            ("ping", Era::Legacy) => Content::Empty,
            // TS-78: there is one page, so that no cursor was ever given out.
            ("tools/list", _) if envelope.has_cursor() => Content::UNKNOWN_CURSOR,
            ("tools/list", _) => Content::Tools,
            ("tools/call", _) => return self.call(id, envelope),
            _ => {
                let error = EnvelopeError::method_not_found(envelope, head, self.versions);
                return Task::Reject(error);
            }
        };
        Task::Reply(Reply { id, era, server: self, content })
    }

    fn call<'b>(&'b self, id: Id<'b>, envelope: &Envelope<'b>) -> Task<'b> {
        let reply = |content| Reply { id, era: envelope.era(), server: self, content };
        let Some(tool) = self.named(envelope.name().unwrap_or_default()) else {
            return Task::Reply(reply(Content::UNKNOWN_TOOL));
        };
        // Absent arguments are no arguments; anything but an object is malformed (TS-75).
        let arguments = envelope.arguments().unwrap_or("{}");
        if !arguments.starts_with(['{']) {
            return Task::Reply(reply(Content::MALFORMED_ARGUMENTS));
        }
        Task::Call(Call { tool, arguments, reply: reply(Content::NO_ROOM) })
    }

    /// The number of the tool with this name, compared whole.
    fn named(&self, name: &str) -> Option<usize> {
        self.all().position(|tool| tool.name == name)
    }

    fn all(&self) -> impl Iterator<Item = Tool<'c>> + use<'c> {
        let tools = self.tools;
        (0..).map_while(move |index| tools.tool(index))
    }
}

impl core::fmt::Debug for ToolServer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ToolServer").field("info", &self.info).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
