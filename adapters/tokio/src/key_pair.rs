//! Private keys that sign. AWS-LC holds them and computes with them, in constant time (SEC-543).

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer as _,
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use portcullis_core::{
    jwk::{PublicKey, thumbprint},
    jwt::{Algorithm, KeyId},
    limits::SIGNATURE_LEN_MAX,
};
use zeroize::Zeroizing;

/// A private key with its public half, which no function takes apart (SEC-544): P-256, Ed25519, or RSA of 2048
/// to 4096 bits.
///
/// `Debug` shows its algorithm and nothing else.
pub struct KeyPair {
    pair: Pair,
    public: Public,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// The numbers of the public half.
enum Public {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// The key cannot be used: not in PKCS#8, of a kind that is not signed with here, an RSA key below 2048
/// or above 4096 bits, or broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSigningKey;

impl fmt::Display for NoSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a P-256, Ed25519 or RSA (2048 to 4096 bits) private key in PKCS#8")
    }
}

impl std::error::Error for NoSigningKey {}

impl From<Unspecified> for NoSigningKey {
    fn from(Unspecified: Unspecified) -> Self {
        Self
    }
}

impl KeyPair {
    /// A new key from the operating system's randomness; an RSA key has 2048 bits. None for HS256.
    pub fn generate(algorithm: Algorithm) -> Result<Self, NoSigningKey> {
        Self::new(match algorithm {
            Algorithm::Es256 => {
                Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
            }
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate()?),
            Algorithm::Rs256 => Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?),
            _ => return Err(NoSigningKey),
        })
    }

    /// Reads a key of this algorithm in PKCS#8 (RFC 5958), an Ed25519 key with its public half.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, NoSigningKey> {
        Self::new(match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
                Pair::Es256(pair.map_err(|_| NoSigningKey)?)
            }
            Algorithm::EdDsa => {
                Pair::EdDsa(Ed25519KeyPair::from_pkcs8(der).map_err(|_| NoSigningKey)?)
            }
            Algorithm::Rs256 => Pair::Rs256(RsaKeyPair::from_pkcs8(der).map_err(|_| NoSigningKey)?),
            _ => return Err(NoSigningKey),
        })
    }

    /// Reads a key of whatever kind it is. Ed25519 keys without their public half are common, and not wrong.
    pub fn of_any_kind(der: &[u8]) -> Result<Self, NoSigningKey> {
        let ed_dsa = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| NoSigningKey);
        Self::from_pkcs8(Algorithm::Es256, der)
            .or_else(|_| Self::new(Pair::EdDsa(ed_dsa()?)))
            .or_else(|_| Self::from_pkcs8(Algorithm::Rs256, der))
    }

    fn new(pair: Pair) -> Result<Self, NoSigningKey> {
        let public = Public::of(&pair).ok_or(NoSigningKey)?;
        let key = Self { pair, public };
        key.public_key().ok_or(NoSigningKey)?;
        Ok(key)
    }

    /// The key in PKCS#8, to be stored; a secret.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, NoSigningKey> {
        Ok(Zeroizing::new(match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            // Version 2 has the public key, too, which is compared when it is read again.
            Pair::EdDsa(pair) => pair.to_pkcs8()?.as_ref().to_vec(),
            Pair::Rs256(pair) => pair.as_der()?.as_ref().to_vec(),
        }))
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match &self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::EdDsa(_) => Algorithm::EdDsa,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The half that is published, as others see it.
    pub fn public_key(&self) -> Option<PublicKey<'_>> {
        match &self.public {
            Public::P256 { x, y } => PublicKey::p256(x, y),
            Public::Ed25519 { x } => PublicKey::ed25519(x),
            Public::Rsa { n, e } => PublicKey::rsa(n, e),
        }
        .ok()
    }

    /// Its RFC 7638 thumbprint, a name that nobody has to give.
    pub fn thumbprint(&self) -> Option<KeyId> {
        thumbprint(&self.public_key()?).ok()
    }

    /// Writes the signature of `message` to the front of `out`, in the form of a JWS (RFC 7518 §3, RFC 8037 §3.1);
    /// gives its length.
    pub fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Option<usize> {
        match &self.pair {
            Pair::Es256(pair) => copy(pair.sign(&SystemRandom::new(), message).ok()?.as_ref(), out),
            Pair::EdDsa(pair) => copy(pair.try_sign(message).ok()?.as_ref(), out),
            Pair::Rs256(pair) => {
                let room = out.get_mut(..pair.public_modulus_len())?;
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, room).ok()?;
                Some(room.len())
            }
        }
    }
}

impl Public {
    fn of(pair: &Pair) -> Option<Self> {
        Some(match pair {
            Pair::Es256(pair) => {
                // SEC 1 §2.3.3: a 4, and both coordinates.
                let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                Self::P256 { x: x.try_into().ok()?, y: y.try_into().ok()? }
            }
            Pair::EdDsa(pair) => Self::Ed25519 { x: pair.public_key().as_ref().try_into().ok()? },
            Pair::Rs256(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let [n, e] = [n, e].map(|number| number.big_endian_without_leading_zero().to_vec());
                Self::Rsa { n, e }
            }
        })
    }
}

fn copy(signature: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Option<usize> {
    out.get_mut(..signature.len())?.copy_from_slice(signature);
    Some(signature.len())
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.algorithm().as_str())
    }
}
