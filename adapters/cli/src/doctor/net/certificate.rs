//! What a server's certificate says of itself, once rustls has found it valid.

use std::time::{Duration, SystemTime};

use rustls::{ClientConnection, ProtocolVersion};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A TLS session, as far as it concerns an operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) version: &'static str,
    /// Whole days until the certificate ends; `None` when it cannot be read.
    pub(crate) days_left: Option<u64>,
}

impl Session {
    pub(crate) fn of(connection: &ClientConnection) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        let leaf = connection.peer_certificates().and_then(<[_]>::first);
        Self { version, days_left: leaf.and_then(|leaf| days_left(leaf, SystemTime::now())) }
    }
}

fn days_left(certificate: &[u8], now: SystemTime) -> Option<u64> {
    const DAY_SECS: u64 = 24 * 60 * 60;
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end))?;
    end.duration_since(now).ok().map(|left| left.as_secs() / DAY_SECS)
}
