//! The `Authorization` field: a token is accepted exactly where the grammar has one, and never shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    bearer::{BearerError, Credentials},
    limits::TOKEN_LEN_MAX,
    message::Field,
};

fuzz_target!(|data: &[u8]| {
    let parsed = Credentials::parse(Field::One(data));
    let expected = token(data);
    match &parsed {
        Ok(Credentials::Bearer(token)) => {
            assert_eq!(Some(token.expose().as_bytes()), expected);
            assert!(token.expose().len() <= TOKEN_LEN_MAX);
            assert_eq!(format!("{token:?}"), "BearerToken(..)");
        }
        Ok(Credentials::Absent) => panic!("the field was there"),
        Ok(Credentials::OtherScheme) => assert_eq!(expected, None),
        Err(BearerError::TooLong) => assert!(data.len() > TOKEN_LEN_MAX),
        Err(_) => assert_eq!(expected, None),
    }
    assert!(matches!(Credentials::parse(Field::Repeated), Err(BearerError::Repeated)));
});

/// The token by another reading of RFC 9110 §11.4 and RFC 6750 §2.1.
fn token(field: &[u8]) -> Option<&[u8]> {
    let text = core::str::from_utf8(field).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let body = token.trim_end_matches('=');
    let fits = scheme.to_lowercase() == "bearer" && scheme.is_ascii() && !body.is_empty();
    let plain = body.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
    (fits && plain).then_some(token.as_bytes())
}
