//! `portcullis doctor`: what a remote MCP server and its authorization servers get wrong, by requirement id.
//!
//! It is a client without credentials: the core's readers judge what it meets, so that it and the client agree. It
//! sends no token but a text of its own that nobody issued, registers nowhere, follows no redirect, and asks no
//! address that the server's own URL does not justify ([`net::reach`]).

mod document;
mod endpoints;
mod examination;
mod issuer;
mod net;
mod report;
mod resource;
mod rules;
mod screen;
mod server;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::output::{self, OutputError};
use net::reach::Allowed;

/// What is examined, and how.
#[derive(Args)]
#[command(
    after_help = "Exit status: 0 no error (with --strict: and no warning), 1 warnings with --strict, 2 errors, \
    3 the server could not be checked."
)]
pub(crate) struct Options {
    /// The MCP endpoint, as clients are given it.
    url: String,
    /// One JSON object instead of a text for people.
    #[arg(long)]
    json: bool,
    /// End with status 1 when there are warnings.
    #[arg(long)]
    strict: bool,
    /// Also ask addresses that are not public, whatever metadata leads there.
    #[arg(long)]
    allow_private: bool,
    /// Also speak plain http to other machines.
    #[arg(long)]
    allow_http: bool,
    /// A PEM file with certificates to trust beside those that browsers trust.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Time for each request.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=120))]
    timeout: u16,
}

impl Options {
    const fn allowed(&self) -> Allowed {
        Allowed { private: self.allow_private, http: self.allow_http }
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let Some(path) = &self.ca else { return Ok(Vec::new()) };
        let read: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        match read {
            Ok(roots) if roots.is_empty() => {
                Err(format!("{} holds no certificates in PEM", path.display()))
            }
            read => read.map_err(|error| format!("{}: {error}", path.display())),
        }
    }
}

/// Runs it and prints the report.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let report = runtime.block_on(examination::examine(options));
    // A lookup of a name that is still under way keeps nobody waiting.
    runtime.shutdown_background();
    if options.json {
        output::json(&report)?;
    } else {
        screen::print(&report)?;
    }
    Ok(report.status(options.strict))
}

/// Exit status when no report could be made or printed.
pub(crate) const NOT_CHECKED: u8 = 3;

/// There is no report.
#[derive(Debug)]
pub(crate) enum Error {
    Runtime(std::io::Error),
    Output(OutputError),
}

impl From<OutputError> for Error {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runtime(error) => write!(f, "the runtime does not start: {error}"),
            Self::Output(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
