//! `portcullis logout`: the end of a login.

use std::process::ExitCode;

use clap::Args;
use portcullis_tokio::client::{AuthorizeError, LoggedOut, StoreError};
use serde::Serialize;

use super::{Error, no_browser, run, stores, trust};
use crate::output;

/// What `portcullis logout` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The URL of the MCP server.
    url: String,
    #[command(flatten)]
    trust: trust::TrustArguments,
    #[command(flatten)]
    stores: stores::StoreArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What became of the login.
#[derive(Serialize)]
struct Outcome {
    /// Whether there was one; it is forgotten.
    forgotten: bool,
    /// Whether the authorization server says that its tokens are in force no more.
    revoked: bool,
    /// Why it does not say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Options {
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        let outcome = run(self.log_out())?;
        if self.json {
            output::json(&outcome)?;
        } else {
            output::line(&outcome.text())?;
        }
        Ok(if outcome.forgotten { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn log_out(&self) -> Result<Outcome, Error> {
        let (_, store) = self.stores.for_server(&self.url)?;
        let authorizer = store.authorizer(&self.url, self.trust.client_options()?, no_browser)?;
        let not_revoked =
            |reason| Outcome { forgotten: true, revoked: false, reason: Some(reason) };
        Ok(match authorizer.log_out().await {
            Ok(LoggedOut::NoLogin) => Outcome { forgotten: false, revoked: false, reason: None },
            Ok(LoggedOut::Revoked) => Outcome { forgotten: true, revoked: true, reason: None },
            Ok(LoggedOut::NotRevoked(error)) => not_revoked(error.to_string()),
            // Whoever logs out wants it gone, whatever it is.
            Err(AuthorizeError::Store(error @ StoreError::Corrupt(_))) => {
                authorizer.forget().await?;
                not_revoked(error.to_string())
            }
            Err(error) => return Err(error.into()),
        })
    }
}

impl Outcome {
    fn text(&self) -> String {
        match (self.forgotten, self.revoked, &self.reason) {
            (false, ..) => "there is no login for this server".to_owned(),
            (true, true, _) => "the tokens are revoked and forgotten".to_owned(),
            (true, false, reason) => {
                let reason = output::printable(reason.as_deref().unwrap_or("not asked"));
                format!("the tokens are forgotten, but may be in force until they expire: {reason}")
            }
        }
    }
}
