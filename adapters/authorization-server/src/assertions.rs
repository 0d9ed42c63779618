//! Signatures of `private_key_jwt` assertions (RFC 7523), checked by aws-lc.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64ct::{Base64UrlUnpadded, Encoding};
use oauth_as::{Jwk, JwsAlg, JwsVerifier};

/// The algorithms that are accepted (AS-84), as the metadata names them.
pub(crate) const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

/// A verifier for each of [`ALGORITHMS`].
pub(crate) fn verifiers() -> impl Iterator<Item = Arc<dyn JwsVerifier>> {
    let algorithms = [JwsAlg::Es256, JwsAlg::EdDsa, JwsAlg::Rs256];
    algorithms.into_iter().map(|alg| Arc::new(Verifier(alg)) as Arc<dyn JwsVerifier>)
}

struct Verifier(JwsAlg);

impl JwsVerifier for Verifier {
    fn alg(&self) -> JwsAlg {
        self.0
    }

    fn verify(&self, key: &Jwk, signing_input: &[u8], signature: &[u8]) -> bool {
        is_signed(self.0, key, signing_input, signature).unwrap_or(false)
    }
}

/// `None` when the key is of another kind, or is none.
fn is_signed(alg: JwsAlg, key: &Jwk, message: &[u8], signature: &[u8]) -> Option<bool> {
    let decoded = |text: &str| Base64UrlUnpadded::decode_vec(text).ok();
    match (alg, key) {
        (JwsAlg::Es256, Jwk::Ec { x, y, .. }) => {
            // SEC 1 §2.3.3, uncompressed.
            let point = [vec![4], decoded(x)?, decoded(y)?].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            Some(key.verify(message, signature).is_ok())
        }
        (JwsAlg::EdDsa, Jwk::Okp { x, .. }) => {
            let key = UnparsedPublicKey::new(&ED25519, decoded(x)?);
            Some(key.verify(message, signature).is_ok())
        }
        (JwsAlg::Rs256, Jwk::Rsa { n, e, .. }) => {
            let key = RsaPublicKeyComponents { n: decoded(n)?, e: decoded(e)? };
            Some(key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    };
    use serde_json::json;

    use super::*;

    const MESSAGE: &[u8] = b"header.claims";

    /// A key of each kind with its algorithm, and a signature over [`MESSAGE`].
    fn signed() -> Vec<(JwsAlg, Jwk, Vec<u8>)> {
        let text = Base64UrlUnpadded::encode_string;
        let jwk = |value: serde_json::Value| serde_json::from_value(value).unwrap();
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = ec.public_key().as_ref()[1..].split_at(32);
        let ed = Ed25519KeyPair::generate().unwrap();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let PublicKeyComponents::<Vec<u8>> { n, e } = rsa.public_key().into();
        let mut rsa_signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &random, MESSAGE, &mut rsa_signature).unwrap();
        vec![
            (
                JwsAlg::Es256,
                jwk(json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })),
                ec.sign(&random, MESSAGE).unwrap().as_ref().to_vec(),
            ),
            (
                JwsAlg::EdDsa,
                jwk(json!({ "kty": "OKP", "crv": "Ed25519", "x": text(ed.public_key().as_ref()) })),
                ed.sign(MESSAGE).as_ref().to_vec(),
            ),
            (
                JwsAlg::Rs256,
                jwk(json!({ "kty": "RSA", "n": text(&n), "e": text(&e) })),
                rsa_signature,
            ),
        ]
    }

    #[test]
    fn as_84_a_signature_counts_for_its_key_its_algorithm_and_its_message() {
        let (own, other) = (signed(), signed());
        for (alg, key, signature) in &own {
            let verifier = Verifier(*alg);
            assert!(verifier.verify(key, MESSAGE, signature), "{alg:?}");
            assert!(!verifier.verify(key, b"header.other", signature), "{alg:?}");
            for at in [0, signature.len() / 2, signature.len() - 1] {
                let mut broken = signature.clone();
                broken[at] ^= 1;
                assert!(!verifier.verify(key, MESSAGE, &broken), "{alg:?} {at}");
            }
            for (_, foreign, _) in own.iter().chain(&other).filter(|(_, it, _)| it != key) {
                assert!(!verifier.verify(foreign, MESSAGE, signature), "{alg:?}");
            }
            for (_, _, foreign) in own.iter().filter(|(_, _, it)| it != signature) {
                assert!(!verifier.verify(key, MESSAGE, foreign), "{alg:?}");
            }
            assert!(!verifier.verify(key, MESSAGE, &[]));
        }
        let names: Vec<&str> = verifiers().map(|verifier| verifier.alg().jose_name()).collect();
        assert_eq!(names, ALGORITHMS);
    }
}
