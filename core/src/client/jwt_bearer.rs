//! The assertion of somebody whom the authorization server trusts, against a token (RFC 7523 §2.1).

use super::{
    Client, Discovered, Freshness, Grant, Purpose, TokenRequest, TokenRequestError, Wish,
    client_authentication::Credentials,
    scope_choice::without_offline_access,
    token_request::{Ask, body_in},
};
use crate::{encoding::scratch::Scratch, limits::TOKEN_LEN_MAX};

/// A signed text that speaks for somebody: an ID-JAG, or the identity that a platform gives to a workload.
///
/// A secret: no `Display`, no `PartialEq`, and `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct Assertion<'s>(&'s str);

impl<'s> Assertion<'s> {
    /// Checks the form: 1 to [`TOKEN_LEN_MAX`] characters of a JWS in compact serialization. What it says is for
    /// the authorization server to read.
    pub fn new(text: &'s str) -> Option<Self> {
        let fits = (1..=TOKEN_LEN_MAX).contains(&text.len());
        let is_jws = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (fits && text.bytes().all(is_jws)).then_some(Self(text))
    }

    /// The text, to be sent; never to be printed.
    pub const fn expose(self) -> &'s str {
        self.0
    }
}

impl core::fmt::Debug for Assertion<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Assertion(..)")
    }
}

impl<'s> TokenRequest<'s> {
    /// Presents `assertion` for tokens of the resource. Without a client there is no `client_id`.
    pub(super) fn jwt_bearer(
        discovered: &Discovered<'s>,
        client: Option<&Client<'s>>,
        assertion: Assertion<'_>,
        wish: &Wish<'s>,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenRequestError> {
        if client.is_some_and(|client| client.issuer != discovered.issuer()) {
            return Err(TokenRequestError::OtherIssuer);
        }
        let scope = without_offline_access(discovered, wish);
        let credentials = match client {
            Some(client) => client.credentials(fresh, scratch)?,
            None => Credentials::NONE,
        };
        let body = body_in(scratch, |form| {
            form.pair("grant_type", Grant::JwtBearer.as_str())?;
            form.pair("assertion", assertion.expose())?;
            if let Some(resource) = discovered.resource_parameter() {
                form.pair("resource", resource)?; // CL-41
            }
            if !scope.is_empty() {
                form.pair("scope", scope.as_str())?;
            }
            client.map_or(Ok(()), |client| client.write_body(&credentials, form))
        })?;
        let ask = Ask {
            purpose: Purpose::JwtBearer,
            endpoint: discovered.token_endpoint(),
            issuer: discovered.issuer(),
            resource: discovered.resource(),
            asked_scope: scope,
            expected_scope: scope,
        };
        Ok(Self::asking(ask, body, credentials.authorization))
    }
}
