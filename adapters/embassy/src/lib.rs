//! A microcontroller as a protected MCP server.
//!
//! `no_std`, no allocation: whatever a connection needs lies in a [`Memory`] of constant size that the
//! caller owns. HTTP goes over the traits of edge-nal, so that the same server runs on
//! embassy-net and on a desktop. What is decided is decided by the core; what HTTP leaves open is
//! refused here before anything else looks at it.
//!
//! ```text
//! accept -> head, strictly -> framing -> decide -> body, bounded -> operation -> tool -> answer
//! ```
//!
//! - [`Server`]: serves connections, one at a time for each [`Memory`].
//! - [`Tools`](tools): plain async functions of a principal and arguments, as the service behind.
//! - [`Clock`]: what time it is, and how it is [known](clock). Unknown time is refused, never passed over.
//! - [`LiveKeyRing`](keys): keys that change while the device serves, and how they are [kept](keys).
//! - [`Introspector`]: asks about tokens that cannot be verified [here](introspection).
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
#![allow(async_fn_in_trait, reason = "an executor of one core needs no `Send` futures")]

#[cfg(test)]
extern crate std;

mod body;
mod chunked;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
mod connections;
mod exchange;
mod framing;
mod head;
pub mod introspection;
pub mod keys;
mod link;
#[cfg(feature = "embassy-net")]
pub mod listener;
mod memory;
#[cfg(feature = "outgoing")]
pub mod outgoing;
mod response;
mod server;
mod service;
pub mod tools;

pub use clock::Clock;
pub use connections::Connections;
pub use head::HeadLimits;
pub use introspection::{Introspector, NoIntrospection};
pub use link::Deadlines;
pub use memory::{HEAD_LEN, Memory, SCRATCH_LEN};
pub use server::Server;
pub use service::{Reply, Request, Service};
