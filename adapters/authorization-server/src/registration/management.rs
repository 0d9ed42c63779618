//! `GET`, `PUT` and `DELETE /register/{client_id}`: clients look after their registration (RFC 7592).
//!
//! Done here and not by the engine for the same reasons as registration itself. The token that lets a client
//! do so is as strong as its secret, and kept as a hash only.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use oauth_as::{
    Client, ClientId, DynamicRegistration, ErrorCode, ErrorResponse, RevocationWindow, SecretHash,
    Storage,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::metadata::{self, Accepted};
use super::{Registered, read_metadata_body, refuse_with};
use crate::answers::{self, Response};
use crate::audit::audit;
use crate::server::Inner;
use crate::settings::CLIENT_ID_PREFIX;
use crate::throttle::Peer;

/// A client that has shown the token of its registration.
struct Managed {
    client: Arc<Client>,
    registration: DynamicRegistration,
    token: String,
}

/// The current registration (AS-131). Its secret is not known here any more.
pub(crate) async fn read(
    State(server): State<Arc<Inner>>,
    Path(client_id): Path<String>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    match authenticate(&server, &client_id, &head.headers, Peer::of(&head.extensions)).await {
        Ok(managed) => {
            let method = managed.registration.token_endpoint_auth_method.clone();
            let accepted = Accepted::of(&managed.client, method);
            shown(&server, &managed, &accepted)
        }
        Err(refusal) => refusal,
    }
}

/// What of an update is not metadata.
#[derive(Deserialize)]
struct Update {
    client_id: Option<String>,
    client_secret: Option<String>,
    registration_access_token: Option<IgnoredAny>,
    registration_client_uri: Option<IgnoredAny>,
    client_secret_expires_at: Option<IgnoredAny>,
    client_id_issued_at: Option<IgnoredAny>,
}

/// Replaces all metadata: what is not sent is gone (AS-131). A public client stays public, and a
/// confidential one confidential: a new secret would be the first thing that a stolen token asks for. And bound
/// tokens alone stay so, for whoever stole the token would ask for others next (DP-07).
pub(crate) async fn update(
    State(server): State<Arc<Inner>>,
    Path(client_id): Path<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let peer = Peer::of(&head.extensions);
    let managed = match authenticate(&server, &client_id, &head.headers, peer).await {
        Ok(managed) => managed,
        Err(refusal) => return refusal,
    };
    let body = match read_metadata_body(&server, &head.headers, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let refuse = |description| refuse_with(StatusCode::BAD_REQUEST, description);
    let Ok(update) = serde_json::from_slice::<Update>(&body) else {
        return refuse("the body is not a JSON object of client metadata");
    };
    if update.registration_access_token.is_some()
        || update.registration_client_uri.is_some()
        || update.client_secret_expires_at.is_some()
        || update.client_id_issued_at.is_some()
    {
        return refuse("a member of the answer is not a member of an update");
    }
    if update.client_id.as_deref() != Some(managed.client.client_id.as_str()) {
        return refuse("client_id must be that of the registration");
    }
    if update.client_secret.is_some_and(|secret| !managed.client.auth.verify(Some(&secret))) {
        return refuse("client_secret is not that of the registration");
    }
    let accepted = match metadata::read(&body, &server.settings) {
        Ok(accepted) => accepted,
        Err(error) => return answers::json(StatusCode::BAD_REQUEST, &error),
    };
    if accepted.is_public() == managed.client.auth.is_confidential() {
        return refuse("a client cannot become public or confidential");
    }
    if accepted.is_bound() != metadata::is_bound(&managed.client) {
        return refuse("dpop_bound_access_tokens cannot change");
    }
    replace(&server, &managed, &accepted).await
}

async fn replace(server: &Inner, managed: &Managed, accepted: &Accepted) -> Response {
    let registration = DynamicRegistration {
        token_endpoint_auth_method: accepted.method().to_owned(),
        ..managed.registration.clone()
    };
    let updated = Client {
        grant_types: accepted.engine_grant_types(),
        redirect_uris: accepted.redirect_uris.clone(),
        name: accepted.client_name.clone(),
        registration: Some(Box::new(registration)),
        ..Client::clone(&managed.client)
    };
    let store = server.engine.store();
    match store.compare_and_swap_client(&managed.client, updated).await {
        Ok(true) => {
            audit!(info, "registration updated", client_id = %managed.client.client_id);
            shown(server, managed, accepted)
        }
        // It was deleted or changed meanwhile.
        Ok(false) => unauthorized(),
        Err(error) => unavailable(&error),
    }
}

/// Ends the client with all that it was issued (AS-132).
pub(crate) async fn delete(
    State(server): State<Arc<Inner>>,
    Path(client_id): Path<String>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let peer = Peer::of(&head.extensions);
    let managed = match authenticate(&server, &client_id, &head.headers, peer).await {
        Ok(managed) => managed,
        Err(refusal) => return refusal,
    };
    let now = server.settings.clock.now();
    let lifetimes = &server.settings.lifetimes;
    // What is being issued right now ends no later than this.
    let until = now + lifetimes.refresh_token.max(lifetimes.access_token);
    let window = RevocationWindow { recorded_at: now, until };
    let client_id = &managed.client.client_id;
    match server.engine.store().delete_client(client_id, window).await {
        Ok(_) => {
            audit!(info, "client deleted itself", %client_id);
            answers::status_only(StatusCode::NO_CONTENT)
        }
        Err(error) => unavailable(&error),
    }
}

/// The client whose registration this token is for. One answer for an unknown client and for a wrong token;
/// wrong ones are counted (AS-132, SEC-258, LIM-20).
async fn authenticate(
    server: &Inner,
    client_id: &str,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Managed, Response> {
    let token = bearer(headers).ok_or_else(unauthorized)?;
    let now = server.settings.clock.now();
    let key = format!("{peer:?} registration");
    if server.wrong_secrets.is_exhausted(&key, now) {
        let wait = server.wrong_secrets.wait(&key, now);
        return Err(answers::too_often(ErrorCode::InvalidClient, "too many attempts", wait));
    }
    let store = server.engine.store();
    let found = match client_id.starts_with(CLIENT_ID_PREFIX) {
        true => store.get_client(&ClientId::new(client_id)).await.map_err(|it| unavailable(&it))?,
        false => None,
    };
    let registered = found.and_then(|client| {
        let registration = client.registration.as_deref().cloned()?;
        Some((client, registration))
    });
    // An unknown client takes as long.
    let hash = match &registered {
        Some((_, registration)) => registration.registration_access_token_hash.clone(),
        None => SecretHash::sha256(""),
    };
    match (hash.verify(token, None), registered) {
        (true, Some((client, registration))) => {
            Ok(Managed { client, registration, token: token.to_owned() })
        }
        _ => {
            server.wrong_secrets.count(&key, now);
            Err(unauthorized())
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then_some(token)
}

fn shown(server: &Inner, managed: &Managed, accepted: &Accepted) -> Response {
    let client_id = managed.client.client_id.as_str();
    let uri = server.endpoints.registration_of(client_id);
    let registered = Registered {
        client_id,
        client_secret: None,
        client_secret_expires_at: managed.registration.client_secret_expires_at,
        client_id_issued_at: managed.registration.client_id_issued_at,
        registration_access_token: &managed.token,
        registration_client_uri: &uri,
        metadata: accepted,
    };
    answers::json(StatusCode::OK, &registered)
}

fn unauthorized() -> Response {
    let mut response = answers::status_only(StatusCode::UNAUTHORIZED);
    let challenge = HeaderValue::from_static("Bearer realm=\"client registration\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn unavailable(error: &oauth_as::StorageError) -> Response {
    tracing::error!(%error, "a registration could not be read or written");
    answers::error(&ErrorResponse::new(ErrorCode::TemporarilyUnavailable), false)
}
