//! Every check of a proof, each with its rejecting twin. The signatures are hashes, so that anybody can
//! make them: which keys they fit is for the hosts' own tests.

use super::*;
use crate::{
    encoding::{base64url, scratch::Scratch},
    limits::{PROOF_AGE_SECS_MAX, PROOF_ID_LEN_MAX, PROOF_LEN_MAX},
    message::Field,
};
use sha2::{Digest, Sha256};
use std::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

const NOW: u64 = 1_800_000_000;
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// RFC 9449 §7.1: `ath` of that token.
const ATH: &str = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";
const URL: &str = "https://mcp.example.com/mcp";
const JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 8037 §A.3: the thumbprint of that key.
const JKT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

struct Hashes;

/// Of the length that an Ed25519 signature has.
fn doubled(message: &[u8]) -> Vec<u8> {
    Sha256::digest(message).repeat(2)
}

impl ProofSignatures for Hashes {
    fn verify(&self, _: &PublicKey<'_>, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        if signature == doubled(message) { Ok(()) } else { Err(Mismatch) }
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut out = vec![0; bytes.len() * 2 + 4];
    base64url::encode(bytes, &mut out).unwrap().to_owned()
}

fn header() -> String {
    format!(r#"{{"typ":"dpop+jwt","alg":"EdDSA","jwk":{JWK}}}"#)
}

fn claims() -> String {
    format!(r#"{{"jti":"1","htm":"POST","htu":"{URL}","iat":{NOW},"ath":"{ATH}"}}"#)
}

fn sign(header: &str, claims: &str) -> String {
    let input = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
    let signature = base64(&doubled(input.as_bytes()));
    format!("{input}.{signature}")
}

fn judge(proof: &str, nonces: Option<&Nonces>, now: u64) -> Result<Proof, ProofError> {
    let mut memory = [0; 8192];
    let mut scratch = Scratch::new(&mut memory);
    let now = UnixTime::from_secs(now);
    let request = Request { method: "POST", token: TOKEN, nonces, now };
    UnverifiedProof::parse(Field::One(proof.as_bytes()), &mut scratch)?.verify(&Hashes)?.check(
        &request,
        |target| target.as_str() == URL,
        &mut scratch,
    )
}

fn good() -> Result<(), ProofError> {
    Ok(())
}

#[track_caller]
fn check_header(header: &str, expected: Result<(), ProofError>) {
    assert_eq!(judge(&sign(header, &claims()), None, NOW).map(|_| ()), expected, "{header}");
}

#[track_caller]
fn check_claims(from: &str, to: &str, expected: Result<(), ProofError>) {
    let good = claims();
    assert!(good.contains(from), "{from}");
    let changed = good.replacen(from, to, 1);
    assert_eq!(judge(&sign(&header(), &changed), None, NOW).map(|_| ()), expected, "{changed}");
}

#[test]
fn dp_09_a_good_proof_names_its_key() {
    let proof = judge(&sign(&header(), &claims()), None, NOW).unwrap();
    assert_eq!(Some(proof.key()), crate::jwk::Thumbprint::from_text(JKT));
    assert_eq!(proof.until(), UnixTime::from_secs(NOW + PROOF_AGE_SECS_MAX + 1));
    let other = judge(&sign(&header(), &claims().replace("\"1\"", "\"2\"")), None, NOW).unwrap();
    assert_ne!(proof.id(), other.id());
}

#[test]
fn dp_09_exactly_one_field() {
    fn parse(field: Field<'_>) -> Result<(), ProofError> {
        let mut memory = [0; 4096];
        UnverifiedProof::parse(field, &mut Scratch::new(&mut memory)).map(|_| ())
    }
    assert_eq!(parse(Field::Absent), Err(ProofError::Missing));
    assert_eq!(parse(Field::Repeated), Err(ProofError::Repeated));
    assert_eq!(parse(Field::One(sign(&header(), &claims()).as_bytes())), Ok(()));
    for malformed in ["", ".", "..", "a.b", "a.b.c.d", "\u{e4}.b.c", "a,b"] {
        assert_eq!(parse(Field::One(malformed.as_bytes())), Err(ProofError::Malformed));
    }
    assert_eq!(parse(Field::One(b"\xff")), Err(ProofError::Malformed));
}

#[test]
fn sec_114_rs_68_the_type() {
    check_header(&header(), good());
    check_header(&header().replace("dpop+jwt", "DPoP+JWT"), good());
    for other in ["at+jwt", "JWT", "jwt", "dpop", "application/at+jwt", "dpop+jwt2", ""] {
        check_header(&header().replace("dpop+jwt", other), Err(ProofError::Type));
    }
    check_header(&header().replace(r#""typ":"dpop+jwt","#, ""), Err(ProofError::Type));
    check_header(&header().replace(r#""dpop+jwt""#, "1"), Err(ProofError::Claim));
}

#[test]
fn rs_68_a_proof_is_no_access_token() {
    let proof = sign(&header(), &claims());
    let mut memory = [0; 8192];
    let parsed = crate::jwt::UnverifiedJwt::parse(&proof, &mut Scratch::new(&mut memory));
    assert_eq!(parsed.map(|_| ()), Err(crate::token::TokenError::Type));
}

#[test]
fn sec_114_the_algorithm() {
    for other in ["HS256", "none", "None", "ES256", "RS256", "PS256", "eddsa", ""] {
        check_header(&header().replace("EdDSA", other), Err(ProofError::Algorithm));
    }
    check_header(&header().replace(r#""alg":"EdDSA","#, ""), Err(ProofError::Algorithm));
}

#[test]
fn sec_114_the_key() {
    let with = |jwk: &str| header().replace(JWK, jwk);
    check_header(&with(&JWK.replace('}', r#","kid":"a"}"#)), good());
    for secret in ["d", "k", "p", "q"] {
        let private = JWK.replace('}', &format!(r#","{secret}":"AAAA"}}"#));
        check_header(&with(&private), Err(ProofError::Key(Some(JwkError::Private))));
    }
    check_header(
        &with(r#"{"kty":"oct","x":"AAAA"}"#),
        Err(ProofError::Key(Some(JwkError::Unsupported))),
    );
    check_header(&with(r#""text""#), Err(ProofError::Key(Some(JwkError::Malformed))));
    check_header(&header().replace("\"jwk\"", "\"jku\""), Err(ProofError::Key(None)));
    // A key that is only named, and headers that would change how the rest is read.
    check_header(&header().replace("\"typ\"", "\"kid\":\"a\",\"typ\""), good());
    for name in ["crit", "b64", "zip", "enc"] {
        let changed = header().replace("\"typ\"", &format!("\"{name}\":\"a\",\"typ\""));
        check_header(&changed, Err(ProofError::Header));
    }
    check_header(
        &header().replace("\"typ\"", "\"typ\":\"dpop+jwt\",\"typ\""),
        Err(ProofError::Malformed),
    );
}

#[test]
fn sec_114_the_signature() {
    let proof = sign(&header(), &claims());
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let other = sign(&header(), &claims().replace("\"1\"", "\"2\""));
    let foreign = other.rsplit_once('.').unwrap().1;
    assert_eq!(judge(&format!("{input}.{signature}"), None, NOW).map(|_| ()), Ok(()));
    for bad in [foreign, "AAAA", &signature[4..]] {
        assert_eq!(judge(&format!("{input}.{bad}"), None, NOW), Err(ProofError::Signature));
    }
}

#[test]
fn sec_114_method_and_target() {
    for method in ["GET", "post", "POST ", "*"] {
        check_claims("POST", method, Err(ProofError::Method));
    }
    check_claims(r#""htm":"POST","#, "", Err(ProofError::Claim));
    for more in ["?", "?a=b", "#", "#a", "/", "x"] {
        check_claims(URL, &format!("{URL}{more}"), Err(ProofError::Target));
    }
    for other in ["https://user@mcp.example.com/mcp", "https://as.example.com/mcp", "/mcp", "mcp"] {
        check_claims(URL, other, Err(ProofError::Target));
    }
    check_claims(r#""htu""#, r#""htx""#, Err(ProofError::Claim));
}

#[test]
fn dp_10_the_time_is_near() {
    let iat = NOW.to_string();
    for near in [NOW - PROOF_AGE_SECS_MAX, NOW, NOW + PROOF_AGE_SECS_MAX] {
        check_claims(&iat, &near.to_string(), good());
    }
    for far in [0, NOW - PROOF_AGE_SECS_MAX - 1, NOW + PROOF_AGE_SECS_MAX + 1, u64::MAX] {
        check_claims(&iat, &far.to_string(), Err(ProofError::Time));
    }
    check_claims(&format!(r#""iat":{NOW},"#), "", Err(ProofError::Claim));
    for odd in ["1.5", "-1", "\"1800000000\"", "null"] {
        check_claims(&iat, odd, Err(ProofError::Claim));
    }
    let and = |more: String| format!("{NOW},{more}");
    check_claims(&iat, &and(format!("\"exp\":{}", NOW + 1)), good());
    check_claims(&iat, &and(format!("\"exp\":{NOW}")), Err(ProofError::Time));
    check_claims(&iat, &and(format!("\"nbf\":{NOW}")), good());
    check_claims(&iat, &and(format!("\"nbf\":{}", NOW + 301)), Err(ProofError::Time));
}

#[test]
fn sec_114_the_token() {
    check_claims(ATH, &ATH.replace('f', "g"), Err(ProofError::Token));
    for other in ["x", &ATH[1..], "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"] {
        check_claims(ATH, other, Err(ProofError::Token));
    }
    check_claims(&format!(r#","ath":"{ATH}""#), "", Err(ProofError::Claim));
}

#[test]
fn dp_09_the_id() {
    check_claims(r#""jti":"1","#, "", Err(ProofError::Claim));
    check_claims(r#""1""#, r#""""#, Err(ProofError::Claim));
    check_claims(r#""1""#, "1", Err(ProofError::Claim));
    let id = |len: usize| format!("\"{}\"", "a".repeat(len));
    check_claims(r#""1""#, &id(PROOF_ID_LEN_MAX), good());
    check_claims(r#""1""#, &id(PROOF_ID_LEN_MAX + 1), Err(ProofError::Claim));
    check_claims(r#""jti":"1""#, r#""jti":"1","jti":"1""#, Err(ProofError::Malformed));
}

#[test]
fn dp_10_a_nonce_where_one_is_asked_for() {
    let nonces = Nonces::new(&[7; 32]).unwrap();
    let nonce = nonces.issue(UnixTime::from_secs(NOW));
    let with = |nonce: &str| claims().replace("\"1\"", &format!("\"1\",\"nonce\":\"{nonce}\""));
    let judged = |claims: &str| judge(&sign(&header(), claims), Some(&nonces), NOW).map(|_| ());
    assert_eq!(judged(&with(&format!("{nonce}"))), Ok(()));
    assert_eq!(judged(&claims()), Err(ProofError::Nonce));
    assert_eq!(judged(&with("")), Err(ProofError::Nonce));
    let other = Nonces::new(&[8; 32]).unwrap().issue(UnixTime::from_secs(NOW));
    assert_eq!(judged(&with(&format!("{other}"))), Err(ProofError::Nonce));
    // A proof that is bad otherwise is not worth a nonce.
    assert_eq!(judged(&claims().replace("POST", "GET")), Err(ProofError::Method));
    // Nobody asked for it.
    assert_eq!(judge(&sign(&header(), &with("any")), None, NOW).map(|_| ()), Ok(()));
}

#[test]
fn lengths_on_both_sides_of_the_limits() {
    let long = |len: usize| -> Vec<u8> { vec![b'a'; len] };
    let parse = |proof: &[u8]| {
        UnverifiedProof::parse(Field::One(proof), &mut Scratch::new(&mut [0; 8192])).map(|_| ())
    };
    assert_eq!(parse(&long(PROOF_LEN_MAX)), Err(ProofError::Malformed));
    assert_eq!(parse(&long(PROOF_LEN_MAX + 1)), Err(ProofError::TooLong));
    let padded = |len: usize| {
        let empty = header().replace("\"typ\"", "\"x\":\"\",\"typ\"");
        empty.replacen("\"x\":\"", &format!("\"x\":\"{}", "a".repeat(len - empty.len())), 1)
    };
    let max = crate::limits::PROOF_HEADER_LEN_MAX;
    check_header(&padded(max), good());
    check_header(&padded(max + 1), Err(ProofError::TooLong));
    let padded = |len: usize| {
        let empty = claims().replace("\"1\"", "\"1\",\"x\":\"\"");
        empty.replacen("\"x\":\"", &format!("\"x\":\"{}", "a".repeat(len - empty.len())), 1)
    };
    let max = crate::limits::PROOF_CLAIMS_LEN_MAX;
    let judged = |claims: &str| judge(&sign(&header(), claims), None, NOW).map(|_| ());
    assert_eq!(judged(&padded(max)), Ok(()));
    assert_eq!(judged(&padded(max + 1)), Err(ProofError::TooLong));
}
