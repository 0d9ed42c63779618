//! The listener for those who run the server: metrics, and whether it lives and is ready.

use std::{convert::Infallible, future::Future, net::SocketAddr};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header, header::HeaderValue};
use http_body_util::Full;
use hyper::body::Incoming;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use portcullis_tokio::serve::{self, ListenerLimits};
use tokio::net::TcpListener;

use serde::Deserialize;

use super::ServingError;

/// Bounds of the seconds that a request takes.
const BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// Where metrics are, as the configuration says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    pub(crate) listen: SocketAddr,
}

/// The listener, bound, and what it tells.
pub(crate) struct Operations {
    listener: TcpListener,
    metrics: PrometheusHandle,
}

impl Operations {
    /// Takes the address, and starts counting.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, ServingError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| ServingError::Listen(address, error))?;
        let metrics = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| ServingError::Metrics(error.to_string()))?;
        Ok(Self { listener, metrics })
    }

    /// Answers until `shutdown` is ready; `is_ready` says what `/ready` says.
    pub(crate) async fn serve<R, F>(self, is_ready: R, shutdown: impl Future<Output = ()>)
    where
        R: Fn() -> F + Clone + Send + 'static,
        F: Future<Output = bool> + Send,
    {
        let metrics = self.metrics;
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let (is_ready, metrics) = (is_ready.clone(), metrics.clone());
            async move { Ok::<_, Infallible>(answer(&request, is_ready, &metrics).await) }
        });
        serve::serve(self.listener, service, ListenerLimits::default(), shutdown).await;
    }
}

async fn answer<F: Future<Output = bool>>(
    request: &Request<Incoming>,
    is_ready: impl Fn() -> F,
    metrics: &PrometheusHandle,
) -> Response<Full<Bytes>> {
    let status_only = |status: StatusCode| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    };
    if request.method() != Method::GET {
        return status_only(StatusCode::METHOD_NOT_ALLOWED);
    }
    match request.uri().path() {
        "/metrics" => {
            metrics.run_upkeep();
            let mut response = Response::new(Full::from(metrics.render()));
            let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
            response
        }
        "/health" => status_only(StatusCode::OK),
        "/ready" if is_ready().await => status_only(StatusCode::OK),
        "/ready" => status_only(StatusCode::SERVICE_UNAVAILABLE),
        _ => status_only(StatusCode::NOT_FOUND),
    }
}
