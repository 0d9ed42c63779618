//! Public keys of an issuer: JSON Web Keys and sets of them (RFC 7517; RFC 7518 §6; RFC 8037 §2).
//!
//! [`KeySet::parse`] reads the document, [`PublicKeyRing`] verifies with what is usable of it, and
//! [`write_set`] writes one. The arithmetic is not here: whoever has it implements [`VerifyingKey`].
//!
//! One kind of key has one algorithm here: P-256 is for ES256, Ed25519 for EdDSA, RSA for RS256. Other
//! kinds, encryption keys, certificates (`x5c`, `x5u`) and secret keys are not used.

mod ed25519;
mod parse;
mod public_key;
mod ring;
mod set;
mod thumbprint;
mod write;

#[cfg(feature = "dpop")]
pub(crate) use parse::lone_key;
pub use public_key::PublicKey;
pub use ring::{Mismatch, PublicKeyRing, VerifyingKey};
pub use set::{KeySet, KeySetError, Skipped, document};
#[cfg(feature = "dpop")]
pub use thumbprint::Thumbprint;
pub use thumbprint::{THUMBPRINT_LEN, thumbprint};
pub use write::{Published, write_set};

/// Why a key of a set is not used; for logs. The other keys of the set are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwkError {
    /// Not an object, or a member that is looked at is missing, of another type, or not canonical
    /// base64url.
    Malformed,
    /// A kind of key, a curve or an algorithm that is not verified with here (SEC-071).
    Unsupported,
    /// For encryption, or not for verifying (`use`, `key_ops`; SEC-079).
    Purpose,
    /// The secret part of a key was published with it: whoever read the set can sign (SEC-111).
    Private,
    /// Its `kid` is empty, longer than [`crate::limits::KEY_ID_LEN_MAX`], or has an unsuitable character.
    KeyId,
    /// Another key of the set has the same `kid`: neither is used (SEC-078).
    DuplicateKeyId,
    /// No key of its kind: a coordinate of another length, a point of small order or off the curve, a
    /// modulus below 2048 or above 4096 bits, an exponent that is even or 1 (SEC-104).
    Value,
    /// There is no room for it (LIM-12).
    Full,
}

impl core::fmt::Display for JwkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "key is malformed",
            Self::Unsupported => "kind of key or algorithm is not supported",
            Self::Purpose => "key is not for verifying signatures",
            Self::Private => "secret part of the key is published",
            Self::KeyId => "key id is empty, too long, or has an unsuitable character",
            Self::DuplicateKeyId => "two keys have the same key id",
            Self::Value => "key has a value that no key of its kind may have",
            Self::Full => "no room for a further key",
        })
    }
}

impl core::error::Error for JwkError {}

#[cfg(test)]
mod tests;
