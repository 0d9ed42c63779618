//! The ID token: its signature and what it must say (OpenID Connect Core §3.1.3.7).

use std::collections::BTreeMap;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::encoding::scratch::Scratch;
use portcullis_core::jwt::{Algorithm, Header, SignatureVerifier};
use portcullis_core::token::TokenError;
use portcullis_tokio::public_keys::PublicKeys;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

/// Longest ID token in bytes: room for hundreds of groups.
const ID_TOKEN_LEN_MAX: usize = 64 * 1024;
/// How far the two clocks may be apart.
const LEEWAY_SECS: u64 = 60;
/// How old a token may be that was made for the code of a moment ago.
const AGE_SECS_MAX: u64 = 600;
/// Longest `sub` (OpenID Connect Core §2).
const SUB_LEN_MAX: usize = 255;

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
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.others.get(name)
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
            self.others.entry(name).or_insert(value);
        }
        Some(())
    }

    fn check(&self, expected: &Expected<'_>, algorithm: Algorithm) -> Result<(), IdTokenError> {
        if self.iss != expected.issuer {
            return Err(IdTokenError::Issuer);
        }
        let id = expected.client_id;
        let is_own = match &self.aud {
            Audience::One(only) => only == id,
            // Nobody else is trusted here, so that nobody else may be named.
            Audience::Many(all) => !all.is_empty() && all.iter().all(|it| it == id),
        };
        if !is_own || self.azp.as_ref().is_some_and(|it| it != id) {
            return Err(IdTokenError::Audience);
        }
        let now = expected.now_secs;
        if self.exp.saturating_add(LEEWAY_SECS) <= now {
            return Err(IdTokenError::Expired);
        }
        if self.iat > now.saturating_add(LEEWAY_SECS) || self.iat.saturating_add(AGE_SECS_MAX) < now
        {
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
        let is_name = !self.sub.is_empty()
            && self.sub.len() <= SUB_LEN_MAX
            && self.sub.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name { Ok(()) } else { Err(IdTokenError::Claims) }
    }
}

/// Checks signature and claims. Which algorithms there can be the keys say: ES256, EdDSA and RS256, never
/// `none` and never a MAC.
pub(super) fn read(
    token: &str,
    keys: &PublicKeys,
    expected: &Expected<'_>,
) -> Result<Claims, IdTokenError> {
    if token.len() > ID_TOKEN_LEN_MAX {
        return Err(TokenError::TooLong.into());
    }
    let mut segments = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return Err(TokenError::Malformed.into());
    };
    let signing_input = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
    let [header, payload, signature] =
        [header, payload, signature].map(Base64UrlUnpadded::decode_vec);
    let (Ok(header), Ok(payload), Ok(signature)) = (header, payload, signature) else {
        return Err(TokenError::Malformed.into());
    };
    let mut room = vec![0; header.len()];
    let header = Header::parse_id_token(&header, &mut Scratch::new(&mut room))?;
    keys.verify(&header, signing_input.as_bytes(), &signature)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| IdTokenError::Claims)?;
    claims.check(expected, header.algorithm())?;
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
