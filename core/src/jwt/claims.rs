//! The claims set of an access token (RFC 7519 §4, RFC 9068 §2.2).

use crate::{
    encoding::{
        json::{JsonError, Kind, Reader},
        scratch::Scratch,
    },
    limits::DOCUMENT_DEPTH_MAX,
    scope::ScopeSet,
    time::UnixTime,
    token::{Audience, Binding, TokenError, TokenFacts},
};

/// Reads a decoded claims set.
///
/// The claims named here have their one type or the token is refused; others are passed over, and
/// `scp`, `roles`, `act` and the like grant nothing (SEC-100). A time is a whole number of seconds:
/// a fraction, which RFC 7519 §2 would permit, is refused.
// Apart, for less code and less stack on a device.
#[inline(never)]
pub(super) fn parse<'s>(
    document: &'s [u8],
    scratch: &mut Scratch<'s>,
) -> Result<TokenFacts<'s>, TokenError> {
    let claims = Claims::read(document, scratch).map_err(|error| match error {
        JsonError::Type | JsonError::Number => TokenError::Claim,
        JsonError::Members | JsonError::BufferFull => TokenError::TooLong,
        _ => TokenError::Malformed,
    })?;
    claims.into_facts()
}

/// The claims that are looked at, each absent until it is read.
#[derive(Default)]
struct Claims<'s> {
    issuer: Option<&'s str>,
    audience: Audience<'s>,
    subject: Option<&'s str>,
    client_id: Option<&'s str>,
    scope: Option<&'s str>,
    id: Option<&'s str>,
    expires_at: Option<u64>,
    not_before: Option<u64>,
    issued_at: Option<u64>,
    binding: Binding,
}

impl<'s> Claims<'s> {
    fn read(document: &'s [u8], scratch: &mut Scratch<'s>) -> Result<Self, JsonError> {
        let mut reader = Reader::new(document, DOCUMENT_DEPTH_MAX)?;
        let mut members = reader.object()?;
        let mut claims = Self::default();
        while let Some(name) = members.next(&mut reader)? {
            let text = match name.read(scratch)? {
                "iss" => &mut claims.issuer,
                "sub" => &mut claims.subject,
                "client_id" => &mut claims.client_id,
                "scope" => &mut claims.scope,
                "jti" => &mut claims.id,
                other => {
                    claims.read_other(other, &mut reader, scratch)?;
                    continue;
                }
            };
            *text = Some(reader.string()?.read(scratch)?);
        }
        reader.end()?;
        Ok(claims)
    }

    /// Reads the value of a claim that is not a plain text.
    fn read_other(
        &mut self,
        name: &str,
        reader: &mut Reader<'s>,
        scratch: &mut Scratch<'s>,
    ) -> Result<(), JsonError> {
        match name {
            "exp" => self.expires_at = Some(reader.unsigned()?),
            "nbf" => self.not_before = Some(reader.unsigned()?),
            "iat" => self.issued_at = Some(reader.unsigned()?),
            "aud" => self.read_audience(reader, scratch)?,
            "cnf" => {
                // RFC 7800 §3.1: an object.
                if reader.peek()? != Kind::Object {
                    return Err(JsonError::Type);
                }
                self.binding.read(reader)?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    }

    /// RFC 7519 §4.1.3: one text, or an array of texts.
    fn read_audience(
        &mut self,
        reader: &mut Reader<'s>,
        scratch: &mut Scratch<'s>,
    ) -> Result<(), JsonError> {
        if reader.peek()? == Kind::String {
            let entry = reader.string()?.read(scratch)?;
            return self.audience.push(entry).map_err(|_| JsonError::Members);
        }
        let mut elements = reader.array()?;
        while elements.next(reader)? {
            let entry = reader.string()?.read(scratch)?;
            self.audience.push(entry).map_err(|_| JsonError::Members)?;
        }
        Ok(())
    }

    /// Requires what RFC 9068 §2.2 requires (RS-65).
    fn into_facts(self) -> Result<TokenFacts<'s>, TokenError> {
        let scope = ScopeSet::parse(self.scope.unwrap_or_default());
        Ok(TokenFacts {
            issuer: required(self.issuer)?,
            // Whether one is missing is for the check that compares them (RS-42).
            audience: self.audience,
            subject: Some(required(self.subject)?),
            client_id: Some(required(self.client_id)?),
            scope: scope.map_err(|_| TokenError::Claim)?,
            expires_at: UnixTime::from_secs(self.expires_at.ok_or(TokenError::Claim)?),
            not_before: self.not_before.map(UnixTime::from_secs),
            issued_at: Some(UnixTime::from_secs(self.issued_at.ok_or(TokenError::Claim)?)),
            id: Some(required(self.id)?),
            binding: self.binding,
        })
    }
}

/// A claim that must be there and say something (SEC-098).
fn required(claim: Option<&str>) -> Result<&str, TokenError> {
    claim.filter(|text| !text.is_empty()).ok_or(TokenError::Claim)
}
