//! A private key of the application.

use std::fmt;

use portcullis_core::{
    client::{SignError, Signer, SigningAlgorithm},
    jwk::{self, PublicKey, Published},
    jwt::{Algorithm, KeyId},
    limits::SIGNATURE_LEN_MAX,
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

use crate::key_pair::{KeyPair, NoSigningKey};

/// Room for the longest public key as a set.
const KEY_SET_LEN: usize = 2 * 1024;

/// A key that the application signs with: to authenticate itself (`private_key_jwt`), and to prove that
/// tokens are its own.
///
/// `Debug` shows its public name and nothing else.
pub struct SigningKey {
    pair: KeyPair,
    algorithm: SigningAlgorithm,
    /// The RFC 7638 thumbprint, unless the authorization server calls the key otherwise.
    id: KeyId,
}

impl SigningKey {
    /// A new key from the operating system's randomness; an RSA key has 2048 bits.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, NoSigningKey> {
        Self::new(KeyPair::generate(match algorithm {
            SigningAlgorithm::Es256 => Algorithm::Es256,
            SigningAlgorithm::EdDsa => Algorithm::EdDsa,
            SigningAlgorithm::Rs256 => Algorithm::Rs256,
        })?)
    }

    /// Reads a key from the first `PRIVATE KEY` section of a PEM text (RFC 7468 §10).
    pub fn from_pem(text: &str) -> Result<Self, NoSigningKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| NoSigningKey)?;
        Self::from_pkcs8(der.secret_pkcs8_der())
    }

    /// Reads a key in PKCS#8 (RFC 5958), of whatever kind it is.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NoSigningKey> {
        Self::new(KeyPair::of_any_kind(der)?)
    }

    fn new(pair: KeyPair) -> Result<Self, NoSigningKey> {
        let algorithm = match pair.algorithm() {
            Algorithm::Es256 => SigningAlgorithm::Es256,
            Algorithm::EdDsa => SigningAlgorithm::EdDsa,
            Algorithm::Rs256 => SigningAlgorithm::Rs256,
            _ => return Err(NoSigningKey),
        };
        let id = pair.thumbprint().ok_or(NoSigningKey)?;
        Ok(Self { pair, algorithm, id })
    }

    /// The key under the name (`kid`) that the authorization server has for it.
    #[must_use]
    pub fn named(self, id: KeyId) -> Self {
        Self { id, ..self }
    }

    /// The key in PKCS#8, to be stored; a secret.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, NoSigningKey> {
        self.pair.to_pkcs8()
    }

    /// The public half as a JSON Web Key Set, to be registered or published.
    pub fn key_set(&self) -> Result<String, NoSigningKey> {
        let key = self.pair.public_key().ok_or(NoSigningKey)?;
        let mut text = vec![0; KEY_SET_LEN];
        let written = jwk::write_set(&[Published { id: &self.id, key }], &mut text);
        Ok(written.map_err(|_| NoSigningKey)?.to_owned())
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    fn public_key(&self) -> Result<PublicKey<'_>, SignError> {
        self.pair.public_key().ok_or(SignError::Key)
    }

    fn key_id(&self) -> Option<&KeyId> {
        Some(&self.id)
    }

    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, SignError> {
        self.pair.sign(message, out).ok_or(SignError::Key)
    }
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
