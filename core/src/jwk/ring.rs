//! Verifying with the public keys of an issuer.

use core::fmt;

use super::{JwkError, PublicKey};
use crate::{
    jwt::{Algorithm, Header, KeyId, SignatureVerifier},
    token::TokenError,
};

/// The arithmetic of one public key, loaded once.
///
/// `Sync` for the reason that [`SignatureVerifier`] has. Which algorithm it is for is decided by the
/// kind of [`PublicKey`] and by nothing that a token says.
pub trait VerifyingKey: Sync + Sized {
    /// Loads a key; `None` when it is not one, such as a point off its curve (RS-69, SEC-104).
    fn load(key: &PublicKey<'_>) -> Option<Self>;

    /// Checks a signature over `message`, which has [`PublicKey::signature_len`] bytes and the form of
    /// a JWS: `r` and `s` for ES256 and not DER (RFC 7518 §3.4).
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Mismatch>;
}

/// The signature is not that of the message by the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// Up to `N` public keys, each with its `kid` and its one algorithm.
pub struct PublicKeyRing<K, const N: usize> {
    keys: heapless::Vec<Named<K>, N>,
}

struct Named<K> {
    id: Option<KeyId>,
    algorithm: Algorithm,
    signature_len: usize,
    key: K,
}

impl<K: VerifyingKey, const N: usize> PublicKeyRing<K, N> {
    /// A ring without a key, which verifies nothing.
    pub const fn new() -> Self {
        Self { keys: heapless::Vec::new() }
    }

    /// Adds a key. After an error the ring is as it was.
    pub fn add(&mut self, id: Option<&str>, key: &PublicKey<'_>) -> Result<(), JwkError> {
        let id = id.map(KeyId::new).transpose().map_err(|_| JwkError::KeyId)?;
        if id.is_some() && self.keys.iter().any(|named| named.id == id) {
            return Err(JwkError::DuplicateKeyId);
        }
        let named = Named {
            id,
            algorithm: key.algorithm(),
            signature_len: key.signature_len(),
            key: K::load(key).ok_or(JwkError::Value)?,
        };
        self.keys.push(named).map_err(|_| JwkError::Full)
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ids of the keys that have one.
    pub fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.iter().filter_map(|named| named.id.as_ref())
    }

    /// The key that a header asks for: by `kid`, compared byte for byte, or, without one, the only key
    /// of the algorithm (SEC-077).
    fn find(&self, header: &Header<'_>) -> Option<&Named<K>> {
        match header.key_id() {
            Some(id) => self
                .keys
                .iter()
                .find(|named| named.id.as_ref().is_some_and(|own| own.as_str() == id)),
            None => {
                let mut fitting =
                    self.keys.iter().filter(|named| named.algorithm == header.algorithm());
                fitting.next().filter(|_| fitting.next().is_none())
            }
        }
    }
}

impl<K: VerifyingKey, const N: usize> Default for PublicKeyRing<K, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: VerifyingKey, const N: usize> SignatureVerifier for PublicKeyRing<K, N> {
    fn verify(
        &self,
        header: &Header<'_>,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        // SEC-072: a public key is never a secret one, so that no key here can be meant.
        if header.algorithm() == Algorithm::Hs256 {
            return Err(TokenError::Algorithm);
        }
        let named = self.find(header).ok_or(TokenError::Key)?;
        // RFC 8725 §3.1: the key says which algorithm it is for, the header may only agree.
        if named.algorithm != header.algorithm() {
            return Err(TokenError::Algorithm);
        }
        if signature.len() != named.signature_len {
            return Err(TokenError::Signature);
        }
        named.key.verify(signing_input, signature).map_err(|Mismatch| TokenError::Signature)
    }
}

impl<K, const N: usize> fmt::Debug for PublicKeyRing<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|named| &named.id)).finish()
    }
}
