//! The JOSE header of a proof (RFC 9449 §4.2).

use super::ProofError;
use crate::{
    encoding::{
        json::{JsonError, Reader},
        scratch::Scratch,
    },
    jwk::{self, PublicKey},
    jwt::Algorithm,
    limits::{DOCUMENT_DEPTH_MAX, JOSE_HEADER_MEMBERS_MAX},
};

impl From<JsonError> for ProofError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Members | JsonError::BufferFull => Self::TooLong,
            JsonError::Type | JsonError::Number => Self::Claim,
            _ => Self::Malformed,
        }
    }
}

/// Reads the decoded header: the key that signed, whose kind and `alg` agree.
pub(super) fn read<'s>(
    document: &'s [u8],
    scratch: &mut Scratch<'s>,
) -> Result<PublicKey<'s>, ProofError> {
    let mut reader = Reader::new(document, DOCUMENT_DEPTH_MAX)?;
    let mut members = reader.object_bounded::<JOSE_HEADER_MEMBERS_MAX>()?;
    let (mut media_type, mut algorithm, mut key) = (None, None, None);
    while let Some(name) = members.next(&mut reader)? {
        match name.read(scratch)? {
            "typ" => media_type = Some(reader.string()?.read(scratch)?),
            "alg" => algorithm = Some(reader.string()?.read(scratch)?),
            "jwk" => key = Some(reader.raw()?),
            // As in the header of an access token: nothing here may change how the rest is read.
            "crit" | "b64" | "zip" | "enc" => return Err(ProofError::Header),
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    if !media_type.is_some_and(|it| it.eq_ignore_ascii_case("dpop+jwt")) {
        return Err(ProofError::Type);
    }
    let algorithm = algorithm.and_then(Algorithm::from_name).ok_or(ProofError::Algorithm)?;
    let key = jwk::lone_key(key.ok_or(ProofError::Key(None))?, scratch)
        .map_err(|error| ProofError::Key(Some(error)))?;
    // No public key is for a symmetric algorithm, so that this refuses those too.
    if key.algorithm() == algorithm { Ok(key) } else { Err(ProofError::Algorithm) }
}
