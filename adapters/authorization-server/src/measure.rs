//! What requests are counted by (`metrics`): `portcullis_http_requests_total{route,status}` and
//! `portcullis_http_request_seconds{route}`. A recorder is the program's; without one nothing happens.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;

use crate::answers::Response;

/// Counts a request by its route: what a stranger made up in a path makes no new series.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    metrics::histogram!("portcullis_http_request_seconds", "route" => route.clone())
        .record(started.elapsed());
    let status = response.status().as_str().to_owned();
    metrics::counter!("portcullis_http_requests_total", "route" => route, "status" => status)
        .increment(1);
    response
}
