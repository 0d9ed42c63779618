//! Where hosts are.

use core::net::{IpAddr, SocketAddr};

use edge_nal::{AddrType, Dns};
use portcullis_core::encoding::uri::Uri;

use crate::outgoing::{Destination, DestinationError};

/// Says where a host is.
///
/// Nothing of the answer has to be trusted: whoever is reached there must have a certificate for the host.
pub trait Hosts {
    /// The address of a host, as it stands in a URL; `None` when it is not known.
    async fn address(&self, host: &str) -> Option<IpAddr>;
}

/// Hosts that are provisioned with their addresses, and no other ones.
impl Hosts for &[(&str, IpAddr)] {
    async fn address(&self, host: &str) -> Option<IpAddr> {
        self.iter().find(|(name, _)| name.eq_ignore_ascii_case(host)).map(|(_, address)| *address)
    }
}

/// Hosts that a name server is asked for, `edge_nal_embassy::Dns` for example.
#[derive(Clone, Copy, Debug)]
pub struct NameServer<D>(pub D);

impl<D: Dns> Hosts for NameServer<D> {
    async fn address(&self, host: &str) -> Option<IpAddr> {
        self.0.get_host_by_name(host, AddrType::Either).await.ok()
    }
}

/// Where a URL that was admitted leads to.
pub(super) async fn destination<'u>(
    hosts: &impl Hosts,
    url: &'u str,
) -> Result<Option<Destination<'u>>, DestinationError> {
    let parsed = Uri::parse(url).map_err(|_| DestinationError::Url)?;
    // An IPv6 address stands in brackets in a URL only.
    let host = parsed.host();
    let plain = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let ip = match plain.parse() {
        Ok(ip) => Some(ip),
        Err(_) => hosts.address(host).await,
    };
    let Some(ip) = ip else { return Ok(None) };
    let port = parsed.port().unwrap_or(if parsed.is_https() { 443 } else { 80 });
    let address = SocketAddr::new(ip, port);
    let destination = if parsed.is_https() {
        Destination::new(url, address)
    } else {
        Destination::loopback_http(url, address)
    };
    destination.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use embassy_futures::block_on;

    const HOSTS: &[(&str, IpAddr)] =
        &[("as.example.com", IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 7)))];

    #[track_caller]
    fn check(url: &str, expected: Result<Option<&str>, DestinationError>) {
        let found = block_on(destination(&HOSTS, url));
        let address = found.map(|found| found.map(|found| found.address()));
        assert_eq!(address, expected.map(|text| text.map(|text| text.parse().unwrap())), "{url}");
    }

    #[test]
    fn where_hosts_are() {
        check("https://as.example.com/token", Ok(Some("192.0.2.7:443")));
        check("https://AS.example.com:8443/token", Ok(Some("192.0.2.7:8443")));
        check("https://other.example.com/token", Ok(None));
        check("https://192.0.2.9/token", Ok(Some("192.0.2.9:443")));
        check("https://[2001:db8::1]:1/token", Ok(Some("[2001:db8::1]:1")));
        check("http://127.0.0.1:9000/token", Ok(Some("127.0.0.1:9000")));
    }

    #[test]
    fn sec_372_nothing_goes_out_in_plain_text() {
        check("http://as.example.com/token", Err(DestinationError::Scheme));
        check("http://192.0.2.9/token", Err(DestinationError::Scheme));
        check("https://u@as.example.com/", Err(DestinationError::Url));
        check("as.example.com", Err(DestinationError::Url));
    }
}
