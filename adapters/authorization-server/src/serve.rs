//! Answers a listener, within limits.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::StatusCode;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use portcullis_core::limits::{HEADER_FIELDS_MAX_DESKTOP, HEADER_SECTION_LEN_MAX_DESKTOP};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{interval, sleep, timeout};
use tower::ServiceExt;

use crate::answers;
use crate::server::AuthorizationServer;

/// For the whole header section (LIM-13).
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// For body and answer together (LIM-14).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How long open requests may go on after the end was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// After an accept that failed, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
        let router = self.router();
        let open = Arc::new(Semaphore::new(self.inner.settings.limits.connections));
        let graceful = GracefulShutdown::new();
        let mut sweeps = interval(SWEEP_INTERVAL);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = sweeps.tick() => self.sweep().await,
                accepted = listener.accept() => match accepted {
                    // Past the limit the connection is closed at once (LIM-15).
                    Ok((stream, peer)) => if let Ok(permit) = Arc::clone(&open).try_acquire_owned() {
                        answer_connection(stream, peer, router.clone(), &graceful, permit);
                    },
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(listener);
        // Whoever is still busy after this is cut off.
        let _ = timeout(SHUTDOWN_GRACE, graceful.shutdown()).await;
        Ok(())
    }
}

fn answer_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    graceful: &GracefulShutdown,
    permit: OwnedSemaphorePermit,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        async move {
            Ok::<_, Infallible>(match timeout(REQUEST_TIMEOUT, answer).await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => answers::status_only(StatusCode::REQUEST_TIMEOUT),
            })
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_headers(HEADER_FIELDS_MAX_DESKTOP)
        .max_buf_size(HEADER_SECTION_LEN_MAX_DESKTOP)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // A connection that breaks has no one left to tell.
        let _ = connection.await;
        drop(permit);
    });
}
