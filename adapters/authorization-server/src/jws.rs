//! JWTs that other issuers signed: ID tokens, and assertions that stand for a grant (RFC 7519, RFC 8725).
//!
//! Access tokens and client assertions never come this way. What a token says is reachable only once a key of
//! its issuer verified it, but for the name of that issuer, which says where to look for the key.

use std::collections::BTreeMap;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis_core::encoding::scratch::Scratch;
use portcullis_core::jwt::{Algorithm, Header, SignatureVerifier};
use portcullis_core::token::TokenError;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// How far the issuer's clock and ours may be apart.
pub(crate) const LEEWAY_SECS: u64 = 60;
/// Longest `sub` (OpenID Connect Core §2).
const SUB_LEN_MAX: usize = 255;

/// What kind of JWT is expected, by `typ`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `JWT`, or nothing: ID tokens, and what platforms give their workloads.
    Plain,
    /// A type of its own (RFC 8725 §3.11).
    #[cfg(feature = "enterprise-managed")]
    Typed(&'static str),
}

/// A JWT that nobody has verified yet.
pub(crate) struct Jws<'t> {
    signing_input: &'t str,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What a key of the issuer vouches for.
pub(crate) struct Verified {
    pub(crate) algorithm: Algorithm,
    pub(crate) payload: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Takes the compact form apart (RFC 7515 §3.1).
    pub(crate) fn parse(token: &'t str, len_max: usize) -> Result<Self, TokenError> {
        if token.len() > len_max {
            return Err(TokenError::TooLong);
        }
        let mut segments = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(TokenError::Malformed);
        };
        let signing_input = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        let [header, payload, signature] =
            [header, payload, signature].map(Base64UrlUnpadded::decode_vec);
        match (header, payload, signature) {
            (Ok(header), Ok(payload), Ok(signature)) => {
                Ok(Self { signing_input, header, payload, signature })
            }
            _ => Err(TokenError::Malformed),
        }
    }

    /// Who is said to have signed it. To be compared with the names of trusted issuers, and for nothing else.
    #[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
    pub(crate) fn claimed_issuer(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        serde_json::from_slice(&self.payload).ok().map(|Issuer { iss }| iss)
    }

    /// Checks type and signature. Which algorithms there can be the keys say: ES256, EdDSA and RS256, never
    /// `none` and never a MAC.
    pub(crate) fn verify(
        &self,
        kind: Kind,
        keys: &impl SignatureVerifier,
    ) -> Result<Verified, TokenError> {
        let mut room = vec![0; self.header.len()];
        let mut scratch = Scratch::new(&mut room);
        let header = match kind {
            Kind::Plain => Header::parse_id_token(&self.header, &mut scratch)?,
            #[cfg(feature = "enterprise-managed")]
            Kind::Typed(name) => Header::parse_of_type(&self.header, name, &mut scratch)?,
        };
        keys.verify(&header, self.signing_input.as_bytes(), &self.signature)?;
        Ok(Verified { algorithm: header.algorithm(), payload: self.payload.clone() })
    }
}

/// `aud`: one text, or a list of them (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether one is named, and it is ours. Nobody else is trusted here, so that nobody else may be named.
    pub(crate) fn is_only(&self, is_own: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(only) => is_own(only),
            Self::Many(all) => matches!(all.as_slice(), [only] if is_own(only)),
        }
    }
}

/// Whether `exp` has come, clocks that differ allowed for (RFC 7519 §4.1.4).
pub(crate) fn has_expired(exp: u64, now_secs: u64) -> bool {
    exp.saturating_add(LEEWAY_SECS) <= now_secs
}

/// Whether an instant is still to come, clocks that differ allowed for.
pub(crate) fn is_ahead(instant: u64, now_secs: u64) -> bool {
    instant > now_secs.saturating_add(LEEWAY_SECS)
}

/// Whether `sub` can be a part of the name of a user: printable, and not too long.
pub(crate) fn is_subject(sub: &str) -> bool {
    !sub.is_empty() && sub.len() <= SUB_LEN_MAX && sub.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Claims by name. One that is there twice makes the whole unreadable (SEC-020).
#[derive(Debug, Default)]
pub(crate) struct Others(pub(crate) BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Others {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Others;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Others, A::Error> {
                let mut others = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if others.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim is there twice"));
                    }
                }
                Ok(Others(others))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
