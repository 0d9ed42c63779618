//! Why a body is not an acceptable message, and the answer that says so.

use super::{Era, Id, Message, Versions};
use crate::{encoding::json::JsonError, message::RequestHead};

/// A header that repeats a part of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MirroredHeader {
    /// `MCP-Protocol-Version`.
    ProtocolVersion,
    /// `Mcp-Method`.
    Method,
    /// `Mcp-Name`.
    Name,
    /// One of `Mcp-Param-*`.
    Param,
}

impl core::fmt::Display for MirroredHeader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ProtocolVersion => "MCP-Protocol-Version does not mirror the body",
            Self::Method => "Mcp-Method does not mirror the body",
            Self::Name => "Mcp-Name does not mirror the body",
            Self::Param => "Mcp-Param header does not mirror the body",
        })
    }
}

impl core::error::Error for MirroredHeader {}

/// What is wrong with a message, in the order in which it is looked at (transport §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than allowed (LIM-10).
    TooLong,
    /// Not declared as JSON (TS-23).
    ContentType,
    /// Compressed, or encoded in some other way (SEC-450).
    ContentEncoding,
    /// The client does not take JSON (TS-24).
    Accept,
    /// Not JSON, beyond a limit of the reader, or a name twice.
    Json(JsonError),
    /// Several messages in one body (TS-20, TL-13).
    Batch,
    /// Not a JSON-RPC 2.0 message (TS-26).
    Envelope,
    /// An answer to a server without handshake, which never asks (TS-20).
    Response,
    /// `_meta` lacks the version or the capabilities, or they have the wrong type (TS-30).
    Meta,
    /// A parameter that names what is asked for is absent or has the wrong type.
    Params,
    /// A mirrored header is absent, repeated, malformed or different (TS-40 … 48).
    Header(MirroredHeader),
    /// The protocol version is not supported (TS-32, TL-07).
    Version,
    /// The method is not known (TS-52, TL-15).
    Method,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "body is too long",
            Self::ContentType => "Content-Type must be application/json",
            Self::ContentEncoding => "Content-Encoding is not supported",
            Self::Accept => "Accept must include application/json",
            Self::Json(error) => return error.fmt(f),
            Self::Batch => "batches are not supported",
            Self::Envelope => "not a JSON-RPC 2.0 message",
            Self::Response => "responses are not accepted here",
            Self::Meta => "_meta must have protocolVersion and clientCapabilities",
            Self::Params => "a required parameter is missing or malformed",
            Self::Header(header) => return header.fmt(f),
            Self::Version => "unsupported protocol version",
            Self::Method => "method not found",
        })
    }
}

impl core::error::Error for Fault {}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// A refused message: the HTTP status, and a JSON-RPC error as the body.
#[derive(Clone, Copy)]
pub struct EnvelopeError<'b> {
    fault: Fault,
    id: Option<Id<'b>>,
    era: Option<Era>,
    versions: Versions<'b>,
    data: Data<'b>,
    needs_id: bool,
}

/// What the error object says beside code and message.
#[derive(Clone, Copy)]
enum Data<'b> {
    None,
    Supported,
    Requested(&'b str),
}

impl<'b> EnvelopeError<'b> {
    /// An error without anything that the body would have to be read for.
    pub(super) fn new(fault: Fault, head: &RequestHead<'_>, versions: Versions<'b>) -> Self {
        let data = match fault {
            // Whoever does not know how to begin learns which versions there are (TS-35).
            Fault::Meta => Data::Supported,
            _ => Data::None,
        };
        // The schemas of these revisions have no error without `id` (TS-27).
        let revision = head.mcp_protocol_version.one();
        let needs_id = [b"2025-03-26", b"2025-06-18"].iter().any(|old| revision == Some(*old));
        Self { fault, id: None, era: None, versions, data, needs_id }
    }

    /// Adds what reading the body brought to light.
    pub(super) fn with(self, id: Option<Id<'b>>, requested: Option<&'b str>) -> Self {
        Self { id, data: requested.map_or(self.data, Data::Requested), ..self }
    }

    /// The answer when a body outgrows its limit while it is being read (LIM-10).
    pub fn too_long(head: &RequestHead<'_>, versions: Versions<'b>) -> Self {
        Self::new(Fault::TooLong, head, versions)
    }

    /// The answer to a method that the server does not have (TS-52, TL-15).
    ///
    /// `initialize` without the handshake era names the supported versions (TS-35).
    pub fn method_not_found(
        envelope: &super::Envelope<'b>,
        head: &RequestHead<'_>,
        versions: Versions<'b>,
    ) -> Self {
        let id = match envelope.message() {
            Message::Request { id } => Some(id),
            Message::Notification | Message::Response => None,
        };
        let data = match envelope.method() {
            "initialize" => Data::Supported,
            _ => Data::None,
        };
        let error = Self::new(Fault::Method, head, versions);
        Self { id, data, era: Some(envelope.era()), ..error }
    }

    /// What is wrong, for logs.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The HTTP status (transport §5).
    pub const fn status(&self) -> u16 {
        match self.fault {
            Fault::TooLong => 413,
            Fault::ContentType | Fault::ContentEncoding => 415,
            Fault::Accept => 406,
            Fault::Method => match self.era {
                Some(Era::Legacy) => 200,
                Some(Era::Modern) | None => 404,
            },
            Fault::Json(_)
            | Fault::Batch
            | Fault::Envelope
            | Fault::Response
            | Fault::Meta
            | Fault::Params
            | Fault::Header(_)
            | Fault::Version => 400,
        }
    }

    /// The JSON-RPC error code.
    ///
    /// A name that occurs twice makes an ambiguous envelope, not a text that is no JSON. A server
    /// of the handshake era alone answers without the codes by which a client would take it for a
    /// modern one and never try `initialize` (TC-12).
    pub const fn code(&self) -> i32 {
        match self.fault {
            Fault::Json(JsonError::Duplicate | JsonError::Type) => INVALID_REQUEST,
            Fault::Json(_) => PARSE_ERROR,
            Fault::TooLong
            | Fault::ContentType
            | Fault::ContentEncoding
            | Fault::Accept
            | Fault::Batch
            | Fault::Envelope
            | Fault::Response => INVALID_REQUEST,
            Fault::Meta | Fault::Params => INVALID_PARAMS,
            Fault::Method => METHOD_NOT_FOUND,
            Fault::Header(_) | Fault::Version if !self.versions.has(Era::Modern) => INVALID_REQUEST,
            Fault::Header(_) => HEADER_MISMATCH,
            Fault::Version => UNSUPPORTED_PROTOCOL_VERSION,
        }
    }

    /// What is sent as `application/json`; empty when the client's revision has no form for it.
    pub const fn body(&self) -> ErrorBody<'b> {
        ErrorBody(*self)
    }
}

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const HEADER_MISMATCH: i32 = -32020;
const UNSUPPORTED_PROTOCOL_VERSION: i32 = -32022;

impl core::fmt::Display for EnvelopeError<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.fault.fmt(f)
    }
}

impl core::fmt::Debug for EnvelopeError<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EnvelopeError")
            .field("fault", &self.fault)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl core::error::Error for EnvelopeError<'_> {}

/// The body of an [`EnvelopeError`]: its `Display` is the JSON text.
#[derive(Clone, Copy, Debug)]
pub struct ErrorBody<'b>(EnvelopeError<'b>);

impl ErrorBody<'_> {
    /// Whether there is nothing to send: no `id` is known, and the client's revision, 2025-06-18 or
    /// earlier, has no error without one (TS-27).
    pub const fn is_empty(&self) -> bool {
        self.0.id.is_none() && self.0.needs_id
    }
}

impl core::fmt::Display for ErrorBody<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        let Self(error) = self;
        f.write_str("{\"jsonrpc\":\"2.0\",")?;
        // Omitted when unknown: `null` is not in the schema (TS-27).
        if let Some(id) = error.id {
            write!(f, "\"id\":{id},")?;
        }
        // Fixed texts, and versions that were checked to need no escape (SEC-035).
        write!(f, "\"error\":{{\"code\":{},\"message\":\"{error}\"", error.code())?;
        match error.data {
            Data::None => {}
            Data::Supported | Data::Requested(_) => {
                f.write_str(",\"data\":{\"supported\":")?;
                write_versions(f, error.versions)?;
                if let Data::Requested(requested) = error.data {
                    write!(f, ",\"requested\":\"{requested}\"")?;
                }
                f.write_str("}")?;
            }
        }
        f.write_str("}}")
    }
}

/// A JSON array of all versions; they were checked to need no escape.
pub(super) fn write_versions(
    f: &mut core::fmt::Formatter<'_>,
    versions: Versions<'_>,
) -> core::fmt::Result {
    f.write_str("[")?;
    let mut comma = "";
    for version in versions.iter() {
        write!(f, "{comma}\"{version}\"")?;
        comma = ",";
    }
    f.write_str("]")
}
