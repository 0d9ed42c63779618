//! The headers that repeat parts of the body (MCP 2026-07-28, SEP-2243).
//!
//! They exist for whoever looks at a request without reading its body. A request that tells such an
//! observer something else than its reader is refused (SEC-345).

use super::header_value::{is_field_text, stands_for};
use super::version::is_version;
use super::{Message, MirroredHeader};
use crate::message::{Field, RequestHead};

/// The version that `MCP-Protocol-Version` names: one line with a usable text, or none (TS-45, TS-48).
pub(super) fn version<'r>(head: &RequestHead<'r>) -> Result<Option<&'r str>, MirroredHeader> {
    match head.mcp_protocol_version {
        Field::Absent => Ok(None),
        Field::Repeated => Err(MirroredHeader::ProtocolVersion),
        Field::One(value) => core::str::from_utf8(value)
            .ok()
            .filter(|version| is_version(version))
            .map(Some)
            .ok_or(MirroredHeader::ProtocolVersion),
    }
}

/// The one version that header and body of a modern message name (TS-40).
///
/// A request has both; a notification may have either or none (TS-49).
pub(super) fn agree<'r>(
    message: Message<'_>,
    header: Option<&'r str>,
    declared: Option<&'r str>,
) -> Result<Option<&'r str>, MirroredHeader> {
    match (message, header, declared) {
        (_, Some(header), Some(declared)) if header != declared => {
            Err(MirroredHeader::ProtocolVersion)
        }
        (Message::Request { .. }, None, _) => Err(MirroredHeader::ProtocolVersion),
        (_, header, declared) => Ok(declared.or(header)),
    }
}

/// Whether the headers are there that a modern request must have (TS-41, TS-42).
pub(super) fn check_present(
    head: &RequestHead<'_>,
    name: Option<&str>,
) -> Result<(), MirroredHeader> {
    if !head.mcp_method.is_present() {
        return Err(MirroredHeader::Method);
    }
    if name.is_some() && !head.mcp_name.is_present() {
        return Err(MirroredHeader::Name);
    }
    Ok(())
}

/// Whether the headers of a request that are there say what its body says (TS-41 … 45, TS-48).
///
/// Also in the handshake era, which does not know them: who sends them there means somebody to
/// believe them. Notifications have no such duties (TS-49), and a name header is only compared where
/// the method has a name.
pub(super) fn check_equal(
    head: &RequestHead<'_>,
    message: Message<'_>,
    method: &str,
    name: Option<&str>,
) -> Result<(), MirroredHeader> {
    let Message::Request { .. } = message else { return Ok(()) };
    match head.mcp_method {
        Field::Absent => {}
        // Case-sensitive, and without the sentinel, which is for names and parameters.
        Field::One(value) if value == method.as_bytes() && is_field_text(value) => {}
        Field::One(_) | Field::Repeated => return Err(MirroredHeader::Method),
    }
    match (head.mcp_name, name) {
        (Field::Absent, _) | (_, None) => Ok(()),
        (Field::One(value), Some(name)) if stands_for(value, name) => Ok(()),
        (Field::One(_) | Field::Repeated, Some(_)) => Err(MirroredHeader::Name),
    }
}
