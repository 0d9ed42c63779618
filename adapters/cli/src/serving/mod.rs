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

/// Writes to the log that an address beyond this machine is served without TLS, which was asked for by name (INV-9).
pub(crate) fn tell_plain_http(address: SocketAddr, has_tls: bool) {
    if !has_tls && !address.ip().is_loopback() {
        tracing::warn!(%address, "plain HTTP can be reached from elsewhere");
    }
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

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Seek},
        sync::Mutex,
    };

    use super::*;

    #[test]
    fn inv_9_plain_http_for_others_is_written_down() {
        let log = |address: &str, has_tls| {
            let mut file = tempfile::tempfile().unwrap();
            let writer = Mutex::new(file.try_clone().unwrap());
            let subscriber =
                tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
            let address = address.parse().unwrap();
            tracing::subscriber::with_default(subscriber, || tell_plain_http(address, has_tls));
            let mut text = String::new();
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            text
        };
        for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:9000"] {
            let text = log(address, false);
            assert!(text.contains("WARN") && text.contains(address), "{text:?}");
            assert_eq!(log(address, true), "");
        }
        for address in ["127.0.0.1:80", "[::1]:80"] {
            assert_eq!(log(address, false), "");
        }
    }
}
