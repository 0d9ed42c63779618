//! Bytes to plain values and back. Nothing in here knows OAuth.

pub mod base64url;
pub mod json;
pub mod scratch;
pub mod text;
