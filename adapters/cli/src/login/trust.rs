//! Whose TLS certificates these commands accept.

use std::path::PathBuf;

use clap::Args;
use portcullis_tokio::{Authorities, client::Options as ClientOptions};

use super::Error;

/// For every command that asks a server.
#[derive(Args)]
pub(super) struct TrustArguments {
    /// A PEM file with the certificates to trust instead of those that browsers trust.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl TrustArguments {
    /// The options of a client that accepts these; it is called as this program is.
    pub(super) fn client_options(&self) -> Result<ClientOptions, Error> {
        let authorities = self.ca.as_ref().map(Authorities::from_file).transpose()?;
        Ok(ClientOptions {
            authorities: authorities.unwrap_or_default(),
            ..ClientOptions::new("portcullis")
        })
    }
}
