//! Connections to the public internet, and nowhere else.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use http::Uri;
use portcullis_core::address::is_public;

use crate::vetted::{self, ConnectError};

/// For one of several addresses, so that a dead one leaves time for the next.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// Connects to the host and port of a URL; `look_up` is asked once, and one of what it finds is dialled (SEC-462).
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
    let host = url.host().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    let connected = vetted::connect_by(look_up(host, port), is_public, CONNECT_TIME, dial).await;
    connected.map_err(|error| match error {
        ConnectError::Name(error) | ConnectError::Connection(error) => error,
        // As it is, so that it is found under the errors of the layers above.
        ConnectError::Forbidden(_) => io::Error::new(io::ErrorKind::PermissionDenied, error),
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::vetted::{dial, look_up};

    fn of(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 443)
    }

    #[track_caller]
    fn is_refused(outcome: io::Result<TcpStream>) {
        let error = outcome.expect_err("connected");
        let reason = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert!(matches!(reason, Some(ConnectError::Forbidden(_))), "{error:?}");
    }

    #[test]
    fn sec_462_every_address_of_a_name_is_public() {
        let is_vetted = |found: &[SocketAddr]| vetted::vet(found, is_public).is_ok();
        assert!(is_vetted(&[of("93.184.216.34"), of("2606:2800:220:1::1")]));
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
            assert!(!is_vetted(&[of(private)]), "{private}");
            assert!(!is_vetted(&[of("93.184.216.34"), of(private)]), "{private}");
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
