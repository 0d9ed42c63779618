//! The name that a key gives itself (RFC 7638).

use sha2::{Digest, Sha256};

use super::PublicKey;
use crate::{
    encoding::{base64url, scratch::BufferFull},
    jwt::{KeyError, KeyId},
    limits::RSA_MODULUS_LEN_MAX,
};

/// Length of a thumbprint in characters: SHA-256 as base64url.
pub const THUMBPRINT_LEN: usize = 43;

/// Room for the longest number of a key as base64url.
pub(super) const NUMBER_LEN_MAX: usize = (RSA_MODULUS_LEN_MAX * 4).div_ceil(3);

/// The SHA-256 thumbprint of a key (RFC 7638 §3; RFC 8037 §2), as a `kid`: the same wherever it is
/// computed, and another for every other key.
pub fn thumbprint(key: &PublicKey<'_>) -> Result<KeyId, KeyError> {
    let mut text = [0; THUMBPRINT_LEN];
    let text = digest(key).and_then(|digest| base64url::encode(&digest, &mut text));
    KeyId::new(text.map_err(|_| KeyError::KeyId)?)
}

fn digest(key: &PublicKey<'_>) -> Result<[u8; 32], BufferFull> {
    let mut hash = Sha256::new();
    // RFC 7638 §3.3: the required members alone, by name, without blanks.
    let hashed = match *key {
        PublicKey::P256 { x, y } => {
            hash.update(br#"{"crv":"P-256","kty":"EC","x":""#);
            number(x, &mut hash)
                .map(|()| hash.update(br#"","y":""#))
                .and_then(|()| number(y, &mut hash))
                .map(|()| hash.update(br#""}"#))
        }
        PublicKey::Ed25519 { x } => {
            hash.update(br#"{"crv":"Ed25519","kty":"OKP","x":""#);
            number(x, &mut hash).map(|()| hash.update(br#""}"#))
        }
        PublicKey::Rsa { n, e } => {
            hash.update(br#"{"e":""#);
            number(e, &mut hash)
                .map(|()| hash.update(br#"","kty":"RSA","n":""#))
                .and_then(|()| number(n, &mut hash))
                .map(|()| hash.update(br#""}"#))
        }
    };
    hashed.map(|()| hash.finalize().into())
}

fn number(bytes: &[u8], hash: &mut Sha256) -> Result<(), BufferFull> {
    let mut text = [0; NUMBER_LEN_MAX];
    hash.update(base64url::encode(bytes, &mut text)?.as_bytes());
    Ok(())
}

/// A thumbprint as bytes, to be compared with others (`jkt`, RFC 9449 §6.1).
#[cfg(feature = "dpop")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

#[cfg(feature = "dpop")]
impl Thumbprint {
    /// The thumbprint of a key; `None` is for numbers that no key has.
    pub fn of(key: &PublicKey<'_>) -> Option<Self> {
        digest(key).ok().map(Self)
    }

    /// Reads the 43 characters of base64url; `None` is for every other text.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let len = base64url::decode_into(text.as_bytes(), &mut bytes).ok()?.len();
        (len == bytes.len()).then_some(Self(bytes))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
