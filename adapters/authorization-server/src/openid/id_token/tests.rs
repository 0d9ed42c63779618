//! Each token that is refused differs in one thing from one that is accepted, and is signed with the right
//! key unless the signature is the case.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;

use super::*;
use crate::jws::LEEWAY_SECS;
use openid_key::Key;

#[path = "../../../tests/support/openid_key.rs"]
mod openid_key;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://id.example";

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "248289761001", "aud": "us", "nonce": "n-1", "exp": NOW + 300,
            "iat": NOW, "name": "Jane Doe" })
}

fn keys(keys: &[&Key]) -> PublicKeys {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    PublicKeys::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn expected(access_token: Option<&'static str>) -> Expected<'static> {
    Expected { issuer: ISSUER, client_id: "us", nonce: "n-1", access_token, now_secs: NOW }
}

/// Reads the usual claims with one of them changed.
#[track_caller]
fn check(name: &str, value: Value, outcome: Result<(), IdTokenError>) {
    let key = Key::es256("k1");
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    let read = read(&key.token(&claims), &keys(&[&key]), &expected(Some("the access token")));
    assert_eq!(read.map(drop), outcome, "{claims}");
}

#[test]
fn what_a_provider_says_is_read() {
    for key in [Key::es256("k1"), Key::rs256("k1")] {
        let token = key.token(&claims());
        let claims =
            read(&token, &keys(&[&key]), &expected(None)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((claims.sub.as_str(), claims.text("name")), ("248289761001", Some("Jane Doe")));
    }
}

#[test]
fn sec_468_issuer_and_audience() {
    check("iss", json!("https://id.example/"), Err(IdTokenError::Issuer));
    check("iss", json!("https://evil.example"), Err(IdTokenError::Issuer));
    check("iss", Value::Null, Err(IdTokenError::Claims));
    check("aud", json!(["us"]), Ok(()));
    check("aud", json!("them"), Err(IdTokenError::Audience));
    check("aud", json!(["us", "them"]), Err(IdTokenError::Audience));
    check("aud", json!([]), Err(IdTokenError::Audience));
    check("aud", Value::Null, Err(IdTokenError::Claims));
    check("azp", json!("us"), Ok(()));
    check("azp", json!("them"), Err(IdTokenError::Audience));
}

#[test]
fn times_of_a_token() {
    check("exp", json!(NOW - LEEWAY_SECS + 1), Ok(()));
    check("exp", json!(NOW - LEEWAY_SECS), Err(IdTokenError::Expired));
    check("exp", json!(0), Err(IdTokenError::Expired));
    check("exp", json!("soon"), Err(IdTokenError::Claims));
    check("exp", Value::Null, Err(IdTokenError::Claims));
    check("iat", json!(NOW + LEEWAY_SECS), Ok(()));
    check("iat", json!(NOW + LEEWAY_SECS + 1), Err(IdTokenError::IssuedAt));
    check("iat", json!(NOW - AGE_SECS_MAX), Ok(()));
    check("iat", json!(NOW - AGE_SECS_MAX - 1), Err(IdTokenError::IssuedAt));
    check("iat", Value::Null, Err(IdTokenError::Claims));
}

#[test]
fn sec_470_the_nonce_is_that_of_the_request() {
    check("nonce", json!("n-2"), Err(IdTokenError::Nonce));
    check("nonce", json!(""), Err(IdTokenError::Nonce));
    check("nonce", Value::Null, Err(IdTokenError::Claims));
}

#[test]
fn the_access_token_is_the_one_beside_it() {
    check("at_hash", json!(half_hash("the access token", Algorithm::Es256)), Ok(()));
    let other = half_hash("another", Algorithm::Es256);
    check("at_hash", json!(other), Err(IdTokenError::AccessTokenHash));
    // FIPS 180-4, example "abc": the first half.
    assert_eq!(half_hash("abc", Algorithm::Rs256), "ungWv48Bz-pBQUDeXa4iIw");
    assert_eq!(half_hash("abc", Algorithm::EdDsa).len(), 43);
    // A hash without an access token to compare is one that does not fit.
    let key = Key::es256("k1");
    let mut claims = claims();
    claims["at_hash"] = json!(half_hash("the access token", Algorithm::Es256));
    let read = read(&key.token(&claims), &keys(&[&key]), &expected(None));
    assert_eq!(read.map(drop), Err(IdTokenError::AccessTokenHash));
}

#[test]
fn the_subject_is_a_name() {
    check("sub", json!("x".repeat(255)), Ok(()));
    for bad in [json!("x".repeat(256)), json!(""), json!("a b"), json!("\u{e9}"), json!(1)] {
        check("sub", bad, Err(IdTokenError::Claims));
    }
}

#[test]
fn a_claim_that_is_there_twice_is_none() {
    let key = Key::es256("k1");
    let text = claims().to_string().replacen('{', r#"{"nonce":"n-2","#, 1);
    assert!(serde_json::from_str::<Claims>(&text).is_err());
    let text = claims().to_string().replacen('{', r#"{"name":"Eve","#, 1);
    assert!(serde_json::from_str::<Claims>(&text).is_err());
    assert!(read(&key.token(&claims()), &keys(&[&key]), &expected(None)).is_ok());
}

#[test]
fn sec_070_sec_072_sec_073_signature_key_and_header() {
    let (key, other) = (Key::es256("k1"), Key::es256("k1"));
    let rsa = Key::rs256("k2");
    let refused = |token: &str, keys: &PublicKeys| match read(token, keys, &expected(None)) {
        Err(IdTokenError::Token(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted: {token}"),
    };
    let own = keys(&[&key, &rsa]);
    let token = key.token(&claims());
    assert!(read(&token, &own, &expected(None)).is_ok());
    assert_eq!(refused(&other.token(&claims()), &own), TokenError::Signature);
    assert_eq!(refused(&Key::es256("k9").token(&claims()), &own), TokenError::Key);
    for (alg, error) in [
        ("none", TokenError::Algorithm),
        ("None", TokenError::Algorithm),
        ("RS256", TokenError::Algorithm),
        ("HS256", TokenError::Algorithm),
    ] {
        let header = json!({ "alg": alg, "kid": "k1" });
        assert_eq!(refused(&key.token_with(&header, &claims()), &own), error, "{alg}");
    }
    for header in [
        json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" }),
        json!({ "alg": "ES256", "kid": "k1", "typ": "dpop+jwt" }),
    ] {
        assert_eq!(refused(&key.token_with(&header, &claims()), &own), TokenError::Type);
    }
    let critical = json!({ "alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1 });
    assert_eq!(refused(&key.token_with(&critical, &claims()), &own), TokenError::Header);
    let no_type = json!({ "alg": "ES256", "kid": "k1" });
    assert!(read(&key.token_with(&no_type, &claims()), &own, &expected(None)).is_ok());

    // SEC-072: a MAC under what everybody can read, the published key.
    let header = Base64UrlUnpadded::encode_string(br#"{"alg":"HS256","kid":"k2"}"#);
    let payload = Base64UrlUnpadded::encode_string(claims().to_string().as_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(rsa.jwk().to_string().as_bytes()).unwrap();
    mac.update(format!("{header}.{payload}").as_bytes());
    let mac = Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes());
    assert_eq!(refused(&format!("{header}.{payload}.{mac}"), &own), TokenError::Algorithm);

    let (input, _) = token.rsplit_once('.').unwrap();
    for bad in [
        format!("{input}."),
        input.to_owned(),
        format!("{token}.x"),
        format!("{token}="),
        String::new(),
    ] {
        assert!(
            matches!(refused(&bad, &own), TokenError::Malformed | TokenError::Signature),
            "{bad}"
        );
    }
    let long = format!("{token}{}", "A".repeat(ID_TOKEN_LEN_MAX));
    assert_eq!(refused(&long, &own), TokenError::TooLong);
}

#[test]
fn who_may_come_in() {
    use crate::openid::AdmittedUsers;
    let admits = |users: &AdmittedUsers, further: Value| {
        let mut all = claims();
        all.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        users.admits(&serde_json::from_value(all).unwrap())
    };
    assert!(admits(&AdmittedUsers::all(), json!({})));

    let domains = AdmittedUsers::of_domains(["example.com"]);
    assert!(admits(&domains, json!({ "email": "a@Example.com", "email_verified": true })));
    for bad in [
        json!({ "email": "a@example.com", "email_verified": false }),
        json!({ "email": "a@example.com" }),
        json!({ "email": "a@evil-example.com", "email_verified": true }),
        json!({ "email": "a@example.com@evil.com", "email_verified": true }),
        json!({ "email": "example.com", "email_verified": true }),
        json!({}),
    ] {
        assert!(!admits(&domains, bad.clone()), "{bad}");
    }

    let groups = AdmittedUsers::of_groups("groups", ["staff"]);
    assert!(admits(&groups, json!({ "groups": ["x", "staff"] })));
    assert!(admits(&groups, json!({ "groups": "staff" })));
    for bad in
        [json!({ "groups": ["Staff", 1] }), json!({ "groups": [] }), json!({ "roles": ["staff"] })]
    {
        assert!(!admits(&groups, bad.clone()), "{bad}");
    }
}
