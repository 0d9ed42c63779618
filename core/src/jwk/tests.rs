//! Sets of keys, and verifying with them by arithmetic that anybody can follow.

mod keys;
mod ring;
mod sets;
mod vectors;

use super::*;
use crate::encoding::{base64url, json::JsonError, scratch::Scratch};
use std::{format, string::String, vec, vec::Vec};

/// RFC 7515 §A.3.1.
const EC: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
/// RFC 8037 §A.2.
const OKP: &str =
    r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
/// RFC 7638 §3.1.
const RSA: &str = r#""kty":"RSA","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw""#;

/// What a set says: the kinds and names of its usable keys, the reasons of the others, and how many
/// were not looked at.
type Said = (Vec<(Option<String>, Algorithm)>, Vec<JwkError>, usize);

use crate::jwt::Algorithm;

fn read(document: &str) -> Result<Said, KeySetError> {
    let mut buffer = vec![0; document.len() * 2];
    let set = KeySet::<4>::parse(document.as_bytes(), &mut Scratch::new(&mut buffer))?;
    let keys = set.keys().map(|(id, key)| (id.map(String::from), key.algorithm())).collect();
    Ok((keys, set.skipped().map(|skipped| skipped.reason).collect(), set.beyond()))
}

/// The set of these keys, each the members of an object.
fn set(keys: &[&str]) -> String {
    let keys: Vec<_> = keys.iter().map(|members| format!("{{{members}}}")).collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

/// One key alone: its algorithm, or why it is not used.
#[track_caller]
fn check_key(members: &str, expected: Result<Algorithm, JwkError>) {
    let (keys, skipped, _) = read(&set(&[members])).unwrap();
    let found = match (keys.as_slice(), skipped.as_slice()) {
        ([(_, algorithm)], []) => Ok(*algorithm),
        ([], [reason]) => Err(*reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, expected, "{members}");
}

fn base64(bytes: &[u8]) -> String {
    let mut out = vec![0; bytes.len() * 2];
    base64url::encode(bytes, &mut out).unwrap().into()
}
