//! Which client documents are fetched.

use rustls::pki_types::CertificateDer;

/// Rules for clients that are known by a document at an `https` URL, which is their client id
/// (AS-20, AS-30 to AS-45).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientDocuments {
    /// Whether such clients are taken, and the metadata says so (AS-11). On unless turned off.
    pub offered: bool,
    /// The only hosts whose documents are fetched (AS-42); `None` for every public host.
    pub hosts: Option<Vec<String>>,
    /// For development and tests: `https://localhost` at any port is fetched, too, although it is an
    /// address of this machine. Only for an issuer that is on loopback itself (AS-40).
    pub loopback_for_development: bool,
    /// Certificates of authorities that are trusted beside those that browsers trust.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for ClientDocuments {
    fn default() -> Self {
        Self {
            offered: true,
            hosts: None,
            loopback_for_development: false,
            extra_roots: Vec::new(),
        }
    }
}
