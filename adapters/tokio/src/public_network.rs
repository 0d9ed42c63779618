//! Connections to the public internet, and nowhere else.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http::Uri;
use portcullis_core::address::is_public;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// Addresses of one name that are tried; all of them are vetted.
const ADDRESSES_TRIED_MAX: usize = 3;
/// For one of several addresses, so that a dead one leaves time for the next.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// An address that is not of the public internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotPublic(IpAddr);

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a public address", self.0)
    }
}

impl Error for NotPublic {}

/// The addresses of a name, or of an address in whatever spelling the operating system takes.
pub(crate) async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}

/// Connects to one address.
pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Looks the name up once, vets every address, and dials one of those: nothing looks the name up a second time
/// (SEC-462).
pub(crate) async fn connect<F, D, T>(
    url: Uri,
    look_up: impl FnOnce(String, u16) -> F,
    dial: impl Fn(SocketAddr) -> D,
) -> io::Result<T>
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
    D: Future<Output = io::Result<T>>,
{
    let https = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
    let host = url.host().ok_or(io::ErrorKind::InvalidInput)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let addresses = look_up(host, port).await?;
    vet(&addresses)?;
    let mut failure = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses.into_iter().take(ADDRESSES_TRIED_MAX) {
        match timeout(CONNECT_TIME, dial(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

fn vet(addresses: &[SocketAddr]) -> io::Result<()> {
    match addresses.iter().map(SocketAddr::ip).find(|address| !is_public(*address)) {
        Some(address) => Err(io::Error::new(io::ErrorKind::PermissionDenied, NotPublic(address))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 443)
    }

    #[track_caller]
    fn is_refused<T>(outcome: io::Result<T>) {
        let error = outcome.err().expect("connected");
        assert!(error.get_ref().is_some_and(|inner| inner.is::<NotPublic>()), "{error:?}");
    }

    #[test]
    fn sec_462_every_address_of_a_name_is_public() {
        assert!(vet(&[of("93.184.216.34"), of("2606:2800:220:1::1")]).is_ok());
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "fd00::1",
            "fe80::1",
        ] {
            is_refused(vet(&[of(private)]));
            is_refused(vet(&[of("93.184.216.34"), of(private)]));
        }
    }

    /// Whatever spelling of an address a URL may have, it is the address that counts.
    #[tokio::test]
    async fn sec_462_odd_spellings_of_addresses() {
        for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
            let url: Uri = format!("http://{host}:9/").parse().unwrap();
            is_refused(connect(url, look_up, dial).await);
        }
        // Not every system takes these for addresses; none connects to them.
        for host in ["2130706433", "0x7f.1", "127.1", "0177.0.0.1"] {
            let url: Uri = format!("http://{host}:9/").parse().unwrap();
            let error = connect(url, look_up, dial).await.expect_err("connected");
            assert_ne!(error.kind(), io::ErrorKind::ConnectionRefused, "{host}");
        }
    }

    /// A name whose second lookup would give another address is looked up once.
    #[tokio::test]
    async fn sec_462_a_name_is_looked_up_once_with_its_port() {
        let mut lookups = Vec::new();
        let url: Uri = "https://rebinding.example/".parse().unwrap();
        let look_up = |host, port| {
            lookups.push((host, port));
            async { Ok(vec![of("93.184.216.34"), of("10.0.0.1")]) }
        };
        let outcome = connect(url, look_up, dial);
        is_refused(outcome.await);
        assert_eq!(lookups, [("rebinding.example".to_owned(), 443)]);
        let url: Uri = "https://nowhere.example/".parse().unwrap();
        let nothing = connect(url, |_, _| async { Ok(Vec::new()) }, dial).await;
        assert_eq!(nothing.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
