//! `POST /register`: dynamic client registration (RFC 7591).
//!
//! Done here and not by the engine, for two reasons. The engine takes the registered scope as a
//! ceiling, but clients register with the scope of their first challenge and step up later. And it
//! knows no `application_type` and no rule on redirect schemes.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Request, State};
use http::{HeaderMap, StatusCode};
use oauth_as::{
    Client, ClientAuth, ClientId, DynamicRegistration, ErrorCode, RegistrationErrorCode,
    RegistrationErrorResponse, RevocationWindow, ScopeSet, SecretHash,
};
use serde::Serialize;

use crate::answers::{self, BodyError, Response};
use crate::audit::{self, audit};
use crate::clock::unix_secs;
use crate::secrets::{EntropyError, random_text};
use crate::server::{Inner, every_scope};
use crate::settings::{BOUND_ID_PREFIX, CLIENT_ID_PREFIX};
use crate::throttle::Peer;

pub(crate) mod management;
pub(crate) mod metadata;

use metadata::Accepted;

/// Unused clients that one registration clears away; the sweep clears the rest.
const FORGOTTEN_AT_ONCE: usize = 4;

/// What a client learns about its registration (AS-121).
#[derive(Serialize)]
struct Registered<'r> {
    client_id: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// 0: the secret does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id_issued_at: Option<u64>,
    /// With this the client looks after its registration (AS-130).
    registration_access_token: &'r str,
    registration_client_uri: &'r str,
    #[serde(flatten)]
    metadata: &'r Accepted,
}

/// Registers a client, or says what is wrong with its metadata (AS-120 to AS-126).
pub(crate) async fn register(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match read_metadata_body(&server, &head.headers, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let accepted = match metadata::read(&body, &server.settings) {
        Ok(accepted) => accepted,
        Err(error) => {
            let peer = Peer::of(&head.extensions);
            audit!(info, "registration refused", error = ?error.error, %peer);
            return answers::json(StatusCode::BAD_REQUEST, &error);
        }
    };
    let now = server.settings.clock.now();
    let peer = Peer::of(&head.extensions);
    if !server.registrations_by_peer.as_ref().is_some_and(|rate| rate.admit(peer)) {
        audit::limited("registrations of one peer", peer);
        return answers::error_with_status(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::TemporarilyUnavailable,
            "too many registrations",
        );
    }
    forget_unused(&server, FORGOTTEN_AT_ONCE, now).await;
    store(&server, accepted, now).await
}

/// The body of a request with client metadata, or the answer that refuses it (LIM-9).
async fn read_metadata_body(
    server: &Inner,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<u8>, Response> {
    if !answers::has_content_type(headers, "application/json") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(refuse_with(status, "the body must be application/json"));
    }
    answers::read_body(body, server.settings.limits.registration_bytes).await.map_err(|error| {
        match error {
            BodyError::TooLarge => {
                refuse_with(StatusCode::PAYLOAD_TOO_LARGE, "the metadata is too large")
            }
            BodyError::Broken => answers::status_only(StatusCode::BAD_REQUEST),
        }
    })
}

/// Deletes clients that registered long ago and never obtained a token, at most `count_max`.
pub(crate) async fn forget_unused(server: &Inner, count_max: usize, now: SystemTime) {
    let Some(limit) = now.checked_sub(server.settings.lifetimes.unused_client) else { return };
    let records = server.engine.store().records();
    // What was issued to them, which is nothing, need not be kept away for long.
    let window = RevocationWindow { recorded_at: now, until: now };
    for _ in 0..count_max {
        match records.forget_unused_client(limit, window).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "unused clients could not be deleted");
                return;
            }
        }
    }
}

async fn store(server: &Inner, accepted: Accepted, now: SystemTime) -> Response {
    let unavailable = || answers::status_only(StatusCode::SERVICE_UNAVAILABLE);
    let Ok((client_id, secret)) = identity(&accepted) else { return unavailable() };
    let Ok(access_token) = random_text() else { return unavailable() };
    let records = server.engine.store().records();
    let unused_max = server.settings.limits.unused_clients;
    match records.note_unused_client(&client_id, unused_max, now).await {
        Ok(true) => {}
        Ok(false) => {
            audit!(warn, "limit reached", limit = "unused clients");
            return answers::error_with_status(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::TemporarilyUnavailable,
                "too many unused clients",
            );
        }
        Err(_) => return unavailable(),
    }
    let secret_expires_at = secret.as_ref().map(|_| 0);
    let registration = DynamicRegistration {
        registration_access_token_hash: SecretHash::sha256(&access_token),
        client_id_issued_at: unix_secs(now),
        client_secret_expires_at: secret_expires_at,
        token_endpoint_auth_method: accepted.method().to_owned(),
    };
    let client = Client {
        registration: Some(Box::new(registration)),
        ..client(server, &accepted, &client_id, secret.as_deref())
    };
    if server.engine.register_client(client).await.is_err() {
        // If that fails, too, the note goes with the unused clients.
        let _ = records.mark_client_used(&client_id).await;
        return unavailable();
    }
    audit!(info, "client registered", %client_id, public = secret.is_none());
    let registered = Registered {
        client_id: client_id.as_str(),
        client_secret_expires_at: secret_expires_at,
        client_secret: secret,
        client_id_issued_at: unix_secs(now),
        registration_access_token: &access_token,
        registration_client_uri: &server.endpoints.registration_of(client_id.as_str()),
        metadata: &accepted,
    };
    answers::json(StatusCode::CREATED, &registered)
}

/// A new client id, and a secret if the client is confidential.
fn identity(accepted: &Accepted) -> Result<(ClientId, Option<String>), EntropyError> {
    let prefix = if accepted.is_bound() { BOUND_ID_PREFIX } else { CLIENT_ID_PREFIX };
    let client_id = ClientId::new(format!("{prefix}{}", random_text()?));
    let secret = if accepted.is_public() { None } else { Some(random_text()?) };
    Ok((client_id, secret))
}

/// The engine's record of the client.
fn client(
    server: &Inner,
    accepted: &Accepted,
    client_id: &ClientId,
    secret: Option<&str>,
) -> Client {
    Client {
        client_id: client_id.clone(),
        auth: match secret {
            Some(secret) => ClientAuth::ConfidentialSecretHash { hash: SecretHash::sha256(secret) },
            None => ClientAuth::Public,
        },
        grant_types: accepted.engine_grant_types(),
        redirect_uris: accepted.redirect_uris.clone(),
        // What the client wrote into its registration is no ceiling.
        allowed_scopes: every_scope(&server.settings),
        default_scopes: ScopeSet::empty(),
        name: accepted.client_name.clone(),
        registration: None,
    }
}

fn refuse_with(status: StatusCode, description: &'static str) -> Response {
    let code = RegistrationErrorCode::InvalidClientMetadata;
    answers::json(status, &RegistrationErrorResponse::new(code, description))
}
