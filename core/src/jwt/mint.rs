//! Making access tokens (RFC 9068 §2), for the authorization server and for tests.

use core::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Algorithm, HmacKey, KeyId};
use crate::{
    encoding::{base64url, json::write, scratch::BufferFull},
    limits::{
        AUDIENCES_MAX, CLAIMS_LEN_MAX, JOSE_HEADER_LEN_MAX, SIGNATURE_LEN_MAX, TOKEN_LEN_MAX,
    },
    scope::ScopeSet,
    time::UnixTime,
};

/// Why no token was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MintError {
    /// A required claim is empty, there are too many audiences, or the token would never be valid.
    Claim,
    /// The token would be over a limit that every resource server of ours keeps (LIM-4, LIM-5).
    TooLong,
    /// No room for the token.
    BufferFull,
    /// The key did not sign.
    Signature,
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "claim is empty or contradicts another",
            Self::TooLong => "token would be too long",
            Self::BufferFull => "no room for the token",
            Self::Signature => "the key did not sign",
        })
    }
}

impl core::error::Error for MintError {}

impl From<BufferFull> for MintError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// What a token is to say: every claim that RFC 9068 §2.2 requires (AS-111), and `scope`.
#[derive(Clone, Copy, Debug)]
pub struct MintClaims<'c> {
    /// The issuer, as in its metadata (`iss`).
    pub issuer: &'c str,
    /// The resources it is for (`aud`), at least one; a single one is written as a text.
    pub audience: &'c [&'c str],
    /// Whom it speaks for (`sub`). With client credentials this names the client, in a way that no
    /// user is named (AS-113).
    pub subject: &'c str,
    /// The client it is issued to (`client_id`).
    pub client_id: &'c str,
    /// What it permits (`scope`); left out when empty (AS-112).
    pub scope: ScopeSet<'c>,
    /// When it is made (`iat`).
    pub issued_at: UnixTime,
    /// When it ends (`exp`); later than `issued_at`.
    pub expires_at: UnixTime,
    /// Its identifier (`jti`), different for each token.
    pub id: &'c str,
}

/// A key to sign with, wherever its arithmetic is.
pub trait Signer {
    /// The one algorithm of the key.
    fn algorithm(&self) -> Algorithm;

    /// Writes the signature of `message`, in the form of a JWS (RFC 7518 §3, RFC 8037 §3.1), to the
    /// front of `out`, and gives its length. [`MintError::Signature`] when there is none.
    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, MintError>;
}

impl Signer for HmacKey {
    fn algorithm(&self) -> Algorithm {
        Self::ALGORITHM
    }

    fn sign(&self, message: &[u8], out: &mut [u8; SIGNATURE_LEN_MAX]) -> Result<usize, MintError> {
        let mac = HmacKey::sign(self, message);
        out.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        Ok(mac.len())
    }
}

/// Writes a signed token (`typ` `at+jwt`, AS-110) to the front of `out`, with HS256.
///
/// What it makes is what [`super::UnverifiedJwt`] accepts; anything else is an error. After an error
/// `out` holds no token.
pub fn mint<'o>(
    claims: &MintClaims<'_>,
    key: &HmacKey,
    id: &KeyId,
    out: &'o mut [u8],
) -> Result<&'o str, MintError> {
    mint_with(claims, key, id, out)
}

/// Writes a token as [`mint`] does, signed by a key of any kind.
pub fn mint_with<'o>(
    claims: &MintClaims<'_>,
    key: &impl Signer,
    id: &KeyId,
    out: &'o mut [u8],
) -> Result<&'o str, MintError> {
    write_token(&Claims { claims, thumbprint: None }, key, id, out)
}

/// Writes a token as [`mint_with`] does, bound to the client's key with this thumbprint (RFC 7638): the
/// claim `cnf.jkt` of RFC 9449 §6.1. It is not a bearer token, and refused as one (SEC-113).
pub fn mint_bound<'o>(
    claims: &MintClaims<'_>,
    thumbprint: &str,
    key: &impl Signer,
    id: &KeyId,
    out: &'o mut [u8],
) -> Result<&'o str, MintError> {
    if thumbprint.is_empty() {
        return Err(MintError::Claim);
    }
    write_token(&Claims { claims, thumbprint: Some(thumbprint) }, key, id, out)
}

fn write_token<'o>(
    all: &Claims<'_>,
    key: &impl Signer,
    id: &KeyId,
    out: &'o mut [u8],
) -> Result<&'o str, MintError> {
    all.claims.check()?;
    let (mut header, mut payload) = ([0; JOSE_HEADER_LEN_MAX], [0; CLAIMS_LEN_MAX]);
    let header = write::to_slice(&HeaderMembers { algorithm: key.algorithm(), id }, &mut header);
    let payload = write::to_slice(all, &mut payload);
    let (Ok(header), Ok(payload)) = (header, payload) else {
        return Err(MintError::TooLong);
    };
    let mut segments = Segments { out, len: 0 };
    segments.push(header)?;
    segments.push_dot()?;
    segments.push(payload)?;
    let mut signature = [0; SIGNATURE_LEN_MAX];
    let len = key.sign(segments.written(), &mut signature)?;
    let signature = signature.get(..len).ok_or(MintError::Signature)?;
    segments.push_dot()?;
    segments.push(signature)?;
    if segments.len > TOKEN_LEN_MAX {
        return Err(MintError::TooLong);
    }
    segments.finish()
}

impl MintClaims<'_> {
    fn check(&self) -> Result<(), MintError> {
        let required = [self.issuer, self.subject, self.client_id, self.id];
        let empty = |text: &&str| text.is_empty();
        if required.iter().any(empty)
            || self.audience.iter().any(empty)
            || !(1..=AUDIENCES_MAX).contains(&self.audience.len())
            || self.expires_at <= self.issued_at
        {
            return Err(MintError::Claim);
        }
        Ok(())
    }
}

/// Everything that the payload says.
struct Claims<'c> {
    claims: &'c MintClaims<'c>,
    thumbprint: Option<&'c str>,
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claims = self.claims;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("iss", claims.issuer)?;
        match claims.audience {
            [single] => members.serialize_entry("aud", single)?,
            several => members.serialize_entry("aud", several)?,
        }
        members.serialize_entry("sub", claims.subject)?;
        members.serialize_entry("client_id", claims.client_id)?;
        if !claims.scope.is_empty() {
            members.serialize_entry("scope", claims.scope.as_str())?;
        }
        members.serialize_entry("iat", &claims.issued_at.as_secs())?;
        members.serialize_entry("exp", &claims.expires_at.as_secs())?;
        members.serialize_entry("jti", claims.id)?;
        if let Some(jkt) = self.thumbprint {
            members.serialize_entry("cnf", &Confirmation { jkt })?;
        }
        members.end()
    }
}

/// What the token is bound to (RFC 7800 §3.1).
#[derive(Serialize)]
struct Confirmation<'c> {
    jkt: &'c str,
}

struct HeaderMembers<'c> {
    algorithm: Algorithm,
    id: &'c KeyId,
}

impl Serialize for HeaderMembers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(3))?;
        members.serialize_entry("alg", self.algorithm.as_str())?;
        members.serialize_entry("typ", "at+jwt")?;
        members.serialize_entry("kid", self.id.as_str())?;
        members.end()
    }
}

/// The segments of a token, written one behind the other.
struct Segments<'o> {
    out: &'o mut [u8],
    len: usize,
}

impl<'o> Segments<'o> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), MintError> {
        let room = self.out.get_mut(self.len..).ok_or(BufferFull)?;
        let written = base64url::encode(bytes, room)?.len();
        self.len = self.len.saturating_add(written);
        Ok(())
    }

    fn push_dot(&mut self) -> Result<(), MintError> {
        *self.out.get_mut(self.len).ok_or(BufferFull)? = b'.';
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }

    fn finish(self) -> Result<&'o str, MintError> {
        let written = self.out.get(..self.len).ok_or(BufferFull)?;
        core::str::from_utf8(written).map_err(|_| MintError::BufferFull)
    }
}
