//! The way of one request through the core: head, token, body, operation. Nothing is decided here.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header, request::Parts};
use http_body::Body;
use portcullis_core::{
    challenge::{self, Challenge, Reason},
    encoding::scratch::Scratch,
    introspection::Introspected,
    mcp::{EnvelopeError, Era},
    message::RequestHead,
    resource_server::{self, Decision, Introspection, Operation, Refusal, Verdict},
};

use super::{
    Principal,
    body::{self, BodyError},
    introspection::Asked,
    journal::Outcome,
    resource::{Asks, Resource},
    response::{self, ResponseBody},
    sessions::Session,
    verifier::Unavailable,
};

/// A request that may reach the service behind.
pub(super) struct Admitted {
    pub(super) principal: Principal,
    /// The very bytes that were judged (INV-8).
    pub(super) body: Bytes,
    pub(super) session: Session,
    /// What is set on the answer of the service behind.
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
}

/// Admits the request, or gives the answer to it.
pub(super) async fn admit<B, R>(
    resource: &Resource,
    parts: &Parts,
    body: B,
) -> Result<Admitted, Response<ResponseBody<R>>>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let server = &resource.server;
    let head = request_head(parts);
    let known;
    let mut buffer = resource.buffers.lend();
    let mut scratch = Scratch::new(buffer.bytes());

    resource.remote_keys.iter().for_each(|keys| keys.tend());
    let base = server.policy().base();
    let mut decision = server.decide(&head, base, resource.clock.unix_time(), &mut scratch);
    let mut buffer;
    if wants_keys(&decision) {
        refresh_keys(resource).await;
        buffer = resource.buffers.lend();
        scratch = Scratch::new(buffer.bytes());
        decision = server.decide(&head, base, resource.clock.unix_time(), &mut scratch);
    }
    let principal = match decision {
        Decision::Allow(principal) => principal,
        Decision::NeedIntrospection(introspection) => {
            known = ask(resource, &introspection).await;
            match introspection.resume_with(answer(&known), resource.clock.unix_time()) {
                Verdict::Allow(principal) => principal,
                Verdict::Challenge(challenge) => return Err(refuse(resource, challenge, &head)),
            }
        }
        Decision::Challenge(challenge) => return Err(refuse(resource, challenge, &head)),
        Decision::Metadata(_) => {
            record(resource, Outcome::Metadata);
            return Err(response::from_answer(&server.metadata_answer()));
        }
        Decision::Preflight => {
            record(resource, Outcome::Preflight);
            return Err(response::from_answer(&server.preflight_answer(&head)));
        }
        Decision::Refuse(refusal) => return Err(refuse_plainly(resource, refusal)),
    };
    let bytes = read_body(resource, &head, body).await?;
    let (method, name, era) = match server.operation(&head, &bytes, &principal, &mut scratch) {
        Operation::Proceed(envelope) => (envelope.method(), envelope.name(), envelope.era()),
        Operation::Session => (head.method, None, Era::Legacy),
        Operation::Challenge(challenge) => return Err(refuse(resource, challenge, &head)),
        Operation::Reject(error) => return Err(reject(resource, error, &head)),
    };
    let owned = Principal::new(&principal, server.policy().implications);
    let session = resource.sessions.find(&parts.headers, &owned);
    // TL-06. Where there are no sessions, and in the revisions without them, an id is ignored (TS-03).
    let has_sessions = server.configuration().sessions && era == Era::Legacy;
    if has_sessions && session == Session::Foreign {
        return Err(refuse_plainly(resource, Refusal::Session));
    }
    record(resource, Outcome::Allowed { principal: &principal, method, name });
    Ok(Admitted {
        principal: owned,
        session,
        fields: answer_fields(resource, &head, &principal),
        body: bytes.clone(),
    })
}

/// What the answer of the service behind gets beside its own fields.
fn answer_fields(
    resource: &Resource,
    head: &RequestHead<'_>,
    principal: &resource_server::Principal<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let fields = response::cross_origin_fields(resource.server.cross_origin(head));
    #[cfg(feature = "dpop")]
    let fields = response::with_nonce(fields, principal.dpop_nonce());
    #[cfg(not(feature = "dpop"))]
    let _ = principal;
    fields
}

/// The authority of the request target, where it has one: HTTP/2, and the absolute form of HTTP/1.1.
///
/// It stands beside `Host` as one more line of it, so that two that differ are refused as ambiguous
/// (SEC-131, SEC-413); one that repeats `Host` is left out.
fn authority(parts: &Parts) -> Option<&str> {
    let authority = parts.uri.authority()?.as_str();
    let repeats = parts.headers.get(header::HOST).is_some_and(|host| host == authority);
    (!repeats).then_some(authority)
}

fn request_head(parts: &Parts) -> RequestHead<'_> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let authority = authority(parts).map(|authority| ("host", authority.as_bytes()));
    let fields = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    RequestHead::new(parts.method.as_str(), target, authority.into_iter().chain(fields))
}

/// Whether the core cannot decide before the issuers' keys were read (RS-71).
fn wants_keys(decision: &Decision<'_>) -> bool {
    let wanted = Reason::Unavailable(challenge::Unavailable::Keys);
    matches!(decision, Decision::Challenge(challenge) if challenge.reason() == wanted)
}

/// Whose key it is that is not here the token does not say: all are asked, each as often as it may be.
async fn refresh_keys(resource: &Resource) {
    let flights: Vec<_> = resource.remote_keys.iter().map(|keys| keys.refresh()).collect();
    for flight in flights {
        flight.await;
    }
}

async fn ask(resource: &Resource, introspection: &Introspection<'_>) -> Asked {
    match &resource.asks {
        Asks::AuthorizationServer(introspector) => introspector.ask(introspection.token()).await,
        Asks::Verifier(verifier) => {
            Ok(verifier.verify(introspection.token().expose()).await?.map(Arc::new))
        }
        // The core asks only where somebody is configured to be asked.
        Asks::Nobody => Err(Unavailable),
    }
}

/// Facts that the core cannot take in whole are those of no token.
fn answer(asked: &Asked) -> Result<Introspected<'_>, challenge::Unavailable> {
    match asked {
        Err(Unavailable) => Err(challenge::Unavailable::AuthorizationServer),
        Ok(None) => Ok(Introspected::Inactive),
        Ok(Some(facts)) => Ok(facts.view().map_or(Introspected::Inactive, Introspected::Active)),
    }
}

async fn read_body<B, R>(
    resource: &Resource,
    head: &RequestHead<'_>,
    body: B,
) -> Result<Bytes, Response<ResponseBody<R>>>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let len_max = resource.server.configuration().body.len_max;
    match body::read(body, len_max, resource.body_secs_max).await {
        Ok(bytes) => Ok(bytes),
        Err(BodyError::TooLong) => Err(reject(resource, resource.server.body_too_long(head), head)),
        Err(BodyError::Deadline) => Err(refuse_plainly(resource, Refusal::BodyTimeout)),
        Err(BodyError::Broken) => Err(refuse_plainly(resource, Refusal::BodyBroken)),
    }
}

fn refuse<R>(
    resource: &Resource,
    challenge: Challenge<'_>,
    head: &RequestHead<'_>,
) -> Response<ResponseBody<R>> {
    record(resource, Outcome::Challenged(&challenge));
    response::from_answer(&resource.server.challenge_answer(challenge, head))
}

fn refuse_plainly<R>(resource: &Resource, refusal: Refusal) -> Response<ResponseBody<R>> {
    record(resource, Outcome::Refused { status: refusal.status(), reason: &refusal });
    response::from_answer(&resource.server.refusal_answer(refusal))
}

fn reject<R>(
    resource: &Resource,
    error: EnvelopeError<'_>,
    head: &RequestHead<'_>,
) -> Response<ResponseBody<R>> {
    record(resource, Outcome::Refused { status: error.status(), reason: &error.fault() });
    response::from_answer(&resource.server.envelope_answer(error, head))
}

fn record(resource: &Resource, outcome: Outcome<'_>) {
    resource.journal.record(outcome, resource.clock.as_ref());
}
