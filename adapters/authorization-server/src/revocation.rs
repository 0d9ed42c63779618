//! `POST /revoke` (RFC 7009).

use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::{ErrorCode, ErrorResponse, TokenTypeHint};

use crate::answers::{self, Response};
use crate::client_authentication::ClientCredentials;
use crate::introspection::record_name;
use crate::server::Inner;
use crate::throttle::Peer;

/// Ends a token of the client that asks; any other token is left alone, with the same answer
/// (AS-140 to AS-142). With a refresh token the whole grant ends.
pub(crate) async fn revoke(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let peer = Peer::of(&head.extensions);
    let form = match answers::read_form(&head.headers, body).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let credentials = match ClientCredentials::read(&head.headers, &form) {
        Ok(credentials) => credentials,
        Err(error) => return answers::error(&error, true),
    };
    if let Some(refusal) = credentials.refuse_guessing(&server, peer) {
        return refusal;
    }
    let Some(token) = form.get("token") else {
        let missing = ErrorResponse::new(ErrorCode::InvalidRequest).with_description("no token");
        return answers::error(&missing, false);
    };
    // An unknown hint is no hint: the search only widens.
    let hint: Option<TokenTypeHint> = form.get("token_type_hint").and_then(|it| it.parse().ok());
    let (name, _) = record_name(&server, token);
    let secret = credentials.secret.as_deref();
    match server.engine.revoke(&credentials.client_id, secret, &name, hint).await {
        Ok(()) => answers::status_only(StatusCode::OK),
        // A storage that failed has not revoked: the client must try again (SEC-310).
        Err(error) if error.error == ErrorCode::ServerError => {
            answers::error(&ErrorResponse::new(ErrorCode::TemporarilyUnavailable), false)
        }
        Err(error) => credentials.answer_error(&server, peer, &error),
    }
}
