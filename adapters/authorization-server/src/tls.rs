//! What a server shows to prove who it is (AS-13).

use std::{
    fmt,
    future::Future,
    io,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Longest chain of certificates: nobody's is longer, and all of it is sent in each handshake.
const CHAIN_LEN_MAX: usize = 8;

/// Certificate and key of a server that speaks TLS 1.2 or 1.3. Cheap to clone; the clones are one.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

impl Tls {
    /// Reads the server's certificate, any intermediate ones behind it, and its private key, all in PEM.
    /// They must belong together.
    ///
    /// # Errors
    /// [`TlsError`]; none of them carries a part of the key.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = Arc::new(certified_key(certificates, key, &provider)?);
        let shown = Arc::new(Shown(RwLock::new(certified)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsError::Pair)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Shown>::clone(&shown));
        // What `serve` speaks; a client that wants another protocol is told so in the handshake.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown })
    }

    /// Shows another certificate in every handshake from now on; connections that are open go on.
    ///
    /// # Errors
    /// [`TlsError`]: then the one before stays.
    pub fn renew(&self, certificates: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let certified = certified_key(certificates, key, &aws_lc_rs::default_provider())?;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        Ok(())
    }

    /// The handshake of one connection: for [`serve_over`](portcullis_tokio::serve::serve_over).
    pub fn accept(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = io::Result<TlsStream<TcpStream>>> + Send + use<> {
        self.acceptor.accept(stream)
    }
}

fn certified_key(
    certificates: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificates)
        .take(CHAIN_LEN_MAX + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::Certificate)?;
    if chain.is_empty() || chain.len() > CHAIN_LEN_MAX {
        return Err(TlsError::Certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|_| TlsError::Pair)
}

/// The certificate that is shown now. Nothing can fail while it is replaced, so a poisoned lock is whole.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(..)")
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Why a certificate and a key are not ones to serve with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// No certificate in PEM, one that cannot be read, or more than a chain has.
    Certificate,
    /// No private key in PEM.
    Key,
    /// The key cannot be used, or is not that of the certificate.
    Pair,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the certificate file is not one chain of certificates in PEM",
            Self::Key => "the key file holds no private key in PEM",
            Self::Pair => "the private key cannot be used, or is not that of the certificate",
        })
    }
}

impl std::error::Error for TlsError {}
