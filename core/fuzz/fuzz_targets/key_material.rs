//! A key that is taken is long enough and was filled in, signs what other code verifies, and refuses what
//! was signed with any other; keys of different resources are different.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    dpop::Nonces,
    encoding::scratch::Scratch,
    jwt::{HmacKey, KeyId, KeyRing, MasterKey, MintClaims, UnverifiedJwt, derive_key_bytes, mint},
    limits::KEY_ID_LEN_MAX,
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_fuzz::{split_line, token};
use sha2::Sha256;

// First line: a name of the key, which is a resource too; then the key.
fuzz_target!(|data: &[u8]| {
    let (name, key) = split_line(data);
    let Ok(name) = core::str::from_utf8(name) else { return };
    let is_long = (32..=64).contains(&key.len());
    let is_filled = key.iter().any(|byte| *byte != 0);
    assert_eq!(HmacKey::new(key).is_ok(), is_long && is_filled);
    assert_eq!(MasterKey::new(key).is_ok(), is_long && is_filled);
    assert_eq!(Nonces::new(key).is_some(), is_long);
    let is_name = |byte| matches!(byte, b'!'..=b'~') && byte != b'"' && byte != b'\\';
    let names = (1..=KEY_ID_LEN_MAX).contains(&name.len()) && name.bytes().all(is_name);
    assert_eq!(KeyId::new(name).is_ok(), names);
    let (Ok(id), true) = (KeyId::new(name), is_long && is_filled) else { return };
    signs(key, &id);
    derives(key, &id, name);
});

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn ring(key: &[u8], id: &KeyId) -> Option<KeyRing> {
    Some(KeyRing::new(id.clone(), HmacKey::new(key).ok()?))
}

fn signs(key: &[u8], id: &KeyId) {
    let claims = MintClaims {
        issuer: token::ISSUER,
        audience: &[token::RESOURCE],
        subject: "u1",
        client_id: "c1",
        scope: ScopeSet::EMPTY,
        issued_at: UnixTime::from_secs(token::NOW),
        expires_at: UnixTime::from_secs(token::NOW + 600),
        id: "t1",
    };
    let mut out = [0; 4096];
    let text =
        mint(&claims, &HmacKey::new(key).expect("as before"), id, &mut out).expect("a token");
    let (input, signature) = text.rsplit_once('.').expect("three parts");
    assert_eq!(signature, URL_SAFE_NO_PAD.encode(mac(key, &[input.as_bytes()])));
    let verifies = |key: &[u8]| {
        let mut buffer = [0; 8192];
        let jwt = UnverifiedJwt::parse(text, &mut Scratch::new(&mut buffer)).expect("our own");
        ring(key, id).is_some_and(|ring| jwt.verify(&ring).is_ok())
    };
    assert!(verifies(key));
    let mut other = key.to_vec();
    other[0] ^= 1;
    assert!(!verifies(&other));
}

/// HKDF by hand (RFC 5869): extract without a salt, and the one block that is needed.
fn derives(master: &[u8], id: &KeyId, resource: &str) {
    let pseudorandom_key = mac(&[0; 32], &[master]);
    let master = MasterKey::new(master).expect("as before");
    let derived = |resource: &str| derive_key_bytes(&master, resource, id).expect("any resource");
    let info: [&[u8]; 6] = [
        b"portcullis HS256 resource key 1",
        b"\0",
        id.as_str().as_bytes(),
        b"\0",
        resource.as_bytes(),
        b"\x01",
    ];
    assert_eq!(derived(resource).as_slice(), mac(&pseudorandom_key, &info));
    let other = format!("{resource}/");
    assert_ne!(derived(resource).as_slice(), derived(&other).as_slice());
}
