//! What the upstream learns of who calls: nothing, or a statement that this proxy signs.

use std::fmt::Write as _;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::time::UnixTime;
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Identity, UpstreamError};
use crate::resource_server::Principal;

const IDENTITY: HeaderName = HeaderName::from_static("portcullis-identity");
const SUBJECT: HeaderName = HeaderName::from_static("portcullis-subject");
const CLIENT_ID: HeaderName = HeaderName::from_static("portcullis-client-id");
const TOKEN_ISSUER: HeaderName = HeaderName::from_static("portcullis-token-issuer");
const SCOPE: HeaderName = HeaderName::from_static("portcullis-scope");
const REQUEST_ID: HeaderName = HeaderName::from_static("portcullis-request-id");

/// Another type than that of access tokens, so that neither is ever taken for the other (RS-68).
const HEADER: &str = r#"{"alg":"HS256","typ":"portcullis-identity+jwt"}"#;
/// Longest life of a statement in seconds: it is for one request.
const LIFETIME_SECS_MAX: u32 = 300;
/// Bytes of the key: not less than the hash has (RFC 7518 §3.2), not more than its block.
const KEY_LEN: std::ops::RangeInclusive<usize> = 32..=64;

/// Says who calls, in the way that was chosen.
pub(super) enum Vouching {
    Nothing,
    Signed(Box<Signing>),
    Plain,
}

pub(super) struct Signing {
    key: Hmac<Sha256>,
    issuer: String,
    audience: String,
    lifetime_secs: u32,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    scope: &'a str,
    token_issuer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<&'a str>,
    token_exp: u64,
}

impl Vouching {
    /// Reads the key. `issuer` is the protected resource, `url` the upstream's.
    pub(super) fn new(identity: &Identity, issuer: &str, url: &str) -> Result<Self, UpstreamError> {
        let (key, audience, lifetime_secs) = match identity {
            Identity::None => return Ok(Self::Nothing),
            Identity::PlainUnsigned => return Ok(Self::Plain),
            Identity::Signed { key, audience, lifetime_secs } => (key, audience, *lifetime_secs),
        };
        if !(1..=LIFETIME_SECS_MAX).contains(&lifetime_secs) {
            return Err(UpstreamError::Limit("identity.lifetime_secs"));
        }
        let text = key.read().map_err(|error| UpstreamError::Secret("identity.key", error))?;
        let text = std::str::from_utf8(&text).map_err(|_| UpstreamError::Key)?;
        let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| UpstreamError::Key)?;
        let bytes = Zeroizing::new(bytes);
        if !KEY_LEN.contains(&bytes.len()) {
            return Err(UpstreamError::Key);
        }
        let key = Hmac::new_from_slice(&bytes).map_err(|_| UpstreamError::Key)?;
        let audience = audience.as_deref().unwrap_or(url).to_owned();
        let signing = Signing { key, issuer: issuer.to_owned(), audience, lifetime_secs };
        Ok(Self::Signed(Box::new(signing)))
    }

    /// Adds the fields that speak of `principal`. `None` when that cannot be said for sure.
    pub(super) fn add_to(
        &self,
        headers: &mut HeaderMap,
        principal: &Principal,
        request_id: &str,
        now: Option<UnixTime>,
    ) -> Option<()> {
        match self {
            Self::Nothing => {}
            Self::Signed(signing) => {
                let statement = signing.sign(principal, request_id, now?)?;
                let mut value = HeaderValue::try_from(statement).ok()?;
                value.set_sensitive(true);
                headers.insert(IDENTITY, value);
            }
            Self::Plain => {
                let scope = scope(principal);
                let fields = [
                    (SUBJECT, principal.subject()),
                    (CLIENT_ID, principal.client_id()),
                    (TOKEN_ISSUER, Some(principal.issuer())),
                    (SCOPE, Some(scope.as_str())),
                    (REQUEST_ID, Some(request_id)),
                ];
                for (name, text) in fields {
                    if let Some(text) = text {
                        headers.insert(name, HeaderValue::try_from(encoded(text)).ok()?);
                    }
                }
            }
        }
        Some(())
    }
}

impl Signing {
    fn sign(&self, principal: &Principal, request_id: &str, now: UnixTime) -> Option<String> {
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            iat: now.as_secs(),
            exp: now.as_secs().checked_add(u64::from(self.lifetime_secs))?,
            jti: request_id,
            sub: principal.subject(),
            client_id: principal.client_id(),
            scope: &scope(principal),
            token_issuer: principal.issuer(),
            token_id: principal.token_id(),
            token_exp: principal.expires_at().as_secs(),
        };
        let claims = serde_json::to_vec(&claims).ok()?;
        let mut text = Base64UrlUnpadded::encode_string(HEADER.as_bytes());
        text.push('.');
        text.push_str(&Base64UrlUnpadded::encode_string(&claims));
        let tag = self.key.clone().chain_update(&text).finalize().into_bytes();
        text.push('.');
        text.push_str(&Base64UrlUnpadded::encode_string(&tag));
        Some(text)
    }
}

fn scope(principal: &Principal) -> String {
    principal.scopes().collect::<Vec<_>>().join(" ")
}

/// Every byte but visible ASCII and the blank between scopes is percent-encoded, and the percent sign too.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'%' => out.push_str("%25"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a text cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

/// Sixteen random bytes as text. `None` when the operating system gives none.
pub(super) fn request_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(Base64UrlUnpadded::encode_string(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource_server::Secret;

    fn signed(key: &str, lifetime_secs: u32) -> Result<(), UpstreamError> {
        let key = Secret::value(key);
        let identity = Identity::Signed { key, audience: None, lifetime_secs };
        Vouching::new(&identity, "https://mcp.example/mcp", "http://127.0.0.1/mcp").map(drop)
    }

    #[test]
    fn keys_and_lives_have_bounds() {
        let key = |len: usize| Base64UrlUnpadded::encode_string(&vec![7; len]);
        for (key, secs) in [(key(32), 1), (key(64), 300)] {
            assert_eq!(signed(&key, secs), Ok(()));
        }
        for bad in [key(31), key(65), "not base64url!".into(), format!("{}=", key(32))] {
            assert_eq!(signed(&bad, 60), Err(UpstreamError::Key));
        }
        for secs in [0, 301] {
            assert!(matches!(signed(&key(32), secs), Err(UpstreamError::Limit(_))));
        }
        assert!(matches!(signed("", 60), Err(UpstreamError::Secret("identity.key", _))));
    }

    #[test]
    fn plain_values_stay_on_their_line() {
        assert_eq!(encoded("alice"), "alice");
        assert_eq!(encoded("a b%\r\nHost: \u{e9}"), "a b%25%0D%0AHost: %C3%A9");
    }
}
