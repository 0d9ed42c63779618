//! `portcullis login --list`: which logins there are.

use portcullis_tokio::client::Options as ClientOptions;
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
            if let Some(login) = authorizer.stored_login().await? {
                shown.push(Shown::of(&login, &server, place));
            }
        }
    }
    Ok(shown)
}
