//! Whose TLS certificates a client accepts, and how it speaks TLS.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

/// The certificate authorities that the certificate of a TLS server has to lead to (RFC 5280 §6): those that
/// browsers trust, the ones of a network of your own, or both.
#[derive(Clone, Default)]
pub struct Authorities(Option<Arc<RootCertStore>>);

impl Authorities {
    /// Those that browsers trust; the default.
    #[must_use]
    pub fn public() -> Self {
        Self::default()
    }

    /// Those that browsers trust, and these. `None` when one of them is no certificate of an authority.
    #[must_use]
    pub fn public_and(further: &[CertificateDer<'static>]) -> Option<Self> {
        let mut roots = public_roots();
        for certificate in further {
            roots.add(certificate.clone()).ok()?;
        }
        Some(Self(Some(Arc::new(roots))))
    }

    /// These certificates, one or more in PEM (RFC 7468), and no others. One that is no certificate of an
    /// authority refuses the whole.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthoritiesError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| AuthoritiesError::Certificates(None))?;
            roots.add(certificate).map_err(|_| AuthoritiesError::Certificates(None))?;
        }
        if roots.is_empty() {
            return Err(AuthoritiesError::Certificates(None));
        }
        Ok(Self(Some(Arc::new(roots))))
    }

    /// Those of a file, as [`Authorities::from_pem`] takes them. Read once, now.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, AuthoritiesError> {
        let path = path.as_ref();
        let pem = std::fs::read(path)
            .map_err(|error| AuthoritiesError::File(path.to_owned(), error.kind()))?;
        Self::from_pem(&pem).map_err(|_| AuthoritiesError::Certificates(Some(path.to_owned())))
    }

    /// Those of a file, or the public ones without one.
    #[cfg(feature = "resource-server")]
    pub(crate) fn from_file_or_public(path: Option<&Path>) -> Result<Self, AuthoritiesError> {
        path.map_or_else(|| Ok(Self::public()), Self::from_file)
    }

    /// TLS 1.2 or 1.3 towards servers that are to speak HTTP/1.1 (ALPN, RFC 7301). `None` when there is no
    /// usable TLS.
    #[must_use]
    pub fn tls_connector(&self) -> Option<TlsConnector> {
        let mut config = self.client_config()?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(TlsConnector::from(Arc::new(config)))
    }

    /// The same with no protocol named.
    pub(crate) fn client_config(&self) -> Option<ClientConfig> {
        let roots = self.0.clone().unwrap_or_else(|| Arc::new(public_roots()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(config)
    }
}

fn public_roots() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Authorities(public)"),
            Some(roots) => write!(f, "Authorities({} certificates)", roots.len()),
        }
    }
}

/// Why there are no authorities to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// The file cannot be read.
    File(PathBuf, io::ErrorKind),
    /// No certificate in PEM, or something else among them; with the file, where there is one.
    Certificates(Option<PathBuf>),
}

impl fmt::Display for AuthoritiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, kind) => write!(f, "cannot read {}: {kind}", path.display()),
            Self::Certificates(Some(path)) => {
                write!(f, "{} holds no certificates in PEM", path.display())
            }
            Self::Certificates(None) => f.write_str("no certificates in PEM"),
        }
    }
}

impl std::error::Error for AuthoritiesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "text", garbage] {
            let refused = Authorities::from_pem(pem.as_bytes()).err();
            assert_eq!(refused, Some(AuthoritiesError::Certificates(None)), "{pem}");
        }
        assert!(Authorities::public_and(&[]).is_some());
        assert!(Authorities::public_and(&[b"text".as_slice().into()]).is_none());
        let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let refused = Authorities::from_file(no_pem).err();
        assert_eq!(refused, Some(AuthoritiesError::Certificates(Some(no_pem.into()))));
        let missing = Authorities::from_file("/nowhere/ca.pem").err();
        let expected = AuthoritiesError::File("/nowhere/ca.pem".into(), io::ErrorKind::NotFound);
        assert_eq!(missing, Some(expected));
    }
}
