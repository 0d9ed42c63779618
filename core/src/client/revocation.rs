//! The revocation request: tokens that are not wanted any more (RFC 7009 §2).

use super::{
    Client, Discovered, FetchFailure, Freshness, Machine, OutgoingRequest, Output, Purpose,
    SignError, TOKEN_ANSWER_LEN_MAX, UrlPolicy, UrlRefusal, fetch::Answered, form_post::FormPost,
    token_request::body_in,
};
use crate::{
    encoding::scratch::{BufferFull, Scratch},
    message::IncomingResponse,
};

/// Which token is revoked: the hint of RFC 7009 §2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// With it end the access tokens that it brought, at a server that knows them.
    Refresh,
    /// This one alone, as far as the client can know.
    Access,
}

/// Why a token may be in force on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationError {
    /// The authorization server names no revocation endpoint.
    NotOffered,
    /// The endpoint is not usable (CL-27).
    Endpoint(UrlRefusal),
    /// The client is of another issuer than the server: the token is not shown there (CL-37).
    OtherIssuer,
    /// There was no answer.
    Fetch(FetchFailure),
    /// 5xx or 429: it may work later.
    Trouble,
    /// The server refused.
    Refused,
    /// The client authenticates with a key, and could not sign.
    Sign(SignError),
    /// No room in the caller's buffer.
    BufferFull,
    /// The answer has not been handled yet.
    Unfinished,
}

impl core::fmt::Display for RevocationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "authorization server names no revocation endpoint",
            Self::Endpoint(refusal) => return write!(f, "revocation endpoint: {refusal}"),
            Self::OtherIssuer => "client is of another issuer",
            Self::Fetch(failure) => return failure.fmt(f),
            Self::Trouble => "revocation endpoint is in trouble",
            Self::Refused => "revocation endpoint refused",
            Self::Sign(error) => return error.fmt(f),
            Self::BufferFull => "no room for the revocation request",
            Self::Unfinished => "revocation request was not answered yet",
        })
    }
}

impl core::error::Error for RevocationError {}

impl From<SignError> for RevocationError {
    fn from(error: SignError) -> Self {
        Self::Sign(error)
    }
}

impl From<BufferFull> for RevocationError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// One request to the revocation endpoint, and its answer.
#[derive(Debug)]
pub struct Revocation<'s>(FormPost<'s, (), RevocationError>);

impl<'s> Revocation<'s> {
    /// Revokes a token that this client got from this server. The client authenticates as it does at the
    /// token endpoint; `fresh` is needed by one that signs.
    pub fn new(
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        (kind, token): (TokenKind, &str),
        url_policy: UrlPolicy,
        fresh: Option<&Freshness>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, RevocationError> {
        if client.issuer != discovered.issuer() {
            return Err(RevocationError::OtherIssuer);
        }
        let endpoint = discovered.server_metadata().revocation_endpoint;
        let endpoint = endpoint.ok_or(RevocationError::NotOffered)?;
        url_policy.admit(endpoint).map_err(RevocationError::Endpoint)?;
        let hint = match kind {
            TokenKind::Refresh => "refresh_token",
            TokenKind::Access => "access_token",
        };
        let credentials = client.credentials(fresh, scratch)?;
        let body = body_in(scratch, |form| {
            form.pair("token", token)?;
            form.pair("token_type_hint", hint)?;
            client.write_body(&credentials, form)
        })?;
        let purpose = Purpose::Revocation;
        let authorization = credentials.authorization;
        Ok(Self(FormPost::new(OutgoingRequest::form(
            purpose,
            endpoint,
            authorization,
            body,
            TOKEN_ANSWER_LEN_MAX,
        ))))
    }

    /// Whether the token is in force no more, once the answer was handled. A server says so of tokens that
    /// it does not know, too (RFC 7009 §2.2).
    pub fn finish(self) -> Result<(), RevocationError> {
        self.0.finish(RevocationError::Unfinished)
    }
}

impl<'s> Machine<'s> for Revocation<'s> {
    fn poll(&self) -> Output<'_> {
        self.0.poll()
    }

    fn handle_response(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        _scratch: &mut Scratch<'s>,
    ) {
        self.0.handle(response, |response| {
            match Answered::of(response.map_err(RevocationError::Fetch)?.status) {
                Answered::Trouble => Err(RevocationError::Trouble),
                Answered::Refused => Err(RevocationError::Refused),
                Answered::Success => Ok(()),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::String};

    use super::*;
    use crate::client::Method;
    use crate::client::testkit::{Answer, ISSUER, Site, keep, public_client, scratch};

    fn discovered(endpoint: Option<&str>) -> Discovered<'static> {
        let methods = Site::default().server_members;
        let member = |url| keep(&format!(r#"{methods},"revocation_endpoint":"{url}""#));
        Site { server_members: endpoint.map_or(methods, member), ..Site::default() }.discovered()
    }

    fn revocation(
        endpoint: Option<&str>,
        issuer: &'static str,
    ) -> Result<Revocation<'static>, RevocationError> {
        let discovered = discovered(endpoint);
        let client = Client { issuer, ..public_client(&discovered, ISSUER).unwrap() };
        let token = (TokenKind::Refresh, "r t");
        Revocation::new(&discovered, &client, token, UrlPolicy::HttpsOnly, None, &mut scratch())
    }

    const ENDPOINT: &str = "https://as.example/revoke";

    #[test]
    fn the_token_its_kind_and_the_client() {
        let revocation = revocation(Some(ENDPOINT), ISSUER).unwrap();
        let Output::Fetch(request) = revocation.poll() else { panic!("nothing to send") };
        assert_eq!((request.url, request.method), (ENDPOINT, Method::Post));
        let body = String::from_utf8(request.body.into()).unwrap();
        assert_eq!(body, "token=r+t&token_type_hint=refresh_token&client_id=client-1");
        assert!(!format!("{revocation:?} {request:?}").contains("r+t"));
    }

    #[test]
    fn sec_474_a_token_is_shown_to_its_issuer_alone_and_over_https() {
        let error = |endpoint, issuer| revocation(endpoint, issuer).unwrap_err();
        assert_eq!(error(None, ISSUER), RevocationError::NotOffered);
        assert_eq!(error(Some(ENDPOINT), "https://other.example"), RevocationError::OtherIssuer);
        let plain = error(Some("http://as.example/revoke"), ISSUER);
        assert_eq!(plain, RevocationError::Endpoint(UrlRefusal::Scheme));
    }

    #[test]
    fn rfc_7009_2_2_what_the_answer_means() {
        for (answer, expected) in [
            (Answer::Html(200, ""), Ok(())),
            (Answer::Json(400, "{}"), Err(RevocationError::Refused)),
            (Answer::Html(302, ""), Err(RevocationError::Refused)),
            (Answer::Html(503, ""), Err(RevocationError::Trouble)),
            (
                Answer::Failure(FetchFailure::TimedOut),
                Err(RevocationError::Fetch(FetchFailure::TimedOut)),
            ),
        ] {
            let mut revocation = revocation(Some(ENDPOINT), ISSUER).unwrap();
            answer.give(&mut revocation, &mut scratch());
            assert!(matches!(revocation.poll(), Output::Done));
            // One answer is all that it takes.
            Answer::Html(500, "").give(&mut revocation, &mut scratch());
            assert_eq!(revocation.finish(), expected, "{answer:?}");
        }
        let unanswered = revocation(Some(ENDPOINT), ISSUER).unwrap();
        assert_eq!(unanswered.finish(), Err(RevocationError::Unfinished));
    }
}
