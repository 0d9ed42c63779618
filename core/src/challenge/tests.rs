//! What each reason becomes on the wire, byte by byte.

use super::*;
use crate::{encoding::text::TextWriter, scope::ScopeSet};
use core::fmt::Write as _;
use std::{format, string::ToString, vec};

const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

const TOKEN_ERRORS: &[TokenError] = &[
    TokenError::TooLong,
    TokenError::Malformed,
    TokenError::Algorithm,
    TokenError::Key,
    TokenError::Signature,
    TokenError::Type,
    TokenError::Header,
    TokenError::Claim,
    TokenError::Issuer,
    TokenError::Audience,
    TokenError::Expired,
    TokenError::NotYetValid,
    TokenError::Lifetime,
    TokenError::SenderConstrained,
    TokenError::Inactive,
];

const BEARER_ERRORS: &[BearerError] =
    &[BearerError::Repeated, BearerError::Malformed, BearerError::TwoMethods, BearerError::TooLong];

fn required(scope: &str) -> RequiredScopes<'_> {
    RequiredScopes { base: ScopeSet::parse(scope).unwrap(), ..RequiredScopes::default() }
}

fn challenge(reason: Reason) -> Challenge<'static> {
    Challenge::new(reason, METADATA, required("user files:read"))
}

fn reasons() -> impl Iterator<Item = Reason> {
    [Reason::NoCredentials, Reason::Scope]
        .into_iter()
        .chain(BEARER_ERRORS.iter().copied().map(Reason::Request))
        .chain(TOKEN_ERRORS.iter().copied().map(Reason::Token))
}

fn unavailable() -> [Reason; 3] {
    [Unavailable::ClockUnknown, Unavailable::AuthorizationServer, Unavailable::Keys]
        .map(Reason::Unavailable)
}

#[track_caller]
fn check(reason: Reason, status: u16, parameters: &str) {
    let challenge = challenge(reason);
    assert_eq!(challenge.status(), status);
    assert_eq!(
        challenge.www_authenticate().unwrap().to_string(),
        format!("Bearer {parameters}scope=\"user files:read\", resource_metadata=\"{METADATA}\"")
    );
}

#[test]
fn rs_20_to_25_status_and_challenge() {
    check(Reason::NoCredentials, 401, "");
    check(
        Reason::Request(BearerError::Repeated),
        400,
        "error=\"invalid_request\", \
         error_description=\"There is more than one Authorization field\", ",
    );
    check(
        Reason::Request(BearerError::Malformed),
        400,
        "error=\"invalid_request\", error_description=\"The Authorization field is malformed\", ",
    );
    check(
        Reason::Request(BearerError::TwoMethods),
        400,
        "error=\"invalid_request\", \
         error_description=\"The access token is sent in more than one way\", ",
    );
    check(
        Reason::Token(TokenError::Expired),
        401,
        "error=\"invalid_token\", \
         error_description=\"The access token is not valid for this resource\", ",
    );
    check(
        Reason::Scope,
        403,
        "error=\"insufficient_scope\", \
         error_description=\"The access token lacks a required scope\", ",
    );
}

#[test]
fn sec_157_every_invalid_token_is_the_same_answer() {
    let answer = |reason| {
        let challenge = challenge(reason);
        let header = challenge.www_authenticate().unwrap().to_string();
        (challenge.status(), header, challenge.body(), challenge.retry_after_secs())
    };
    let expected = answer(Reason::Token(TokenError::Signature));
    for error in TOKEN_ERRORS {
        assert_eq!(answer(Reason::Token(*error)), expected, "{error}");
    }
    assert_eq!(answer(Reason::Request(BearerError::TooLong)), expected); // LIM-4
    assert_ne!(answer(Reason::Request(BearerError::Malformed)), expected);
}

#[test]
fn rs_81_a_503_has_retry_after_and_no_challenge() {
    for reason in unavailable() {
        let challenge = challenge(reason);
        assert_eq!((challenge.status(), challenge.retry_after_secs()), (503, Some(5)));
        assert_eq!((challenge.www_authenticate(), challenge.error()), (None, None));
        assert_eq!(challenge.body(), "");
    }
    for reason in reasons() {
        let challenge = challenge(reason);
        assert_eq!(challenge.retry_after_secs(), None);
        assert!(challenge.www_authenticate().is_some());
    }
}

#[test]
fn the_body_repeats_code_and_text() {
    for reason in reasons().chain(unavailable()) {
        let challenge = challenge(reason);
        let (Some(error), Some(description)) = (challenge.error(), challenge.description()) else {
            assert_eq!(challenge.body(), "");
            continue;
        };
        assert!(is_quotable(description));
        let body: serde_json::Value = serde_json::from_str(challenge.body()).unwrap();
        let expected =
            serde_json::json!({"error": error.as_str(), "error_description": description});
        assert_eq!(body, expected);
    }
}

#[test]
fn without_scopes_there_is_no_scope_parameter() {
    let challenge = Challenge::new(Reason::NoCredentials, METADATA, RequiredScopes::default());
    assert_eq!(
        challenge.www_authenticate().unwrap().to_string(),
        format!("Bearer resource_metadata=\"{METADATA}\"")
    );
}

#[test]
fn sec_150_sec_151_only_permitted_characters_are_quotable() {
    for character in (0..=0x17f).filter_map(char::from_u32) {
        let permitted = matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
        assert_eq!(is_quotable(&format!("https://h/{character}")), permitted, "{character:?}");
    }
    assert!(!is_quotable(""));
}

#[test]
fn sec_150_an_unchecked_url_cannot_split_the_header() {
    for url in ["https://h/\r\nSet-Cookie: a=b", "https://h/\", scope=\"x", "https://h/\\", ""] {
        let challenge = Challenge::new(Reason::NoCredentials, url, required("user"));
        let header = challenge.www_authenticate().unwrap().to_string();
        assert_eq!(header, "Bearer scope=\"user\"");
    }
}

#[test]
fn sec_153_whole_or_not_at_all() {
    let scopes = vec!["files:read"; 64].join(" ");
    let challenge = Challenge::new(Reason::Scope, METADATA, required(&scopes));
    let header = challenge.www_authenticate().unwrap();
    let whole = header.to_string();
    assert!(whole.ends_with(&format!("resource_metadata=\"{METADATA}\"")));
    let mut buffer = vec![0; whole.len()];
    for len in 0..=whole.len() {
        let mut out = TextWriter::new(&mut buffer[..len]);
        match write!(out, "{header}") {
            Ok(()) => assert_eq!(out.finish(), whole),
            Err(_) => assert!(len < whole.len()),
        }
    }
}

#[test]
fn reasons_have_their_own_words_in_logs() {
    let mut words: std::vec::Vec<_> =
        reasons().chain(unavailable()).map(|reason| reason.to_string()).collect();
    words.sort();
    let count = words.len();
    words.dedup();
    // A token over its limit is the same event wherever it is noticed.
    assert!(count - words.len() <= 1, "{words:?}");
}

#[test]
fn rs_71_what_could_not_be_told_is_no_refusal() {
    for error in TOKEN_ERRORS {
        assert_eq!(Reason::from(*error), Reason::Token(*error));
    }
    let keys = Reason::Unavailable(Unavailable::Keys);
    assert_eq!(Reason::from(TokenError::KeysUnavailable), keys);
}
