//! One public key, its parts checked as far as that goes without arithmetic.

use super::{JwkError, ed25519};
use crate::{jwt::Algorithm, limits::RSA_MODULUS_LEN_MAX};

/// Shortest modulus in bytes: 2048 bits (RFC 7518 §3.3, RS-66).
const RSA_MODULUS_LEN_MIN: usize = 256;
/// Longest public exponent in bytes; 65537, which nearly everybody has, takes three.
const RSA_EXPONENT_LEN_MAX: usize = 4;

/// A public key, of one of the kinds that are verified with. Its kind decides the algorithm.
///
/// Made by the functions below, which check the parts; a point that is not on its curve is for
/// [`VerifyingKey::load`](super::VerifyingKey::load) to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKey<'k> {
    /// A point on P-256 (RFC 7518 §6.2), for ES256.
    #[non_exhaustive]
    P256 {
        /// The x coordinate, big-endian.
        x: &'k [u8; 32],
        /// The y coordinate, big-endian.
        y: &'k [u8; 32],
    },
    /// A point on edwards25519 (RFC 8037 §2), for EdDSA.
    #[non_exhaustive]
    Ed25519 {
        /// The point as RFC 8032 §5.1.2 encodes it.
        x: &'k [u8; 32],
    },
    /// An RSA key of 2048 to 4096 bits (RFC 7518 §6.3), for RS256.
    #[non_exhaustive]
    Rsa {
        /// The modulus, big-endian, without leading zeros.
        n: &'k [u8],
        /// The public exponent, big-endian, without leading zeros.
        e: &'k [u8],
    },
}

impl<'k> PublicKey<'k> {
    /// A P-256 key: both coordinates at their full length (RFC 7518 §6.2.1.2).
    pub fn p256(x: &'k [u8], y: &'k [u8]) -> Result<Self, JwkError> {
        let [x, y] = [x, y].map(|coordinate| coordinate.try_into().ok());
        Ok(Self::P256 { x: x.ok_or(JwkError::Value)?, y: y.ok_or(JwkError::Value)? })
    }

    /// An Ed25519 key, which is not one of the few for which anybody can forge signatures.
    pub fn ed25519(x: &'k [u8]) -> Result<Self, JwkError> {
        let x = x.try_into().map_err(|_| JwkError::Value)?;
        if ed25519::is_weak(x) { Err(JwkError::Value) } else { Ok(Self::Ed25519 { x }) }
    }

    /// An RSA key. Both numbers have no leading zero (RFC 7518 §2, Base64urlUInt) and are odd.
    pub fn rsa(n: &'k [u8], e: &'k [u8]) -> Result<Self, JwkError> {
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        let is_minimal = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
        // 2048 bits and not only 256 bytes of them.
        let is_long = n.len() > RSA_MODULUS_LEN_MIN
            || (n.len() == RSA_MODULUS_LEN_MIN && n.first().is_some_and(|first| first & 0x80 != 0));
        let sound = is_minimal(n)
            && is_minimal(e)
            && is_odd(n)
            && is_odd(e)
            && e != [1]
            && is_long
            && n.len() <= RSA_MODULUS_LEN_MAX
            && e.len() <= RSA_EXPONENT_LEN_MAX;
        if sound { Ok(Self::Rsa { n, e }) } else { Err(JwkError::Value) }
    }

    /// The algorithm that this key alone is for (SEC-072, SEC-073).
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256 { .. } => Algorithm::Es256,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// The length of its signatures in bytes: `r` and `s` at full length (RFC 7518 §3.4), `R` and `S`
    /// (RFC 8032 §5.1.6), or as long as the modulus (RFC 8017 §8.2.1).
    pub const fn signature_len(&self) -> usize {
        match self {
            Self::P256 { .. } | Self::Ed25519 { .. } => 64,
            Self::Rsa { n, .. } => n.len(),
        }
    }
}
