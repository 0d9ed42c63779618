//! Whole documents.

use super::*;

#[track_caller]
fn check_set(document: &str, expected: KeySetError) {
    assert_eq!(read(document), Err(expected), "{document}");
}

#[track_caller]
fn check_json(document: &str, expected: JsonError) {
    check_set(document, KeySetError::Json(expected));
}

fn named(members: &str, id: &str) -> String {
    format!("{members},\"kid\":\"{id}\"")
}

#[test]
fn a_set_with_all_kinds() {
    let document = set(&[&named(EC, "a"), &named(OKP, "b"), RSA]);
    let (keys, skipped, beyond) = read(&document).unwrap();
    let expected = [
        (Some("a".into()), Algorithm::Es256),
        (Some("b".into()), Algorithm::EdDsa),
        (None, Algorithm::Rs256),
    ];
    assert_eq!((keys.as_slice(), skipped.as_slice(), beyond), (&expected[..], &[][..], 0));
    // Members beside `keys` are for others.
    assert!(read(&format!("{{\"issuer\":1,{}", &document[1..])).is_ok());
}

#[test]
fn sec_111_what_is_no_set() {
    check_set("{}", KeySetError::Missing);
    check_set(r#"{"Keys":[]}"#, KeySetError::Missing);
    for other in ["[]", "null", r#"{"keys":null}"#, r#"{"keys":{}}"#, r#"{"keys":"x"}"#, "1"] {
        check_json(other, JsonError::Type);
    }
    for broken in ["", "{", "<html>", r#"{"keys":[}"#, r#"{"keys":[{]}"#, r#"{"keys":[{"kty":}]}"#]
    {
        check_json(broken, JsonError::Syntax);
    }
    check_json(r#"{"keys":[]}x"#, JsonError::Trailing);
    // No keys are a set: what it is good for is for its reader.
    assert_eq!(read(r#"{"keys":[]}"#), Ok((vec![], vec![], 0)));
}

#[test]
fn sec_111_sec_173_answers_that_are_no_set() {
    use crate::message::{Field, IncomingResponse};
    let check = |status, media_type: &str, expected| {
        let content_type = Field::One(media_type.as_bytes());
        let response = IncomingResponse { status, content_type, body: b"{}" };
        assert_eq!(document(&response).is_ok(), expected, "{status} {media_type}");
    };
    for good in ["application/json", "application/jwk-set+json", "Application/JWK-Set+JSON; x=y"] {
        check(200, good, true);
        for status in [201, 204, 301, 302, 304, 307, 400, 401, 404, 500, 503] {
            check(status, good, false);
        }
    }
    for other in ["text/html", "application/jwk+json", "application/jwt", "text/plain", ""] {
        check(200, other, false);
    }
}

#[test]
fn sec_020_names_that_stand_twice() {
    check_json(&format!("{{\"keys\":[],\"keys\":[{{{EC}}}]}}"), JsonError::Duplicate);
    for twice in ["kty", "x", "kid", "\\u0078", "other"] {
        let members = format!("{EC},\"kid\":\"a\",\"other\":1,\"{twice}\":\"a\"");
        check_json(&set(&[&members]), JsonError::Duplicate);
    }
}

#[test]
fn sec_111_one_bad_key_takes_nothing_from_the_others() {
    for bad in
        ["{}", "1", "null", "[]", "\"x\"", r#"{"kty":"EC"}"#, r#"{"kty":"new"}"#, r#"{"kty":7}"#]
    {
        let document = format!("{{\"keys\":[{bad},{{{EC}}},{bad}]}}");
        let (keys, skipped, _) = read(&document).unwrap();
        assert_eq!((keys.len(), skipped.len()), (1, 2), "{bad}");
    }
}

#[test]
fn sec_078_of_two_keys_with_one_name_neither_is_used() {
    let refused = |document: &str, usable: &[&str]| {
        let (keys, skipped, _) = read(document).unwrap();
        let names: Vec<_> = keys.iter().filter_map(|(id, _)| id.as_deref()).collect();
        assert_eq!(names, usable, "{document}");
        skipped
    };
    let twice = set(&[&named(EC, "a"), &named(OKP, "b"), &named(RSA, "a")]);
    assert_eq!(refused(&twice, &["b"]), [JwkError::DuplicateKeyId; 2]);
    let spelled = set(&[&named(EC, "a"), &named(EC, "\\u0061")]);
    assert_eq!(refused(&spelled, &[]), [JwkError::DuplicateKeyId; 2]);
    let thrice = set(&[&named(EC, "a"), &named(OKP, "a"), &named(RSA, "a")]);
    assert_eq!(refused(&thrice, &[]), [JwkError::DuplicateKeyId; 3]);
    // The other one cannot be used anyway: still nobody knows which of them is meant.
    let other = set(&[&named(EC, "a"), &format!("{},\"use\":\"enc\"", named(RSA, "a"))]);
    assert_eq!(refused(&other, &[]), [JwkError::DuplicateKeyId, JwkError::Purpose]);
    // Case and blanks make another name, and keys without one have none in common.
    assert!(refused(&set(&[&named(EC, "a"), &named(OKP, "A")]), &["a", "A"]).is_empty());
    assert!(refused(&set(&[EC, OKP]), &[]).is_empty());
}

#[test]
fn lim_12_keys_on_both_sides_of_the_limit() {
    let document = |count: usize| {
        let keys: Vec<_> = (0..count).map(|at| named(EC, &format!("k{at}"))).collect();
        set(&keys.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for (count, used, beyond) in [(3, 3, 0), (4, 4, 0), (5, 4, 1), (100, 4, 96)] {
        let (keys, skipped, left) = read(&document(count)).unwrap();
        assert_eq!((keys.len(), skipped.len(), left), (used, 0, beyond), "{count}");
    }
    let document = document(33);
    let mut buffer = vec![0; document.len() * 2];
    let set = KeySet::<{ crate::limits::JWKS_KEYS_MAX_DESKTOP }>::parse(
        document.as_bytes(),
        &mut Scratch::new(&mut buffer),
    );
    let set = set.unwrap();
    assert_eq!((set.keys().count(), set.beyond()), (32, 1));
}

#[test]
fn lim_11_length_on_both_sides_of_the_limit() {
    let at_limit = |len: usize| {
        let document = set(&[EC]);
        let blanks = " ".repeat(len - document.len());
        format!("{document}{blanks}")
    };
    let limit = crate::limits::METADATA_LEN_MAX_DESKTOP;
    assert!(read(&at_limit(limit - 1)).is_ok());
    assert!(read(&at_limit(limit)).is_ok());
    check_set(&at_limit(limit + 1), KeySetError::TooLong);
}

#[test]
fn sec_025_nesting_and_too_little_scratch() {
    let nested = |depth: usize| format!("{EC},\"x5c\":{}{}", "[".repeat(depth), "]".repeat(depth));
    // The set, its array and the key are three levels of eight.
    assert!(read(&set(&[&nested(5)])).is_ok());
    check_json(&set(&[&nested(6)]), JsonError::Depth);
    let document = set(&[EC]);
    for len in 0..64 {
        let mut buffer = vec![0; len];
        let parsed = KeySet::<1>::parse(document.as_bytes(), &mut Scratch::new(&mut buffer));
        assert_eq!(parsed.err(), Some(KeySetError::Json(JsonError::BufferFull)), "{len}");
    }
    let mut buffer = [0; 64];
    assert!(KeySet::<1>::parse(document.as_bytes(), &mut Scratch::new(&mut buffer)).is_ok());
}

#[test]
fn as_15_what_is_written_is_read_again() {
    let document = set(&[EC, OKP, RSA]);
    let mut buffer = vec![0; document.len() * 2];
    let set = KeySet::<4>::parse(document.as_bytes(), &mut Scratch::new(&mut buffer)).unwrap();
    let keys: Vec<_> = set.keys().map(|(_, key)| (thumbprint(&key).unwrap(), key)).collect();
    let published: Vec<_> = keys.iter().map(|(id, key)| Published { id, key: *key }).collect();
    let mut out = [0; 2048];
    let written = String::from(write_set(&published, &mut out).unwrap());
    let mut buffer = vec![0; written.len() * 2];
    let again = KeySet::<4>::parse(written.as_bytes(), &mut Scratch::new(&mut buffer)).unwrap();
    assert_eq!(again.skipped().count(), 0);
    let expected: Vec<_> = keys.iter().map(|(id, key)| (Some(id.as_str()), *key)).collect();
    assert_eq!(again.keys().collect::<Vec<_>>(), expected);
    for member in [r#""use":"sig""#, r#""alg":"ES256""#, r#""alg":"EdDSA""#, r#""alg":"RS256""#] {
        assert!(written.contains(member), "{written}");
    }
    assert!(write_set(&published, &mut [0; 512]).is_err());
    assert_eq!(write_set(&[], &mut [0; 16]), Ok("{\"keys\":[]}"));
}
