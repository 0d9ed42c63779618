//! Whose TLS certificates are accepted.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// The certificate authorities that the certificate of a TLS server has to lead to (RFC 5280 §6): those that
/// browsers trust, or the ones of a network of your own.
#[derive(Clone, Default)]
pub struct Authorities(Option<Arc<RootCertStore>>);

impl Authorities {
    /// Those that browsers trust; the default.
    #[must_use]
    pub fn public() -> Self {
        Self::default()
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

    /// `None` for the public ones.
    pub(crate) fn own(&self) -> Option<&Arc<RootCertStore>> {
        self.0.as_ref()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Authorities(public)"),
            Some(roots) => write!(f, "Authorities({} of one's own)", roots.len()),
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
        let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let refused = Authorities::from_file(no_pem).err();
        assert_eq!(refused, Some(AuthoritiesError::Certificates(Some(no_pem.into()))));
        let missing = Authorities::from_file("/nowhere/ca.pem").err();
        let expected = AuthoritiesError::File("/nowhere/ca.pem".into(), io::ErrorKind::NotFound);
        assert_eq!(missing, Some(expected));
    }
}
