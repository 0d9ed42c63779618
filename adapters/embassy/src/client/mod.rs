//! A device as a client: it gets tokens of its own and calls an MCP server with them.
//!
//! ```text
//! post -> token there? -> send -> 401: discovery -> client id -> device grant or client credentials -> send again
//! ```
//!
//! [`Client`] drives the machines of [`portcullis_core::client`] over a [`Transport`](crate::outgoing::Transport):
//! TLS of [`outgoing::tls`](crate::outgoing::tls) on a device. Every request has a connection of its own, which costs
//! a handshake each: a way to tokens has three or four of them.
//!
//! - A device that acts for itself has a client id and a secret: [`Access::ClientCredentials`].
//! - A device that acts for a user shows a code that the user types on another machine: [`Access::DeviceCode`].
//!
//! The time must be known before anything is sent. Tokens go to the server they are for and nowhere else (CL-71).
//! They are held in memory; [`Client::stored_tokens`] lends what is to be kept over a restart.

mod calls;
mod challenge;
mod error;
mod fetch;
mod held;
mod hosts;
mod login;
mod memory;
mod settings;
mod watcher;

pub use self::{
    calls::{Answer, Client, Message},
    error::ClientError,
    hosts::{Hosts, NameServer},
    memory::ClientMemory,
    settings::{Access, ClientSettings, ConfiguredClient},
    watcher::{UserCode, Watcher},
};
