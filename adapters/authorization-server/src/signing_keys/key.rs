//! One private key of this server, with its name.

use std::fmt;

use portcullis_core::jwk::Published;
use portcullis_core::jwt::{Algorithm, KeyId, MintError, Signer};
use portcullis_core::limits::SIGNATURE_LEN_MAX;
use portcullis_tokio::key_pair::{KeyPair, NoSigningKey};
use zeroize::Zeroizing;

/// A private key and its name.
pub(crate) struct SigningKey {
    pair: KeyPair,
    /// The RFC 7638 thumbprint.
    id: KeyId,
}

impl SigningKey {
    /// A new key from the operating system's randomness.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, NoSigningKey> {
        Self::new(KeyPair::generate(algorithm)?)
    }

    /// Reads a key in PKCS#8 (RFC 5958).
    pub(super) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, NoSigningKey> {
        Self::new(KeyPair::from_pkcs8(algorithm, der)?)
    }

    fn new(pair: KeyPair) -> Result<Self, NoSigningKey> {
        let id = pair.thumbprint().ok_or(NoSigningKey)?;
        Ok(Self { pair, id })
    }

    /// The key in PKCS#8.
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, NoSigningKey> {
        self.pair.to_pkcs8()
    }

    /// The `kid` of its tokens.
    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    /// The half that is published.
    pub(super) fn published(&self) -> Option<Published<'_>> {
        Some(Published { id: &self.id, key: self.pair.public_key()? })
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.pair.algorithm()
    }

    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, MintError> {
        self.pair.sign(message, out).ok_or(MintError::Signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}
