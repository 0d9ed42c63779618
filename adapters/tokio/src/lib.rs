//! OAuth 2.1 for Model Context Protocol (MCP) on tokio and hyper: a server becomes a protected
//! resource, a client an authorized one. Every decision is `portcullis-core`'s.
#![forbid(unsafe_code)]

#[cfg(any(feature = "client", feature = "resource-server"))]
mod authorities;
#[cfg(any(feature = "client", feature = "resource-server"))]
pub use authorities::{Authorities, AuthoritiesError};
#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "client", feature = "resource-server"))]
mod connector;
#[cfg(any(feature = "client", feature = "resource-server"))]
pub use connector::Network;
#[cfg(any(feature = "client", feature = "resource-server"))]
mod incoming;
#[cfg(any(feature = "client", feature = "resource-server"))]
pub mod key_pair;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "resource-server")]
pub mod public_keys;
#[cfg(any(feature = "client", feature = "resource-server"))]
mod public_network;
#[cfg(feature = "resource-server")]
pub mod resource_server;
#[cfg(feature = "resource-server")]
pub mod serve;
#[cfg(any(feature = "client", feature = "resource-server"))]
pub mod vetted;
