//! Making what is missing, serving, and ending when asked to.

use std::{io, process::ExitCode};

use portcullis_authorization_server::{AuthorizationServer, Tls};
use tokio::{net::TcpListener, sync::watch};

use super::{
    Error, configuration::Configuration, operations::Operations, secret_files, settings,
    settings::Problem,
};
use crate::output::{self, Table};

/// Serves until a signal asks for the end; requests under way then have some seconds.
pub(super) async fn run(configuration: &Configuration) -> Result<ExitCode, Error> {
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
    serve(&server, listener, tls, operations, signals).await?;
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
        signals.received().await;
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

/// The signals that ask for the end: SIGTERM of whoever runs services, SIGINT of a terminal.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
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

    async fn received(self) {
        // An error says that there will be no signal: then there is nothing to wait for.
        drop(tokio::signal::ctrl_c().await);
    }
}
