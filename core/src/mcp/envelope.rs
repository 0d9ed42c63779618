//! One message from a client, checked against its headers.

use super::body::{Part, Parts};
use super::version::is_version;
use super::{EnvelopeError, Era, Fault, Id, MirroredHeader, Versions, media_type, mirror};
use crate::{encoding::scratch::Scratch, limits, message::RequestHead};

/// How large and how deep a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Longest body in bytes (LIM-10).
    pub len_max: usize,
    /// Deepest nesting, the message itself being 1 (LIM-6); 64 at most.
    pub depth_max: u8,
}

impl BodyLimits {
    /// For a microcontroller.
    pub const SMALL: Self =
        Self { len_max: limits::BODY_LEN_MAX, depth_max: limits::BODY_DEPTH_MAX };

    /// For a desktop.
    pub const DESKTOP: Self =
        Self { len_max: limits::BODY_LEN_MAX_DESKTOP, depth_max: limits::BODY_DEPTH_MAX_DESKTOP };
}

/// The three kinds of JSON-RPC messages.
#[derive(Clone, Copy, Debug)]
pub enum Message<'b> {
    /// Wants an answer.
    Request {
        /// To be repeated in the answer (TS-21).
        id: Id<'b>,
    },
    /// Wants none: 202 without a body (TS-22, TL-02). A modern one is dropped, never acted on.
    Notification,
    /// Answers a request of the server; in the handshake era only (TL-02).
    Response,
}

/// A message whose form is right and whose headers say nothing else than its body.
///
/// Method and name come from the body in every era, never from a header (SEC-344, SEC-345). Whether
/// the method exists and whether its other parameters make sense is left to the server behind.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'b> {
    message: Message<'b>,
    method: &'b str,
    name: Option<&'b str>,
    era: Era,
    protocol_version: Option<&'b str>,
    arguments: Option<&'b str>,
    client_capabilities: Option<&'b str>,
    has_cursor: bool,
}

impl<'b> Envelope<'b> {
    /// Judges a message by steps 6 to 11 of transport §5; the earliest fault is the answer.
    ///
    /// `scratch` takes the texts that are spelled with escapes; when it is too small, the body is refused.
    pub fn read(
        head: &RequestHead<'b>,
        body: &'b [u8],
        versions: Versions<'b>,
        limits: BodyLimits,
        scratch: &mut Scratch<'b>,
    ) -> Result<Self, EnvelopeError<'b>> {
        let refuse = |fault| EnvelopeError::new(fault, head, versions);
        check_framing(head, body.len(), limits).map_err(refuse)?;
        let parts = Parts::read(body, limits.depth_max).map_err(refuse)?;
        Self::check(head, &parts, versions, scratch)
            .map_err(|refusal| refuse(refusal.fault).with(parts.id(), refusal.requested))
    }

    /// Request, notification or response.
    pub const fn message(&self) -> Message<'b> {
        self.message
    }

    /// The method, unescaped (SEC-024); empty for a response.
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// What the method is applied to: `params.name` of `tools/call` and `prompts/get`, `params.uri`
    /// of `resources/read`, nothing for any other.
    pub const fn name(&self) -> Option<&'b str> {
        self.name
    }

    /// Which rules the message follows (TD-01).
    pub const fn era(&self) -> Era {
        self.era
    }

    /// The protocol version: that of `_meta`, that of the header in the handshake era, or the one that
    /// `initialize` asks for. `None` where the handshake alone would tell (TL-07).
    pub const fn protocol_version(&self) -> Option<&'b str> {
        self.protocol_version
    }

    /// The JSON text of `params.arguments`, well-formed, of any type.
    pub const fn arguments(&self) -> Option<&'b str> {
        self.arguments
    }

    /// The JSON text of the object with the client's capabilities (TS-30).
    pub const fn client_capabilities(&self) -> Option<&'b str> {
        self.client_capabilities
    }

    /// Whether there is a `params.cursor`, of whatever type (TS-78).
    pub const fn has_cursor(&self) -> bool {
        self.has_cursor
    }

    /// Steps 7 to 11 on a body that is JSON.
    fn check(
        head: &RequestHead<'b>,
        parts: &Parts<'b>,
        versions: Versions<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<Self, Refusal<'b>> {
        let message = parts.message()?;
        let method = parts.method.read().map_or(Ok(""), |method| method.read(scratch))?;
        let header = mirror::version(head);
        let named = header.unwrap_or_default();
        let era = era(message, method, parts, named, versions)?;
        if matches!((message, era), (Message::Response, Era::Modern)) {
            return Err(Fault::Response.into());
        }
        let declared = match era {
            Era::Modern => check_meta(message, parts, scratch)?,
            Era::Legacy if parts.meta.is_wrong() => return Err(Fault::Params.into()),
            Era::Legacy => None,
        };
        let name = match parts.name_of(method) {
            None => None,
            Some(Part::Read(name)) => Some(name.read(scratch)?),
            Some(Part::Absent | Part::Wrong) => return Err(Fault::Params.into()),
        };
        let header = header.map_err(Fault::Header)?;
        if let (Message::Request { .. }, Era::Modern) = (message, era) {
            mirror::check_present(head, name).map_err(Fault::Header)?;
        }
        mirror::check_equal(head, message, method, name).map_err(Fault::Header)?;
        let protocol_version = match era {
            Era::Modern => mirror::agree(message, header, declared).map_err(Fault::Header)?,
            Era::Legacy => header,
        };
        if let Some(version) = protocol_version
            && !versions.contains(era, version)
        {
            return Err(Refusal { fault: Fault::Version, requested: Some(version) });
        }
        Ok(Self {
            message,
            method,
            name,
            era,
            protocol_version: match (era, method) {
                // What a handshake asks for is negotiated, not refused (TL-01).
                (Era::Legacy, "initialize") => asked_version(parts, scratch)?,
                _ => protocol_version,
            },
            arguments: parts.arguments,
            client_capabilities: parts.client_capabilities.read(),
            has_cursor: parts.has_cursor,
        })
    }
}

/// A fault, and the version it is about if that is to be told.
struct Refusal<'b> {
    fault: Fault,
    requested: Option<&'b str>,
}

impl<F: Into<Fault>> From<F> for Refusal<'_> {
    fn from(fault: F) -> Self {
        Self { fault: fault.into(), requested: None }
    }
}

/// Step 6: what HTTP says of the body. Its text is not looked at before that.
fn check_framing(head: &RequestHead<'_>, len: usize, limits: BodyLimits) -> Result<(), Fault> {
    if len > limits.len_max {
        return Err(Fault::TooLong);
    }
    if !media_type::is_json(head.content_type) {
        return Err(Fault::ContentType);
    }
    // SEC-450. Not even `identity`, which has no place in this field (RFC 9110 §8.4).
    if head.content_encoding.is_present() {
        return Err(Fault::ContentEncoding);
    }
    if media_type::accepts_json(head.accept) { Ok(()) } else { Err(Fault::Accept) }
}

/// Step 8, TD-01: the body decides; where it says nothing, the header does.
///
/// A server of one era has nothing to decide.
fn era(
    message: Message<'_>,
    method: &str,
    parts: &Parts<'_>,
    header: Option<&str>,
    versions: Versions<'_>,
) -> Result<Era, Fault> {
    if !versions.has(Era::Modern) {
        return Ok(Era::Legacy);
    }
    if !versions.has(Era::Legacy) || !parts.meta_version.is_absent() {
        return Ok(Era::Modern);
    }
    let names_modern = header.is_some_and(|version| versions.contains(Era::Modern, version));
    let is_handshake = method == "initialize" && matches!(message, Message::Request { .. });
    match (names_modern, is_handshake) {
        // A handshake needs no header (TD-06), but one that contradicts it is a disagreement.
        (true, true) => Err(Fault::Header(MirroredHeader::ProtocolVersion)),
        (true, false) => Ok(Era::Modern),
        (false, _) => Ok(Era::Legacy),
    }
}

/// Step 9, TS-30: the version that a modern message declares. Only requests must declare one, and
/// the client's capabilities with it.
fn check_meta<'b>(
    message: Message<'b>,
    parts: &Parts<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Option<&'b str>, Fault> {
    let is_request = matches!(message, Message::Request { .. });
    let lacks =
        is_request && (parts.meta_version.is_absent() || parts.client_capabilities.is_absent());
    let is_wrong = parts.meta.is_wrong()
        || parts.meta_version.is_wrong()
        || parts.client_capabilities.is_wrong();
    if lacks || is_wrong {
        return Err(Fault::Meta);
    }
    let Some(version) = parts.meta_version.read() else { return Ok(None) };
    let version = version.read(scratch)?;
    if is_version(version) { Ok(Some(version)) } else { Err(Fault::Meta) }
}

/// The version that `initialize` asks for.
fn asked_version<'b>(
    parts: &Parts<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Option<&'b str>, Fault> {
    match parts.protocol_version {
        Part::Absent => Ok(None),
        Part::Read(version) => Ok(Some(version.read(scratch)?)),
        Part::Wrong => Err(Fault::Params),
    }
}

#[cfg(test)]
mod tests;
