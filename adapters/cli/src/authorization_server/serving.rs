//! Making what is missing, serving, and ending when asked to.

use std::{io, process::ExitCode};

use portcullis_authorization_server::{AuthorizationServer, Tls};
use tokio::{net::TcpListener, sync::watch};

use super::{
    Error, configuration::Configuration, log::AuditFile, operations::Operations, secret_files,
    settings, settings::Problem,
};
use crate::output::{self, Table};

/// Serves until a signal asks for the end; requests under way then have some seconds. SIGHUP makes it read
/// the certificate and open the audit file again.
pub(super) async fn run(
    configuration: &Configuration,
    audit: Option<AuditFile>,
) -> Result<ExitCode, Error> {
    let settings = settings::settings(configuration)?;
    let tls = tls(configuration)?;
    let address = configuration.listen();
    let listener = TcpListener::bind(address).await.map_err(|e| Error::Listen(address, e))?;
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
    let signals = Signals::new().map_err(Error::Serve)?;
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
    mut signals: Signals,
    renewal: Renewal<'_>,
) -> Result<(), Error> {
    let (stop, stopped) = watch::channel(());
    let shutdown = |mut stopped: watch::Receiver<()>| async move {
        // An error says that the sender is gone, which is what this waits for.
        while stopped.changed().await.is_ok() {}
    };
    let beside = async {
        if let Some(operations) = operations {
            operations.serve(server.clone(), shutdown(stopped.clone())).await;
        }
    };
    let answering = async {
        match tls {
            Some(tls) => server.serve_tls(listener, tls, shutdown(stopped.clone())).await,
            None => server.serve(listener, shutdown(stopped.clone())).await,
        }
    };
    let ending = async move {
        while let Asked::Renew = signals.received().await {
            renewal.run();
        }
        tracing::info!("asked to end");
        drop(stop);
    };
    let (served, (), ()) = tokio::join!(answering, beside, ending);
    served.map_err(Error::Serve)
}

fn tls(configuration: &Configuration) -> Result<Option<Tls>, Error> {
    let read = |files| secret_files::tls(files, |path| configuration.at(path));
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
        if let (Some(tls), Some(files)) = (&self.tls, &self.configuration.tls) {
            let at = |path: &_| self.configuration.at(path);
            match secret_files::renew_tls(tls, files, at) {
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

/// What a signal asks for.
enum Asked {
    End,
    Renew,
}

/// SIGTERM of whoever runs services and SIGINT of a terminal ask for the end, SIGHUP for a renewal.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Renew,
        }
    }
}

/// The signal that asks for the end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn received(&mut self) -> Asked {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Asked::End,
            // There will be no signal: nothing is asked for until somebody kills the process.
            Err(_) => std::future::pending().await,
        }
    }
}
