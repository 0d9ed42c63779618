//! Where a request goes: a URL, and the address that its host has.

use core::net::SocketAddr;

use portcullis_core::encoding::uri::Uri;

/// Why nothing is sent to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DestinationError {
    /// No URL that can be asked: not absolute, with a user or a fragment, or with a zone or an empty host.
    Url,
    /// Neither `https` nor, where that was asked for, `http` to the own machine (SEC-372).
    Scheme,
}

impl core::fmt::Display for DestinationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Url => "no usable URL",
            Self::Scheme => "not https",
        })
    }
}

impl core::error::Error for DestinationError {}

/// A URL, and where its host is.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'c> {
    url: Uri<'c>,
    address: SocketAddr,
}

impl<'c> Destination<'c> {
    /// A destination that is reached over TLS (SEC-372).
    ///
    /// Whoever answers at `address` must have a certificate for the host of `url`, so that it does not matter who said
    /// where the host is.
    pub fn new(url: &'c str, address: SocketAddr) -> Result<Self, DestinationError> {
        let url = checked(url)?;
        if !url.is_https() {
            return Err(DestinationError::Scheme);
        }
        Ok(Self { url, address })
    }

    /// A destination on the own machine that is reached over plain HTTP, for tests (SEC-372).
    ///
    /// Both its name and its address must be of the own machine.
    pub fn loopback_http(url: &'c str, address: SocketAddr) -> Result<Self, DestinationError> {
        let url = checked(url)?;
        if !url.is_loopback_http() || !address.ip().is_loopback() {
            return Err(DestinationError::Scheme);
        }
        Ok(Self { url, address })
    }

    /// The URL, whose host the certificate must name.
    pub const fn url(&self) -> Uri<'c> {
        self.url
    }

    /// Where to connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

fn checked(url: &str) -> Result<Uri<'_>, DestinationError> {
    let url = Uri::parse(url).map_err(|_| DestinationError::Url)?;
    let is_usable = url.userinfo().is_none()
        && url.fragment().is_none()
        && !url.host().is_empty()
        && !url.has_trailing_dot();
    if is_usable { Ok(url) } else { Err(DestinationError::Url) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 443);

    #[test]
    fn sec_372_plain_text_only_by_name_and_on_the_own_machine() {
        let https = |url| Destination::new(url, LOOPBACK).map(|_| ());
        assert_eq!(https("https://as.example.com:8443/introspect?a=b"), Ok(()));
        for url in ["http://as.example.com/i", "http://127.0.0.1/i", "ftp://as/i"] {
            assert_eq!(https(url), Err(DestinationError::Scheme), "{url}");
        }
        for url in [
            "",
            "/i",
            "https:///i",
            "https://u@as/i",
            "https://as/i#f",
            "https://as./i",
            "https://as/ i",
        ] {
            assert_eq!(https(url), Err(DestinationError::Url), "{url}");
        }
        let plain = |url, address| Destination::loopback_http(url, address).map(|_| ());
        assert_eq!(plain("http://127.0.0.1:9000/i", LOOPBACK), Ok(()));
        assert_eq!(plain("http://localhost:9000/i", LOOPBACK), Ok(()));
        let elsewhere = "192.0.2.1:9000".parse().unwrap();
        assert_eq!(plain("http://localhost:9000/i", elsewhere), Err(DestinationError::Scheme));
        for url in ["http://as.example.com/i", "https://127.0.0.1/i"] {
            assert_eq!(plain(url, LOOPBACK), Err(DestinationError::Scheme), "{url}");
        }
    }
}
