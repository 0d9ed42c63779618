//! `portcullis token get`: an access token for another program.

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use portcullis_tokio::client::Login;
use serde::Serialize;

use super::{Error, no_browser, run, stores, trust};
use crate::output;

/// Exit status when it is not known whether there is a login.
pub(crate) const TROUBLE: u8 = 2;

/// What `portcullis token get` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The URL of the MCP server.
    url: String,
    #[command(flatten)]
    trust: trust::TrustArguments,
    #[command(flatten)]
    stores: stores::StoreArguments,
    /// Print one JSON object, with the token's scope and when it ends.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Token<'l> {
    access_token: &'l str,
    resource: &'l str,
    scope: &'l str,
    /// Seconds since 1970.
    expires_at: u64,
}

impl Options {
    /// Prints a token that is good now, and nothing else. Without one the exit status is 1.
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        match run(self.token()) {
            Ok(login) => self.print(&login).map(|()| ExitCode::SUCCESS),
            Err(error @ Error::NoLogin(_)) => {
                eprintln!("portcullis: {error}");
                Ok(ExitCode::FAILURE)
            }
            Err(error) => Err(error),
        }
    }

    async fn token(&self) -> Result<Login, Error> {
        let (_, store) = self.stores.for_server(&self.url)?;
        let authorizer = store.authorizer(&self.url, self.trust.client_options()?, no_browser)?;
        let login = authorizer.fresh_login().await?;
        let login = login.filter(|login| login.expires_at() > SystemTime::now());
        login.ok_or_else(|| Error::NoLogin(self.url.clone()))
    }

    fn print(&self, login: &Login) -> Result<(), Error> {
        if !self.json {
            return Ok(output::line(login.access_token())?);
        }
        let since = login.expires_at().duration_since(UNIX_EPOCH);
        Ok(output::json(&Token {
            access_token: login.access_token(),
            resource: login.resource(),
            scope: login.scope(),
            expires_at: since.map_or(0, |since| since.as_secs()),
        })?)
    }
}
