//! The ID token: its signature and what it must say (OpenID Connect Core §3.1.3.7).

use std::collections::BTreeMap;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::jwt::Algorithm;
use portcullis_core::token::TokenError;
use portcullis_tokio::public_keys::PublicKeys;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

use crate::jws::{self, Audience, Jws, Kind, Others};

/// Longest ID token in bytes: room for hundreds of groups.
const ID_TOKEN_LEN_MAX: usize = 64 * 1024;
/// How old a token may be that was made for the code of a moment ago.
const AGE_SECS_MAX: u64 = 600;

/// What a token is compared with.
pub(super) struct Expected<'e> {
    pub(super) issuer: &'e str,
    pub(super) client_id: &'e str,
    pub(super) nonce: &'e str,
    /// What came beside the ID token.
    pub(super) access_token: Option<&'e str>,
    pub(super) now_secs: u64,
}

/// Why an ID token counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdTokenError {
    /// Length, form, header, key or signature.
    Token(TokenError),
    /// A claim is missing, twice there, or of the wrong type.
    Claims,
    Issuer,
    /// It is for another client, or for others, too.
    Audience,
    Expired,
    /// Made in the future, or too long ago.
    IssuedAt,
    /// It answers another request.
    Nonce,
    /// It came with another access token.
    AccessTokenHash,
}

impl fmt::Display for IdTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(error) => return write!(f, "ID token: {}", error.as_str()),
            Self::Claims => "ID token: a claim is missing or has the wrong type",
            Self::Issuer => "ID token: another issuer",
            Self::Audience => "ID token: another audience",
            Self::Expired => "ID token: expired",
            Self::IssuedAt => "ID token: issued in the future or too long ago",
            Self::Nonce => "ID token: another nonce",
            Self::AccessTokenHash => "ID token: another access token",
        })
    }
}

impl From<TokenError> for IdTokenError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

/// The claims of a token that was found good.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: u64,
    iat: u64,
    nonce: String,
    at_hash: Option<String>,
    /// Everything else, as the provider has it.
    #[serde(flatten)]
    others: Others,
}

impl Claims {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.others.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Adds what the userinfo endpoint says beside the ID token, which counts more. `None` unless the answer
    /// is about this user (OpenID Connect Core §5.3.2).
    pub(super) fn complete(&mut self, userinfo: &[u8]) -> Option<()> {
        #[derive(Deserialize)]
        struct UserInfo {
            sub: String,
            #[serde(flatten)]
            others: BTreeMap<String, Value>,
        }
        let answer: UserInfo = serde_json::from_slice(userinfo).ok()?;
        if answer.sub != self.sub {
            return None;
        }
        for (name, value) in answer.others {
            self.others.0.entry(name).or_insert(value);
        }
        Some(())
    }

    fn check(&self, expected: &Expected<'_>, algorithm: Algorithm) -> Result<(), IdTokenError> {
        if self.iss != expected.issuer {
            return Err(IdTokenError::Issuer);
        }
        let id = expected.client_id;
        if !self.aud.is_only(|it| it == id) || self.azp.as_ref().is_some_and(|it| it != id) {
            return Err(IdTokenError::Audience);
        }
        let now = expected.now_secs;
        if jws::has_expired(self.exp, now) {
            return Err(IdTokenError::Expired);
        }
        if jws::is_ahead(self.iat, now) || self.iat.saturating_add(AGE_SECS_MAX) < now {
            return Err(IdTokenError::IssuedAt);
        }
        if self.nonce != expected.nonce {
            return Err(IdTokenError::Nonce);
        }
        if let Some(presented) = &self.at_hash
            && expected.access_token.map(|token| half_hash(token, algorithm)).as_ref()
                != Some(presented)
        {
            return Err(IdTokenError::AccessTokenHash);
        }
        if jws::is_subject(&self.sub) { Ok(()) } else { Err(IdTokenError::Claims) }
    }
}

/// Checks signature and claims.
pub(super) fn read(
    token: &str,
    keys: &PublicKeys,
    expected: &Expected<'_>,
) -> Result<Claims, IdTokenError> {
    let verified = Jws::parse(token, ID_TOKEN_LEN_MAX)?.verify(Kind::Plain, keys)?;
    let claims: Result<Claims, _> = serde_json::from_slice(&verified.payload);
    let claims = claims.map_err(|_| IdTokenError::Claims)?;
    claims.check(expected, verified.algorithm)?;
    Ok(claims)
}

/// The left half of the hash that belongs to the algorithm (OpenID Connect Core §3.1.3.6).
fn half_hash(token: &str, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        // Ed25519 is built on SHA-512.
        Algorithm::EdDsa => Sha512::digest(token).to_vec(),
        _ => Sha256::digest(token).to_vec(),
    };
    let half = hash.get(..hash.len() / 2).unwrap_or_default();
    Base64UrlUnpadded::encode_string(half)
}

#[cfg(test)]
mod tests;
