//! The decisions of OAuth 2.1 for Model Context Protocol servers and clients.
//!
//! `no_std`, no allocation, no I/O, no clock, no randomness: bytes, the time and entropy come in as
//! arguments, and what to send goes out as a value. Buffers belong to the caller.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]
#![allow(clippy::large_enum_variant, reason = "without an allocator there is nothing to box with")]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod bearer;
pub mod challenge;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "dpop")]
pub mod dpop;
pub mod encoding;
pub mod error;
pub mod framing;
pub mod introspection;
pub mod jwk;
pub mod jwt;
pub mod limits;
pub mod mcp;
pub mod message;
pub mod metadata;
pub mod resource_server;
pub mod scope;
pub mod time;
pub mod token;
