//! Whose word is taken for who the server is.

use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::anchor_from_trusted_cert;

use super::ecdsa::Pin;

/// The provisioned authority, and if wanted the one key that the server may have.
///
/// The authority's own validity is not looked at (RFC 5280 §6.1.1): that it is provisioned is what makes it trusted. It
/// may be the server's own certificate, if that one is self-signed and names itself no authority.
#[derive(Clone, Debug)]
pub struct Trust<'c> {
    authority: CertificateDer<'c>,
    pin: Option<Pin>,
}

/// The certificate is no X.509 certificate in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustError;

impl core::fmt::Display for TrustError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the provisioned certificate cannot be read")
    }
}

impl core::error::Error for TrustError {}

impl<'c> Trust<'c> {
    /// Takes the word of the authority whose certificate this is, in DER.
    pub fn new(authority: &'c [u8]) -> Result<Self, TrustError> {
        let trust = Self { authority: CertificateDer::from(authority), pin: None };
        trust.anchor().map(|_| ())?;
        Ok(trust)
    }

    /// Beside that takes only one key for the server's: `pin` is the SHA-256 of its SubjectPublicKeyInfo in DER, what
    /// `openssl pkey -pubin -outform DER | sha256sum` prints.
    #[must_use]
    pub fn with_pin(self, pin: [u8; 32]) -> Self {
        Self { pin: Some(pin), ..self }
    }

    pub(super) fn anchor(&self) -> Result<TrustAnchor<'_>, TrustError> {
        anchor_from_trusted_cert(&self.authority).map_err(|_| TrustError)
    }

    pub(super) const fn pin(&self) -> Option<Pin> {
        self.pin
    }
}
