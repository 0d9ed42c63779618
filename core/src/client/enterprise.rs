//! Enterprise-managed authorization: the user's identity provider decides (EM-01, EM-02, EM-15, EM-16).
//!
//! [`IdJagRequest`] exchanges what the user's sign-in left at the application for an identity assertion
//! authorization grant (ID-JAG), made for one authorization server, and
//! [`TokenRequest::id_jag`] presents that there. The user is sent nowhere (EM-16).

use super::{
    Assertion, Client, ClientAuthentication, Discovered, ErrorResponse, FetchFailure, Freshness,
    KnownClient, Machine, OutgoingRequest, Output, Purpose, SignError, TOKEN_ANSWER_LEN_MAX,
    TokenRequest, TokenRequestError, UrlRefusal, Wish, fetch::endpoint_error, form_post::FormPost,
    scope_choice::without_offline_access, token_request::body_in,
};
use crate::{
    encoding::{
        json::{JsonError, Reader},
        scratch::Scratch,
    },
    limits::DOCUMENT_DEPTH_MAX,
    message::IncomingResponse,
};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What the user's sign-in at the identity provider left (RFC 8693 §3).
///
/// A secret: `Debug` shows the kind alone.
#[derive(Clone, Copy)]
pub enum SubjectToken<'s> {
    /// An ID token for this application.
    IdToken(&'s str),
    /// A refresh token of the identity provider.
    RefreshToken(&'s str),
}

impl SubjectToken<'_> {
    const fn kind(self) -> &'static str {
        match self {
            Self::IdToken(_) => "urn:ietf:params:oauth:token-type:id_token",
            Self::RefreshToken(_) => "urn:ietf:params:oauth:token-type:refresh_token",
        }
    }

    const fn expose(&self) -> &str {
        match self {
            Self::IdToken(text) | Self::RefreshToken(text) => text,
        }
    }
}

impl core::fmt::Debug for SubjectToken<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::IdToken(_) => "IdToken(..)",
            Self::RefreshToken(_) => "RefreshToken(..)",
        })
    }
}

/// The enterprise's identity provider, by configuration and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct IdentityProvider<'s> {
    /// Its token endpoint.
    pub token_endpoint: &'s str,
    /// The application there: its issuer is the provider's, its method is the registered one, and without one
    /// it is the key, else the secret by Basic, else none.
    pub client: KnownClient<'s>,
}

/// Why there is no ID-JAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdJagError {
    /// The client is registered with another issuer than the one the ID-JAG is to be for (EM-15).
    OtherIssuer,
    /// The token endpoint of the identity provider is not usable.
    Endpoint(UrlRefusal),
    /// The client could not sign what it authenticates with.
    Sign(SignError),
    /// There was no answer.
    Fetch(FetchFailure),
    /// 5xx or 429: it may work later.
    Trouble,
    /// The provider refused; see [`IdJagRequest::error_response`] for its words.
    Refused,
    /// The answer is not `application/json`.
    ContentType,
    /// The answer's body is not readable.
    Body(JsonError),
    /// The answer is some other kind of token (EM-03).
    TokenType,
    /// The token is missing or not in the form of one.
    Token,
    /// No room in the caller's buffer.
    BufferFull,
    /// The answer has not been handled yet.
    Unfinished,
}

impl core::fmt::Display for IdJagError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Endpoint(refusal) => return write!(f, "identity provider: {refusal}"),
            Self::Sign(error) => return write!(f, "client authentication: {error}"),
            Self::Fetch(failure) => return failure.fmt(f),
            Self::Body(error) => return error.fmt(f),
            Self::OtherIssuer => "configured client is for another authorization server",
            Self::Trouble => "identity provider is in trouble",
            Self::Refused => "identity provider refused",
            Self::ContentType => "identity provider's answer is not JSON",
            Self::TokenType => "identity provider gave another kind of token",
            Self::Token => "identity provider's token is missing or malformed",
            Self::BufferFull => "no room for the token exchange",
            Self::Unfinished => "token exchange was not answered yet",
        })
    }
}

impl core::error::Error for IdJagError {}

endpoint_error!(IdJagError);

impl From<SignError> for IdJagError {
    fn from(error: SignError) -> Self {
        if error == SignError::BufferFull { Self::BufferFull } else { Self::Sign(error) }
    }
}

/// The token exchange at the identity provider (RFC 8693 §2), and its answer.
#[derive(Debug)]
pub struct IdJagRequest<'s>(FormPost<'s, Assertion<'s>, IdJagError>);

impl<'s> IdJagRequest<'s> {
    /// Asks for an ID-JAG for the authorization server that was found, which must be the one that `client` was
    /// configured for: that the server's metadata names one is not enough (EM-15).
    pub fn new(
        provider: &IdentityProvider<'s>,
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        subject: SubjectToken<'_>,
        wish: &Wish<'s>,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, IdJagError> {
        if client.issuer != discovered.issuer() {
            return Err(IdJagError::OtherIssuer);
        }
        let admitted = discovered.url_policy().admit(provider.token_endpoint);
        admitted.map_err(IdJagError::Endpoint)?;
        let application = application(&provider.client);
        let credentials = application.credentials(fresh, scratch)?;
        let scope = without_offline_access(discovered, wish);
        let body = body_in(scratch, |form| {
            form.pair("grant_type", TOKEN_EXCHANGE)?;
            form.pair("requested_token_type", ID_JAG)?;
            form.pair("audience", discovered.issuer())?;
            form.pair("resource", discovered.resource())?; // EM-02
            if !scope.is_empty() {
                form.pair("scope", scope.as_str())?;
            }
            form.pair("subject_token", subject.expose())?;
            form.pair("subject_token_type", subject.kind())?;
            application.write_body(&credentials, form)
        })?;
        Ok(Self(FormPost::new(OutgoingRequest::form(
            Purpose::TokenExchange,
            provider.token_endpoint,
            credentials.authorization,
            body,
            TOKEN_ANSWER_LEN_MAX,
        ))))
    }

    /// The ID-JAG, once the answer was handled.
    pub fn finish(self) -> Result<Assertion<'s>, IdJagError> {
        self.0.finish(IdJagError::Unfinished)
    }

    /// The provider's words when it refused.
    pub const fn error_response(&self) -> Option<ErrorResponse<'s>> {
        self.0.error_response()
    }
}

impl<'s> Machine<'s> for IdJagRequest<'s> {
    fn poll(&self) -> Output<'_> {
        self.0.poll()
    }

    fn handle_response(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) {
        self.0.handle_json(response, scratch, read_answer);
    }
}

/// The application as a client of the identity provider.
fn application<'s>(known: &KnownClient<'s>) -> Client<'s> {
    let by_default = match (known.key, known.secret) {
        (Some(_), _) => ClientAuthentication::PrivateKeyJwt,
        (None, Some(_)) => ClientAuthentication::Basic,
        (None, None) => ClientAuthentication::None,
    };
    Client {
        issuer: known.issuer,
        id: known.id,
        secret: known.secret,
        secret_expires_at: known.secret_expires_at,
        key: known.key,
        authentication: known.authentication.unwrap_or(by_default),
    }
}

/// RFC 8693 §2.2.1, with the types of an ID-JAG: it is no access token, so `token_type` is `N_A` (EM-03).
fn read_answer<'s>(body: &'s [u8], scratch: &mut Scratch<'s>) -> Result<Assertion<'s>, IdJagError> {
    let (mut token, mut is_id_jag, mut is_no_access_token) = (None, false, false);
    let mut reader = Reader::new(body, DOCUMENT_DEPTH_MAX)?;
    let mut members = reader.object()?;
    while let Some(name) = members.next(&mut reader)? {
        if name.eq_str("access_token") {
            token = Some(reader.string()?.read(scratch)?);
        } else if name.eq_str("issued_token_type") {
            is_id_jag = reader.string()?.eq_str(ID_JAG);
        } else if name.eq_str("token_type") {
            is_no_access_token = reader.string()?.read(scratch)?.eq_ignore_ascii_case("N_A");
        } else {
            reader.skip()?;
        }
    }
    reader.end()?;
    if !is_id_jag || !is_no_access_token {
        return Err(IdJagError::TokenType);
    }
    token.and_then(Assertion::new).ok_or(IdJagError::Token)
}

impl<'s> TokenRequest<'s> {
    /// Presents an ID-JAG at the authorization server that it is for, as the client configured there
    /// ([`Client::configured`], EM-15).
    ///
    /// There is no refresh token: present a new one before the token ends.
    pub fn id_jag(
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        id_jag: Assertion<'_>,
        wish: &Wish<'s>,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, TokenRequestError> {
        Self::jwt_bearer(discovered, Some(client), id_jag, wish, fresh, scratch)
    }
}

#[cfg(test)]
mod tests;
