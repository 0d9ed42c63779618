//! Published vectors over the arithmetic that tokens are verified with (SEC-540), each with a twin that has
//! one bit changed.

use std::{fs, path::Path};

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::jwt::UnverifiedJwt;
use serde_json::{Value, json};

use super::*;

/// A file of public test data, `None` where there is none (a clean clone elsewhere).
fn vectors(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors").join(name);
    match fs::read(&path) {
        Ok(file) => Some(serde_json::from_slice(&file).expect("vectors are JSON")),
        Err(error) => {
            println!("skipped, {name} is not at hand: {error}");
            None
        }
    }
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().unwrap()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn unbase64(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

/// The first key of a set of this one, for `use_it`.
fn with_key<T>(jwk: &Value, use_it: impl FnOnce(&PublicKey<'_>) -> T) -> T {
    let document = json!({ "keys": [jwk] }).to_string();
    let mut buffer = vec![0; document.len() * 2];
    let set = KeySet::<1>::parse(document.as_bytes(), &mut Scratch::new(&mut buffer)).unwrap();
    let (_, key) = set.keys().next().unwrap_or_else(|| panic!("not usable: {jwk}"));
    use_it(&key)
}

/// As the ring does: the length first.
fn verifies(key: &PublicKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    signature.len() == key.signature_len()
        && LoadedKey::load(key).unwrap().verify(message, signature).is_ok()
}

/// What is right is no longer right with one bit changed.
#[track_caller]
fn check_changed(key: &PublicKey<'_>, message: &[u8], signature: &[u8]) {
    for at in [0, signature.len() / 2, signature.len() - 1] {
        let mut changed = signature.to_vec();
        // Not the lowest: (n - 1) / 2 and (n + 1) / 2, which occur as `s`, are right both or neither.
        changed[at] ^= 0x10;
        assert!(!verifies(key, message, &changed), "byte {at}");
    }
    let mut longer = message.to_vec();
    longer.push(0);
    assert!(!verifies(key, &longer, signature));
}

/// Judges every test of a file; how many were right and how many were not.
fn judge(
    file: &Value,
    mut key_of: impl FnMut(&Value, &mut dyn FnMut(&PublicKey<'_>)),
) -> [usize; 2] {
    let (mut valid, mut invalid) = (0, 0);
    for group in list(file, "testGroups") {
        key_of(group, &mut |key| {
            for test in list(group, "tests") {
                let (message, signature) = (unhex(text(test, "msg")), unhex(text(test, "sig")));
                let accepted = verifies(key, &message, &signature);
                // "Acceptable" is DER without its NULL, which RFC 8017 §8.2.2 permits to refuse.
                assert_eq!(accepted, test["result"] == "valid", "{test}");
                if accepted {
                    check_changed(key, &message, &signature);
                    valid += 1;
                } else {
                    invalid += 1;
                }
            }
        });
    }
    assert_eq!(valid + invalid, usize::try_from(file["numberOfTests"].as_u64().unwrap()).unwrap());
    println!("{valid} valid, {invalid} invalid");
    [valid, invalid]
}

#[test]
fn sec_103_sec_540_wycheproof_ecdsa_p256() {
    let Some(file) = vectors("wycheproof/ecdsa_secp256r1_sha256_p1363.json") else { return };
    let [valid, invalid] = judge(&file, |group, test| {
        let number = |name: &str| {
            let digits = text(&group["publicKey"], name).trim_start_matches("00");
            unhex(&format!("{digits:0>64}"))
        };
        let (x, y) = (number("wx"), number("wy"));
        let key = PublicKey::p256(&x, &y).unwrap();
        if !group["publicKeyJwk"].is_null() {
            with_key(&group["publicKeyJwk"], |read| assert_eq!(*read, key));
        }
        test(&key);
    });
    assert!(valid > 100 && invalid > 50);
}

#[test]
fn sec_103_sec_540_wycheproof_ed25519() {
    let Some(file) = vectors("wycheproof/ed25519.json") else { return };
    let [valid, invalid] =
        judge(&file, |group, test| with_key(&group["publicKeyJwk"], |key| test(key)));
    assert!(valid > 50 && invalid > 30);
}

#[test]
fn sec_540_wycheproof_rsa_pkcs1() {
    let Some(file) = vectors("wycheproof/rsa_signature_2048_sha256.json") else { return };
    let [valid, invalid] = judge(&file, |group, test| with_key(&group["keyJwk"], |key| test(key)));
    assert!(valid > 3 && invalid > 150);
}

/// Whether a JWS verifies. These are no access tokens: their header has no `typ`, at which reading one
/// stops when nothing else is wrong with it; the steps behind that are taken by hand.
fn is_jws_of(key: &PublicKey<'_>, jws: &str) -> bool {
    let mut buffer = [0; 8192];
    let parsed = UnverifiedJwt::parse(jws, &mut Scratch::new(&mut buffer));
    if !matches!(parsed, Err(TokenError::Type)) {
        return false;
    }
    let (input, signature) = jws.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&unbase64(header)).unwrap();
    Base64UrlUnpadded::decode_vec(payload).is_ok()
        && header["alg"] == key.algorithm().as_str()
        && Base64UrlUnpadded::decode_vec(signature)
            .is_ok_and(|signature| verifies(key, input.as_bytes(), &signature))
}

#[test]
fn sec_540_wycheproof_jws() {
    let (mut valid, mut invalid, mut skipped) = (0, 0, 0);
    for name in ["json_web_signature", "json_web_crypto"] {
        let Some(file) = vectors(&format!("wycheproof/{name}.json")) else { return };
        for group in list(&file, "testGroups") {
            let jwk = &group["public"];
            let known = ["ES256", "RS256", "EdDSA"].iter().any(|name| jwk["alg"] == *name);
            if !known {
                // Secret keys, sets of them, and algorithms that are not verified with.
                skipped += list(group, "tests").len();
                continue;
            }
            with_key(jwk, |key| {
                for test in list(group, "tests") {
                    let jws = match &test["jws"] {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    let accepted = is_jws_of(key, &jws);
                    assert_eq!(accepted, test["result"] == "valid", "{name} {test}");
                    *if accepted { &mut valid } else { &mut invalid } += 1;
                }
            });
        }
    }
    println!("{valid} valid, {invalid} invalid; {skipped} of other keys and algorithms");
    assert!(valid > 3 && invalid > 100);
}

#[test]
fn sec_104_sec_540_wycheproof_keys_that_are_none() {
    let Some(file) = vectors("wycheproof/json_web_key.json") else { return };
    let mut refused = 0;
    for group in list(&file, "testGroups").iter().filter(|group| group["public"].is_object()) {
        // A weakness of how the primes were made (CVE-2017-15361), which is not looked for.
        if group["comment"] == "jws_rsa_roca_key" {
            continue;
        }
        let document = group["public"].to_string();
        assert_eq!(
            PublicKeys::read(document.as_bytes()).err(),
            Some(PublicKeysError::NoKey),
            "{group}"
        );
        refused += 1;
    }
    assert!(refused > 4, "{refused}");
}

#[test]
fn rfc_7515_rfc_7520_rfc_8037_examples() {
    let mut cases = Vec::new();
    if let Some(file) = vectors("rfc/jws.json") {
        let case = file.as_array().unwrap().iter().find(|case| case["alg"] == "ES256").unwrap();
        cases.push((case["jwk"].clone(), text(case, "jws").to_owned()));
    }
    for name in ["jws", "4_1.rsa_v15_signature"] {
        if let Some(file) = vectors(&format!("jose-cookbook/{name}.json")) {
            let key = file["input"]["key"].clone();
            cases.push((key, text(&file["output"], "compact").to_owned()));
        }
    }
    for (mut jwk, jws) in cases {
        jwk.as_object_mut()
            .unwrap()
            .retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
        with_key(&jwk, |key| {
            assert!(is_jws_of(key, &jws), "{jws}");
            for at in (0..jws.len()).step_by(7) {
                let mut changed = jws.clone().into_bytes();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                assert!(!is_jws_of(key, &String::from_utf8(changed).unwrap()), "{at}");
            }
        });
        // A right signature does not make it an access token (SEC-084).
        let keys = PublicKeys::read(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        let mut buffer = [0; 8192];
        let parsed = UnverifiedJwt::parse(&jws, &mut Scratch::new(&mut buffer));
        assert!(parsed.and_then(|jwt| jwt.verify(&keys)).is_err());
    }
}

#[test]
fn sec_104_points_that_are_not_on_the_curve() {
    let x = unbase64("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    let y = unbase64("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let loads = |x: &[u8], y: &[u8]| LoadedKey::load(&PublicKey::p256(x, y).unwrap()).is_some();
    assert!(loads(&x, &y));
    for at in [0, 15, 31] {
        let mut other = y.clone();
        other[at] ^= 1;
        assert!(!loads(&x, &other));
        assert!(!loads(&other, &y));
    }
    assert!(!loads(&y, &x));
    // The point at infinity has no coordinates; nor are these any of the field's numbers.
    assert!(!loads(&[0; 32], &[0; 32]));
    assert!(!loads(&[0xff; 32], &[0xff; 32]));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "a",
        "x": Base64UrlUnpadded::encode_string(&y), "y": Base64UrlUnpadded::encode_string(&x) });
    let read = PublicKeys::read(json!({ "keys": [jwk] }).to_string().as_bytes());
    assert_eq!(read.err(), Some(PublicKeysError::NoKey));
}

/// Why the core refuses these keys: for each there is a signature that anybody can write down, which the
/// arithmetic takes for right over some of a few messages.
#[test]
fn sec_104_small_order_keys_have_signatures_without_a_secret() {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let order_8 = [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let mut points: Vec<Vec<u8>> = order_8.map(unhex).to_vec();
    points.extend([one.to_vec(), minus_one.to_vec(), vec![0; 32]]);
    let signs = points.clone().into_iter().map(|mut point| {
        point[31] |= 0x80;
        point
    });
    let all: Vec<Vec<u8>> = points.iter().cloned().chain(signs).collect();
    for key in &points {
        assert_eq!(PublicKey::ed25519(key).err(), Some(JwkError::Value));
        let Ok(parsed) = ParsedPublicKey::new(&ED25519, key) else { continue };
        let forged = (0..64_u8).any(|message| {
            let forge = |point: &Vec<u8>| [point.as_slice(), &[0; 32]].concat();
            all.iter().any(|point| parsed.verify_sig(&[message], &forge(point)).is_ok())
        });
        assert!(forged, "{key:?}");
    }
    // The same against a key that somebody has.
    let key = unbase64("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let parsed = ParsedPublicKey::new(&ED25519, &key).unwrap();
    let forge = |point: &Vec<u8>| [point.as_slice(), &[0; 32]].concat();
    assert!(all.iter().all(|point| parsed.verify_sig(&[1], &forge(point)).is_err()));
}

#[test]
fn sec_111_no_key_is_no_set() {
    let read = |document: &str| PublicKeys::read(document.as_bytes()).err();
    assert_eq!(read("{\"keys\":[]}"), Some(PublicKeysError::NoKey));
    assert_eq!(read("{}"), Some(PublicKeysError::Set(KeySetError::Missing)));
    let good = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    assert_eq!(read(&json!({ "keys": [good] }).to_string()), None);
    let mut secret = good.clone();
    secret["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    assert_eq!(read(&json!({ "keys": [secret] }).to_string()), Some(PublicKeysError::NoKey));
}
