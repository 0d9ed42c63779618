//! Token introspection as a resource server does it (RFC 7662): the question, and the answer read
//! strictly.
//!
//! An answer is never more than facts; audience, times and scopes are checked afterwards like those
//! of any token (RS-82, [`crate::token::Expectations`]). What becomes of an answer without facts:
//!
//! | The answer | Becomes | To the peer |
//! | --- | --- | --- |
//! | `{"active":false}` | [`Introspected::Inactive`], which may be remembered | 401 |
//! | 200 and JSON, but `active` or another member is missing, odd or twice | an error, never remembered (SEC-367) | 401 (RS-81) |
//! | another status, another type, too long, no answer at all | an error | 503 (SEC-360) |
//!
//! [`IntrospectionError::reason`] draws the line between the last two.

use crate::{
    bearer::BearerToken,
    challenge::{Reason, Unavailable},
    encoding::{
        form::FormWriter,
        json::{JsonError, JsonStr, Kind, Reader},
        scratch::{BufferFull, Scratch},
    },
    limits::{DOCUMENT_DEPTH_MAX, METADATA_LEN_MAX_DESKTOP},
    message::IncomingResponse,
    scope::ScopeSet,
    time::UnixTime,
    token::{Audience, Binding, TokenError, TokenFacts},
};

/// Writes the body of the question, `application/x-www-form-urlencoded` (RS-80, RFC 7662 §2.1).
///
/// A token of token68 needs three bytes at most for one, and the names around it take 35.
pub fn write_request<'b>(token: BearerToken<'_>, out: &'b mut [u8]) -> Result<&'b str, BufferFull> {
    let mut form = FormWriter::new(out);
    form.pair("token", token.expose())?;
    form.pair("token_type_hint", "access_token")?;
    Ok(form.finish())
}

/// What an authorization server says about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspected<'b> {
    /// Active, and these are its facts; they admit nobody before they are checked.
    Active(TokenFacts<'b>),
    /// Definitely not active: expired, revoked, unknown, or not for us.
    Inactive,
}

/// Why an answer says nothing that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// Not 200: a refusal of us, not of the token (RFC 7662 §2.3).
    Status,
    /// Not `application/json`.
    ContentType,
    /// Longer than an answer can be (LIM-11).
    TooLong,
    /// No room for what the answer spells with escapes.
    BufferFull,
    /// Not one JSON object that can be read, or a member of the wrong type.
    Body(JsonError),
    /// Without `active`, or active without what every token has, or with a value that is not
    /// allowed.
    Member,
}

impl IntrospectionError {
    /// What the request is answered with (RS-81): 503 when the server could not be asked, the
    /// common 401 when it answered without saying that the token is active.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Status | Self::ContentType | Self::TooLong | Self::BufferFull => {
                Reason::Unavailable(Unavailable::AuthorizationServer)
            }
            Self::Body(_) | Self::Member => Reason::Token(TokenError::Inactive),
        }
    }
}

impl core::fmt::Display for IntrospectionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Body(error) => return error.fmt(f),
            Self::Status => "introspection endpoint did not answer 200",
            Self::ContentType => "introspection answer is not JSON",
            Self::TooLong => "introspection answer too long",
            Self::BufferFull => "no room for an introspection answer",
            Self::Member => "introspection answer lacks a member or has one that is not allowed",
        })
    }
}

impl core::error::Error for IntrospectionError {}

impl From<JsonError> for IntrospectionError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::BufferFull => Self::BufferFull,
            error => Self::Body(error),
        }
    }
}

/// Reads the answer of the endpoint that was configured for `issuer` (RFC 7662 §2.2).
///
/// Many servers leave `iss` out; then it is `issuer`, whose endpoint this is (RS-84). A `token_type`
/// other than `Bearer` is refused, and `DPoP` or a `cnf` marks the token as sender-constrained, so
/// that it cannot pass as a bearer token.
pub fn parse<'b>(
    response: &IncomingResponse<'b>,
    issuer: &'b str,
    scratch: &mut Scratch<'b>,
) -> Result<Introspected<'b>, IntrospectionError> {
    if response.status != 200 {
        return Err(IntrospectionError::Status);
    }
    if !response.is_json() {
        return Err(IntrospectionError::ContentType);
    }
    if response.body.len() > METADATA_LEN_MAX_DESKTOP {
        return Err(IntrospectionError::TooLong);
    }
    Members::read(response.body, scratch)?.into_introspected(issuer)
}

/// The members that mean something to us.
#[derive(Default)]
struct Members<'b> {
    active: Option<bool>,
    issuer: Option<&'b str>,
    audience: Audience<'b>,
    subject: Option<&'b str>,
    client_id: Option<&'b str>,
    id: Option<&'b str>,
    scope: ScopeSet<'b>,
    expires_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
    token_type: Option<&'b str>,
    binding: Binding,
}

impl<'b> Members<'b> {
    fn read(body: &'b [u8], scratch: &mut Scratch<'b>) -> Result<Self, IntrospectionError> {
        let mut reader = Reader::new(body, DOCUMENT_DEPTH_MAX)?;
        let mut names = reader.object()?;
        let mut found = Self::default();
        while let Some(name) = names.next(&mut reader)? {
            if name.eq_str("active") {
                found.active = Some(reader.boolean()?);
            } else if name.eq_str("aud") {
                found.audience = read_audience(&mut reader, scratch)?;
            } else if name.eq_str("scope") {
                let scope = reader.string()?.read(scratch)?;
                found.scope = ScopeSet::parse(scope).map_err(|_| IntrospectionError::Member)?;
            } else if name.eq_str("cnf") {
                if reader.peek()? != Kind::Object {
                    return Err(JsonError::Type.into());
                }
                found.binding.read(&mut reader)?;
            } else if let Some(time) = found.time_mut(name) {
                *time = Some(UnixTime::from_secs(reader.unsigned()?));
            } else if let Some(text) = found.text_mut(name) {
                *text = Some(reader.string()?.read(scratch)?);
            } else {
                reader.skip()?;
            }
        }
        reader.end()?;
        Ok(found)
    }

    fn time_mut(&mut self, name: JsonStr<'_>) -> Option<&mut Option<UnixTime>> {
        Some(match () {
            () if name.eq_str("exp") => &mut self.expires_at,
            () if name.eq_str("nbf") => &mut self.not_before,
            () if name.eq_str("iat") => &mut self.issued_at,
            () => return None,
        })
    }

    fn text_mut(&mut self, name: JsonStr<'_>) -> Option<&mut Option<&'b str>> {
        Some(match () {
            () if name.eq_str("iss") => &mut self.issuer,
            () if name.eq_str("sub") => &mut self.subject,
            () if name.eq_str("client_id") => &mut self.client_id,
            () if name.eq_str("jti") => &mut self.id,
            () if name.eq_str("token_type") => &mut self.token_type,
            () => return None,
        })
    }

    fn into_introspected(self, issuer: &'b str) -> Result<Introspected<'b>, IntrospectionError> {
        match self.active {
            None => return Err(IntrospectionError::Member),
            Some(false) => return Ok(Introspected::Inactive),
            Some(true) => {}
        }
        let is_type = |name| self.token_type.is_some_and(|own| own.eq_ignore_ascii_case(name));
        let is_dpop = is_type("DPoP");
        if self.token_type.is_some() && !is_dpop && !is_type("Bearer") {
            return Err(IntrospectionError::Member);
        }
        Ok(Introspected::Active(TokenFacts {
            issuer: self.issuer.unwrap_or(issuer),
            audience: self.audience,
            subject: self.subject,
            client_id: self.client_id,
            scope: self.scope,
            // A token that never ends is no token of ours (SEC-362).
            expires_at: self.expires_at.ok_or(IntrospectionError::Member)?,
            not_before: self.not_before,
            issued_at: self.issued_at,
            id: self.id,
            // Bound to a key that the answer does not name: nobody can check that.
            binding: match self.binding {
                Binding::Bearer if is_dpop => Binding::Other,
                binding => binding,
            },
        }))
    }
}

/// `aud`: one string, or an array of at most [`crate::limits::AUDIENCES_MAX`] of them (LIM-7).
fn read_audience<'b>(
    reader: &mut Reader<'b>,
    scratch: &mut Scratch<'b>,
) -> Result<Audience<'b>, IntrospectionError> {
    let mut audience = Audience::new();
    let mut push = |reader: &mut Reader<'b>| {
        let entry = reader.string()?.read(scratch)?;
        audience.push(entry).map_err(|_| IntrospectionError::Member)
    };
    if reader.peek()? == Kind::Array {
        let mut entries = reader.array()?;
        while entries.next(reader)? {
            push(reader)?;
        }
    } else {
        push(reader)?;
    }
    Ok(audience)
}

#[cfg(test)]
mod tests;
