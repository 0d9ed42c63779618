//! Whom to ask, and as whom. All of it is provisioned; nothing comes from a token (RS-84, SEC-371).

use core::net::SocketAddr;

use base64ct::{Base64, Encoding};
use portcullis_core::encoding::{percent, scratch::BufferFull, text::TextWriter};

use zeroize::{Zeroize, Zeroizing};

use crate::outgoing::{Destination, DestinationError};

/// Longest client id and secret together in bytes, form-encoded, with the colon between them.
const PAIR_LEN_MAX: usize = 258;
/// As long in base64, behind `Basic`.
const CREDENTIALS_LEN_MAX: usize = SCHEME.len() + 344;
const SCHEME: &[u8] = b"Basic ";

/// Why an endpoint cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// Its URL is none that is asked.
    Destination(DestinationError),
    /// No client id, or no client secret.
    Empty,
    /// Client id and secret are longer than 257 bytes, form-encoded.
    TooLong,
}

impl core::fmt::Display for EndpointError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Destination(DestinationError::Scheme) => {
                "the introspection endpoint is not https"
            }
            Self::Destination(_) => "the introspection endpoint is no usable URL",
            Self::Empty => "client id or client secret is missing",
            Self::TooLong => "client id and client secret are too long",
        })
    }
}

impl core::error::Error for EndpointError {}

impl From<DestinationError> for EndpointError {
    fn from(error: DestinationError) -> Self {
        Self::Destination(error)
    }
}

/// Client id and secret as `client_secret_basic` sends them (RFC 6749 §2.3.1): each form-encoded, then Basic.
///
/// Wiped when dropped; the texts they were made from are the caller's to wipe.
pub struct Credentials {
    value: Zeroizing<[u8; CREDENTIALS_LEN_MAX]>,
    len: usize,
}

impl Credentials {
    /// Encodes them once.
    pub fn new(client_id: &str, client_secret: &str) -> Result<Self, EndpointError> {
        if client_id.is_empty() || client_secret.is_empty() {
            return Err(EndpointError::Empty);
        }
        let mut memory = Zeroizing::new([0; PAIR_LEN_MAX]);
        let mut pair = TextWriter::new(memory.as_mut_slice());
        let too_long = |BufferFull| EndpointError::TooLong;
        percent::encode_form(client_id, &mut pair).map_err(too_long)?;
        pair.push(":").map_err(too_long)?;
        percent::encode_form(client_secret, &mut pair).map_err(too_long)?;
        let mut value = Zeroizing::new([0; CREDENTIALS_LEN_MAX]);
        let (scheme, base64) =
            value.split_at_mut_checked(SCHEME.len()).ok_or(EndpointError::TooLong)?;
        scheme.copy_from_slice(SCHEME);
        let len = Base64::encode(pair.finish().as_bytes(), base64)
            .map_err(|_| EndpointError::TooLong)?
            .len()
            .saturating_add(SCHEME.len());
        Ok(Self { value, len })
    }

    /// The value of `Authorization`.
    pub(super) fn expose(&self) -> &[u8] {
        self.value.get(..self.len).unwrap_or_default()
    }
}

impl core::fmt::Debug for Credentials {
    /// Without anything of them (INV-6).
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Zeroize for Credentials {
    fn zeroize(&mut self) {
        self.value.zeroize();
        self.len = 0;
    }
}

/// The introspection endpoint of one issuer, where it is, and who asks.
#[derive(Debug)]
pub struct Endpoint<'c> {
    issuer: &'c str,
    destination: Destination<'c>,
    credentials: Credentials,
}

impl<'c> Endpoint<'c> {
    /// An endpoint that is asked over TLS (SEC-372).
    ///
    /// `issuer` is the one whose tokens it knows, as the resource server is configured with it. `address` is where the
    /// host of `url` is: a device asks no name server, and whoever answers there must have a certificate for that host.
    pub fn new(
        issuer: &'c str,
        url: &'c str,
        address: SocketAddr,
        credentials: Credentials,
    ) -> Result<Self, EndpointError> {
        let destination = Destination::new(url, address)?;
        Ok(Self { issuer, destination, credentials })
    }

    /// An endpoint on the own machine that is asked over plain HTTP, for tests (SEC-372).
    ///
    /// Both its name and its address must be of the own machine.
    pub fn loopback_http(
        issuer: &'c str,
        url: &'c str,
        address: SocketAddr,
        credentials: Credentials,
    ) -> Result<Self, EndpointError> {
        let destination = Destination::loopback_http(url, address)?;
        Ok(Self { issuer, destination, credentials })
    }

    /// Whose tokens it knows.
    pub const fn issuer(&self) -> &'c str {
        self.issuer
    }

    /// Where questions go.
    pub const fn destination(&self) -> &Destination<'c> {
        &self.destination
    }

    pub(super) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, net::Ipv4Addr};

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 443);

    fn credentials() -> Credentials {
        Credentials::new("s6BhdRkqt3", "gX1fBat3bV").unwrap()
    }

    #[test]
    fn rs_80_credentials_as_in_rfc_6749() {
        // RFC 6749 §2.3.1 gives this pair and this value.
        assert_eq!(credentials().expose(), b"Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        let odd = Credentials::new("a b:c", "gX1fBat3bV").unwrap();
        assert_eq!(odd.expose(), b"Basic YStiJTNBYzpnWDFmQmF0M2JW");
    }

    #[test]
    fn credentials_are_there_and_fit() {
        for (id, secret) in [("", "s"), ("i", ""), ("", "")] {
            assert_eq!(Credentials::new(id, secret).unwrap_err(), EndpointError::Empty);
        }
        let secret = |len| "s".repeat(len);
        assert!(Credentials::new("i", &secret(PAIR_LEN_MAX - 3)).is_ok());
        assert!(Credentials::new("i", &secret(PAIR_LEN_MAX - 2)).is_ok());
        let too_long = Credentials::new("i", &secret(PAIR_LEN_MAX - 1));
        assert_eq!(too_long.unwrap_err(), EndpointError::TooLong);
    }

    #[test]
    fn sec_320_debug_shows_no_secret() {
        let endpoint = Endpoint::new("i", "https://as.example.com/i", LOOPBACK, credentials());
        let text = format!("{:?}", endpoint.unwrap());
        assert!(text.contains("as.example.com") && !text.contains("czZC"), "{text}");
    }

    #[test]
    fn sec_372_plain_text_is_asked_for() {
        let plain = "http://127.0.0.1:9000/i";
        let refused = Endpoint::new("i", plain, LOOPBACK, credentials()).map(|_| ());
        assert_eq!(refused, Err(EndpointError::Destination(DestinationError::Scheme)));
        assert!(Endpoint::loopback_http("i", plain, LOOPBACK, credentials()).is_ok());
        let encrypted = "https://127.0.0.1:9000/i";
        assert!(Endpoint::new("i", encrypted, LOOPBACK, credentials()).is_ok());
        assert!(Endpoint::loopback_http("i", encrypted, LOOPBACK, credentials()).is_err());
    }
}
