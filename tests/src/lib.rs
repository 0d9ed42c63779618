//! One set of scenarios, run over every driver, and answers compared byte for byte.
//!
//! A scenario is data (`scenarios/*.toml`): the bytes of a request, what the authorization server says,
//! and the answer that is expected. A [`Driver`] is one way to bring those bytes to the core: the bare
//! core itself, or an adapter as it is deployed.
//!
//! | Step | Where |
//! | --- | --- |
//! | cases are read, `each` is unfolded, placeholders are filled in | [`scenario`], [`template`], [`token`] |
//! | text becomes bytes on the wire, and back | [`wire`] |
//! | the protected server that all cases talk to | [`server`], [`service`], [`device`] |
//! | bytes in, answer out | [`driver`], [`bare_core`], [`over_tokio`], [`over_proxy`], [`over_embassy`], [`over_qemu`], over one [`connection`] |
//! | answers are judged and compared | [`judge`] |
//! | nothing secret is printed meanwhile | [`secrets`] |
#![forbid(unsafe_code)]

pub mod authorization_server;
pub mod bare_core;
pub mod connection;
pub mod device;
pub mod driver;
pub mod emulator;
pub mod judge;
pub mod over_embassy;
pub mod over_proxy;
pub mod over_qemu;
pub mod over_tokio;
pub mod scenario;
pub mod secrets;
pub mod server;
pub mod service;
pub mod template;
pub mod token;
pub mod wire;

pub use driver::{Answer, Driver, Exchange};

/// The snippets of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
