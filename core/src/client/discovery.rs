//! From a server's URL to its authorization server (RFC 9728, RFC 8414; CL-01 to CL-27).

mod discovered;
mod legacy;

pub use discovered::Discovered;
pub use legacy::LegacyResource;

use legacy::AskedOrigin;

use super::{
    FetchFailure, Grant, Machine, Method, OutgoingRequest, Output, Preferences, Purpose,
    ResourceMatch, UrlRefusal, fetch::Answered, kept_body,
};
use crate::{
    challenge::parse::BearerChallenge,
    encoding::{
        json::{JsonError, Reader},
        scratch::{BufferFull, Scratch},
        text,
    },
    limits::{DOCUMENT_DEPTH_MAX, METADATA_LEN_MAX_DESKTOP},
    message::IncomingResponse,
    metadata::{
        MetadataError,
        authorization_server::AuthorizationServer,
        protected_resource::{BearerMethods, ProtectedResource},
        well_known::{Candidates, WellKnownError, authorization_server_urls, prm_candidates},
    },
    scope::ScopeSet,
};

/// Why no authorization server was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The server's own URL is not usable.
    ServerUrl(UrlRefusal),
    /// `resource_metadata` of the challenge is not usable (SEC-155).
    ResourceMetadataUrl(UrlRefusal),
    /// There was no answer. No other way is tried because of it (CL-06).
    Fetch(FetchFailure),
    /// 5xx or 429. No other way is tried because of it (CL-06, SEC-177).
    Trouble,
    /// No place has readable metadata of the protected resource.
    NoResourceMetadata,
    /// The resource's metadata breaks RFC 9728.
    ResourceMetadata,
    /// The metadata is that of another resource (CL-04).
    OtherResource,
    /// The resource does not take tokens in the header (CL-70).
    NoHeader,
    /// The metadata names no authorization server that may be used.
    NoAuthorizationServer,
    /// An issuer identifier is not usable.
    Issuer(UrlRefusal),
    /// No place has readable metadata of the authorization server.
    NoServerMetadata,
    /// The authorization server's metadata breaks RFC 8414.
    ServerMetadata,
    /// The metadata is that of another issuer (CL-24).
    OtherIssuer,
    /// The authorization server does not offer the response type `code`.
    NoCode,
    /// The authorization server does not say that it knows PKCE with `S256` (CL-25).
    NoPkce,
    /// The authorization server does not offer the way to tokens that is wanted.
    NoGrant,
    /// An endpoint is not usable (CL-27).
    Endpoint(UrlRefusal),
    /// No room in the caller's buffer.
    BufferFull,
    /// There are answers to come yet.
    Unfinished,
}

impl core::fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ServerUrl(refusal) => return write!(f, "server: {refusal}"),
            Self::ResourceMetadataUrl(refusal) => return write!(f, "resource_metadata: {refusal}"),
            Self::Issuer(refusal) => return write!(f, "issuer: {refusal}"),
            Self::Endpoint(refusal) => return write!(f, "endpoint: {refusal}"),
            Self::Fetch(failure) => return failure.fmt(f),
            Self::Trouble => "server of the metadata is in trouble",
            Self::NoResourceMetadata => "no metadata of the protected resource",
            Self::ResourceMetadata => "metadata of the protected resource is malformed",
            Self::OtherResource => "metadata is that of another resource",
            Self::NoHeader => "resource takes no tokens in the Authorization header",
            Self::NoAuthorizationServer => "no authorization server that may be used",
            Self::NoServerMetadata => "no metadata of the authorization server",
            Self::ServerMetadata => "metadata of the authorization server is malformed",
            Self::OtherIssuer => "metadata is that of another issuer",
            Self::NoCode => "authorization server does not offer authorization codes",
            Self::NoPkce => "authorization server does not offer PKCE with S256",
            Self::NoGrant => "authorization server does not offer the grant that is wanted",
            Self::BufferFull => "no room for metadata",
            Self::Unfinished => "discovery is not finished",
        })
    }
}

impl core::error::Error for DiscoveryError {}

impl From<BufferFull> for DiscoveryError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// The machine that finds and checks both metadata documents.
///
/// One URL at a time, in the order of §8.1 and CL-21, CL-22. Not found, refused, redirected or not
/// JSON: the next place. In trouble or silent: the end. The first readable document of an issuer
/// decides about it, and then the next issuer of the resource may be tried. The caller's buffer
/// must hold every document that is read: [`METADATA_LEN_MAX_DESKTOP`] each, five at most.
#[derive(Debug)]
pub struct Discovery<'p, 's> {
    preferences: Preferences<'p>,
    server_url: &'s str,
    challenged_scope: Option<ScopeSet<'s>>,
    state: State<'s>,
}

#[derive(Debug)]
enum State<'s> {
    /// Asking `url` for the resource's metadata.
    Resource {
        url: &'s str,
        candidates: Option<Candidates<'s>>,
        /// Whether every place before this one said that there is nothing (LG-08).
        all_absent: bool,
    },
    /// Asking a server of an older revision for its own metadata.
    Origin(AskedOrigin<'s>),
    /// Asking for the metadata of one issuer.
    Server(AskedServer<'s>),
    Done(Result<Discovered<'s>, DiscoveryError>),
}

#[derive(Debug)]
struct AskedServer<'s> {
    resource: ProtectedResource<'s>,
    /// The issuer's place in the order of [`Preferences::issuer`].
    nth: usize,
    issuer: &'s str,
    url: &'s str,
    candidates: Candidates<'s>,
}

impl<'p, 's> Discovery<'p, 's> {
    /// Begins at the URL the user gave, and at the Bearer challenge of the server's 401, if there
    /// was one.
    pub fn new(
        server_url: &'s str,
        challenge: Option<&BearerChallenge<'s>>,
        preferences: Preferences<'p>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Self, DiscoveryError> {
        let policy = preferences.url_policy;
        policy.admit(server_url).map_err(DiscoveryError::ServerUrl)?;
        let state = match challenge.and_then(|challenge| challenge.resource_metadata) {
            Some(url) => {
                policy.admit(url).map_err(DiscoveryError::ResourceMetadataUrl)?;
                State::Resource { url, candidates: None, all_absent: false }
            }
            None => {
                let candidates = prm_candidates(server_url);
                let candidates = candidates.map_err(|_| DiscoveryError::NoResourceMetadata)?;
                next_resource(candidates, true, scratch)?
                    .ok_or(DiscoveryError::NoResourceMetadata)?
            }
        };
        let challenged_scope = challenge.and_then(|challenge| challenge.scope);
        Ok(Self { preferences, server_url, challenged_scope, state })
    }

    /// What was found, once [`Machine::poll`] says that there is no more to ask.
    pub fn finish(self) -> Result<Discovered<'s>, DiscoveryError> {
        match self.state {
            State::Done(outcome) => outcome,
            State::Resource { .. } | State::Origin(_) | State::Server(_) => {
                Err(DiscoveryError::Unfinished)
            }
        }
    }

    fn resource_answered(
        &self,
        candidates: Option<Candidates<'s>>,
        all_absent: bool,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) -> Result<State<'s>, DiscoveryError> {
        let body = match document(response, scratch)? {
            Found::Document(body) => body,
            found @ (Found::Absent | Found::Unusable) => {
                let candidates = candidates.ok_or(DiscoveryError::NoResourceMetadata)?;
                let all_absent = all_absent && matches!(found, Found::Absent);
                return match next_resource(candidates, all_absent, scratch)? {
                    Some(next) => Ok(next),
                    None if all_absent && self.preferences.legacy.is_some() => {
                        AskedOrigin::of(self.server_url, scratch).map(State::Origin)
                    }
                    None => Err(DiscoveryError::NoResourceMetadata),
                };
            }
        };
        let resource = ProtectedResource::parse(body, scratch)
            .map_err(|error| unless_full(error, DiscoveryError::ResourceMetadata))?;
        let fits = match self.preferences.resource_match {
            ResourceMatch::Prefix => resource.matches(self.server_url),
            ResourceMatch::Exact => resource.matches_exactly(self.server_url),
        };
        if !fits {
            return Err(DiscoveryError::OtherResource);
        }
        // CL-70: there is no other place where a token may be sent.
        if resource.bearer_methods_supported == BearerMethods::WithoutHeader {
            return Err(DiscoveryError::NoHeader);
        }
        self.ask_issuer(resource, 0, DiscoveryError::NoAuthorizationServer, scratch)
    }

    /// Goes to issuer number `nth`, or on to a later one; `reason` is why there is no earlier one.
    fn ask_issuer(
        &self,
        resource: ProtectedResource<'s>,
        mut nth: usize,
        mut reason: DiscoveryError,
        scratch: &mut Scratch<'s>,
    ) -> Result<State<'s>, DiscoveryError> {
        while let Some(issuer) = self.preferences.issuer(&resource.authorization_servers, nth) {
            match self.places_of(issuer) {
                Ok(mut candidates) => {
                    let first = candidates.next().ok_or(DiscoveryError::NoServerMetadata)?;
                    let url = text::write_in(scratch, |url| first.write(url))?;
                    let asked = AskedServer { resource, nth, issuer, url, candidates };
                    return Ok(State::Server(asked));
                }
                Err(refusal) => reason = DiscoveryError::Issuer(refusal),
            }
            nth = nth.saturating_add(1);
        }
        Err(reason)
    }

    fn places_of(&self, issuer: &'s str) -> Result<Candidates<'s>, UrlRefusal> {
        self.preferences.url_policy.admit(issuer)?;
        authorization_server_urls(issuer).map_err(|error| match error {
            WellKnownError::Uri(error) => UrlRefusal::Syntax(error),
            WellKnownError::DotSegments => UrlRefusal::DotSegment,
            _ => UrlRefusal::Query,
        })
    }

    fn server_answered(
        &self,
        mut asked: AskedServer<'s>,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) -> Result<State<'s>, DiscoveryError> {
        let reason = match document(response, scratch)? {
            Found::Document(body) => match self.validated(&asked, body, scratch) {
                Ok(server) => {
                    return Ok(State::Done(Ok(Discovered {
                        resource: asked.resource,
                        server,
                        challenged_scope: self.challenged_scope,
                        url_policy: self.preferences.url_policy,
                        sends_resource: true,
                        is_guessed: false,
                    })));
                }
                Err(reason) => reason,
            },
            Found::Absent | Found::Unusable => match asked.candidates.next() {
                Some(next) => {
                    asked.url = text::write_in(scratch, |url| next.write(url))?;
                    return Ok(State::Server(asked));
                }
                None => DiscoveryError::NoServerMetadata,
            },
        };
        self.ask_issuer(asked.resource, asked.nth.saturating_add(1), reason, scratch)
    }

    /// The checks without which nothing of the document is used.
    fn validated(
        &self,
        asked: &AskedServer<'s>,
        body: &'s [u8],
        scratch: &mut Scratch<'s>,
    ) -> Result<AuthorizationServer<'s>, DiscoveryError> {
        let server = AuthorizationServer::parse(body, scratch)
            .map_err(|error| unless_full(error, DiscoveryError::ServerMetadata))?;
        // CL-24: before anything else of it is believed.
        server.validate_issuer(asked.issuer).map_err(|_| DiscoveryError::OtherIssuer)?;
        offers(&server, self.preferences.grant)?;
        self.admit_endpoints(&server)?;
        Ok(server)
    }

    /// CL-27
    fn admit_endpoints(&self, server: &AuthorizationServer<'_>) -> Result<(), DiscoveryError> {
        let endpoints = [
            Some(server.authorization_endpoint),
            Some(server.token_endpoint),
            server.registration_endpoint,
            server.device_authorization_endpoint,
        ];
        for endpoint in endpoints.into_iter().flatten() {
            self.preferences.url_policy.admit(endpoint).map_err(DiscoveryError::Endpoint)?;
        }
        Ok(())
    }
}

impl<'s> Machine<'s> for Discovery<'_, 's> {
    fn poll(&self) -> Output<'_> {
        let (purpose, url, mcp_protocol_version) = match &self.state {
            State::Resource { url, .. } => (Purpose::ProtectedResourceMetadata, *url, None),
            State::Server(asked) => (Purpose::AuthorizationServerMetadata, asked.url, None),
            State::Origin(asked) => {
                (Purpose::AuthorizationServerMetadata, asked.url, Some(legacy::PROTOCOL_VERSION))
            }
            State::Done(_) => return Output::Done,
        };
        Output::Fetch(OutgoingRequest {
            purpose,
            method: Method::Get,
            url,
            content_type: None,
            authorization: None,
            mcp_protocol_version,
            body: &[],
            response_len_max: METADATA_LEN_MAX_DESKTOP,
        })
    }

    fn handle_response(
        &mut self,
        response: Result<IncomingResponse<'_>, FetchFailure>,
        scratch: &mut Scratch<'s>,
    ) {
        let state =
            core::mem::replace(&mut self.state, State::Done(Err(DiscoveryError::Unfinished)));
        let next = match state {
            State::Resource { candidates, all_absent, .. } => {
                self.resource_answered(candidates, all_absent, response, scratch)
            }
            State::Origin(asked) => self.origin_answered(asked, response, scratch),
            State::Server(asked) => self.server_answered(asked, response, scratch),
            State::Done(outcome) => Ok(State::Done(outcome)),
        };
        self.state = next.unwrap_or_else(|error| State::Done(Err(error)));
    }
}

fn next_resource<'s>(
    mut candidates: Candidates<'s>,
    all_absent: bool,
    scratch: &mut Scratch<'s>,
) -> Result<Option<State<'s>>, BufferFull> {
    let Some(next) = candidates.next() else {
        return Ok(None);
    };
    let url = text::write_in(scratch, |url| next.write(url))?;
    Ok(Some(State::Resource { url, candidates: Some(candidates), all_absent }))
}

/// Whether the server has what this way to tokens needs. One that names no grants at all is asked: the
/// default of RFC 8414 §2 is older than most of them.
fn offers(server: &AuthorizationServer<'_>, grant: Grant) -> Result<(), DiscoveryError> {
    if grant == Grant::AuthorizationCode {
        let response_types = &server.response_types_supported;
        if !response_types.is_empty() && !response_types.contains("code") {
            return Err(DiscoveryError::NoCode);
        }
        let has_pkce = server.code_challenge_methods_supported.contains(super::Pkce::METHOD);
        return if has_pkce { Ok(()) } else { Err(DiscoveryError::NoPkce) };
    }
    let listed = &server.grant_types_supported;
    let is_listed = listed.is_empty() || listed.contains(grant.as_str());
    let has_endpoint = grant != Grant::DeviceCode || server.device_authorization_endpoint.is_some();
    if is_listed && has_endpoint { Ok(()) } else { Err(DiscoveryError::NoGrant) }
}

/// What stands at a place; all but a document sends us to the next one (CL-06, §8.3).
enum Found<'s> {
    /// A JSON document, kept.
    Document(&'s [u8]),
    /// Not found, refused, or a redirect.
    Absent,
    /// Something else, or too much of it.
    Unusable,
}

fn document<'s>(
    response: Result<IncomingResponse<'_>, FetchFailure>,
    scratch: &mut Scratch<'s>,
) -> Result<Found<'s>, DiscoveryError> {
    let response = match response {
        Ok(response) => response,
        Err(FetchFailure::TooLarge) => return Ok(Found::Unusable),
        Err(failure) => return Err(DiscoveryError::Fetch(failure)),
    };
    let is_document = match Answered::of(response.status) {
        Answered::Trouble => return Err(DiscoveryError::Trouble),
        Answered::Refused => return Ok(Found::Absent),
        // Checked before it is kept, so that an error page takes no room.
        Answered::Success => {
            response.body.len() <= METADATA_LEN_MAX_DESKTOP
                && response.is_json()
                && is_readable(response.body)
        }
    };
    if !is_document {
        return Ok(Found::Unusable);
    }
    Ok(Found::Document(kept_body(response.body, scratch)?))
}

/// What a document's error is, unless it is our own lack of room.
fn unless_full(error: MetadataError, otherwise: DiscoveryError) -> DiscoveryError {
    match error {
        MetadataError::Json(JsonError::BufferFull) => DiscoveryError::BufferFull,
        _ => otherwise,
    }
}

fn is_readable(body: &[u8]) -> bool {
    let Ok(mut reader) = Reader::new(body, DOCUMENT_DEPTH_MAX) else {
        return false;
    };
    reader.skip().is_ok() && reader.end().is_ok()
}

#[cfg(test)]
mod tests;
