//! `portcullis login --list`: which logins there are.

use portcullis_tokio::client::{AuthorizeError, Options as ClientOptions, StoreError};
use serde::Serialize;

use super::{Error, Shown, no_browser, run, stores};
use crate::output::{self, Rows};

pub(super) fn run_with(options: &stores::StoreArguments, json: bool) -> Result<(), Error> {
    let logins = run(logins(options))?;
    if json {
        return Ok(output::json(&Logins { logins })?);
    }
    let mut rows = Rows::new(&["SERVER", "ISSUER", "SCOPE", "TOKEN", "STORED IN"]);
    for login in &logins {
        rows.push(&[&login.server, &login.issuer, &login.scope, &login.ends(), login.store]);
    }
    Ok(rows.print()?)
}

#[derive(Serialize)]
struct Logins {
    logins: Vec<Shown>,
}

async fn logins(options: &stores::StoreArguments) -> Result<Vec<Shown>, Error> {
    let mut shown = Vec::new();
    for (place, store) in options.all()? {
        for server in store.servers()? {
            let authorizer =
                store.authorizer(&server, ClientOptions::new("portcullis"), no_browser)?;
            match authorizer.stored_login().await {
                Ok(Some(login)) => shown.push(Shown::of(&login, &server, place)),
                Ok(None) => {}
                // One that cannot be read hides no other.
                Err(error @ AuthorizeError::Store(StoreError::Corrupt(_))) => {
                    eprintln!("portcullis: {}", Error::from(error));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(shown)
}
