//! `portcullis client`: clients that do not register themselves.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{Clients, KnownClient, NewClient};
use serde::Serialize;

use super::{Configured, Error, in_runtime, settings, start_quiet_log};
use crate::output::{self, Rows, Table};

/// What `portcullis client` can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a client, and print its new id; of a confidential one its secret, too, this once.
    Add(NewOptions),
    /// List all clients in the database, those that registered themselves included.
    List(Listed),
    /// Remove a client, and end all that it was issued.
    Remove(Named),
}

/// The client to be added.
#[derive(Args)]
pub(crate) struct NewOptions {
    /// What users read when they are asked for their consent.
    name: String,
    /// Where users are sent back to: https, or http on this machine; may be repeated.
    #[arg(long = "redirect-uri", value_name = "URL", required = true)]
    redirect_uris: Vec<String>,
    /// The client can keep a secret, and gets one.
    #[arg(long)]
    confidential: bool,
    /// The client gets tokens that are bound to its key (DPoP, RFC 9449), and no others; with `dpop` in the
    /// configuration.
    #[arg(long = "dpop-bound-access-tokens")]
    bound_tokens_alone: bool,
    #[command(flatten)]
    listed: Listed,
}

/// How clients are printed.
#[derive(Args)]
pub(crate) struct Listed {
    #[command(flatten)]
    configured: Configured,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Which client it is about.
#[derive(Args)]
pub(crate) struct Named {
    /// Its id.
    client_id: String,
    #[command(flatten)]
    configured: Configured,
}

#[derive(Serialize)]
struct Added<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

#[derive(Serialize)]
struct List {
    clients: Vec<Client>,
}

#[derive(Serialize)]
struct Client {
    client_id: String,
    name: Option<String>,
    confidential: bool,
    dpop_bound_access_tokens: bool,
    redirect_uris: Vec<String>,
}

impl Command {
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        match self {
            Self::Add(options) => in_runtime(add(options))?,
            Self::List(options) => in_runtime(list(options))?,
            Self::Remove(named) => in_runtime(async {
                clients(&named.configured).await?.remove(&named.client_id).await?;
                Ok(())
            })?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn add(options: &NewOptions) -> Result<(), Error> {
    let clients = clients(&options.listed.configured).await?;
    let new = NewClient {
        name: options.name.clone(),
        redirect_uris: options.redirect_uris.clone(),
        confidential: options.confidential,
        bound_tokens_alone: options.bound_tokens_alone,
    };
    let (client_id, secret) = clients.add(&new).await?;
    let client_secret = secret.as_deref();
    if options.listed.json {
        return Ok(output::json(&Added { client_id: &client_id, client_secret })?);
    }
    let table = Table::default().row("client id", &client_id);
    Ok(table.row_if("client secret", client_secret).print()?)
}

async fn list(options: &Listed) -> Result<(), Error> {
    let known = clients(&options.configured).await?.list().await?;
    let client = |known: KnownClient| Client {
        client_id: known.client_id,
        name: known.name,
        confidential: known.confidential,
        dpop_bound_access_tokens: known.bound_tokens_alone,
        redirect_uris: known.redirect_uris,
    };
    let clients: Vec<Client> = known.into_iter().map(client).collect();
    if options.json {
        return Ok(output::json(&List { clients })?);
    }
    let mut rows = Rows::new(&["client id", "kind", "tokens", "name", "redirect URIs"]);
    for client in clients {
        let kind = if client.confidential { "confidential" } else { "public" };
        let tokens = if client.dpop_bound_access_tokens { "bound alone" } else { "any" };
        let name = client.name.unwrap_or_default();
        rows.push(&[&client.client_id, kind, tokens, &name, &client.redirect_uris.join(" ")]);
    }
    Ok(rows.print()?)
}

/// The clients of the configured database, which is made if there is none.
async fn clients(configured: &Configured) -> Result<Clients, Error> {
    let configuration = configured.load()?;
    start_quiet_log(&configuration)?;
    configuration.ready_database()?;
    Ok(Clients::open(&settings::settings(&configuration)?).await?)
}
