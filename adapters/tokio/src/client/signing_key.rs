//! A private key of the application. AWS-LC holds it and computes with it, in constant time.

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
    client::{SignError, Signer, SigningAlgorithm},
    jwk::{self, PublicKey, Published},
    jwt::KeyId,
    limits::SIGNATURE_LEN_MAX,
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

/// Room for the longest public key as a set.
const KEY_SET_LEN: usize = 2 * 1024;

/// A key that the application signs with: to authenticate itself (`private_key_jwt`), and to prove that
/// tokens are its own.
///
/// `Debug` shows its public name and nothing else.
pub struct SigningKey {
    pair: Pair,
    public: Public,
    /// The RFC 7638 thumbprint, unless the authorization server calls the key otherwise.
    id: KeyId,
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

impl SigningKey {
    /// A new key from the operating system's randomness; an RSA key has 2048 bits.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, NoSigningKey> {
        Self::new(match algorithm {
            SigningAlgorithm::Es256 => {
                Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
            }
            SigningAlgorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate()?),
            SigningAlgorithm::Rs256 => Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?),
        })
    }

    /// Reads a key from the first `PRIVATE KEY` section of a PEM text (RFC 7468 §10).
    pub fn from_pem(text: &str) -> Result<Self, NoSigningKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| NoSigningKey)?;
        Self::from_pkcs8(der.secret_pkcs8_der())
    }

    /// Reads a key in PKCS#8 (RFC 5958), of whatever kind it is.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NoSigningKey> {
        let es256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok();
        // Keys without their public half are common, and not wrong.
        let ed_dsa = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok();
        let pair = es256().map(Pair::Es256).or_else(|| ed_dsa().map(Pair::EdDsa));
        let pair = pair.or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rs256));
        Self::new(pair.ok_or(NoSigningKey)?)
    }

    /// The key under the name (`kid`) that the authorization server has for it.
    #[must_use]
    pub fn named(self, id: KeyId) -> Self {
        Self { id, ..self }
    }

    /// The key in PKCS#8, to be stored; a secret.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, NoSigningKey> {
        Ok(Zeroizing::new(match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.to_pkcs8()?.as_ref().to_vec(),
            Pair::Rs256(pair) => pair.as_der()?.as_ref().to_vec(),
        }))
    }

    /// The public half as a JSON Web Key Set, to be registered or published.
    pub fn key_set(&self) -> Result<String, NoSigningKey> {
        let published = Published { id: &self.id, key: self.public.view().ok_or(NoSigningKey)? };
        let mut text = vec![0; KEY_SET_LEN];
        let written = jwk::write_set(&[published], &mut text);
        Ok(written.map_err(|_| NoSigningKey)?.to_owned())
    }

    fn new(pair: Pair) -> Result<Self, NoSigningKey> {
        let public = Public::of(&pair).ok_or(NoSigningKey)?;
        let id = public.view().and_then(|key| jwk::thumbprint(&key).ok()).ok_or(NoSigningKey)?;
        Ok(Self { pair, public, id })
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

    /// As others see it, who refuse some keys: an RSA key that is short or very long.
    fn view(&self) -> Option<PublicKey<'_>> {
        match self {
            Self::P256 { x, y } => PublicKey::p256(x, y),
            Self::Ed25519 { x } => PublicKey::ed25519(x),
            Self::Rsa { n, e } => PublicKey::rsa(n, e),
        }
        .ok()
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> SigningAlgorithm {
        match &self.pair {
            Pair::Es256(_) => SigningAlgorithm::Es256,
            Pair::EdDsa(_) => SigningAlgorithm::EdDsa,
            Pair::Rs256(_) => SigningAlgorithm::Rs256,
        }
    }

    fn public_key(&self) -> Result<PublicKey<'_>, SignError> {
        self.public.view().ok_or(SignError::Key)
    }

    fn key_id(&self) -> Option<&KeyId> {
        Some(&self.id)
    }

    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, SignError> {
        let failed = |_| SignError::Key;
        match &self.pair {
            Pair::Es256(pair) => {
                copy(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref(), out)
            }
            Pair::EdDsa(pair) => copy(pair.try_sign(message).map_err(failed)?.as_ref(), out),
            Pair::Rs256(pair) => {
                let room = out.get_mut(..pair.public_modulus_len()).ok_or(SignError::Key)?;
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, message, room).map_err(failed)?;
                Ok(room.len())
            }
        }
    }
}

fn copy(signature: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, SignError> {
    out.get_mut(..signature.len()).ok_or(SignError::Key)?.copy_from_slice(signature);
    Ok(signature.len())
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    };
    use base64ct::{Base64, Encoding as _};

    use super::*;

    const ALL: [SigningAlgorithm; 3] =
        [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256];

    fn is_signed(key: &SigningKey, message: &[u8], signature: &[u8]) -> bool {
        match key.public_key().unwrap() {
            PublicKey::P256 { x, y, .. } => {
                let point = [&[4], x.as_slice(), y].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            PublicKey::Ed25519 { x, .. } => {
                UnparsedPublicKey::new(&ED25519, x).verify(message, signature)
            }
            PublicKey::Rsa { n, e, .. } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        }
        .is_ok()
    }

    fn pem(der: &[u8]) -> String {
        let lines = Base64::encode_string(der);
        let lines: Vec<&str> =
            lines.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        let lines = lines.join("\n");
        format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
    }

    #[test]
    fn a_signature_counts_for_its_key_and_its_message() {
        for algorithm in ALL {
            let [key, other] = [0, 1].map(|_| SigningKey::generate(algorithm).unwrap());
            assert_eq!(key.algorithm(), algorithm);
            let mut out = [0; SIGNATURE_LEN_MAX];
            let len = key.sign(b"a.b", &mut out).unwrap();
            assert!(is_signed(&key, b"a.b", &out[..len]));
            assert!(!is_signed(&key, b"a.c", &out[..len]));
            assert!(!is_signed(&other, b"a.b", &out[..len]));
        }
    }

    #[test]
    fn the_same_key_comes_back_from_pem() {
        for algorithm in ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let text = pem(&key.to_pkcs8().unwrap());
            let again = SigningKey::from_pem(&text).unwrap();
            assert_eq!((again.algorithm(), &again.id), (algorithm, &key.id));
            assert!(key.key_set().unwrap().contains(algorithm.as_str()));
            // Without its last line it is no PEM, and with another label no private key.
            let cut = text.replace("-----END", "");
            for broken in ["", &cut, &text.replace("PRIVATE KEY", "CERTIFICATE")] {
                assert_eq!(SigningKey::from_pem(broken).err(), Some(NoSigningKey));
            }
        }
    }

    #[test]
    fn what_is_no_key_of_a_kind_that_is_used() {
        let mut der = SigningKey::generate(SigningAlgorithm::Es256).unwrap().to_pkcs8().unwrap();
        der.pop();
        for broken in [&der[..], &[], b"secret"] {
            assert_eq!(SigningKey::from_pkcs8(broken).err(), Some(NoSigningKey));
        }
    }

    #[test]
    fn debug_shows_the_public_name() {
        let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id));
    }
}
