//! Bytes to plain values and back. Nothing in here knows OAuth.

pub mod base64url;
pub mod form;
pub mod json;
pub mod percent;
pub mod scratch;
pub mod text;
pub mod uri;

#[cfg(test)]
mod vectors;
