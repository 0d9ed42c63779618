//! `POST /introspect` (RFC 7662): what a resource server is told about a token.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::{ErrorCode, ErrorResponse, IntrospectionResponse, StorageError};
use serde::Serialize;

use crate::answers::{self, Response};
use crate::client_authentication::ClientRequest;
use crate::server::Inner;
use crate::storage::{presented, token_id};

/// The engine's answer, and the token's id (AS-145).
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    introspection: IntrospectionResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

/// Answers resource servers, and only about tokens for themselves (AS-143 to AS-146).
///
/// The engine would also answer a client about its own tokens. Tokens are opaque to clients here,
/// so nobody but a resource server is let in.
pub(crate) async fn introspect(State(server): State<Arc<Inner>>, request: Request) -> Response {
    // Without a client id there is no caller: 401, as for a wrong one (AS-146).
    let no_caller = |_| ErrorResponse::new(ErrorCode::InvalidClient);
    let request = match ClientRequest::read(&server, request, no_caller).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let credentials = &request.credentials;
    let is_resource_server = server
        .settings
        .resources
        .iter()
        .any(|resource| resource.credentials.client_id == credentials.client_id.as_str());
    let (name, jti) = record_name(&server, request.form.get("token").unwrap_or_default());
    // The engine compares the secret of an unknown or foreign caller, too, so that every refusal
    // takes as long; a client that is no resource server is refused whatever it says.
    let result = server
        .engine
        .introspection_response(&credentials.client_id, credentials.secret.as_deref(), &name)
        .await;
    match result {
        Ok(introspection) if is_resource_server => {
            let Ok(mut introspection) = of_active_user(&server, introspection).await else {
                return answers::status_only(StatusCode::SERVICE_UNAVAILABLE);
            };
            // A service is its own subject, here as in a JWT (AS-113).
            if introspection.active && introspection.sub.is_none() {
                introspection.sub.clone_from(&introspection.client_id);
            }
            let jti = introspection.active.then_some(jti);
            answers::json(StatusCode::OK, &Answer { introspection, jti })
        }
        Ok(_) => {
            let refused = ErrorResponse::new(ErrorCode::InvalidClient);
            answers::error(&refused, credentials.by_header)
        }
        Err(error) => request.answer_error(&server, &error),
    }
}

/// The answer, unless the token's user has been disabled: then it is inactive (SEC-304).
async fn of_active_user(
    server: &Inner,
    introspection: IntrospectionResponse,
) -> Result<IntrospectionResponse, StorageError> {
    if let Some(subject) = &introspection.sub
        && !server.may_continue(subject).await?
    {
        return Ok(IntrospectionResponse::inactive());
    }
    Ok(introspection)
}

/// The name under which the engine finds the record behind `token`, and that token's id.
pub(crate) fn record_name(server: &Inner, token: &str) -> (String, String) {
    if let Some(name) = server.mint.record_name(token) {
        let id = name.rsplit(':').next().unwrap_or_default().to_owned();
        return (name, id);
    }
    (presented(token).to_owned(), token_id(token))
}
