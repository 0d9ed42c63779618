//! The credentials of one request (RFC 6750 §2.1, OAuth 2.1 §5.1.1).
//!
//! Which refusal is which status (RS-20..24, the table of the requirements' §2):
//!
//! | The field | Becomes | Answer |
//! | --- | --- | --- |
//! | absent | [`Credentials::Absent`] | 401 without `error` (RS-22) |
//! | another scheme, or no scheme at all | [`Credentials::OtherScheme`] | the same 401 |
//! | two lines | [`BearerError::Repeated`] | 400 `invalid_request` |
//! | a token, and another one in the query | [`BearerError::TwoMethods`] | 400 `invalid_request` |
//! | `Bearer` and then not exactly one blank and a token68 | [`BearerError::Malformed`] | 400 `invalid_request` |
//! | a token longer than [`TOKEN_LEN_MAX`] | [`BearerError::TooLong`] | 401 `invalid_token` (LIM-4) |
//!
//! A token is taken from this field alone: never from the query, a body, a cookie or a field of
//! another name (RS-33).

use crate::{limits::TOKEN_LEN_MAX, message::Field};

const SCHEME: &[u8] = b"bearer";

/// Why a request's credentials are refused before the token is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BearerError {
    /// Several `Authorization` lines, equal or not (SEC-120).
    Repeated,
    /// The scheme is Bearer, what follows is not one blank and a token68 (SEC-123, SEC-124).
    Malformed,
    /// The token is longer than [`TOKEN_LEN_MAX`] (LIM-4).
    TooLong,
    /// A token in the field and another one in the query (RS-24, SEC-125).
    TwoMethods,
}

impl core::fmt::Display for BearerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Repeated => "more than one Authorization field",
            Self::Malformed => "malformed Bearer credentials",
            Self::TooLong => "access token too long",
            Self::TwoMethods => "token in the Authorization field and in the query",
        })
    }
}

impl core::error::Error for BearerError {}

/// An access token as it was presented: 1 to [`TOKEN_LEN_MAX`] bytes of token68 (RFC 9110 §11.2).
///
/// A secret: it has no `Display` and no `PartialEq`, and `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct BearerToken<'r>(&'r str);

impl<'r> BearerToken<'r> {
    /// Checks the form of a token: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
    pub fn new(token: &'r [u8]) -> Result<Self, BearerError> {
        // Before the bytes are looked at, so that a huge token costs nothing (SEC-006).
        if token.len() > TOKEN_LEN_MAX {
            return Err(BearerError::TooLong);
        }
        if !is_token68(token) {
            return Err(BearerError::Malformed);
        }
        core::str::from_utf8(token).map(Self).map_err(|_| BearerError::Malformed)
    }

    /// The token's text, to verify it or to ask about it; never to print it.
    pub const fn expose(self) -> &'r str {
        self.0
    }
}

impl core::fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

/// What the `Authorization` field of a request holds.
#[derive(Clone, Copy, Debug)]
pub enum Credentials<'r> {
    /// There is no such field.
    Absent,
    /// A well-formed bearer token, not verified yet.
    Bearer(BearerToken<'r>),
    /// Credentials of another scheme, which count as none (RS-22, SEC-128).
    OtherScheme,
}

impl<'r> Credentials<'r> {
    /// Reads the field (RFC 9110 §11.6.2): scheme in any case, one blank, token68, nothing else.
    ///
    /// RFC 9110 would allow further blanks before the token; no client sends them, and a reader in
    /// front of us may take them differently, so that they are refused.
    pub fn parse(field: Field<'r>) -> Result<Self, BearerError> {
        Self::parse_scheme(field, SCHEME)
    }

    /// Reads the field of a token that is bound to a key (RFC 9449 §7.1): the same form, another scheme.
    #[cfg(feature = "dpop")]
    pub fn parse_dpop(field: Field<'r>) -> Result<Self, BearerError> {
        Self::parse_scheme(field, b"dpop")
    }

    fn parse_scheme(field: Field<'r>, wanted: &[u8]) -> Result<Self, BearerError> {
        let value = match field {
            Field::Absent => return Ok(Self::Absent),
            Field::Repeated => return Err(BearerError::Repeated),
            Field::One(value) => value,
        };
        let Some((scheme, rest)) = value.split_at_checked(wanted.len()) else {
            return Ok(Self::OtherScheme);
        };
        if !scheme.eq_ignore_ascii_case(wanted) {
            return Ok(Self::OtherScheme);
        }
        match rest {
            [b' ', token @ ..] => BearerToken::new(token).map(Self::Bearer),
            // The scheme's name goes on: it is another one.
            [byte, ..] if is_token_byte(*byte) => Ok(Self::OtherScheme),
            // Bearer, and then nothing, a tab, a comma, a byte that no name may have.
            _ => Err(BearerError::Malformed),
        }
    }
}

/// Whether `text` is a `token68`: at least one byte of its alphabet, then `=` only.
pub(crate) fn is_token68(text: &[u8]) -> bool {
    let mut body = text;
    while let [rest @ .., b'='] = body {
        body = rest;
    }
    // Without a branch for each byte: a good token is hundreds of bytes and nothing else.
    let outside = body.iter().fold(0, |seen, &byte| seen | u8::from(!is_token68_byte(byte)));
    !body.is_empty() && outside == 0
}

/// A byte of a `token68` other than its padding (RFC 9110 §11.2).
pub(crate) const fn is_token68_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}

/// `tchar` (RFC 9110 §5.6.2): a byte of a scheme's or parameter's name.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, vec, vec::Vec};

    /// What a case expects: a token's text, or why there is none.
    #[derive(Debug, PartialEq)]
    enum Found<'r> {
        Token(&'r str),
        Absent,
        Other,
        Error(BearerError),
    }
    use Found::{Absent, Error, Other, Token};

    fn find(field: Field<'_>) -> Found<'_> {
        match Credentials::parse(field) {
            Ok(Credentials::Bearer(token)) => Token(token.expose()),
            Ok(Credentials::Absent) => Absent,
            Ok(Credentials::OtherScheme) => Other,
            Err(error) => Error(error),
        }
    }

    #[track_caller]
    fn check(value: &[u8], expected: Found<'_>) {
        assert_eq!(find(Field::One(value)), expected, "{}", value.escape_ascii());
    }

    #[test]
    fn scheme_and_token() {
        check(b"Bearer mF_9.B5f-4.1JqM", Token("mF_9.B5f-4.1JqM")); // RFC 6750 §2.1
        check(b"Bearer a+/~==", Token("a+/~=="));
        check(b"Bearer x", Token("x"));
        assert_eq!(find(Field::Absent), Absent);
    }

    #[test]
    fn sec_120_two_lines() {
        assert_eq!(find(Field::Repeated), Error(BearerError::Repeated));
    }

    #[test]
    fn sec_121_joined_credentials() {
        check(b"Bearer a, Bearer b", Error(BearerError::Malformed));
        check(b"Bearer a,Bearer b", Error(BearerError::Malformed));
        check(b"Bearer a,", Error(BearerError::Malformed));
        check(b"Basic dTpw, Bearer b", Other);
    }

    #[test]
    fn sec_122_scheme_in_any_case() {
        for value in [b"bearer x", b"BEARER x", b"BeArEr x"] {
            check(value, Token("x"));
        }
    }

    #[test]
    fn sec_123_one_blank_exactly() {
        for value in [
            b"Bearer".as_slice(),
            b"Bearer ",
            b"Bearer  ",
            b"Bearer\tx",
            b"Bearer  x",
            b"Bearer \tx",
            b"Bearer x ",
            b"Bearer x\t",
            b"Bearer x y",
            b"Bearer\xa0x",
            b"Bearer\xc2\xa0x",
            b"Bearer \xc2\xa0x",
            b"Bearer\0x",
            b"Bearer,x",
            b"Bearer:x",
            b"Bearer=x",
        ] {
            check(value, Error(BearerError::Malformed));
        }
        check(b"Bearerx", Other);
        check(b"Bearer-x y", Other);
    }

    #[test]
    fn sec_124_only_token68() {
        for value in
            [b"Bearer =".as_slice(), b"Bearer ==", b"Bearer a=b", b"Bearer =a", b"Bearer a=b="]
        {
            check(value, Error(BearerError::Malformed));
        }
    }

    #[test]
    fn sec_124_every_byte_of_a_token() {
        const ALLOWED: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
        for byte in 0..=u8::MAX {
            let value = [b"Bearer a".as_slice(), &[byte, b'z']].concat();
            match find(Field::One(&value)) {
                Token(token) => assert!(token.as_bytes() == &value[7..] && ALLOWED.contains(&byte)),
                found => {
                    assert!(found == Error(BearerError::Malformed) && !ALLOWED.contains(&byte))
                }
            }
        }
    }

    #[test]
    fn sec_128_other_schemes_count_as_none() {
        for value in [
            b"Basic dTpw".as_slice(),
            b"Negotiate",
            b"DPoP x",
            b"B",
            b"",
            b"x",
            b"Beare r x",
            b"B\xe9arer x",
            b"\"Bearer\" x",
        ] {
            check(value, Other);
        }
    }

    #[test]
    fn lim_4_length_on_both_sides_of_the_limit() {
        let value = |len: usize| -> Vec<u8> { [b"Bearer ".to_vec(), vec![b'a'; len]].concat() };
        for len in [TOKEN_LEN_MAX - 1, TOKEN_LEN_MAX] {
            assert!(matches!(find(Field::One(&value(len))), Token(token) if token.len() == len));
        }
        check(&value(TOKEN_LEN_MAX + 1), Error(BearerError::TooLong));
    }

    #[test]
    fn sec_006_a_million_dots() {
        let value = [b"Bearer ".to_vec(), vec![b'.'; 1_000_000]].concat();
        check(&value, Error(BearerError::TooLong));
    }

    #[test]
    fn sec_320_debug_shows_no_token() {
        let credentials = Credentials::parse(Field::One(b"Bearer hush")).unwrap();
        assert_eq!(format!("{credentials:?}"), "Bearer(BearerToken(..))");
    }
}
