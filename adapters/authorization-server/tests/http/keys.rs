//! Keys of clients, and what they sign.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use aws_lc_rs::{rsa::KeySize, rsa::PublicKeyComponents};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

/// A key of a client.
pub(crate) enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Key {
    pub(crate) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn every() -> [Self; 3] {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        [Self::es256(), Self::EdDsa(Ed25519KeyPair::generate().unwrap()), Self::Rs256(rsa.into())]
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
        }
    }

    /// The public part.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y) })
            }
            Self::EdDsa(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_key()) })
            }
            Self::Rs256(key) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = key.public_key().into();
                json!({ "kty": "RSA", "n": encoded(n), "e": encoded(e) })
            }
        }
    }

    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    pub(crate) fn assertion(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        format!("{signed}.{}", encoded(self.sign(signed.as_bytes())))
    }
}
