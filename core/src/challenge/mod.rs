//! The answer to a request that is not admitted: status, `WWW-Authenticate` (RFC 6750 §3), body.
//!
//! | [`Reason`] | Status | `error` |
//! | --- | --- | --- |
//! | no credentials, or of another scheme | 401 | none (RS-22) |
//! | repeated or malformed `Authorization`, a token sent in two ways | 400 | `invalid_request` (RS-24) |
//! | the token fails, whatever the check | 401 | `invalid_token` (RS-20, RS-23) |
//! | too little scope | 403 | `insufficient_scope` (RS-25) |
//! | nobody can say whether the token is good | 503 | no challenge, `Retry-After` (RS-81) |
//!
//! Every `invalid_token` answer has the same bytes, so that the peer never learns which check failed
//! (INV-4, SEC-157). All texts are constants: nothing of the request is reflected (SEC-152).

#[cfg(feature = "dpop")]
mod dpop;
pub mod parse;

#[cfg(feature = "dpop")]
pub use dpop::Offer;

#[cfg(feature = "dpop")]
use crate::dpop::ProofError;

use crate::{bearer::BearerError, error::ErrorCode, scope::RequiredScopes, token::TokenError};

/// Seconds that a client should wait after a 503.
const RETRY_AFTER_SECS: u32 = 5;

/// Why no verdict about a token was possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unavailable {
    /// The time is not known, so that `exp` cannot be checked; the check is never skipped.
    ClockUnknown,
    /// The authorization server could not be asked (RS-81, SEC-360).
    AuthorizationServer,
    /// The key that the token names is not at hand, and the issuer may have it (RS-71). A host that can
    /// read the issuer's keys does so and decides anew.
    Keys,
    /// There is no room to remember that a proof was used (SEC-115).
    #[cfg(feature = "dpop")]
    Proofs,
}

impl core::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ClockUnknown => "the time is not known",
            Self::AuthorizationServer => "the authorization server could not be asked",
            Self::Keys => "the keys of the issuer are not known",
            #[cfg(feature = "dpop")]
            Self::Proofs => "no room for a further proof",
        })
    }
}

impl core::error::Error for Unavailable {}

/// Why a request is not admitted, in full; for logs. The peer sees only what [`Challenge`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No bearer credentials.
    NoCredentials,
    /// Credentials that cannot be read.
    Request(BearerError),
    /// The token was looked at and refused.
    Token(TokenError),
    /// The token is good and lacks a needed scope.
    Scope,
    /// The proof beside the token was refused.
    #[cfg(feature = "dpop")]
    Proof(ProofError),
    /// No verdict about the token could be had.
    Unavailable(Unavailable),
}

impl From<TokenError> for Reason {
    /// What could not be told is no refusal.
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::KeysUnavailable => Self::Unavailable(Unavailable::Keys),
            refused => Self::Token(refused),
        }
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoCredentials => f.write_str("no bearer credentials"),
            Self::Request(error) => error.fmt(f),
            Self::Token(error) => error.fmt(f),
            Self::Scope => f.write_str("token lacks a needed scope"),
            #[cfg(feature = "dpop")]
            Self::Proof(error) => error.fmt(f),
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

/// A refusal as a value: rendered late, so that refusing needs no buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a refused request has to be answered"]
pub struct Challenge<'c> {
    reason: Reason,
    resource_metadata: &'c str,
    required: RequiredScopes<'c>,
    #[cfg(feature = "dpop")]
    offer: Option<Offer>,
}

impl<'c> Challenge<'c> {
    /// A challenge that points to `resource_metadata` and names the scopes this request needs (RS-26).
    ///
    /// The URL comes from the configuration, where it passed [`is_quotable`].
    pub const fn new(
        reason: Reason,
        resource_metadata: &'c str,
        required: RequiredScopes<'c>,
    ) -> Self {
        Self {
            reason,
            resource_metadata,
            required,
            #[cfg(feature = "dpop")]
            offer: None,
        }
    }

    /// Why, for logs and counters.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The status code.
    pub const fn status(&self) -> u16 {
        match self.reason {
            Reason::Request(
                BearerError::Repeated | BearerError::Malformed | BearerError::TwoMethods,
            ) => 400,
            Reason::NoCredentials | Reason::Request(BearerError::TooLong) | Reason::Token(_) => 401,
            #[cfg(feature = "dpop")]
            Reason::Proof(_) => 401,
            Reason::Scope => 403,
            Reason::Unavailable(_) => 503,
        }
    }

    /// The OAuth error code (RFC 6750 §3.1); none without credentials (RS-22) and with a 503.
    pub const fn error(&self) -> Option<ErrorCode> {
        match self.refusal() {
            Some(refusal) => Some(refusal.error),
            None => None,
        }
    }

    /// The fixed text that goes with the error code.
    pub const fn description(&self) -> Option<&'static str> {
        match self.refusal() {
            Some(refusal) => Some(refusal.description),
            None => None,
        }
    }

    /// The value of `WWW-Authenticate`, unless the answer is a 503.
    pub const fn www_authenticate(&self) -> Option<WwwAuthenticate<'c>> {
        match self.reason {
            Reason::Unavailable(_) => None,
            _ => Some(WwwAuthenticate(*self)),
        }
    }

    /// The value of `Retry-After` in seconds, for a 503.
    pub const fn retry_after_secs(&self) -> Option<u32> {
        match self.reason {
            Reason::Unavailable(_) => Some(RETRY_AFTER_SECS),
            _ => None,
        }
    }

    /// The content of the answer, `application/json`; empty where there is no error code.
    pub const fn body(&self) -> &'static str {
        match self.refusal() {
            Some(refusal) => refusal.body,
            None => "",
        }
    }

    const fn refusal(&self) -> Option<&'static Refusal> {
        match self.reason {
            Reason::NoCredentials | Reason::Unavailable(_) => None,
            Reason::Request(BearerError::Repeated) => Some(&REPEATED),
            Reason::Request(BearerError::Malformed) => Some(&MALFORMED),
            Reason::Request(BearerError::TwoMethods) => Some(&TWO_METHODS),
            // One text for all that can be wrong with a token (INV-4).
            Reason::Request(BearerError::TooLong) | Reason::Token(_) => Some(&INVALID_TOKEN),
            Reason::Scope => Some(&INSUFFICIENT_SCOPE),
            #[cfg(feature = "dpop")]
            Reason::Proof(error) => Some(dpop::refusal(error)),
        }
    }
}

/// The value of a `WWW-Authenticate` line: one challenge, Bearer unless DPoP is spoken of, parameters always in this order:
/// `error`, `error_description`, `scope`, `resource_metadata`.
///
/// Every value stays within the characters of RFC 6750 §3, so that nothing has to be escaped (RS-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WwwAuthenticate<'c>(Challenge<'c>);

impl core::fmt::Display for WwwAuthenticate<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(challenge) = self;
        let mut separator = " ";
        f.write_str(challenge.scheme())?;
        if let Some(refusal) = challenge.refusal() {
            let (error, description) = (refusal.error, refusal.description);
            write!(f, "{separator}error=\"{error}\", error_description=\"{description}\"")?;
            separator = ", ";
        }
        #[cfg(feature = "dpop")]
        if challenge.is_dpop() {
            write!(f, "{separator}{}", dpop::ALGS)?;
            separator = ", ";
        }
        if !challenge.required.is_empty() {
            write!(f, "{separator}scope=\"{}\"", challenge.required)?;
            separator = ", ";
        }
        // A text that slipped past the configuration's check is left out: no header is ever split,
        // and clients find the document at its well-known place (RS-04, SEC-150).
        if is_quotable(challenge.resource_metadata) {
            write!(f, "{separator}resource_metadata=\"{}\"", challenge.resource_metadata)?;
        }
        Ok(())
    }
}

#[cfg(not(feature = "dpop"))]
impl Challenge<'_> {
    /// The scheme that the challenge is about.
    #[inline(always)]
    const fn scheme(&self) -> &'static str {
        "Bearer"
    }
}

/// Whether a text may stand in a challenge's quoted string as it is: not empty, and nothing but
/// `%x20-21 / %x23-5B / %x5D-7E` (RFC 6750 §3). To be asked when a configuration is read.
pub const fn is_quotable(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        if !matches!(*byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
            return false;
        }
        rest = after;
    }
    !text.is_empty()
}

/// What the peer is told, in the header and in the body.
struct Refusal {
    error: ErrorCode,
    description: &'static str,
    body: &'static str,
}

/// Makes a [`Refusal`] whose body repeats the code and the text; the text is there once.
macro_rules! refusal {
    ($error:ident, $code:literal, $description:literal) => {{
        const BODY: &str =
            concat!("{\"error\":\"", $code, "\",\"error_description\":\"", $description, "\"}");
        Refusal {
            error: ErrorCode::$error,
            description: $crate::challenge::described(BODY, $description.len()),
            body: BODY,
        }
    }};
}

/// The text of `len` bytes before the quote and the brace that end a body.
const fn described(body: &'static str, len: usize) -> &'static str {
    let (text, _) = body.split_at(body.len().saturating_sub(2));
    text.split_at(text.len().saturating_sub(len)).1
}

#[cfg(feature = "dpop")]
use refusal;

const REPEATED: Refusal =
    refusal!(InvalidRequest, "invalid_request", "There is more than one Authorization field");
const MALFORMED: Refusal =
    refusal!(InvalidRequest, "invalid_request", "The Authorization field is malformed");
const TWO_METHODS: Refusal =
    refusal!(InvalidRequest, "invalid_request", "The access token is sent in more than one way");
const INVALID_TOKEN: Refusal =
    refusal!(InvalidToken, "invalid_token", "The access token is not valid for this resource");
const INSUFFICIENT_SCOPE: Refusal =
    refusal!(InsufficientScope, "insufficient_scope", "The access token lacks a required scope");

#[cfg(test)]
mod tests;
