//! The token request: a code, or a refresh token, against tokens (RFC 6749 §4.1.3, §6).

use super::{
    Client, CodeGrant, Discovered, ErrorResponse, FetchFailure, Freshness, Grant, Machine,
    OutgoingRequest, Output, Purpose, SignError, StoredTokens, Tokens, fetch::endpoint_error,
    form_post::FormPost, tokens::TokenAnswer,
};
use crate::{
    encoding::{
        form::FormWriter,
        json::JsonError,
        scratch::{BufferFull, Scratch},
    },
    limits::FORM_LEN_MAX,
    message::IncomingResponse,
    scope::ScopeSet,
};

/// Longest body of a token endpoint's answer: two tokens at their limit and room for the rest.
pub const TOKEN_ANSWER_LEN_MAX: usize = 16 * 1024;

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenRequestError {
    /// There was no answer.
    Fetch(FetchFailure),
    /// 5xx or 429: it may work later.
    Trouble,
    /// The server refused; see [`TokenRequest::error_response`] for its words.
    Refused,
    /// The answer is not `application/json`.
    ContentType,
    /// The answer's body is not readable.
    Body(JsonError),
    /// `token_type` is missing or not `Bearer` (CL-62).
    TokenType,
    /// A token is missing or has characters that it must not have.
    Token,
    /// `expires_in` is zero or negative.
    Lifetime,
    /// `scope` is malformed.
    Scope,
    /// The client or the stored tokens are of another issuer (CL-37).
    OtherIssuer,
    /// The stored tokens are for another resource (CL-71).
    OtherResource,
    /// The stored tokens were given to another client.
    OtherClient,
    /// The client does not authenticate itself, which this way to tokens asks for (AS-98).
    PublicClient,
    /// The client could not sign what it authenticates with.
    Sign(SignError),
    /// No room in the caller's buffer.
    BufferFull,
    /// The answer has not been handled yet.
    Unfinished,
}

/// What a refresh without tokens means for what the application stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRefresh {
    /// All of it may still be good: try again later, without asking the user (CL-06).
    Keep,
    /// The refresh token is of no more use: the user has to log in.
    ForgetTokens,
    /// The authorization server does not know the client any more (RFC 6749 §5.2 `invalid_client`): it has
    /// to be registered again (CL-39) before the user logs in.
    ForgetClient,
}

impl TokenRequestError {
    /// What to do after a refresh that ended with this error and with the server's words, if it had any.
    ///
    /// An answer that is not understood may mean that the refresh token was used up, so it is forgotten; not
    /// so when nothing was answered: then it may not even have arrived.
    pub fn after_refresh(self, words: Option<&ErrorResponse<'_>>) -> AfterRefresh {
        match self {
            Self::Refused if words.is_some_and(ErrorResponse::is_about_client) => {
                AfterRefresh::ForgetClient
            }
            Self::Fetch(
                FetchFailure::Unreachable
                | FetchFailure::Certificate
                | FetchFailure::TimedOut
                | FetchFailure::NotPublic,
            )
            | Self::Trouble
            | Self::Sign(_)
            | Self::BufferFull
            | Self::Unfinished => AfterRefresh::Keep,
            Self::Fetch(FetchFailure::TooLarge)
            | Self::Refused
            | Self::ContentType
            | Self::Body(_)
            | Self::TokenType
            | Self::Token
            | Self::Lifetime
            | Self::Scope
            | Self::OtherIssuer
            | Self::OtherResource
            | Self::PublicClient
            | Self::OtherClient => AfterRefresh::ForgetTokens,
        }
    }
}

impl core::fmt::Display for TokenRequestError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Fetch(failure) => return failure.fmt(f),
            Self::Body(error) => return error.fmt(f),
            Self::Sign(error) => return write!(f, "client authentication: {error}"),
            Self::Trouble => "token endpoint is in trouble",
            Self::Refused => "token endpoint refused",
            Self::ContentType => "token answer is not JSON",
            Self::TokenType => "token type is not Bearer",
            Self::Token => "token missing or malformed",
            Self::Lifetime => "token has no lifetime left",
            Self::Scope => "granted scope is malformed",
            Self::OtherIssuer => "client or tokens are of another issuer",
            Self::OtherResource => "tokens are for another resource",
            Self::OtherClient => "tokens were given to another client",
            Self::PublicClient => "client has nothing to authenticate itself with",
            Self::BufferFull => "no room for the token request",
            Self::Unfinished => "token request was not answered yet",
        })
    }
}

impl core::error::Error for TokenRequestError {}

endpoint_error!(TokenRequestError);

impl From<SignError> for TokenRequestError {
    fn from(error: SignError) -> Self {
        if error == SignError::BufferFull { Self::BufferFull } else { Self::Sign(error) }
    }
}

/// One request to the token endpoint, and its answer.
///
/// A code and a refresh token can be used once: never send the request a second time, and store the
/// new refresh token before the access token is used (CL-63, SEC-480).
pub struct TokenRequest<'s> {
    ask: Ask<'s>,
    post: FormPost<'s, Tokens<'s>, TokenRequestError>,
    proving: Proving,
}

/// Whether the request is sent with a proof of a key (RFC 9449 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proving {
    /// No: a token that is bound to a key would be of no use.
    #[default]
    No,
    /// Yes, and a bearer token is taken all the same.
    IfBound,
    /// Yes, and nothing but a bound token is taken (DP-01).
    OnlyBound,
}

impl Proving {
    const fn takes(self, is_bound: bool) -> bool {
        match self {
            Self::No => !is_bound,
            Self::IfBound => true,
            Self::OnlyBound => is_bound,
        }
    }
}

/// Where a request goes, and what its tokens will be for.
#[derive(Clone, Copy)]
pub(super) struct Ask<'s> {
    pub(super) purpose: Purpose,
    pub(super) endpoint: &'s str,
    pub(super) issuer: &'s str,
    pub(super) resource: &'s str,
    pub(super) asked_scope: ScopeSet<'s>,
    /// What is granted when the server does not say (RFC 6749 §5.1).
    pub(super) expected_scope: ScopeSet<'s>,
}

impl<'s> TokenRequest<'s> {
    /// Exchanges the code of a checked callback, at the token endpoint of the issuer recorded with
    /// the authorization request and nowhere else (CL-53). `fresh` is needed by a client that signs.
    pub fn code(
        grant: CodeGrant<'s>,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenRequestError> {
        let credentials = grant.client.credentials(fresh, scratch)?;
        let body = body_in(scratch, |form| {
            form.pair("grant_type", Grant::AuthorizationCode.as_str())?;
            form.pair("code", grant.code)?;
            form.pair("code_verifier", grant.pkce.verifier().expose())?;
            form.pair("redirect_uri", grant.redirect_uri)?;
            if let Some(resource) = grant.resource_parameter {
                form.pair("resource", resource)?; // CL-41
            }
            grant.client.write_body(&credentials, form)
        })?;
        let ask = Ask {
            purpose: Purpose::CodeExchange,
            endpoint: grant.token_endpoint,
            issuer: grant.client.issuer,
            resource: grant.resource,
            asked_scope: grant.scope,
            expected_scope: grant.scope,
        };
        Ok(Self::asking(ask, body, credentials.authorization))
    }

    /// Refreshes stored tokens, if they are of this issuer, resource and client: nobody else may
    /// see the refresh token (CL-71, SEC-172). `fresh` is needed by a client that signs.
    ///
    /// Refreshes of one token must not run in parallel: rotation would take the second for theft
    /// (CL-63, SEC-479).
    pub fn refresh(
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        stored: &StoredTokens<'s>,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenRequestError> {
        if client.issuer != discovered.issuer() || stored.issuer != discovered.issuer() {
            return Err(TokenRequestError::OtherIssuer);
        }
        if stored.resource != discovered.resource() {
            return Err(TokenRequestError::OtherResource);
        }
        if stored.client_id != client.id {
            return Err(TokenRequestError::OtherClient);
        }
        let credentials = client.credentials(fresh, scratch)?;
        let body = body_in(scratch, |form| {
            form.pair("grant_type", "refresh_token")?;
            form.pair("refresh_token", stored.refresh_token.expose())?;
            if let Some(resource) = discovered.resource_parameter() {
                form.pair("resource", resource)?; // CL-41
            }
            client.write_body(&credentials, form)
        })?;
        let ask = Ask {
            purpose: Purpose::Refresh,
            endpoint: discovered.token_endpoint(),
            issuer: client.issuer,
            resource: discovered.resource(),
            asked_scope: stored.asked_scope,
            expected_scope: stored.scope,
        };
        Ok(Self::asking(ask, body, credentials.authorization))
    }

    pub(super) const fn asking(
        ask: Ask<'s>,
        body: &'s [u8],
        authorization: Option<&'s str>,
    ) -> Self {
        let Ask { purpose, endpoint, .. } = ask;
        let post = FormPost::new(OutgoingRequest::form(
            purpose,
            endpoint,
            authorization,
            body,
            TOKEN_ANSWER_LEN_MAX,
        ));
        Self { ask, post, proving: Proving::No }
    }

    /// The same request, which is sent with a proof or without.
    #[must_use]
    pub const fn proving(self, proving: Proving) -> Self {
        Self { proving, ..self }
    }

    /// The tokens, once the answer was handled.
    pub fn finish(self) -> Result<Tokens<'s>, TokenRequestError> {
        self.post.finish(TokenRequestError::Unfinished)
    }

    /// The server's words when it refused, such as `invalid_grant`.
    pub const fn error_response(&self) -> Option<ErrorResponse<'s>> {
        self.post.error_response()
    }
}

impl<'s> Ask<'s> {
    fn read(
        &self,
        proving: Proving,
        body: &'s [u8],
        scratch: &mut Scratch<'s>,
    ) -> Result<Tokens<'s>, TokenRequestError> {
        let mut answer = TokenAnswer::parse(body, scratch)?;
        if !proving.takes(answer.is_bound) {
            return Err(TokenRequestError::TokenType);
        }
        // CC-07; where a fresh assertion is as easily had, it is what the user or the platform still says.
        if matches!(self.purpose, Purpose::ClientCredentials | Purpose::JwtBearer) {
            answer.refresh_token = None;
        }
        let scope = answer.scope.unwrap_or(self.expected_scope);
        let Ask { issuer, resource, asked_scope, .. } = *self;
        Ok(Tokens { issuer, resource, asked_scope, scope, answer })
    }
}

impl<'s> Machine<'s> for TokenRequest<'s> {
    fn poll(&self) -> Output<'_> {
        self.post.poll()
    }

    fn handle_response(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) {
        let (ask, proving) = (self.ask, self.proving);
        let read = |body, scratch: &mut Scratch<'s>| ask.read(proving, body, scratch);
        self.post.handle_json(response, scratch, read);
    }
}

impl core::fmt::Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenRequest").field("post", &self.post).finish_non_exhaustive()
    }
}

/// Keeps a form; one longer than LIM-8 is not made.
pub(super) fn body_in<'s>(
    scratch: &mut Scratch<'s>,
    write: impl FnOnce(&mut FormWriter<'_>) -> Result<(), BufferFull>,
) -> Result<&'s [u8], BufferFull> {
    let body = scratch.fill(|free| {
        let mut form = FormWriter::new(free);
        write(&mut form)?;
        let len = form.finish().len();
        if len > FORM_LEN_MAX { Err(BufferFull) } else { Ok(len) }
    })?;
    Ok(body)
}

#[cfg(test)]
mod tests;
