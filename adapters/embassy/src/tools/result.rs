//! What a tool gives, or why it does not.

use core::fmt::Display;

use portcullis_core::{
    encoding::{
        json::write,
        scratch::{BufferFull, Scratch},
        text,
    },
    mcp::server::CallOutcome,
};
use serde::Serialize;

/// Why a tool has no result, in words for the model that called it; the caller sees them (TS-75).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolError(pub &'static str);

impl Display for ToolError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for ToolError {}

/// What a tool may give: `&'static str`, `heapless::String`, [`Text`] or [`Json`].
pub trait ToolResult {
    /// Writes the result into `scratch`.
    fn write<'s>(self, scratch: &mut Scratch<'s>) -> Result<CallOutcome<'s>, BufferFull>;
}

/// Whatever can be displayed, as text.
#[derive(Clone, Copy, Debug)]
pub struct Text<T>(pub T);

/// Whatever can be serialised, as structured content and repeated as text (TS-76).
///
/// Clients of older revisions see the text only, unless it is an object.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl ToolResult for &'static str {
    fn write<'s>(self, _: &mut Scratch<'s>) -> Result<CallOutcome<'s>, BufferFull> {
        Ok(CallOutcome::Text(self))
    }
}

impl<const N: usize> ToolResult for heapless::String<N> {
    fn write<'s>(self, scratch: &mut Scratch<'s>) -> Result<CallOutcome<'s>, BufferFull> {
        text::write_in(scratch, |text| text.push(&self)).map(CallOutcome::Text)
    }
}

impl<T: Display> ToolResult for Text<T> {
    fn write<'s>(self, scratch: &mut Scratch<'s>) -> Result<CallOutcome<'s>, BufferFull> {
        use core::fmt::Write as _;
        let text =
            text::write_in(scratch, |text| write!(text, "{}", self.0).map_err(|_| BufferFull));
        text.map(CallOutcome::Text)
    }
}

impl<T: Serialize> ToolResult for Json<T> {
    fn write<'s>(self, scratch: &mut Scratch<'s>) -> Result<CallOutcome<'s>, BufferFull> {
        let json =
            scratch.fill(|free| Ok::<_, BufferFull>(write::to_slice(&self.0, free)?.len()))?;
        core::str::from_utf8(json).map(CallOutcome::Structured).map_err(|_| BufferFull)
    }
}
