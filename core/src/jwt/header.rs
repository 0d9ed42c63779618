//! The JOSE header of an access token (RFC 7515 §4, RFC 9068 §2.1), of an ID token, or of another JWT.

use super::{HmacKey, KeyId};
use crate::{
    encoding::{
        json::{JsonError, Reader},
        scratch::{BufferFull, Scratch},
    },
    limits::{DOCUMENT_DEPTH_MAX, JOSE_HEADER_MEMBERS_MAX},
    token::TokenError,
};

/// The signature algorithms there can ever be (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// `none` is not among them, in any spelling (SEC-070), and neither is an unknown one (SEC-071).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// `alg` values are case-sensitive (RFC 7515 §4.1.1).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }
}

/// What the header says about the signature. Nobody vouches for it: it only helps to find the key.
#[derive(Clone, Copy, Debug)]
pub struct Header<'s> {
    algorithm: Algorithm,
    key_id: Option<&'s str>,
}

impl<'s> Header<'s> {
    /// The header of the tokens that [`mint`](super::mint()) signs with the key of this name.
    pub(super) fn minted(id: &KeyId, scratch: &mut Scratch<'s>) -> Result<Self, BufferFull> {
        Ok(Self { algorithm: HmacKey::ALGORITHM, key_id: Some(scratch.copy(id.as_str())?) })
    }

    /// The algorithm the token claims; the key decides whether that is true (RFC 8725 §3.1).
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key (`kid`): untrusted text, to be compared with known names only (RS-67).
    pub const fn key_id(&self) -> Option<&'s str> {
        self.key_id
    }

    /// Reads the decoded header; it must be that of an access token.
    ///
    /// Keys and addresses of keys in the header (`jwk`, `jku`, `x5c`, `x5u`, …) are passed over like
    /// every unknown parameter: only a configured key can verify the token (SEC-075, SEC-076).
    pub(super) fn parse(document: &'s [u8], scratch: &mut Scratch<'s>) -> Result<Self, TokenError> {
        let is_type = |media_type: Option<&str>| media_type.is_some_and(is_access_token_type);
        Self::parse_typed(document, is_type, scratch)
    }

    /// Reads the decoded header of an ID token (OpenID Connect Core §2): as that of an access token, but
    /// `typ` is `JWT` or absent, so that neither kind passes for the other (RFC 8725 §3.11).
    ///
    /// Access tokens never come this way: they are [`UnverifiedJwt`](super::UnverifiedJwt).
    ///
    /// # Errors
    /// The header cannot be read, names an unknown algorithm, or is that of something else.
    pub fn parse_id_token(
        document: &'s [u8],
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenError> {
        let is_type =
            |media_type: Option<&str>| media_type.is_none_or(|it| it.eq_ignore_ascii_case("JWT"));
        Self::parse_typed(document, is_type, scratch)
    }

    /// Reads the decoded header of a JWT of this type (RFC 8725 §3.11): as that of an access token, but `typ`
    /// says `media_type`, with or without `application/` (RFC 7515 §4.1.9), whatever the case.
    ///
    /// # Errors
    /// The header cannot be read, names an unknown algorithm, or is that of something else.
    pub fn parse_of_type(
        document: &'s [u8],
        media_type: &str,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenError> {
        let is_type = |found: Option<&str>| found.is_some_and(|it| is_media_type(it, media_type));
        Self::parse_typed(document, is_type, scratch)
    }

    fn parse_typed(
        document: &'s [u8],
        is_type: impl FnOnce(Option<&str>) -> bool,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenError> {
        let members = Parameters::read(document, scratch).map_err(|error| match error {
            ParameterError::Json(JsonError::Members | JsonError::BufferFull) => TokenError::TooLong,
            ParameterError::Json(_) => TokenError::Malformed,
            ParameterError::NotSupported => TokenError::Header,
        })?;
        let algorithm =
            members.algorithm.and_then(Algorithm::from_name).ok_or(TokenError::Algorithm)?;
        if !is_type(members.media_type) {
            return Err(TokenError::Type);
        }
        // RFC 7519 §5.2: another JWT inside of this one, which nobody would look at.
        if members.content_type.is_some_and(is_jwt_type) {
            return Err(TokenError::Header);
        }
        Ok(Self { algorithm, key_id: members.key_id })
    }
}

/// The parameters that are looked at.
#[derive(Default)]
struct Parameters<'s> {
    algorithm: Option<&'s str>,
    key_id: Option<&'s str>,
    media_type: Option<&'s str>,
    content_type: Option<&'s str>,
}

enum ParameterError {
    Json(JsonError),
    NotSupported,
}

impl From<JsonError> for ParameterError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl<'s> Parameters<'s> {
    fn read(document: &'s [u8], scratch: &mut Scratch<'s>) -> Result<Self, ParameterError> {
        let mut reader = Reader::new(document, DOCUMENT_DEPTH_MAX)?;
        let mut members = reader.object_bounded::<JOSE_HEADER_MEMBERS_MAX>()?;
        let mut parameters = Self::default();
        while let Some(name) = members.next(&mut reader)? {
            let target = match name.read(scratch)? {
                "alg" => &mut parameters.algorithm,
                "kid" => &mut parameters.key_id,
                "typ" => &mut parameters.media_type,
                "cty" => &mut parameters.content_type,
                // RFC 7515 §4.1.11: no extension is understood, so none may be critical, and
                // `crit` without a content is malformed anyway. RFC 7797: `b64` would change what
                // the payload is. RFC 7516: `zip` and `enc` belong to encryption.
                "crit" | "b64" | "zip" | "enc" => return Err(ParameterError::NotSupported),
                _ => {
                    reader.skip()?;
                    continue;
                }
            };
            *target = Some(reader.string()?.read(scratch)?);
        }
        reader.end()?;
        Ok(parameters)
    }
}

/// RFC 9068 §4: `at+jwt`, or its full media type; media types ignore case.
fn is_access_token_type(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("at+jwt")
        || media_type.eq_ignore_ascii_case("application/at+jwt")
}

fn is_media_type(found: &str, expected: &str) -> bool {
    const TREE: &str = "application/";
    let (tree, rest) = found.split_at_checked(TREE.len()).unwrap_or_default();
    let short = if tree.eq_ignore_ascii_case(TREE) { rest } else { found };
    short.eq_ignore_ascii_case(expected)
}

fn is_jwt_type(media_type: &str) -> bool {
    // A parameter behind the type does not make the content anything else.
    let media_type = media_type.split([';']).next().unwrap_or(media_type).trim_ascii();
    let suffix = media_type.len().checked_sub(3).and_then(|start| media_type.get(start..));
    suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("jwt"))
}
