//! Whole tokens through all steps. Every case that is refused differs in one thing from one that is
//! accepted, and is signed with the right key unless the signature is the case.

mod claims;
mod framing;
mod header;
mod limits;
mod minting;
mod secrecy;
mod vectors;

use super::*;
use crate::{
    encoding::{base64url, scratch::Scratch},
    time::{Leeway, UnixTime},
    token::{Expectations, TokenError},
};
use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

const KEY: &[u8; 32] = b"the only key that anybody knows!";
const OTHER_KEY: &[u8; 32] = b"a key that has to do with nobody";
const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://as.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#;

/// The claims of an acceptable token: names and values as JSON text.
const CLAIMS: [(&str, &str); 8] = [
    ("iss", r#""https://as.example.com""#),
    ("aud", r#""https://mcp.example.com/mcp""#),
    ("sub", r#""user-1""#),
    ("client_id", r#""client-1""#),
    ("jti", r#""token-1""#),
    ("scope", r#""user files:read""#),
    ("iat", "1800000000"),
    ("exp", "1800000600"),
];

fn key_id(text: &str) -> KeyId {
    KeyId::new(text).unwrap()
}

fn ring() -> KeyRing {
    KeyRing::new(key_id("k1"), HmacKey::new(KEY).unwrap())
}

fn expectations() -> Expectations<'static> {
    Expectations {
        issuer: ISSUER,
        resource: RESOURCE,
        leeway: Leeway::DEFAULT,
        lifetime_secs_max: 3600,
        several_audiences: false,
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut out = std::vec![0; bytes.len() * 2 + 4];
    base64url::encode(bytes, &mut out).unwrap().to_string()
}

/// Signs two segments as they stand.
fn sign_segments(header: &str, payload: &str, key: &[u8]) -> String {
    let input = format!("{header}.{payload}");
    let signature = HmacKey::unchecked(key).unwrap().sign(input.as_bytes());
    format!("{input}.{}", base64(&signature))
}

/// Signs a header and a payload of any content.
fn sign(header: &str, payload: &str) -> String {
    sign_segments(&base64(header.as_bytes()), &base64(payload.as_bytes()), KEY)
}

fn object(members: &[(&str, &str)]) -> String {
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// [`CLAIMS`] with one claim replaced or added.
fn with(name: &str, value: &str) -> String {
    let mut members: Vec<_> = CLAIMS.into_iter().filter(|(own, _)| *own != name).collect();
    members.push((name, value));
    object(&members)
}

/// [`CLAIMS`] without one.
fn without(name: &str) -> String {
    object(&CLAIMS.into_iter().filter(|(own, _)| *own != name).collect::<Vec<_>>())
}

fn good_token() -> String {
    sign(HEADER, &object(&CLAIMS))
}

/// Takes a token through all steps.
fn judge_with(
    token: &str,
    keys: &KeyRing,
    expectations: &Expectations<'_>,
) -> Result<(), TokenError> {
    let mut buffer = [0; 4096];
    let mut scratch = Scratch::new(&mut buffer);
    UnverifiedJwt::parse(token, &mut scratch)?
        .verify(keys)?
        .validate(expectations, UnixTime::from_secs(NOW), &mut scratch)
        .map(|_| ())
}

fn judge(token: &str) -> Result<(), TokenError> {
    judge_with(token, &ring(), &expectations())
}

/// A token with this payload, signed with the right key.
#[track_caller]
fn check_payload(payload: &str, expected: Result<(), TokenError>) {
    assert_eq!(judge(&sign(HEADER, payload)), expected, "{payload}");
}

/// A token with this header and good claims, signed with the right key.
#[track_caller]
fn check_header(header: &str, expected: Result<(), TokenError>) {
    assert_eq!(judge(&sign(header, &object(&CLAIMS))), expected, "{header}");
}

#[test]
fn a_good_token_says_what_it_says() {
    let mut buffer = [0; 1024];
    let mut scratch = Scratch::new(&mut buffer);
    let token = good_token();
    let facts = UnverifiedJwt::parse(&token, &mut scratch)
        .unwrap()
        .verify(&ring())
        .unwrap()
        .validate(&expectations(), UnixTime::from_secs(NOW), &mut scratch)
        .unwrap();
    assert_eq!(facts.issuer, ISSUER);
    assert_eq!(facts.audience.as_slice(), [RESOURCE]);
    assert_eq!(facts.subject, Some("user-1"));
    assert_eq!(facts.client_id, Some("client-1"));
    assert_eq!(facts.id, Some("token-1"));
    assert_eq!(facts.scope.as_str(), "user files:read");
    assert_eq!(facts.issued_at, Some(UnixTime::from_secs(NOW)));
    assert_eq!(facts.expires_at, UnixTime::from_secs(NOW + 600));
    assert_eq!(facts.not_before, None);
    assert_eq!(facts.binding, crate::token::Binding::Bearer);
}

#[test]
fn sec_320_debug_shows_no_part_of_a_token() {
    let mut buffer = [0; 1024];
    let mut scratch = Scratch::new(&mut buffer);
    let token = good_token();
    let unverified = UnverifiedJwt::parse(&token, &mut scratch).unwrap();
    let verified = unverified.verify(&ring()).unwrap();
    assert_eq!(
        format!("{unverified:?} {verified:?} {:?}", HmacKey::new(KEY).unwrap()),
        "UnverifiedJwt(..) VerifiedJwt(..) HmacKey(..)"
    );
}
