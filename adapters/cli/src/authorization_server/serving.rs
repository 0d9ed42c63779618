//! Making what is missing, serving, and ending when asked to.

use std::process::ExitCode;

use portcullis_authorization_server::{AuthorizationServer, Tls};
use tokio::net::TcpListener;

use super::{Error, configuration::Configuration, secret_files, settings, settings::Problem};
use crate::{
    output::{self, Table},
    serving::{self, ServingError, Signals, Stop, files, log::AuditFile, operations::Operations},
};

/// Serves until a signal asks for the end; requests under way then have some seconds. SIGHUP makes it read
/// the certificate and open the audit file again.
pub(super) async fn run(
    configuration: &Configuration,
    audit: Option<AuditFile>,
) -> Result<ExitCode, Error> {
    let settings = settings::settings(configuration)?;
    let tls = tls(configuration)?;
    let address = configuration.listen();
    let listener = serving::listen(address).await?;
    serving::tell_plain_http(address, tls.is_some());
    let operations = match &configuration.metrics {
        Some(metrics) => Some(Operations::bind(metrics.listen).await?),
        None => None,
    };
    configuration.ready_database()?;
    let master_key = configuration.master_key();
    let (key, is_new) = secret_files::master_key(&master_key)?;
    if is_new {
        tracing::info!(file = %master_key.display(), "master key made");
    }
    let server = AuthorizationServer::new(settings.with_master_key(*key)?).await?;
    drop(key);
    // Before anything is said: whoever read it may ask for the end at once.
    let signals = Signals::new().map_err(ServingError::Serve)?;
    say_what_is_next(configuration, &server).await?;
    let renewal = Renewal { configuration, tls: tls.clone(), audit };
    serve(&server, listener, tls, operations, signals, renewal).await?;
    server.close().await;
    tracing::info!("authorization server ended");
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    server: &AuthorizationServer,
    listener: TcpListener,
    tls: Option<Tls>,
    operations: Option<Operations>,
    signals: Signals,
    renewal: Renewal<'_>,
) -> Result<(), Error> {
    let parts = async |stop: Stop| {
        let beside = async {
            if let Some(operations) = operations {
                let server = server.clone();
                let is_ready = move || {
                    let server = server.clone();
                    async move { server.is_ready().await }
                };
                operations.serve(is_ready, stop.clone().asked()).await;
            }
        };
        let answering = async {
            match tls {
                Some(tls) => server.serve_tls(listener, tls, stop.clone().asked()).await,
                None => server.serve(listener, stop.clone().asked()).await,
            }
        };
        tokio::join!(answering, beside).0
    };
    let served = serving::until_asked(signals, || renewal.run(), parts).await;
    Ok(served.map_err(ServingError::Serve)?)
}

fn tls(configuration: &Configuration) -> Result<Option<Tls>, Error> {
    let read = |of| files::tls(of, |path| configuration.at(path));
    let tls = configuration.tls.as_ref().map(read).transpose();
    tls.map_err(|error| Error::Problems(vec![Problem::new(format!("tls: {error}"))]))
}

/// What is read again without a restart. What cannot be read stays as it was.
struct Renewal<'c> {
    configuration: &'c Configuration,
    tls: Option<Tls>,
    audit: Option<AuditFile>,
}

impl Renewal<'_> {
    fn run(&self) {
        if let (Some(tls), Some(of)) = (&self.tls, &self.configuration.tls) {
            let at = |path: &_| self.configuration.at(path);
            match files::renew_tls(tls, of, at) {
                Ok(()) => tracing::info!("certificate read again"),
                Err(error) => tracing::error!(%error, "the certificate stays as it was"),
            }
        }
        if let Some(audit) = &self.audit {
            match audit.reopen() {
                Ok(()) => tracing::info!("audit file opened again"),
                Err(error) => tracing::error!(%error, "the audit file stays as it was"),
            }
        }
    }
}

/// A few lines for whoever started it: where it is, and what is missing before somebody can use it.
async fn say_what_is_next(
    configuration: &Configuration,
    server: &AuthorizationServer,
) -> Result<(), Error> {
    Table::default()
        .row("authorization server", server.issuer())
        .row("metadata", &server.metadata_url())
        .row("data", &configuration.data().display().to_string())
        .print()?;
    let named = configuration.file.as_ref();
    let config = named.map_or(String::new(), |path| format!(" --config {}", path.display()));
    let mut next = Vec::new();
    if server.accounts().list().await?.is_empty() {
        next.push(format!("portcullis user add NAME{config}    adds someone who can sign in"));
    }
    if configuration.resources.is_empty() {
        next.push(match named {
            Some(path) => format!("name your MCP server in {} under [[resource]]", path.display()),
            None => "portcullis authorization-server --example-config > portcullis.toml    \
                     then name your MCP server there under [[resource]], and start again"
                .into(),
        });
    }
    if !next.is_empty() {
        output::line("Next:")?;
        next.iter().try_for_each(|line| output::line(&format!("  {line}")))?;
    }
    Ok(())
}
