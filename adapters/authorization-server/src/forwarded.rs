//! Who is calling through a reverse proxy.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// `X-Forwarded-For`: each proxy appends the address that it was called from.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Addresses read, from the end: more proxies than anybody has one behind the other.
const HOPS_MAX: usize = 8;

/// The peer of a request that came from `from`.
///
/// Read from the end, as far as trusted proxies wrote it: what stands before is what a stranger sent
/// (SEC-211). A text that is no address ends it; the proxy that passed it on is then the peer.
pub(crate) fn peer(from: SocketAddr, headers: &HeaderMap, proxies: &[IpNet]) -> SocketAddr {
    let is_proxy = |address: IpAddr| {
        let address = address.to_canonical();
        proxies.iter().any(|network| network.contains(&address))
    };
    let fields = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = fields.flat_map(|field| field.to_str().unwrap_or_default().rsplit(','));
    let mut peer = from;
    for hop in hops.take(HOPS_MAX) {
        if !is_proxy(peer.ip()) {
            break;
        }
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        peer = SocketAddr::new(address, 0);
    }
    peer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, fields: &[&str], expected: &str) {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(FORWARDED_FOR, field.parse().unwrap());
        }
        let from = SocketAddr::new(from.parse().unwrap(), 4_000);
        assert_eq!(peer(from, &headers, &proxies).ip(), expected.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn sec_211_only_a_trusted_proxy_says_who_is_calling() {
        check("10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check("192.0.2.1", &["192.0.2.7"], "192.0.2.1");
        check("::ffff:10.0.0.1", &["2001:db8::7"], "2001:db8::7");
        check("fd00::1", &["192.0.2.7, 10.0.0.2"], "192.0.2.7");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn sec_211_what_a_stranger_wrote_before_it_does_not_count() {
        check("10.0.0.1", &["198.51.100.1, 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["198.51.100.1", "192.0.2.7, 10.0.0.2"], "192.0.2.7");
        check("10.0.0.1", &["10.0.0.9, 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["192.0.2.7, unknown"], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2");
        let long = format!("192.0.2.7{}", ", 10.0.0.3".repeat(HOPS_MAX));
        check("10.0.0.1", &[&long], "10.0.0.3");
    }
}
