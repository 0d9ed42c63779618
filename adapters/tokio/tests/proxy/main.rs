//! The proxy over real sockets, between a client and an upstream that the tests play byte by byte.

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod harness;
mod identity;
mod passing;
mod smuggling;
mod streams;
