//! The main job: an authorization server, a protected MCP server, and one whole flow from a bare 401
//! to an authorized tool call, each HTTP exchange on one line.
//!
//! Names, ports, user and form fields are those of the official Python SDK's example, so that clients
//! written for it work here unchanged.
//!
//! With `--legacy` both are one server on one port, for clients that know nothing of RFC 9728. With
//! `--device` only the authorization server, for a protected MCP server that runs elsewhere.

mod decisions;
mod device;
mod flow;
mod journal;
mod legacy;
mod mcp_server;
mod servers;
mod user;

use std::{fmt, io, sync::Arc};

use clap::{Args, ValueEnum};
use tokio::sync::watch;

pub(crate) use decisions::Decisions;
use device::{DeviceDemoError, DeviceOptions};
use journal::Journal;
use portcullis_authorization_server::testing::DEMO_USER;
use servers::Servers;

/// How the demo is run.
#[derive(Args)]
pub(crate) struct Options {
    /// End after the flow, with exit status 0 or a clear failure.
    #[arg(long)]
    once: bool,
    /// How the MCP server checks tokens.
    #[arg(long, value_enum, default_value_t = Verify::Offline)]
    verify: Verify,
    /// One server that is MCP server and authorization server, for clients of MCP 2025-03-26.
    #[arg(long, conflicts_with = "authorization_server_port")]
    legacy: bool,
    /// Port of the authorization server; 0 takes a free one. A device knows its issuer's port.
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    authorization_server_port: u16,
    /// Port of the protected MCP server; 0 takes a free one. 8001, or 8000 with `--legacy`.
    #[arg(long, value_name = "PORT")]
    server_port: Option<u16>,
    /// Port where the demo's client waits for the browser; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 3030)]
    redirect_port: u16,
    #[command(flatten)]
    elsewhere: DeviceOptions,
}

/// How the MCP server checks tokens.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Verify {
    /// JWT access tokens, verified with a key of its own and no call to anybody.
    Offline,
    /// Opaque tokens: the authorization server is asked (RFC 7662).
    Introspection,
    /// JWT access tokens, verified with the keys that the authorization server publishes (RFC 7517).
    Jwks,
}

/// Why the demo did not do its job.
#[derive(Debug)]
pub(crate) enum DemoError {
    /// A port cannot be had.
    Port(u16, io::Error),
    /// There is nothing to serve the device with.
    Device(DeviceDemoError),
    /// Something does not start.
    Start(&'static str, String),
    /// A server ended on its own.
    Serve(io::Error),
    /// A step of the flow had another outcome than it must have.
    Flow(String),
}

impl DemoError {
    fn start(what: &'static str, error: &dyn fmt::Display) -> Self {
        Self::Start(what, error.to_string())
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "port {port} is taken; choose another one (see demo --help)")
            }
            Self::Port(port, error) => write!(f, "port {port} cannot be used: {error}"),
            Self::Device(error) => error.fmt(f),
            Self::Start(what, error) => write!(f, "{what}: {error}"),
            Self::Serve(error) => write!(f, "a server ended: {error}"),
            Self::Flow(error) => write!(f, "the flow failed: {error}"),
        }
    }
}

impl std::error::Error for DemoError {}

impl From<DeviceDemoError> for DemoError {
    fn from(error: DeviceDemoError) -> Self {
        Self::Device(error)
    }
}

/// Runs servers and flow; then stays until interrupted, or ends when `--once` is given.
pub(crate) async fn run(options: &Options, decisions: Decisions) -> Result<(), DemoError> {
    let journal = Arc::new(Journal::new(decisions));
    if let Some(path) = &options.elsewhere.device {
        let port = options.authorization_server_port;
        return device::run(&options.elsewhere, path, port, &journal).await;
    }
    let servers = Servers::bind(options).await?;
    let resource = servers.resource.clone();
    let issuer = servers.issuer.clone();
    journal.note(&format!("authorization server  {issuer}"));
    journal.note(&format!("protected MCP server  {resource}"));

    let (stop, stopped) = watch::channel(());
    let mut serving = tokio::spawn(servers.serve(stopped));
    let flow = async {
        match options.legacy {
            true => legacy::run(options, &issuer, &resource, &journal).await,
            false => flow::run(options, &resource, &journal).await,
        }
    };
    let outcome = tokio::select! {
        outcome = flow => outcome,
        ended = &mut serving => return Err(ended_early(ended)),
    };
    if outcome.is_ok() && !options.once {
        journal.heading("The servers stay up. Connect another MCP client:");
        journal.note(&format!("  server URL  {resource}"));
        journal.note(&format!("  sign in as  {} with password {}", DEMO_USER.0, DEMO_USER.1));
        journal.note("  end with Ctrl-C");
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            ended = &mut serving => return Err(ended_early(ended)),
        }
    }
    drop(stop);
    let served = serving.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    outcome.and(served.map_err(DemoError::Serve))
}

fn ended_early(ended: Result<io::Result<()>, tokio::task::JoinError>) -> DemoError {
    DemoError::Serve(match ended {
        Ok(Ok(())) => io::Error::other("it was not asked to"),
        Ok(Err(error)) => error,
        Err(error) => io::Error::other(error),
    })
}
