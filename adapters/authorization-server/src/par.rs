//! `POST /par`: a client sends its authorization request ahead of its user (RFC 9126).
//!
//! The client gets a name for it, the `request_uri`, and the browser brings nothing else. What is pushed
//! is judged by the same code as what comes in a query ([`judge`]), now and again when the browser comes.
//!
//! # Once
//!
//! A name counts once (AS-151), but a browser may ask for `/authorize` more than once in one flow: some
//! clients look first, and people reload. So a GET does not use the name up; it leaves the same waiting
//! request as before, as with a query. The user's decision uses it up, yes or no: of two browsers with one
//! name, one can decide, and a name never leads to two codes. A name that no browser brought in time is
//! worth nothing; the time after that is the user's (`pending_authorization`).

use std::convert::identity;
use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::par::PushedAuthorizationResponse;
use oauth_as::{Client, ErrorCode, ErrorResponse, Storage, StorageError};

use crate::answers::{self, Response};
use crate::audit::{audit, limited, printable};
use crate::authorize::{Refusal, Way, judge};
use crate::client_authentication::ClientRequest;
use crate::dpop;
use crate::form::Form;
use crate::server::Inner;
use crate::sessions::{Asked, Outcome};
use crate::storage::{presented, with_redirect_uri};

/// Keeps a client's request and names it, or says what is wrong with it (AS-150).
pub(crate) async fn push(State(server): State<Arc<Inner>>, request: Request) -> Response {
    dpop::with_nonce(&server, answer(&server, request).await)
}

async fn answer(server: &Inner, request: Request) -> Response {
    let request = match ClientRequest::read(server, request, identity).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Err(refusal) = request.meet_client(server).await {
        return refusal;
    }
    let too_many = |wait| {
        limited("pushed requests", request.peer);
        answers::too_often(ErrorCode::TemporarilyUnavailable, "too many requests", wait)
    };
    let (key, now) = (format!("{:?}", request.peer), server.settings.clock.now());
    if !server.pushed_by_peer.admit(&key, now) {
        return too_many(server.pushed_by_peer.wait(&key, now));
    }
    let records = server.engine.store().records();
    match records.has_pushed_requests(server.settings.limits.pushed_requests, now).await {
        Ok(false) => {}
        // The last of them has expired then.
        Ok(true) => return too_many(server.settings.lifetimes.pushed_request),
        Err(_) => {
            return request.answer_error(server, &ErrorResponse::new(ErrorCode::ServerError));
        }
    }
    let proof = match dpop::proof(server, &request.headers, request.peer) {
        Ok(proof) => proof,
        Err(refusal) => return *refusal,
    };
    match keep(server, &request, proof.as_deref()).await {
        Ok(named) => {
            let client_id = printable(request.credentials.client_id.as_str());
            audit!(info, "authorization request pushed", %client_id, peer = %request.peer);
            answers::json(StatusCode::CREATED, &named)
        }
        Err(error) => request.answer_error(server, &error),
    }
}

async fn keep(
    server: &Inner,
    request: &ClientRequest,
    proof: Option<&str>,
) -> Result<PushedAuthorizationResponse, ErrorResponse> {
    let credentials = &request.credentials;
    let (client_id, shown) = (&credentials.client_id, credentials.to_engine());
    let engine = &server.engine;
    match judge_pushed(server, request).await {
        Ok(asked) => {
            let pairs = asked.parameters.iter();
            let pairs: Vec<(&str, &str)> =
                pairs.map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let push = engine.pushed_authorization_request_with_credential_and_proof(
                client_id, &shown, &pairs, proof,
            );
            with_redirect_uri(asked.redirect_uri, push).await
        }
        Err(error) => {
            // Who has not proven to be the client hears nothing about its request. The engine looks
            // at the proof first, and then finds nothing in this request.
            let push = engine.pushed_authorization_request_with_credential(client_id, &shown, &[]);
            match push.await {
                Err(refused) if refused.error != ErrorCode::InvalidRequest => Err(refused),
                _ => Err(error),
            }
        }
    }
}

/// The request as the engine takes it, judged as one that comes in a query.
async fn judge_pushed(server: &Inner, request: &ClientRequest) -> Result<Asked, ErrorResponse> {
    let invalid =
        |words: &'static str| ErrorResponse::new(ErrorCode::InvalidRequest).with_description(words);
    let form = &request.form;
    if form.get("request_uri").is_some() {
        return Err(invalid("request_uri must not be pushed"));
    }
    let found = server.engine.store().get_client(&request.credentials.client_id).await;
    let client = found.map_err(|_| ErrorResponse::new(ErrorCode::ServerError))?;
    let client = client.ok_or_else(|| ErrorResponse::new(ErrorCode::InvalidClient))?;
    match judge(server, form, &client, Way::Pushed).await {
        Ok((_, Outcome::Ask(asked))) => Ok(asked),
        Ok((_, Outcome::Refuse(refused))) => Err(refused.error),
        Ok((_, Outcome::Device(_))) => Err(ErrorResponse::new(ErrorCode::ServerError)),
        Err(Refusal::RedirectUri) => Err(invalid("redirect_uri is missing or not registered")),
        Err(_) => Err(ErrorResponse::new(ErrorCode::ServerError)),
    }
}

/// The request of `client` that a browser names, judged again: much may have changed since it was
/// pushed. Whatever else is in the query counts for nothing (RFC 9126 §4).
pub(crate) async fn pushed(
    server: &Inner,
    client: &Client,
    request_uri: &str,
) -> Result<(String, Outcome), Refusal> {
    let store = server.engine.store();
    let found = store.pushed_request(presented(request_uri)).await;
    let found = found.map_err(|_| Refusal::Unavailable)?.ok_or(Refusal::Pushed)?;
    // One word for what is unknown, expired, and somebody else's; the rightful client loses nothing.
    if found.client_id != client.client_id || server.settings.clock.now() >= found.expires_at {
        return Err(Refusal::Pushed);
    }
    let named = [
        ("response_type", found.response_type),
        ("redirect_uri", found.redirect_uri),
        ("scope", found.scope),
        ("state", found.state),
        ("code_challenge", found.code_challenge),
        ("code_challenge_method", found.code_challenge_method),
        ("dpop_jkt", found.dpop_jkt),
    ];
    let named = named.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let resources = found.resource.into_iter().map(|resource| ("resource", resource));
    let form = Form::of(named.chain(resources));
    let (redirect_uri, mut outcome) = judge(server, &form, client, Way::Pushed).await?;
    if let Outcome::Ask(asked) = &mut outcome {
        asked.pushed = Some(found.request_uri);
    }
    Ok((redirect_uri, outcome))
}

/// Uses up the pushed request that is being decided on. False when somebody has decided on it already.
pub(crate) async fn use_up(server: &Inner, asked: &Asked) -> Result<bool, StorageError> {
    let Some(name) = &asked.pushed else { return Ok(true) };
    let lifetimes = &server.settings.lifetimes;
    // Until then it may wait in other browsers.
    let may_wait = lifetimes.pushed_request.saturating_add(lifetimes.pending_authorization);
    let ends = server.settings.clock.now().checked_add(may_wait);
    let ends = ends.ok_or_else(|| StorageError::new("a time that there is not"))?;
    server.engine.store().use_pushed_request(name, ends).await
}
