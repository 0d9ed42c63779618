//! Which URLs and addresses are asked: a stranger's metadata must not send the doctor into the network it
//! runs in (CL-92, CL-93, SEC-170, SEC-462).

use std::net::IpAddr;

use portcullis_core::{
    address::is_public,
    client::{UrlPolicy, UrlRefusal},
    encoding::uri::Uri,
};

/// What the user permits beyond what the URL on the command line does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// Addresses that are not of the public internet.
    pub(crate) private: bool,
    /// `http` to other machines.
    pub(crate) http: bool,
}

/// The rule for one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    allowed: Allowed,
    urls: UrlPolicy,
    /// The kind of network that the user named: as an address, or `localhost`.
    named: Option<Kind>,
}

/// Networks that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    Loopback,
    Private,
    /// Link-local and the rest: the metadata services of clouds are there.
    Special,
}

impl Kind {
    fn of(address: IpAddr) -> Self {
        let private = match address {
            IpAddr::V4(v4) => v4.is_private(),
            IpAddr::V6(v6) => v6.is_unique_local(),
        };
        match () {
            () if is_public(address) => Self::Public,
            () if address.is_loopback() => Self::Loopback,
            () if private => Self::Private,
            () => Self::Special,
        }
    }
}

impl Reach {
    /// Whoever names a server by a private address is in that network; a name that resolves to one may be
    /// anybody's.
    pub(crate) fn new(server_url: &str, allowed: Allowed) -> Self {
        let named = Uri::parse(server_url).ok().and_then(|url| match url.host() {
            "localhost" => Some(Kind::Loopback),
            host => literal(host).map(Kind::of),
        });
        Self { allowed, urls: UrlPolicy::for_server(server_url), named }
    }

    /// Whether a URL is asked at all.
    pub(crate) fn admit(self, url: &str) -> Result<Uri<'_>, UrlRefusal> {
        match self.urls.admit(url) {
            Err(UrlRefusal::Scheme) if self.allowed.http => {
                let uri = Uri::parse(url).map_err(UrlRefusal::Syntax)?;
                if uri.scheme() != "http" {
                    return Err(UrlRefusal::Scheme);
                }
                if uri.userinfo().is_some() {
                    return Err(UrlRefusal::Userinfo);
                }
                Ok(uri)
            }
            verdict => verdict,
        }
    }

    /// Whether a connection is made to this address.
    pub(crate) fn permits(self, address: IpAddr) -> bool {
        let kind = Kind::of(address);
        kind == Kind::Public
            || self.allowed.private
            || (self.named == Some(kind) && kind != Kind::Special)
    }
}

/// The address of a host that is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(server: &str, allowed: Allowed, address: &str, expected: bool) {
        let reach = Reach::new(server, allowed);
        assert_eq!(reach.permits(address.parse().unwrap()), expected, "{server} {address}");
    }

    #[test]
    fn sec_462_a_public_server_leads_nowhere_private() {
        let public = "https://mcp.example/mcp";
        let all = Allowed { private: true, http: false };
        for address in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "fd00::1"]
        {
            check(public, Allowed::default(), address, false);
            check("https://93.184.216.34/", Allowed::default(), address, false);
            check(public, all, address, true);
        }
        check(public, Allowed::default(), "93.184.216.34", true);
    }

    #[test]
    fn the_network_that_was_named_is_open_and_no_other() {
        for local in ["http://localhost:1/", "http://127.0.0.1:1/mcp", "http://[::1]:1/"] {
            check(local, Allowed::default(), "127.0.0.1", true);
            check(local, Allowed::default(), "10.0.0.1", false);
            check(local, Allowed::default(), "169.254.169.254", false);
        }
        check("https://10.0.0.1/", Allowed::default(), "10.0.0.2", true);
        check("https://10.0.0.1/", Allowed::default(), "127.0.0.1", false);
        check("https://169.254.169.254/", Allowed::default(), "169.254.169.254", false);
    }

    #[test]
    fn sec_170_plain_http_is_asked_for() {
        let admits = |server: &str, http, url| {
            Reach::new(server, Allowed { private: false, http }).admit(url).is_ok()
        };
        let (far, near) = ("http://mcp.example/", "http://127.0.0.1:1/");
        assert!(!admits(far, false, far) && admits(far, true, far));
        assert!(admits(near, false, near) && !admits("https://mcp.example/", false, near));
        assert!(
            !admits(far, true, "ftp://mcp.example/") && !admits(far, true, "http://u@mcp.example/")
        );
    }
}
