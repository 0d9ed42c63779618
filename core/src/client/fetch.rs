//! What a client machine wants sent, and what it learns of the answer.

use super::{ErrorResponse, kept_body};
use crate::{encoding::scratch::Scratch, message::IncomingResponse};

/// A step of the client that needs answers from the network.
///
/// The caller's loop: [`poll`](Self::poll); if it says fetch, send the request as it stands, hand
/// the answer to [`handle_response`](Self::handle_response), and poll again. No redirect is followed
/// (CL-06), no cookie or other credential is added, and a body longer than the request's
/// `response_len_max` is [`FetchFailure::TooLarge`] (CL-94).
pub trait Machine<'s> {
    /// What to do next. Says the same again until the answer was handled.
    fn poll(&self) -> Output<'_>;

    /// Takes the answer to the request that `poll` asked for; texts worth keeping go to `scratch`.
    ///
    /// An answer that was not asked for changes nothing.
    fn handle_response(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    );
}

/// What a machine wants done.
#[derive(Debug)]
#[must_use = "a machine only goes on when its request is sent"]
pub enum Output<'m> {
    /// Send this and hand over the answer.
    Fetch(OutgoingRequest<'m>),
    /// Nothing more to send: ask the machine for its result.
    Done,
}

/// What a request is for; for people who watch, never for decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The protected resource's metadata (RFC 9728 §3).
    ProtectedResourceMetadata,
    /// The authorization server's metadata (RFC 8414 §3, OpenID Connect Discovery §4).
    AuthorizationServerMetadata,
    /// Dynamic client registration (RFC 7591 §3).
    Registration,
    /// A code against tokens (RFC 6749 §4.1.3).
    CodeExchange,
    /// A refresh token against tokens (RFC 6749 §6).
    Refresh,
    /// Tokens are given back (RFC 7009 §2).
    Revocation,
    /// The client's own credentials against a token (RFC 6749 §4.4).
    ClientCredentials,
    /// A code for the user of another machine (RFC 8628 §3.1).
    DeviceAuthorization,
    /// Whether that user has logged in (RFC 8628 §3.4).
    DeviceToken,
    /// An identity provider's token against an ID-JAG (RFC 8693 §2).
    TokenExchange,
    /// An assertion against a token (RFC 7523 §2.1).
    JwtBearer,
}

/// The two methods that the client machines use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

impl Method {
    /// The method on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A request that an adapter is to send as it stands.
#[derive(Clone, Copy)]
pub struct OutgoingRequest<'m> {
    /// What it is for.
    pub purpose: Purpose,
    /// The method.
    pub method: Method,
    /// The absolute URL, already admitted by the URL policy.
    pub url: &'m str,
    /// `Content-Type` of the body; `None` when there is no body.
    pub content_type: Option<&'static str>,
    /// The whole value of `Authorization`, a secret (client authentication).
    pub authorization: Option<&'m str>,
    /// The value of `MCP-Protocol-Version`, where it belongs (LG-04).
    pub mcp_protocol_version: Option<&'static str>,
    /// The body; may hold secrets.
    pub body: &'m [u8],
    /// Longest body to accept in the answer (LIM-11).
    pub response_len_max: usize,
}

impl OutgoingRequest<'_> {
    /// `Accept` of every request: all answers are JSON.
    pub const ACCEPT: &'static str = "application/json";
}

impl<'m> OutgoingRequest<'m> {
    /// A form for an endpoint of an authorization server.
    pub(super) const fn form(
        purpose: Purpose,
        url: &'m str,
        authorization: Option<&'m str>,
        body: &'m [u8],
        response_len_max: usize,
    ) -> Self {
        Self {
            purpose,
            method: Method::Post,
            url,
            content_type: Some("application/x-www-form-urlencoded"),
            authorization,
            mcp_protocol_version: None,
            body,
            response_len_max,
        }
    }
}

impl core::fmt::Debug for OutgoingRequest<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Body and authorization hold codes, verifiers and secrets (INV-6).
        f.debug_struct("OutgoingRequest")
            .field("purpose", &self.purpose)
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// No connection, or it broke.
    Unreachable,
    /// TLS did not accept the server's certificate: of whom is unknown, or the name or the time is another
    /// (RFC 9110 §4.3.4). An adapter that cannot tell says [`FetchFailure::Unreachable`].
    Certificate,
    /// No whole answer in time.
    TimedOut,
    /// The body was longer than the request allowed, and was thrown away.
    TooLarge,
    /// One of its addresses is not of the public internet, where only such ones are asked (CL-93).
    NotPublic,
}

impl core::fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "server not reachable",
            Self::Certificate => "TLS certificate of the server is not accepted",
            Self::TimedOut => "no answer in time",
            Self::TooLarge => "answer too large",
            Self::NotPublic => "server not at a public address",
        })
    }
}

impl core::error::Error for FetchFailure {}

/// What an answer's head says, before its body is looked at (CL-06).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// 2xx.
    Success,
    /// 5xx or 429: the server is in trouble. No other way may be tried because of it (SEC-177).
    Trouble,
    /// Anything else, a redirect included, which is not followed (SEC-168).
    Refused,
}

impl Answered {
    pub(super) const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            429 | 500.. => Self::Trouble,
            _ => Self::Refused,
        }
    }
}

/// Why there is no body of an endpoint's answer to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoBody {
    Fetch(FetchFailure),
    Trouble,
    Refused,
    ContentType,
    BufferFull,
}

/// The body of what an endpoint of an authorization server answered, kept in `scratch`: JSON, and at most
/// `len_max` long. When the server refused, `words` is what it said, if that is readable (RFC 6749 §5.2).
pub(super) fn endpoint_body<'s>(
    response: Result<IncomingResponse<'_>, FetchFailure>,
    len_max: usize,
    words: &mut Option<ErrorResponse<'s>>,
    scratch: &mut Scratch<'s>,
) -> Result<&'s [u8], NoBody> {
    let response = response.map_err(NoBody::Fetch)?;
    let refused = match Answered::of(response.status) {
        Answered::Trouble => return Err(NoBody::Trouble),
        Answered::Success => false,
        Answered::Refused => true,
    };
    if !response.is_json() {
        return Err(if refused { NoBody::Refused } else { NoBody::ContentType });
    }
    if response.body.len() > len_max {
        return Err(NoBody::Fetch(FetchFailure::TooLarge));
    }
    let body = kept_body(response.body, scratch).map_err(|_| NoBody::BufferFull)?;
    if refused {
        *words = ErrorResponse::from_json(body, scratch);
        return Err(NoBody::Refused);
    }
    Ok(body)
}

/// `?` for the error of a machine that asks one endpoint: from [`endpoint_body`], from the reader of the body, and
/// from the buffer of both.
macro_rules! endpoint_error {
    ($error:ty) => {
        impl From<$crate::client::fetch::NoBody> for $error {
            fn from(reason: $crate::client::fetch::NoBody) -> Self {
                use $crate::client::fetch::NoBody;
                match reason {
                    NoBody::Fetch(failure) => Self::Fetch(failure),
                    NoBody::Trouble => Self::Trouble,
                    NoBody::Refused => Self::Refused,
                    NoBody::ContentType => Self::ContentType,
                    NoBody::BufferFull => Self::BufferFull,
                }
            }
        }

        impl From<$crate::encoding::scratch::BufferFull> for $error {
            fn from(_: $crate::encoding::scratch::BufferFull) -> Self {
                Self::BufferFull
            }
        }

        impl From<$crate::encoding::json::JsonError> for $error {
            fn from(error: $crate::encoding::json::JsonError) -> Self {
                match error {
                    $crate::encoding::json::JsonError::BufferFull => Self::BufferFull,
                    error => Self::Body(error),
                }
            }
        }
    };
}
pub(super) use endpoint_error;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Field;
    use std::format;

    #[test]
    fn sec_177_only_trouble_is_trouble() {
        for (status, expected) in [
            (199, Answered::Refused),
            (200, Answered::Success),
            (299, Answered::Success),
            (300, Answered::Refused),
            (404, Answered::Refused),
            (428, Answered::Refused),
            (429, Answered::Trouble),
            (430, Answered::Refused),
            (499, Answered::Refused),
            (500, Answered::Trouble),
            (599, Answered::Trouble),
        ] {
            assert_eq!(Answered::of(status), expected, "{status}");
        }
    }

    #[test]
    fn sec_173_media_types() {
        let json =
            |content_type| IncomingResponse { status: 200, content_type, body: b"{}" }.is_json();
        for accepted in
            ["application/json", "Application/JSON; charset=utf-8", "application/json ;a"]
        {
            assert!(json(Field::One(accepted.as_bytes())), "{accepted}");
        }
        for refused in ["text/html", "application/jsonx", "text/json", "", ";application/json"] {
            assert!(!json(Field::One(refused.as_bytes())), "{refused}");
        }
        assert!(!json(Field::Absent));
        assert!(!json(Field::Repeated));
    }

    #[test]
    fn sec_320_debug_shows_no_body() {
        let request = OutgoingRequest {
            purpose: Purpose::Refresh,
            method: Method::Post,
            url: "https://as/token",
            content_type: None,
            authorization: Some("Basic hush"),
            mcp_protocol_version: None,
            body: b"refresh_token=hush",
            response_len_max: 1,
        };
        let shown = format!("{request:?}");
        assert!(shown.contains("https://as/token") && !shown.contains("hush"), "{shown}");
    }
}
