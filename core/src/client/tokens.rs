//! What a token endpoint gives (RFC 6749 §5.1).

use crate::{
    bearer::BearerToken,
    encoding::{
        json::{JsonError, Reader},
        scratch::Scratch,
    },
    limits::{DOCUMENT_DEPTH_MAX, LIFETIME_SECS_MAX_DESKTOP, TOKEN_LEN_MAX},
    scope::ScopeSet,
};

use super::TokenRequestError;

/// Lifetime in seconds that is assumed when the server does not tell one.
pub const EXPIRES_IN_SECS_DEFAULT: u32 = 60 * 60;
/// Longest lifetime in seconds that is believed (LIM-19); a longer one counts as this.
pub const EXPIRES_IN_SECS_MAX: u32 = LIFETIME_SECS_MAX_DESKTOP;

/// So many seconds before its end an access token is refreshed, or at three quarters of a short life.
const REFRESH_AHEAD_SECS: u32 = 30;

/// A refresh token: 1 to [`TOKEN_LEN_MAX`] printable ASCII characters (RFC 6749 §A.17).
///
/// A secret: no `Display`, no `PartialEq`, and `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct RefreshToken<'s>(&'s str);

impl<'s> RefreshToken<'s> {
    /// Checks the form; `None` when it is not that of a refresh token.
    pub fn new(token: &'s str) -> Option<Self> {
        let fits = (1..=TOKEN_LEN_MAX).contains(&token.len());
        (fits && token.bytes().all(|byte| matches!(byte, b' '..=b'~'))).then_some(Self(token))
    }

    /// The token, to be sent or stored; never to be printed.
    pub const fn expose(self) -> &'s str {
        self.0
    }
}

impl core::fmt::Debug for RefreshToken<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

/// Tokens for one resource, from one issuer: they are good nowhere else (CL-71, SEC-475).
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'s> {
    pub(super) issuer: &'s str,
    pub(super) resource: &'s str,
    pub(super) asked_scope: ScopeSet<'s>,
    pub(super) scope: ScopeSet<'s>,
    pub(super) answer: TokenAnswer<'s>,
}

impl<'s> Tokens<'s> {
    /// Who issued them.
    pub const fn issuer(&self) -> &'s str {
        self.issuer
    }

    /// The resource identifier they are for.
    pub const fn resource(&self) -> &'s str {
        self.resource
    }

    /// The access token.
    pub const fn access_token(&self) -> BearerToken<'s> {
        self.answer.access_token
    }

    /// The refresh token, if one came; it replaces any older one (CL-63).
    pub const fn refresh_token(&self) -> Option<RefreshToken<'s>> {
        self.answer.refresh_token
    }

    /// What was granted: as the server said, else as it was asked for (CL-62).
    pub const fn scope(&self) -> ScopeSet<'s> {
        self.scope
    }

    /// What was asked for: to be stored beside the tokens, since a later step-up adds to it (CL-84).
    pub const fn asked_scope(&self) -> ScopeSet<'s> {
        self.asked_scope
    }

    /// Whether the access token is bound to the key that the request proved to have, so that each use
    /// needs a proof (RFC 9449 §5).
    #[cfg(feature = "dpop")]
    pub const fn is_bound(&self) -> bool {
        self.answer.is_bound
    }

    /// How long the access token lives from now, at most [`EXPIRES_IN_SECS_MAX`] seconds.
    pub const fn expires_in_secs(&self) -> u32 {
        self.answer.expires_in_secs
    }

    /// In how many seconds from now the access token should be refreshed, so that no request meets its end.
    pub fn refresh_in_secs(&self) -> u32 {
        let lifetime = self.answer.expires_in_secs;
        lifetime.saturating_sub(REFRESH_AHEAD_SECS.min(lifetime / 4))
    }
}

/// What an application stored of [`Tokens`] to refresh them later (CL-63, CL-84).
#[derive(Clone, Copy, Debug)]
pub struct StoredTokens<'s> {
    /// Who issued them.
    pub issuer: &'s str,
    /// What they are for.
    pub resource: &'s str,
    /// Whom they were given to.
    pub client_id: &'s str,
    /// What was asked for when they were granted (CL-84).
    pub asked_scope: ScopeSet<'s>,
    /// What was granted.
    pub scope: ScopeSet<'s>,
    /// The newest refresh token.
    pub refresh_token: RefreshToken<'s>,
}

/// The body of a successful answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenAnswer<'s> {
    pub(super) access_token: BearerToken<'s>,
    pub(super) refresh_token: Option<RefreshToken<'s>>,
    pub(super) scope: Option<ScopeSet<'s>>,
    pub(super) expires_in_secs: u32,
    /// Whether the access token is bound to a key (`token_type` is `DPoP`).
    pub(super) is_bound: bool,
}

impl<'s> TokenAnswer<'s> {
    /// Reads the body strictly; unknown members are passed over (CL-62, SEC-478).
    pub(super) fn parse(
        body: &'s [u8],
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenRequestError> {
        let (mut access_token, mut token_type, mut refresh_token, mut scope) =
            (None, None, None, None);
        let mut expires_in_secs = EXPIRES_IN_SECS_DEFAULT;
        let mut reader = Reader::new(body, DOCUMENT_DEPTH_MAX)?;
        let mut members = reader.object()?;
        while let Some(name) = members.next(&mut reader)? {
            let mut text = |reader: &mut Reader<'s>| -> Result<_, JsonError> {
                reader.string()?.read(scratch)
            };
            if name.eq_str("access_token") {
                access_token = Some(text(&mut reader)?);
            } else if name.eq_str("token_type") {
                token_type = Some(text(&mut reader)?);
            } else if name.eq_str("refresh_token") {
                refresh_token = Some(text(&mut reader)?);
            } else if name.eq_str("scope") {
                scope = Some(text(&mut reader)?);
            } else if name.eq_str("expires_in") {
                expires_in_secs = bounded(reader.integer()?)?;
            } else {
                reader.skip()?;
            }
        }
        reader.end()?;
        let is_type = |name: &str| token_type.is_some_and(|it| it.eq_ignore_ascii_case(name));
        let is_bound = cfg!(feature = "dpop") && is_type("DPoP");
        if !is_bound && !is_type("Bearer") {
            return Err(TokenRequestError::TokenType);
        }
        let access_token = access_token.ok_or(TokenRequestError::Token)?;
        let access_token =
            BearerToken::new(access_token.as_bytes()).map_err(|_| TokenRequestError::Token)?;
        let refresh_token = refresh_token
            .map(|token| RefreshToken::new(token).ok_or(TokenRequestError::Token))
            .transpose()?;
        let scope = scope.map(ScopeSet::parse).transpose();
        let scope = scope.map_err(|_| TokenRequestError::Scope)?;
        Ok(Self { access_token, refresh_token, scope, expires_in_secs, is_bound })
    }
}

/// A token that is dead on arrival is refused, one that lives very long is refreshed earlier.
fn bounded(expires_in: i64) -> Result<u32, TokenRequestError> {
    match u64::try_from(expires_in) {
        Ok(0) | Err(_) => Err(TokenRequestError::Lifetime),
        Ok(secs) => Ok(u32::try_from(secs).unwrap_or(u32::MAX).min(EXPIRES_IN_SECS_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    /// Access token, refresh token, scope, lifetime.
    type Facts = (String, Option<String>, Option<String>, u32);

    fn parse(body: &str) -> Result<Facts, TokenRequestError> {
        let mut buffer = [0; 512];
        let answer = TokenAnswer::parse(body.as_bytes(), &mut Scratch::new(&mut buffer))?;
        Ok((
            answer.access_token.expose().into(),
            answer.refresh_token.map(|token| token.expose().into()),
            answer.scope.map(|scope| scope.as_str().into()),
            answer.expires_in_secs,
        ))
    }

    #[track_caller]
    fn refused(members: &str, error: TokenRequestError) {
        assert_eq!(parse(&format!("{{{members}}}")), Err(error), "{members}");
    }

    #[test]
    fn rfc_6749_5_1() {
        let body = r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example",
            "expires_in":3600,"refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","example_parameter":"v"}"#;
        assert_eq!(parse(body), Err(TokenRequestError::TokenType));
        for token_type in ["bearer", "Bearer", "BEARER"] {
            let body = body.replace("\"example\"", &format!("\"{token_type}\""));
            let expected = ("2YotnFZFEjr1zCsicMWpAA".into(), Some("tGzv3JOkF0XG5Qx2TlKWIA".into()));
            assert_eq!(parse(&body), Ok((expected.0, expected.1, None, 3600)));
        }
    }

    #[test]
    fn sec_478_token_type() {
        for members in [
            r#""access_token":"a""#,
            r#""access_token":"a","token_type":"MAC""#,
            r#""access_token":"a","token_type":"bearer ""#,
            r#""access_token":"a","token_type":"""#,
        ] {
            refused(members, TokenRequestError::TokenType);
        }
        refused(r#""access_token":"a","token_type":null"#, JsonError::Type.into());
    }

    #[test]
    fn sec_478_lifetime() {
        let with = |expires_in: &str| {
            parse(&format!(r#"{{"access_token":"a","token_type":"bearer"{expires_in}}}"#))
        };
        for (text, secs) in [
            ("", EXPIRES_IN_SECS_DEFAULT),
            (r#","expires_in":1"#, 1),
            (r#","expires_in":86399"#, 86_399),
            (r#","expires_in":86400"#, 86_400),
            (r#","expires_in":86401"#, 86_400),
            (r#","expires_in":4294967297"#, 86_400),
            (r#","expires_in":9223372036854775807"#, 86_400),
        ] {
            assert_eq!(with(text).map(|facts| facts.3), Ok(secs), "{text}");
        }
        for text in [r#","expires_in":0"#, r#","expires_in":-1"#] {
            assert_eq!(with(text), Err(TokenRequestError::Lifetime), "{text}");
        }
        for text in ["\"3600\"", "3600.5", "1e3", "null", "9223372036854775808", "NaN"] {
            let answer = with(&format!(r#","expires_in":{text}"#));
            assert!(matches!(answer, Err(TokenRequestError::Body(_))), "{text}");
        }
    }

    #[test]
    fn a_token_is_refreshed_before_its_end() {
        for (lifetime, refresh_in) in
            [("1", 1), ("4", 3), ("60", 45), ("119", 90), ("120", 90), ("3600", 3570)]
        {
            let body =
                format!(r#"{{"access_token":"a","token_type":"bearer","expires_in":{lifetime}}}"#);
            let mut buffer = [0; 64];
            let answer = TokenAnswer::parse(body.as_bytes(), &mut Scratch::new(&mut buffer));
            let (asked_scope, scope) = (ScopeSet::EMPTY, ScopeSet::EMPTY);
            let (issuer, resource, answer) = ("i", "r", answer.unwrap());
            let tokens = Tokens { issuer, resource, asked_scope, scope, answer };
            assert_eq!(tokens.refresh_in_secs(), refresh_in, "{lifetime}");
        }
    }

    #[test]
    fn sec_478_tokens_and_scope() {
        for members in [
            r#""token_type":"bearer""#,
            r#""token_type":"bearer","access_token":"""#,
            r#""token_type":"bearer","access_token":"a b""#,
            r#""token_type":"bearer","access_token":"a\r\nX: y""#,
            r#""token_type":"bearer","access_token":"a","refresh_token":"""#,
            r#""token_type":"bearer","access_token":"a","refresh_token":"\u0007""#,
        ] {
            refused(members, TokenRequestError::Token);
        }
        let scope = |scope: &str| {
            parse(&format!(r#"{{"token_type":"bearer","access_token":"a","scope":"{scope}"}}"#))
        };
        assert_eq!(scope("a b").map(|facts| facts.2), Ok(Some("a b".into())));
        assert_eq!(scope("").map(|facts| facts.2), Ok(Some(String::new())));
        assert_eq!(scope("a  b"), Err(TokenRequestError::Scope));
        refused(
            r#""token_type":"bearer","access_token":"a","access_token":"b""#,
            JsonError::Duplicate.into(),
        );
        assert!(matches!(parse("<html></html>"), Err(TokenRequestError::Body(_))));
        assert!(matches!(parse("{}{}"), Err(TokenRequestError::Body(_))));
    }

    #[test]
    fn lim_4_refresh_token_on_both_sides_of_the_limit() {
        for len in [TOKEN_LEN_MAX - 1, TOKEN_LEN_MAX] {
            assert!(RefreshToken::new(&"a".repeat(len)).is_some());
        }
        assert!(RefreshToken::new(&"a".repeat(TOKEN_LEN_MAX + 1)).is_none());
    }

    #[test]
    fn sec_320_debug_shows_no_token() {
        let mut buffer = [0; 64];
        let body = br#"{"access_token":"hush","refresh_token":"hush2","token_type":"bearer"}"#;
        let answer = TokenAnswer::parse(body, &mut Scratch::new(&mut buffer)).unwrap();
        assert!(!format!("{answer:?}").contains("hush"));
    }
}
