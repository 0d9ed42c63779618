//! Whether the process lives, and whether it can do its work: for whoever restarts it or sends it requests.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use tokio::time::timeout;

use crate::answers::{self, Response};
use crate::server::Inner;

/// How long the database may take to say anything; less than those who ask usually wait.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// `GET /health`: 200 as long as requests are answered at all.
pub(crate) async fn health() -> Response {
    answers::status_only(StatusCode::OK)
}

/// `GET /ready`: 200 when the database answers, else 503. It says no more to strangers.
pub(crate) async fn ready(State(server): State<Arc<Inner>>) -> Response {
    answers::status_only(match is_ready(&server).await {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    })
}

pub(crate) async fn is_ready(server: &Inner) -> bool {
    match timeout(ANSWER_MAX, server.engine.store().records().ping()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database cannot be used");
            false
        }
        Err(_) => {
            tracing::warn!("the database does not answer");
            false
        }
    }
}
