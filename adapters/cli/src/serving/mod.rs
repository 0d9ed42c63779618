//! What the servers of this program have in common: how they begin, are renewed, and end.

pub(crate) mod configuration;
pub(crate) mod files;
pub(crate) mod log;
pub(crate) mod operations;

use std::{fmt, future::Future, io, net::SocketAddr};

use tokio::{net::TcpListener, sync::watch};

/// Why a server does not serve.
#[derive(Debug)]
pub(crate) enum ServingError {
    Listen(SocketAddr, io::Error),
    Serve(io::Error),
    Metrics(String),
}

impl fmt::Display for ServingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "{address} cannot be used: {error}"),
            Self::Serve(error) => write!(f, "the server ended: {error}"),
            Self::Metrics(error) => write!(f, "metrics: {error}"),
        }
    }
}

impl std::error::Error for ServingError {}

/// Takes an address.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, ServingError> {
    TcpListener::bind(address).await.map_err(|error| ServingError::Listen(address, error))
}

/// Passes when the end was asked for.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<()>);

impl Stop {
    pub(crate) async fn asked(mut self) {
        // An error says that the sender is gone, which is what this waits for.
        while self.0.changed().await.is_ok() {}
    }
}

/// Runs `parts` until a signal asks for the end and they have ended; SIGHUP calls `renew`.
pub(crate) async fn until_asked<F: Future>(
    mut signals: Signals,
    renew: impl Fn(),
    parts: impl FnOnce(Stop) -> F,
) -> F::Output {
    let (stop, stopped) = watch::channel(());
    let ending = async move {
        while let Asked::Renew = signals.received().await {
            renew();
        }
        tracing::info!("asked to end");
        drop(stop);
    };
    tokio::join!(parts(Stop(stopped)), ending).0
}

/// What a signal asks for.
enum Asked {
    End,
    Renew,
}

/// SIGTERM of whoever runs services and SIGINT of a terminal ask for the end, SIGHUP for a renewal.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
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
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
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
