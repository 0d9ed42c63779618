//! Answers a listener, within limits.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use portcullis_tokio::serve::{self, ListenerLimits};
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};
use tower::ServiceExt;

use crate::answers;
use crate::server::AuthorizationServer;

/// For body and answer together (LIM-14).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

impl AuthorizationServer {
    /// Answers `listener` until `shutdown` is ready, then lets open requests end.
    ///
    /// Plain HTTP: in production something in front speaks TLS (AS-13). With such a proxy all
    /// callers count as one peer, because forwarded addresses are not believed.
    ///
    /// # Errors
    /// When the listener has no address any more.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let address = listener.local_addr()?;
        tracing::info!(%address, issuer = self.issuer(), "authorization server listens");
        let limits = ListenerLimits {
            connections: self.inner.settings.limits.connections,
            ..ListenerLimits::default()
        };
        let router = self.router();
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            if let Some(peer) = request.extensions().get::<SocketAddr>().copied() {
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            let answer = router.clone().oneshot(request);
            async move {
                Ok::<_, Infallible>(match timeout(REQUEST_TIMEOUT, answer).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => answers::status_only(StatusCode::REQUEST_TIMEOUT),
                })
            }
        });
        tokio::select! {
            () = serve::serve(listener, service, limits, shutdown) => {}
            () = self.sweep_regularly() => {}
        }
        Ok(())
    }

    async fn sweep_regularly(&self) {
        let mut sweeps = interval(SWEEP_INTERVAL);
        loop {
            sweeps.tick().await;
            self.sweep().await;
        }
    }
}
