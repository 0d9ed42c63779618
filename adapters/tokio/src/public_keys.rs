//! Public keys of an issuer, verified with by AWS-LC (`aws-lc-rs`), which is what rustls uses here too.
//!
//! Which key a token gets, and for which algorithm, is the core's: [`portcullis_core::jwk`].

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use portcullis_core::{
    encoding::scratch::Scratch,
    jwk::{JwkError, KeySet, KeySetError, Mismatch, PublicKey, PublicKeyRing, VerifyingKey},
    jwt::{Header, KeyId, SignatureVerifier},
    limits::JWKS_KEYS_MAX_DESKTOP,
    token::TokenError,
};

/// The usable keys of one key set (RFC 7517): ES256, EdDSA and RS256, at most 32 (LIM-12).
pub struct PublicKeys(PublicKeyRing<LoadedKey, JWKS_KEYS_MAX_DESKTOP>);

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeysError {
    /// The document is not a key set.
    Set(KeySetError),
    /// None of its keys can be used.
    NoKey,
}

impl fmt::Display for PublicKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(error) => error.fmt(f),
            Self::NoKey => f.write_str("the key set has no key that can be used"),
        }
    }
}

impl std::error::Error for PublicKeysError {}

impl PublicKeys {
    /// Keys that verify nothing, in place of those that are not known.
    pub const fn none() -> Self {
        Self(PublicKeyRing::new())
    }

    /// Reads a key set and loads what can be used of it.
    ///
    /// Each key that is passed over is logged with its reason, a published private key as an error
    /// (SEC-111).
    ///
    /// # Errors
    /// The document is no key set, or none of its keys can be used.
    pub fn read(document: &[u8]) -> Result<Self, PublicKeysError> {
        let mut buffer = vec![0; document.len().saturating_mul(2)];
        let set = KeySet::<JWKS_KEYS_MAX_DESKTOP>::parse(document, &mut Scratch::new(&mut buffer))
            .map_err(PublicKeysError::Set)?;
        let mut ring = PublicKeyRing::new();
        for (id, key) in set.keys() {
            if let Err(reason) = ring.add(id, &key) {
                report(id, reason);
            }
        }
        for skipped in set.skipped() {
            report(skipped.key_id, skipped.reason);
        }
        if set.beyond() > 0 {
            tracing::warn!(
                keys = set.beyond(),
                max = JWKS_KEYS_MAX_DESKTOP,
                "more keys in the set than are looked at"
            );
        }
        if ring.is_empty() { Err(PublicKeysError::NoKey) } else { Ok(Self(ring)) }
    }

    /// The ids of the keys that have one.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.0.key_ids().map(KeyId::as_str)
    }
}

impl SignatureVerifier for PublicKeys {
    fn verify(
        &self,
        header: &Header<'_>,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        self.0.verify(header, signing_input, signature)
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stranger's text is shown only where it is a key id, which has a length and no line breaks (SEC-321).
fn report(id: Option<&str>, reason: JwkError) {
    let id = id.and_then(|id| KeyId::new(id).ok());
    let id = id.as_ref().map(KeyId::as_str);
    if reason == JwkError::Private {
        tracing::error!(id, %reason, "a private key is published: whoever read it can forge tokens");
    } else {
        tracing::warn!(id, %reason, "key passed over");
    }
}

/// A key in the form that AWS-LC computes with; the form carries the algorithm.
pub(crate) struct LoadedKey(ParsedPublicKey);

impl VerifyingKey for LoadedKey {
    fn load(key: &PublicKey<'_>) -> Option<Self> {
        let parsed = match *key {
            PublicKey::P256 { x, y, .. } => {
                // SEC 1 §2.3.3: both coordinates behind a 4. AWS-LC checks that they are on the curve.
                let point = [&[4], x.as_slice(), y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            PublicKey::Ed25519 { x, .. } => ParsedPublicKey::new(&ED25519, x),
            PublicKey::Rsa { n, e, .. } => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        };
        parsed.ok().map(Self)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        self.0.verify_sig(message, signature).map_err(|_| Mismatch)
    }
}

#[cfg(test)]
mod tests;
