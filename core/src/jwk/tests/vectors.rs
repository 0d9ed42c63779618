//! Published keys (SEC-540). What signatures verify with them is for whoever has the arithmetic.

use super::*;
use crate::encoding::vectors;
use serde_json::Value;
use std::string::ToString;

/// Reads one key out of vectors and says what becomes of it.
fn judged(jwk: &Value) -> Result<Algorithm, JwkError> {
    let document = serde_json::json!({ "keys": [jwk] }).to_string();
    let (keys, skipped, _) = read(&document).unwrap();
    keys.first().map(|(_, algorithm)| *algorithm).ok_or_else(|| skipped[0])
}

#[test]
fn sec_540_keys_of_the_signature_vectors() {
    let mut read = 0;
    for (name, member, algorithm) in [
        ("ecdsa_secp256r1_sha256_p1363", "publicKeyJwk", Algorithm::Es256),
        ("ed25519", "publicKeyJwk", Algorithm::EdDsa),
        ("rsa_signature_2048_sha256", "keyJwk", Algorithm::Rs256),
    ] {
        let Some(file) = vectors::read(&format!("wycheproof/{name}.json")) else { return };
        for group in file["testGroups"].as_array().unwrap() {
            // Some groups come without one, among them those whose key is meant to be no key.
            let jwk = &group[member];
            if jwk.is_null() {
                continue;
            }
            assert_eq!(judged(jwk), Ok(algorithm), "{jwk}");
            let mut secret = jwk.clone();
            secret["d"] = "AQAB".into();
            assert_eq!(judged(&secret), Err(JwkError::Private));
            read += 1;
        }
    }
    assert!(read > 100, "{read}");
}

#[test]
fn sec_540_no_secret_key_of_the_jose_vectors_is_used() {
    let mut refused = 0;
    for name in ["json_web_key", "json_web_crypto", "json_web_signature"] {
        let Some(file) = vectors::read(&format!("wycheproof/{name}.json")) else { return };
        for group in file["testGroups"].as_array().unwrap() {
            let jwk = &group["private"];
            let keys = jwk["keys"].as_array().cloned().unwrap_or_else(|| vec![jwk.clone()]);
            for key in keys.iter().filter(|key| key["d"].is_string() || key["k"].is_string()) {
                assert_eq!(judged(key), Err(JwkError::Private), "{key}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn rfc_7638_and_rfc_7520_keys() {
    if let Some(file) = vectors::read("rfc/jwk_thumbprint.json") {
        for case in file.as_array().unwrap() {
            let document = serde_json::json!({ "keys": [case["jwk"]] }).to_string();
            let mut buffer = vec![0; document.len() * 2];
            let set = KeySet::<1>::parse(document.as_bytes(), &mut Scratch::new(&mut buffer));
            let (id, key) = set.unwrap().keys().next().unwrap();
            assert_eq!(id, case["jwk"]["kid"].as_str());
            assert_eq!(thumbprint(&key).unwrap().as_str(), case["sha256"]);
        }
    }
    if let Some(jwk) = vectors::read("jose-cookbook/3_3.rsa_public_key.json") {
        assert_eq!(judged(&jwk), Ok(Algorithm::Rs256));
    }
}
