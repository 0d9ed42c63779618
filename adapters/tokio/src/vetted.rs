//! Connections to hosts that somebody else named (SEC-280, SEC-282, SEC-462): one lookup of the name, every
//! address vetted, and the connection to one of those. Nothing looks the name up a second time, so that no other
//! answer can come in between.
//!
//! Which addresses are permitted is for the caller to say; [`is_public`](portcullis_core::address::is_public)
//! is the usual rule.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// Addresses of one name that are tried; all of them are vetted.
const ADDRESSES_TRIED_MAX: usize = 3;

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The name has no address, or the lookup failed.
    Name(io::Error),
    /// This address is among them, and is not permitted.
    Forbidden(IpAddr),
    /// None of those that were tried answers; the last one's reason.
    Connection(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(_) => f.write_str("the name has no address"),
            Self::Forbidden(address) => write!(f, "{address} is not a permitted address"),
            Self::Connection(_) => f.write_str("no connection"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) | Self::Connection(error) => Some(error),
            Self::Forbidden(_) => None,
        }
    }
}

/// The addresses of a name, or of an address in whatever spelling the operating system takes; an IPv6 address may
/// be in the brackets that it has in a URL.
///
/// # Errors
/// What the operating system says.
pub async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok(lookup_host((host, port)).await?.collect())
}

/// Awaits the one lookup, refuses it whole if it has an address that is not permitted, and connects to the first of
/// the others that answers, of three at the most.
///
/// Each gets `time_for_each`, so that a dead one leaves time for the next. The lookup is not timed here.
///
/// # Errors
/// [`ConnectError`]. Nothing was connected to when it is not [`ConnectError::Connection`].
pub async fn connect(
    look_up: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    permits: impl Fn(IpAddr) -> bool,
    time_for_each: Duration,
) -> Result<TcpStream, ConnectError> {
    connect_by(look_up, permits, time_for_each, dial).await
}

/// The same with another network than the system's.
pub(crate) async fn connect_by<D, T>(
    look_up: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    permits: impl Fn(IpAddr) -> bool,
    time_for_each: Duration,
    dial: impl Fn(SocketAddr) -> D,
) -> Result<T, ConnectError>
where
    D: Future<Output = io::Result<T>>,
{
    let found = look_up.await.map_err(ConnectError::Name)?;
    vet(&found, permits)?;
    let mut failure = ConnectError::Name(io::ErrorKind::AddrNotAvailable.into());
    for address in found.into_iter().take(ADDRESSES_TRIED_MAX) {
        match timeout(time_for_each, dial(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = ConnectError::Connection(error),
            Err(_) => failure = ConnectError::Connection(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failure)
}

pub(crate) fn vet(
    found: &[SocketAddr],
    permits: impl Fn(IpAddr) -> bool,
) -> Result<(), ConnectError> {
    match found.iter().map(SocketAddr::ip).find(|address| !permits(*address)) {
        Some(address) => Err(ConnectError::Forbidden(address)),
        None => Ok(()),
    }
}

pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// More than a connection on this machine takes, also where that is busy.
    const TIME: Duration = Duration::from_secs(30);

    /// Connects where each of these addresses was found, with one port.
    async fn to(addresses: &[&str], port: u16) -> Result<TcpStream, ConnectError> {
        let found = addresses.iter().map(|it| SocketAddr::new(it.parse().unwrap(), port)).collect();
        connect(async { Ok(found) }, |address| address.is_loopback(), TIME).await
    }

    #[tokio::test]
    async fn sec_282_three_addresses_are_tried_and_all_are_vetted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nothing listens on the other addresses of this machine at this port.
        assert!(to(&["127.0.0.1"], port).await.is_ok());
        assert!(to(&["127.0.0.2", "127.0.0.3", "127.0.0.1"], port).await.is_ok());
        let fourth = to(&["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"], port).await;
        assert!(matches!(fourth, Err(ConnectError::Connection(_))), "{fourth:?}");
        let refused = to(&["127.0.0.1", "127.0.0.1", "127.0.0.1", "10.0.0.1"], port).await;
        let Err(ConnectError::Forbidden(address)) = refused else { panic!("{refused:?}") };
        assert_eq!(address.to_string(), "10.0.0.1");
        let nowhere = to(&[], port).await;
        assert!(matches!(nowhere, Err(ConnectError::Name(_))), "{nowhere:?}");
    }

    #[tokio::test]
    async fn an_address_is_its_own_lookup() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:9"), ("[::1]", "[::1]:9")] {
            assert_eq!(look_up(host.to_owned(), 9).await.unwrap(), [expected.parse().unwrap()]);
        }
    }
}
