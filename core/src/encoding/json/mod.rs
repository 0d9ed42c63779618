//! JSON (RFC 8259): a strict reader for what strangers send, and a writer.
//!
//! The reader is the only one: whoever routes a request and whoever handles it see the same bytes
//! through the same rules (SEC-034).

pub mod deserialize;
mod escaped;
mod members;
mod reader;
mod string;
pub mod write;

pub use escaped::Escaped;
pub use members::{Elements, Members};
pub use reader::Reader;
pub use string::{Characters, JsonStr};

use super::scratch::BufferFull;

#[cfg(test)]
mod tests;

/// Why a document was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON (RFC 8259), or not read in its order.
    Syntax,
    /// Not UTF-8, or with a byte order mark (RFC 8259 §8.1).
    Utf8,
    /// Nested deeper than allowed (LIM-6).
    Depth,
    /// A member name stands twice in one object (SEC-020, SEC-021).
    Duplicate,
    /// More members than allowed (LIM-7).
    Members,
    /// A value of another kind than this place needs (SEC-032).
    Type,
    /// A number out of the grammar, or not an integer in range where one is needed (SEC-029).
    Number,
    /// A raw control character or an unknown escape in a string (RFC 8259 §7).
    Character,
    /// Half of a surrogate pair (SEC-026).
    Surrogate,
    /// Something follows the document (SEC-030).
    Trailing,
    /// No room for an unescaped string.
    BufferFull,
}

impl core::fmt::Display for JsonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not well-formed JSON",
            Self::Utf8 => "JSON is not plain UTF-8",
            Self::Depth => "JSON is nested too deep",
            Self::Duplicate => "JSON object has a member twice",
            Self::Members => "JSON object has too many members",
            Self::Type => "JSON value has the wrong type",
            Self::Number => "JSON number is not allowed here",
            Self::Character => "JSON string has a character or escape that is not allowed",
            Self::Surrogate => "JSON string has half a surrogate pair",
            Self::Trailing => "text after the JSON document",
            Self::BufferFull => "no room for a JSON string",
        })
    }
}

impl core::error::Error for JsonError {}

impl From<BufferFull> for JsonError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// The kinds of JSON values (RFC 8259 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// Digits.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

impl Kind {
    /// The kind of the value that begins with `byte`, if one can.
    pub(crate) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'{' => Self::Object,
            b'[' => Self::Array,
            b'"' => Self::String,
            b'-' | b'0'..=b'9' => Self::Number,
            b't' | b'f' => Self::Bool,
            b'n' => Self::Null,
            _ => return None,
        })
    }
}
