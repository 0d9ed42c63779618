//! Equipment for tests, on loopback: not for production.

mod agent;
mod client;
mod error;
mod mcp;
mod page;
mod user;

pub use agent::{Answer, Exchange};
pub use client::{Client, Code, Tokens};
pub use error::TestingError;
pub use mcp::Caller;
pub use user::User;

/// The user of every server here, as of the demo.
pub const DEMO_USER: (&str, &str) = crate::settings::DEMO_USER;
