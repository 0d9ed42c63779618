//! Answers a listener, within limits.

use std::{
    convert::Infallible,
    future::{Future, ready},
    io,
    net::SocketAddr,
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use portcullis_tokio::serve::{self, ListenerLimits};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{interval, timeout},
};
use tower::ServiceExt;

use crate::server::AuthorizationServer;
use crate::tls::Tls;
use crate::{answers, forwarded};

const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

impl AuthorizationServer {
    /// Answers `listener` until `shutdown` is ready, then lets open requests end.
    ///
    /// Plain HTTP: for loopback, or with something in front that speaks TLS (AS-13). With such a proxy
    /// all callers count as one peer, unless [`Settings::with_trusted_proxies`] names it.
    ///
    /// [`Settings::with_trusted_proxies`]: crate::Settings::with_trusted_proxies
    ///
    /// # Errors
    /// When the listener has no address any more.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        self.serve_over(listener, |stream| ready(Ok(stream)), shutdown).await
    }

    /// As [`serve`](Self::serve), over TLS (AS-13). A handshake has [`Limits::header_time`], like a head.
    ///
    /// [`Limits::header_time`]: crate::Limits::header_time
    ///
    /// # Errors
    /// When the listener has no address any more.
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        tls: Tls,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        self.serve_over(listener, move |stream| tls.accept(stream), shutdown).await
    }

    async fn serve_over<H, F, T>(
        &self,
        listener: TcpListener,
        handshake: H,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        H: Fn(TcpStream) -> F,
        F: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let address = listener.local_addr()?;
        tracing::info!(%address, issuer = self.issuer(), "authorization server listens");
        let own = &self.inner.settings.limits;
        let request_time = own.request_time;
        let proxies = self.inner.settings.trusted_proxies.clone();
        let mut limits = ListenerLimits {
            connections: own.connections,
            header_time: own.header_time,
            write_time: own.write_time,
            ..ListenerLimits::default()
        };
        if !proxies.is_empty() {
            // All of them may be those of one proxy, which has limits of its own.
            limits.connections_per_peer = limits.connections;
        }
        let (router, mcp_server) = (self.router(), self.mcp_server.clone());
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            if let Some(peer) = request.extensions().get::<SocketAddr>().copied() {
                let peer = forwarded::peer(peer, request.headers(), &proxies);
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            // How long a tool takes is for its server to say.
            let is_own = !mcp_server.as_ref().is_some_and(|it| it.answers(request.uri().path()));
            let request_time = is_own.then_some(request_time);
            let answer = router.clone().oneshot(request);
            async move {
                let answered = match request_time {
                    Some(request_time) => timeout(request_time, answer).await,
                    None => Ok(answer.await),
                };
                Ok::<_, Infallible>(match answered {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => answers::status_only(StatusCode::REQUEST_TIMEOUT),
                })
            }
        });
        tokio::select! {
            () = serve::serve_over(listener, handshake, service, limits, shutdown) => {}
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
