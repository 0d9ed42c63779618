//! One private key. AWS-LC holds it and computes with it, in constant time (SEC-543).

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use portcullis_core::jwk::{PublicKey, Published, thumbprint};
use portcullis_core::jwt::{Algorithm, KeyId, MintError, Signer};
use portcullis_core::limits::SIGNATURE_LEN_MAX;
use zeroize::Zeroizing;

/// A private key with its public half, which no function takes apart (SEC-544), and its name.
pub(crate) struct SigningKey {
    pair: Pair,
    public: Public,
    /// The RFC 7638 thumbprint.
    id: KeyId,
}

/// The numbers of the public half.
enum Public {
    P256 { x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl Public {
    fn of(pair: &Pair) -> Option<Self> {
        Some(match pair {
            Pair::Es256(pair) => {
                // SEC 1 §2.3.3: a 4, and both coordinates.
                let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                Self::P256 { x: x.to_vec(), y: y.to_vec() }
            }
            Pair::EdDsa(pair) => Self::Ed25519 { x: pair.public_key().as_ref().to_vec() },
            Pair::Rs256(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let [n, e] = [n, e].map(|number| number.big_endian_without_leading_zero().to_vec());
                Self::Rsa { n, e }
            }
        })
    }

    /// As resource servers see it, who refuse some keys; none that is made here is among them.
    fn view(&self) -> Option<PublicKey<'_>> {
        match self {
            Self::P256 { x, y } => PublicKey::p256(x, y),
            Self::Ed25519 { x } => PublicKey::ed25519(x),
            Self::Rsa { n, e } => PublicKey::rsa(n, e),
        }
        .ok()
    }
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// The key cannot be used: it is of another kind, or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoKey;

impl From<Unspecified> for NoKey {
    fn from(Unspecified: Unspecified) -> Self {
        Self
    }
}

impl SigningKey {
    /// A new key from the operating system's randomness.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, NoKey> {
        Self::new(match algorithm {
            Algorithm::Es256 => {
                Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
            }
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate()?),
            Algorithm::Rs256 => Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?),
            _ => return Err(NoKey),
        })
    }

    /// Reads a key in PKCS#8 (RFC 5958).
    pub(super) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, NoKey> {
        Self::new(match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
                Pair::Es256(pair.map_err(|_| NoKey)?)
            }
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::from_pkcs8(der).map_err(|_| NoKey)?),
            Algorithm::Rs256 => Pair::Rs256(RsaKeyPair::from_pkcs8(der).map_err(|_| NoKey)?),
            _ => return Err(NoKey),
        })
    }

    fn new(pair: Pair) -> Result<Self, NoKey> {
        let public = Public::of(&pair).ok_or(NoKey)?;
        let id = public.view().and_then(|key| thumbprint(&key).ok()).ok_or(NoKey)?;
        Ok(Self { pair, public, id })
    }

    /// The key in PKCS#8.
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, NoKey> {
        let der = match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            // Version 2 has the public key, too, which is compared when it is read again.
            Pair::EdDsa(pair) => pair.to_pkcs8()?.as_ref().to_vec(),
            Pair::Rs256(pair) => pair.as_der()?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(der))
    }

    /// The `kid` of its tokens.
    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    /// The half that is published.
    pub(super) fn published(&self) -> Option<Published<'_>> {
        Some(Published { id: &self.id, key: self.public.view()? })
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        match &self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::EdDsa(_) => Algorithm::EdDsa,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, MintError> {
        let failed = |_| MintError::Signature;
        match &self.pair {
            Pair::Es256(pair) => {
                copy(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref(), out)
            }
            Pair::EdDsa(pair) => copy(pair.try_sign(message).map_err(failed)?.as_ref(), out),
            Pair::Rs256(pair) => {
                let room = out.get_mut(..pair.public_modulus_len()).ok_or(MintError::Signature)?;
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, room)
                    .map_err(failed)?;
                Ok(room.len())
            }
        }
    }
}

fn copy(signature: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, MintError> {
    out.get_mut(..signature.len()).ok_or(MintError::Signature)?.copy_from_slice(signature);
    Ok(signature.len())
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}
