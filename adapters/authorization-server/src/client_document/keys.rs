//! The keys of a client that a document describes (AS-36).

use base64ct::{Base64UrlUnpadded, Encoding};
use oauth_as::client_assertion::AssertionKeys;
use oauth_as::{ClientAuth, Jwk, JwsAlg};
use portcullis_core::encoding::scratch::Scratch;
use portcullis_core::jwk::{JwkError, KeySet, PublicKey};
use portcullis_core::jwt::Algorithm;
use serde_json::json;

use super::read::DocumentError;

/// Keys of one client: the one in use, and those before and after it.
const KEYS_MAX: usize = 8;

/// How a client with this key set (RFC 7517) authenticates: with those of its keys that are for
/// `algorithm`, or for the algorithm of the first one that can be used.
///
/// A set with a secret in it is refused as a whole: everybody can read it.
pub(super) fn read(set: &[u8], algorithm: Option<&str>) -> Result<ClientAuth, DocumentError> {
    let mut room = vec![0; set.len().saturating_mul(2)];
    let mut scratch = Scratch::new(&mut room);
    let set = KeySet::<KEYS_MAX>::parse(set, &mut scratch).map_err(|_| DocumentError::Keys)?;
    let is_public = set.skipped().all(|skipped| skipped.reason != JwkError::Private);
    let fits = |it: &Algorithm| algorithm.is_none_or(|name| it.as_str() == name);
    let chosen = set.keys().map(|(_, key)| key.algorithm()).find(fits);
    let chosen = chosen.filter(|_| is_public && set.beyond() == 0).ok_or(DocumentError::Keys)?;
    let usable = set.keys().filter(|(_, key)| key.algorithm() == chosen);
    let keys: Option<Vec<Jwk>> = usable.map(|(_, key)| to_engine(key)).collect();
    let keys = keys.filter(|keys| !keys.is_empty()).ok_or(DocumentError::Keys)?;
    let alg = match chosen {
        Algorithm::Es256 => JwsAlg::Es256,
        Algorithm::EdDsa => JwsAlg::EdDsa,
        Algorithm::Rs256 => JwsAlg::Rs256,
        _ => return Err(DocumentError::Keys),
    };
    Ok(ClientAuth::ConfidentialAssertion { keys: AssertionKeys::PublicKeys { alg, keys } })
}

/// The key as the engine has it.
fn to_engine(key: PublicKey<'_>) -> Option<Jwk> {
    let text = Base64UrlUnpadded::encode_string;
    let jwk = match key {
        PublicKey::P256 { x, y, .. } => {
            json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
        }
        PublicKey::Ed25519 { x, .. } => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(x) }),
        PublicKey::Rsa { n, e, .. } => json!({ "kty": "RSA", "n": text(n), "e": text(e) }),
    };
    Jwk::from_json(&jwk).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// RFC 7517 A.1, RFC 8037 A.2.
    fn ec() -> Value {
        json!({ "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" })
    }

    fn ed() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "2",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    }

    fn with(mut key: Value, name: &str, value: &str) -> Value {
        key[name] = json!(value);
        key
    }

    /// How many keys of which algorithm are used.
    fn used(keys: &[Value], algorithm: Option<&str>) -> Option<(&'static str, usize)> {
        let set = json!({ "keys": keys }).to_string();
        match read(set.as_bytes(), algorithm).ok()? {
            ClientAuth::ConfidentialAssertion { keys } => {
                let name = keys.signing_alg();
                let AssertionKeys::PublicKeys { keys, .. } = keys else { return None };
                Some((name, keys.len()))
            }
            _ => None,
        }
    }

    #[test]
    fn as_36_keys_of_one_algorithm_are_used() {
        assert_eq!(used(&[ec()], None), Some(("ES256", 1)));
        assert_eq!(used(&[ed()], None), Some(("EdDSA", 1)));
        assert_eq!(used(&[ec(), ed()], None), Some(("ES256", 1)));
        assert_eq!(used(&[ec(), ed()], Some("EdDSA")), Some(("EdDSA", 1)));
        assert_eq!(used(&[ec(), with(ec(), "kid", "3")], Some("ES256")), Some(("ES256", 2)));
        // What is for something else is left out.
        assert_eq!(used(&[with(ed(), "use", "enc"), ec()], None), Some(("ES256", 1)));
        assert_eq!(used(&[json!({ "kty": "EC", "crv": "P-521" }), ec()], None), Some(("ES256", 1)));
    }

    #[test]
    fn as_36_sets_that_are_refused() {
        assert_eq!(used(&[], None), None);
        assert_eq!(used(&[ec()], Some("EdDSA")), None);
        for algorithm in ["none", "HS256", "ES384", "es256", ""] {
            assert_eq!(used(&[ec()], Some(algorithm)), None, "{algorithm}");
        }
        assert_eq!(used(&[with(ec(), "use", "enc")], None), None);
        // A secret in public, even beside a good key.
        assert_eq!(used(&[ec(), with(ed(), "d", "c2VjcmV0")], None), None);
        assert_eq!(used(&[ec(), json!({ "kty": "oct", "k": "c2VjcmV0" })], None), None);
        assert_eq!(used(&[ec(), with(ed(), "kid", "1")], None), None, "one kid for two keys");
        let many = |count: usize| -> Vec<Value> {
            (0..count).map(|at| with(ec(), "kid", &at.to_string())).collect()
        };
        assert_eq!(used(&many(KEYS_MAX), None), Some(("ES256", KEYS_MAX)));
        assert_eq!(used(&many(KEYS_MAX + 1), None), None);
        for text in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[1]}"]
        {
            assert!(read(text.as_bytes(), None).is_err(), "{text}");
        }
    }
}
