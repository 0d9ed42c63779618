//! The device authorization grant (RFC 8628): the user logs in with a browser on another machine.
//!
//! [`DeviceRequest`] asks for a code to show. [`DeviceGrant`] then says when to ask for the tokens, each time
//! with a [`TokenRequest`] of its own in memory that may be used again for the next one.

use super::{
    Client, Discovered, ErrorResponse, FetchFailure, Freshness, Grant, Machine, OutgoingRequest,
    Output, Purpose, SignError, TokenRequest, TokenRequestError, Tokens, UrlPolicy, UrlRefusal,
    Wish,
    fetch::endpoint_error,
    form_post::FormPost,
    scope_choice::choose,
    token_request::{Ask, body_in},
};
use crate::{
    encoding::{
        json::{JsonError, Reader},
        scratch::Scratch,
    },
    limits::{DOCUMENT_DEPTH_MAX, TOKEN_LEN_MAX},
    message::IncomingResponse,
    scope::ScopeSet,
};

/// Longest body of a device authorization endpoint's answer.
pub const DEVICE_ANSWER_LEN_MAX: usize = 8 * 1024;
/// Longest code for the user in bytes: more nobody types.
pub const USER_CODE_LEN_MAX: usize = 32;
/// Longest time in seconds that the user is waited for; a longer `expires_in` counts as this.
pub const DEVICE_EXPIRES_IN_SECS_MAX: u32 = 30 * 60;
/// Longest `interval` in seconds that is kept to; a longer one counts as this.
pub const POLL_INTERVAL_SECS_MAX: u32 = 60;

/// The interval when the server names none (RFC 8628 §3.2), and what `slow_down` adds to it (§3.5).
const POLL_INTERVAL_SECS: u32 = 5;

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The client is registered with another issuer (CL-37).
    OtherIssuer,
    /// The authorization server has no device authorization endpoint.
    NoEndpoint,
    /// The resource server names scopes that are not well-formed.
    Scope,
    /// The client could not sign what it authenticates with.
    Sign(SignError),
    /// There was no answer.
    Fetch(FetchFailure),
    /// 5xx or 429: it may work later.
    Trouble,
    /// The server refused; see [`DeviceRequest::error_response`] for its words.
    Refused,
    /// The answer is not `application/json`.
    ContentType,
    /// The answer's body is not readable.
    Body(JsonError),
    /// The answer has no usable code, or no lifetime.
    Answer,
    /// The page for the user is not one that may be shown (SEC-461).
    VerificationUri(UrlRefusal),
    /// Nobody logged in while the code was good.
    Expired,
    /// The user, or the server, said no.
    Denied,
    /// The token endpoint gave no tokens.
    Token(TokenRequestError),
    /// No room in the caller's buffer.
    BufferFull,
    /// The answer has not been handled yet.
    Unfinished,
}

impl core::fmt::Display for DeviceError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Sign(error) => return write!(f, "client authentication: {error}"),
            Self::Fetch(failure) => return failure.fmt(f),
            Self::Body(error) => return error.fmt(f),
            Self::VerificationUri(refusal) => return write!(f, "page for the user: {refusal}"),
            Self::Token(error) => return error.fmt(f),
            Self::OtherIssuer => "client is registered with another issuer",
            Self::NoEndpoint => "authorization server has no device authorization endpoint",
            Self::Scope => "scopes of the server are malformed",
            Self::Trouble => "device authorization endpoint is in trouble",
            Self::Refused => "device authorization refused",
            Self::ContentType => "device authorization answer is not JSON",
            Self::Answer => "device authorization answer has no usable code",
            Self::Expired => "nobody logged in in time",
            Self::Denied => "access denied",
            Self::BufferFull => "no room for the device authorization",
            Self::Unfinished => "device authorization was not answered yet",
        })
    }
}

impl core::error::Error for DeviceError {}

endpoint_error!(DeviceError);

impl From<SignError> for DeviceError {
    fn from(error: SignError) -> Self {
        if error == SignError::BufferFull { Self::BufferFull } else { Self::Sign(error) }
    }
}

/// The request for a code to show to the user, and its answer (RFC 8628 §3.1, §3.2).
pub struct DeviceRequest<'s> {
    client: Client<'s>,
    token_endpoint: &'s str,
    resource: &'s str,
    resource_parameter: Option<&'s str>,
    scope: ScopeSet<'s>,
    url_policy: UrlPolicy,
    post: FormPost<'s, Codes<'s>, DeviceError>,
}

impl<'s> DeviceRequest<'s> {
    /// Makes a request to the validated authorization server. `fresh` is needed by a client that signs.
    pub fn new(
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        wish: &Wish<'s>,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, DeviceError> {
        if client.issuer != discovered.issuer() {
            return Err(DeviceError::OtherIssuer);
        }
        let endpoint = discovered.server_metadata().device_authorization_endpoint;
        let endpoint = endpoint.ok_or(DeviceError::NoEndpoint)?;
        let scope = choose(discovered, wish, scratch).map_err(|error| match error {
            super::AuthorizationError::BufferFull => DeviceError::BufferFull,
            _ => DeviceError::Scope,
        })?;
        let credentials = client.credentials(fresh, scratch)?;
        let body = body_in(scratch, |form| {
            client.write_body(&credentials, form)?;
            if let Some(resource) = discovered.resource_parameter() {
                form.pair("resource", resource)?; // CL-41
            }
            if scope.is_empty() { Ok(()) } else { form.pair("scope", scope.as_str()) }
        })?;
        Ok(Self {
            client: *client,
            token_endpoint: discovered.token_endpoint(),
            resource: discovered.resource(),
            resource_parameter: discovered.resource_parameter(),
            scope,
            url_policy: discovered.url_policy(),
            post: FormPost::new(OutgoingRequest::form(
                Purpose::DeviceAuthorization,
                endpoint,
                credentials.authorization,
                body,
                DEVICE_ANSWER_LEN_MAX,
            )),
        })
    }

    /// The codes, once the answer was handled. `now_secs` is the time by any clock that only goes forward;
    /// [`DeviceGrant`] goes by the same one.
    pub fn finish(self, now_secs: u64) -> Result<DeviceGrant<'s>, DeviceError> {
        let codes = self.post.finish(DeviceError::Unfinished)?;
        Ok(DeviceGrant {
            client: self.client,
            token_endpoint: self.token_endpoint,
            resource: self.resource,
            resource_parameter: self.resource_parameter,
            scope: self.scope,
            interval_secs: codes.interval_secs,
            next_secs: now_secs.saturating_add(u64::from(codes.interval_secs)),
            end_secs: now_secs.saturating_add(u64::from(codes.expires_in_secs)),
            codes,
        })
    }

    /// The server's words when it refused.
    pub const fn error_response(&self) -> Option<ErrorResponse<'s>> {
        self.post.error_response()
    }
}

impl<'s> Machine<'s> for DeviceRequest<'s> {
    fn poll(&self) -> Output<'_> {
        self.post.poll()
    }

    fn handle_response(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) {
        let policy = self.url_policy;
        let read = |body, scratch: &mut Scratch<'s>| Codes::parse(body, policy, scratch);
        self.post.handle_json(response, scratch, read);
    }
}

impl core::fmt::Debug for DeviceRequest<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DeviceRequest").field("post", &self.post).finish_non_exhaustive()
    }
}

/// The answer (RFC 8628 §3.2), checked.
#[derive(Clone, Copy)]
struct Codes<'s> {
    device_code: &'s str,
    user_code: &'s str,
    verification_uri: &'s str,
    verification_uri_complete: Option<&'s str>,
    expires_in_secs: u32,
    interval_secs: u32,
}

impl<'s> Codes<'s> {
    fn parse(
        body: &'s [u8],
        policy: UrlPolicy,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, DeviceError> {
        let (mut device_code, mut user_code, mut page, mut complete_page) =
            (None, None, None, None);
        let (mut expires_in, mut interval) = (0, u64::from(POLL_INTERVAL_SECS));
        let mut reader = Reader::new(body, DOCUMENT_DEPTH_MAX)?;
        let mut members = reader.object()?;
        while let Some(name) = members.next(&mut reader)? {
            let mut text = |reader: &mut Reader<'s>| -> Result<_, JsonError> {
                reader.string()?.read(scratch)
            };
            if name.eq_str("device_code") {
                device_code = Some(text(&mut reader)?);
            } else if name.eq_str("user_code") {
                user_code = Some(text(&mut reader)?);
            } else if name.eq_str("verification_uri") {
                page = Some(text(&mut reader)?);
            } else if name.eq_str("verification_uri_complete") {
                complete_page = Some(text(&mut reader)?);
            } else if name.eq_str("expires_in") {
                expires_in = reader.unsigned()?;
            } else if name.eq_str("interval") {
                interval = reader.unsigned()?;
            } else {
                reader.skip()?;
            }
        }
        reader.end()?;
        let is_text = |text: &&str, len_max: usize| {
            (1..=len_max).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'))
        };
        let device_code = device_code.filter(|code| is_text(code, TOKEN_LEN_MAX));
        let user_code = user_code.filter(|code| is_text(code, USER_CODE_LEN_MAX));
        let page = page.ok_or(DeviceError::Answer)?;
        for url in [Some(page), complete_page].into_iter().flatten() {
            policy.admit(url).map_err(DeviceError::VerificationUri)?;
        }
        if expires_in == 0 {
            return Err(DeviceError::Answer);
        }
        let bounded = |secs: u64, max: u32| u32::try_from(secs).unwrap_or(max).min(max);
        Ok(Self {
            device_code: device_code.ok_or(DeviceError::Answer)?,
            user_code: user_code.ok_or(DeviceError::Answer)?,
            verification_uri: page,
            verification_uri_complete: complete_page,
            expires_in_secs: bounded(expires_in, DEVICE_EXPIRES_IN_SECS_MAX),
            interval_secs: bounded(interval, POLL_INTERVAL_SECS_MAX).max(1),
        })
    }
}

impl core::fmt::Debug for Codes<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Codes(..)")
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevicePoll {
    /// Nothing for so many seconds.
    Wait(u64),
    /// Ask with [`DeviceGrant::token_request`], and hand the answered request to
    /// [`DeviceGrant::handle_answer`].
    Ask,
    /// The code is no longer good: [`DeviceError::Expired`].
    Expired,
}

/// A code that the user has to be shown, and the wait for the tokens.
///
/// The longest wait is [`DEVICE_EXPIRES_IN_SECS_MAX`]; what the server says can only slow the asking down.
#[derive(Clone, Debug)]
pub struct DeviceGrant<'s> {
    client: Client<'s>,
    token_endpoint: &'s str,
    resource: &'s str,
    resource_parameter: Option<&'s str>,
    scope: ScopeSet<'s>,
    codes: Codes<'s>,
    interval_secs: u32,
    next_secs: u64,
    end_secs: u64,
}

impl<'s> DeviceGrant<'s> {
    /// What the user types at [`verification_uri`](Self::verification_uri): printable ASCII.
    pub const fn user_code(&self) -> &'s str {
        self.codes.user_code
    }

    /// The page that the user opens; admitted by the URL policy.
    pub const fn verification_uri(&self) -> &'s str {
        self.codes.verification_uri
    }

    /// The same page with the code filled in, to be shown as a QR code or opened; admitted by the URL policy.
    pub const fn verification_uri_complete(&self) -> Option<&'s str> {
        self.codes.verification_uri_complete
    }

    /// How long the code is good, in seconds from the answer.
    pub const fn expires_in_secs(&self) -> u32 {
        self.codes.expires_in_secs
    }

    /// The client that asks.
    pub const fn client(&self) -> &Client<'s> {
        &self.client
    }

    /// What to do at `now_secs`.
    pub const fn poll(&self, now_secs: u64) -> DevicePoll {
        if now_secs >= self.end_secs {
            return DevicePoll::Expired;
        }
        if now_secs >= self.next_secs {
            return DevicePoll::Ask;
        }
        let until = if self.next_secs < self.end_secs { self.next_secs } else { self.end_secs };
        DevicePoll::Wait(until.saturating_sub(now_secs))
    }

    /// One request for the tokens, in memory that is free again when the request is done.
    pub fn token_request<'p>(
        &self,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'p>,
    ) -> Result<TokenRequest<'p>, DeviceError>
    where
        's: 'p,
    {
        let credentials = self.client.credentials(fresh, scratch)?;
        let body = body_in(scratch, |form| {
            form.pair("grant_type", Grant::DeviceCode.as_str())?;
            form.pair("device_code", self.codes.device_code)?;
            if let Some(resource) = self.resource_parameter {
                form.pair("resource", resource)?; // CL-41
            }
            self.client.write_body(&credentials, form)
        })?;
        let ask = Ask {
            purpose: Purpose::DeviceToken,
            endpoint: self.token_endpoint,
            issuer: self.client.issuer,
            resource: self.resource,
            asked_scope: self.scope,
            expected_scope: self.scope,
        };
        Ok(TokenRequest::asking(ask, body, credentials.authorization))
    }

    /// Takes the answered request: the tokens, `None` when it is to be waited on, or the end (RFC 8628 §3.5).
    pub fn handle_answer<'p>(
        &mut self,
        request: TokenRequest<'p>,
        now_secs: u64,
    ) -> Result<Option<Tokens<'p>>, DeviceError> {
        let words = request.error_response().map(|words| words.error);
        let error = match request.finish() {
            Ok(tokens) => return Ok(Some(tokens)),
            Err(error) => error,
        };
        match (error, words) {
            (TokenRequestError::Refused, Some("authorization_pending")) => {}
            (TokenRequestError::Refused, Some("slow_down")) => {
                self.interval_secs = self.interval_secs.saturating_add(POLL_INTERVAL_SECS);
            }
            (TokenRequestError::Refused, Some("expired_token")) => {
                return Err(DeviceError::Expired);
            }
            (TokenRequestError::Refused, Some("access_denied")) => return Err(DeviceError::Denied),
            // A server that cannot be reached, or says that it is busy, is asked half as often.
            (
                TokenRequestError::Trouble
                | TokenRequestError::Fetch(
                    FetchFailure::Unreachable | FetchFailure::Certificate | FetchFailure::TimedOut,
                ),
                _,
            ) => {
                let slower = self.interval_secs.saturating_mul(2).min(POLL_INTERVAL_SECS_MAX);
                self.interval_secs = slower.max(self.interval_secs);
            }
            _ => return Err(DeviceError::Token(error)),
        }
        self.next_secs = now_secs.saturating_add(u64::from(self.interval_secs));
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
