//! Bytes to plain values and back. Nothing in here knows OAuth.

pub mod scratch;
