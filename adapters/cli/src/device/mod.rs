//! A device's provisioning document: who it is, whom it trusts, and how it checks tokens. The firmware of
//! `examples/microcontroller` reads the same document, with the same limits.

mod document;
pub(crate) mod key;

use std::{fmt, net::SocketAddr, num::NonZeroU32, path::Path};

use portcullis_core::{
    encoding::uri::Uri,
    jwt::KeyError,
    limits::IDENTIFIER_LEN_MAX,
    resource_server::{IdentifierError, check_identifier},
};
use zeroize::Zeroizing;

use crate::{
    errors::from_parts,
    files::{self, FileError},
};
use key::{KeyTextError, Keys};

/// Longest document in bytes.
const DOCUMENT_LEN_MAX: usize = 3072;
/// Most time servers.
const TIME_SERVERS_MAX: usize = 4;

/// One device, checked.
pub(crate) struct Device {
    /// Which provisioning of this device it is; one with a lower number is not taken again.
    pub(crate) version: NonZeroU32,
    /// The URL of its MCP endpoint, as clients use it.
    pub(crate) resource: String,
    /// The authorization server whose tokens it accepts.
    pub(crate) issuer: String,
    pub(crate) verification: Verification,
    /// Whom to ask for the time.
    pub(crate) time_servers: Vec<SocketAddr>,
}

/// How it checks tokens.
pub(crate) enum Verification {
    /// By itself.
    Keys(Keys),
    /// By asking the authorization server (RFC 7662).
    Introspection(Introspection),
}

/// Whom the device asks about tokens, and as whom.
pub(crate) struct Introspection {
    /// The URL of the endpoint.
    pub(crate) endpoint: String,
    /// Where that is: a device asks no name server.
    pub(crate) address: SocketAddr,
    pub(crate) client_id: String,
    pub(crate) client_secret: Zeroizing<String>,
    /// The certificate, in DER, of the authority that vouches for the endpoint.
    pub(crate) certificate: Vec<u8>,
}

impl Device {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self, DeviceError> {
        let document = files::read(path, DOCUMENT_LEN_MAX)?;
        Self::parse(&document)
    }

    fn parse(document: &[u8]) -> Result<Self, DeviceError> {
        let device = document::parse(document)?;
        device.check()?;
        Ok(device)
    }

    /// The document, after the checks that the device makes.
    pub(crate) fn to_document(&self) -> Result<Zeroizing<String>, DeviceError> {
        self.check()?;
        let document = document::write(self)?;
        if document.len() > DOCUMENT_LEN_MAX { Err(DeviceError::TooLong) } else { Ok(document) }
    }

    fn check(&self) -> Result<(), DeviceError> {
        check_identifier(&self.resource, false).map_err(DeviceError::Resource)?;
        check_identifier(&self.issuer, false).map_err(DeviceError::Issuer)?;
        if self.time_servers.len() > TIME_SERVERS_MAX {
            return Err(DeviceError::TimeServers);
        }
        match &self.verification {
            Verification::Keys(keys) => keys.ring().map(drop).map_err(DeviceError::from),
            Verification::Introspection(introspection) => introspection.check(),
        }
    }
}

impl Introspection {
    fn check(&self) -> Result<(), DeviceError> {
        check_identifier(&self.endpoint, false).map_err(DeviceError::Endpoint)?;
        if !Uri::parse(&self.endpoint).is_ok_and(Uri::is_https) {
            return Err(DeviceError::Endpoint(IdentifierError::Scheme));
        }
        let is_text = |text: &str| {
            (1..=IDENTIFIER_LEN_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !is_text(&self.client_id) || !is_text(&self.client_secret) {
            return Err(DeviceError::Client);
        }
        rustls::RootCertStore::empty()
            .add(self.certificate.as_slice().into())
            .map_err(|_| DeviceError::Certificate)
    }
}

/// Why a device cannot be what a document says. None of them carries any of its text, which has keys in it.
#[derive(Debug)]
pub(crate) enum DeviceError {
    File(FileError),
    /// Not JSON, at this line and column.
    Json(usize, usize),
    /// JSON that says something else, at this line and column.
    Members(usize, usize),
    TooLong,
    Resource(IdentifierError),
    Issuer(IdentifierError),
    Endpoint(IdentifierError),
    Client,
    Certificate,
    Key(KeyTextError),
    /// Neither keys nor introspection, or both.
    Ways,
    TimeServers,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("provisioning: ")?;
        match self {
            Self::File(error) => error.fmt(f),
            Self::Json(line, column) => write!(f, "no JSON at line {line}, column {column}"),
            Self::Members(line, column) => write!(
                f,
                "a member is missing, unknown, there twice or of another type, at line {line}, column {column}"
            ),
            Self::TooLong => write!(f, "the document is longer than {DOCUMENT_LEN_MAX} bytes"),
            Self::Resource(error) => write!(f, "the resource {error}"),
            Self::Issuer(error) => write!(f, "the issuer {error}"),
            Self::Endpoint(error) => write!(f, "the introspection endpoint {error}"),
            Self::Client => f.write_str(
                "client_id or client_secret is empty, too long or has an unsuitable character",
            ),
            Self::Certificate => f.write_str("the certificate is not the DER of a certificate"),
            Self::Key(error) => error.fmt(f),
            Self::Ways => f.write_str("there must be either keys or introspection"),
            Self::TimeServers => write!(f, "there are more than {TIME_SERVERS_MAX} time servers"),
        }
    }
}

impl std::error::Error for DeviceError {}

from_parts! {
    DeviceError {
        File(FileError);
        Key(KeyTextError);
    }
}

impl From<KeyError> for DeviceError {
    fn from(error: KeyError) -> Self {
        Self::Key(error.into())
    }
}

#[cfg(test)]
mod tests;
