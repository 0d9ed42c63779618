//! The server as a peer sees it: raw bytes in, raw bytes out, over streams in memory and on loopback.
#![forbid(unsafe_code)]

mod abuse;
mod authorization;
mod clock;
mod closing;
mod harness;
mod listening;
mod mcp;
