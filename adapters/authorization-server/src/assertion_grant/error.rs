//! Why an assertion stands for nothing.

use std::fmt;

use oauth_as::{ErrorCode, ErrorResponse};
use portcullis_core::token::TokenError;

/// Why an assertion stands for nothing. For the log: the client gets one word for most of it, so that nobody
/// learns from the answer which issuers are trusted (EM-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AssertionError {
    /// Length, form, type, key or signature.
    Token(TokenError),
    /// Nobody here trusts whoever issued it.
    Issuer,
    /// A claim is missing, twice there, of the wrong type, or one that nobody here understands.
    Claims,
    /// It is for another server, or for others, too.
    Audience,
    Expired,
    /// Made in the future, or not valid yet.
    NotYet,
    /// It would live for more than a day.
    Lifetime,
    /// It is for another client.
    #[cfg(feature = "enterprise-managed")]
    Client,
    /// Its user belongs to a tenant that is not trusted.
    #[cfg(feature = "enterprise-managed")]
    Tenant,
    /// No rule is about such a workload.
    #[cfg(feature = "workload-identity")]
    Rule,
    /// The client did not prove to have the key that it names.
    Proof,
    /// It was used before.
    Replayed,
    /// An administrator disabled the user.
    #[cfg(feature = "enterprise-managed")]
    User,
    /// It is for no resource of this server, or the client names another one.
    Resource,
    /// The client asks for more than it allows, or it allows nothing that the resource has.
    Scope,
    /// The keys of the issuer cannot be read right now.
    Keys,
    Storage,
}

impl AssertionError {
    pub(super) fn response(self) -> ErrorResponse {
        match self {
            Self::Resource => ErrorResponse::new(ErrorCode::InvalidTarget),
            Self::Scope => ErrorResponse::new(ErrorCode::InvalidScope),
            Self::Keys => ErrorResponse::new(ErrorCode::TemporarilyUnavailable),
            Self::Storage => ErrorResponse::new(ErrorCode::ServerError),
            _ => ErrorResponse::new(ErrorCode::InvalidGrant)
                .with_description("the assertion is not accepted"),
        }
    }
}

impl From<TokenError> for AssertionError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::KeysUnavailable => Self::Keys,
            error => Self::Token(error),
        }
    }
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(error) => error.as_str(),
            Self::Issuer => "an issuer that is not trusted",
            Self::Claims => "a claim is missing, of the wrong type, or not understood",
            Self::Audience => "another audience",
            Self::Expired => "expired",
            Self::NotYet => "issued in the future or not valid yet",
            Self::Lifetime => "valid for too long",
            #[cfg(feature = "enterprise-managed")]
            Self::Client => "for another client",
            #[cfg(feature = "enterprise-managed")]
            Self::Tenant => "another tenant",
            #[cfg(feature = "workload-identity")]
            Self::Rule => "no rule for this workload",
            Self::Proof => "no proof of the key that it names",
            Self::Replayed => "used before",
            #[cfg(feature = "enterprise-managed")]
            Self::User => "the user is disabled",
            Self::Resource => "another resource",
            Self::Scope => "another scope",
            Self::Keys => "the keys of the issuer cannot be read",
            Self::Storage => "the records cannot be used",
        })
    }
}
