//! Bytes to plain values and back. Nothing in here knows OAuth.
//!
//! Texts are split at `['x']`, never at `'x'`: the search for one character goes through a part of
//! the standard library that leaves a way to panic in the program, the search for a set does not.

pub mod base64url;
pub mod form;
pub mod json;
pub mod percent;
pub mod scratch;
pub mod text;
pub mod uri;

#[cfg(test)]
pub(crate) mod vectors;
