//! HTTP requests of the device itself, over TLS: to an authorization server, or to another MCP server.
//!
//! ```text
//! Destination -> Transport: connect, TLS, lend the connection -> request -> one answer, read strictly
//! ```
//!
//! No redirect is followed, no cookie kept, no credential added that the caller did not give.

mod destination;
#[cfg(any(feature = "introspection", feature = "client"))]
pub(crate) mod reply;
#[cfg(any(feature = "introspection", feature = "client"))]
pub(crate) mod request;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;

pub use self::{
    destination::{Destination, DestinationError},
    transport::{Closing, Conversation, LoopbackHttp, OpenError, Transport},
};
