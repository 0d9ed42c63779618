//! `POST /revoke` (RFC 7009).

use std::convert::identity;
use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::{ErrorCode, ErrorResponse, TokenTypeHint};

use crate::answers::{self, Response};
use crate::client_authentication::ClientRequest;
use crate::introspection::record_name;
use crate::server::Inner;

/// Ends a token of the client that asks; any other token is left alone, with the same answer
/// (AS-140 to AS-142). With a refresh token the whole grant ends.
pub(crate) async fn revoke(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let request = match ClientRequest::read(&server, request, identity).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Err(refusal) = request.meet_client(&server).await {
        return refusal;
    }
    let Some(token) = request.form.get("token") else {
        let missing = ErrorResponse::new(ErrorCode::InvalidRequest).with_description("no token");
        return answers::error(&missing, false);
    };
    // An unknown hint is no hint: the search only widens.
    let hint: Option<TokenTypeHint> =
        request.form.get("token_type_hint").and_then(|it| it.parse().ok());
    let (name, _) = record_name(&server, token);
    let credentials = &request.credentials;
    let store = server.engine.store();
    let unavailable =
        || answers::error(&ErrorResponse::new(ErrorCode::TemporarilyUnavailable), false);
    let Ok(family) = store.family_of(&name, &credentials.client_id).await else {
        return unavailable();
    };
    let engine = &server.engine;
    let proof = credentials.to_engine();
    match engine.revoke_with_credential(&credentials.client_id, &proof, &name, hint).await {
        // The engine takes a grant for ended whose other tokens it could not reach (SEC-310).
        Ok(()) if family.is_some_and(|family| store.is_unrevoked(&family)) => unavailable(),
        Ok(()) => answers::status_only(StatusCode::OK),
        // A storage that failed has not revoked: the client must try again (SEC-310).
        Err(error) if error.error == ErrorCode::ServerError => unavailable(),
        Err(error) => request.answer_error(&server, &error),
    }
}
