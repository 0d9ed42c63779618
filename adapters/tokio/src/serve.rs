//! Answers a listener within limits of time and number, which `axum::serve` does not set.
//!
//! [`serve`] speaks plain HTTP/1.1: on loopback, or with something in front that speaks TLS (RS-14,
//! RS-50). [`serve_over`] takes the handshake of a TLS library.

mod connections;
mod front;
mod lingering;
mod reading_peer;
mod strict;

use std::{
    convert::Infallible,
    error::Error,
    future::{Future, ready},
    io,
    pin::pin,
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use portcullis_core::limits::{HEADER_FIELDS_MAX_DESKTOP, HEADER_SECTION_LEN_MAX_DESKTOP};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_service::Service;

use self::{
    connections::{Connections, Place},
    front::Front,
    reading_peer::ReadingPeer,
    strict::Strict,
};

/// After an accept that failed, usually for want of file descriptors (SEC-444).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// No header section has longer: what is more is past what timers can count.
const HEADER_TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// What one listener puts up with; the defaults are those of a desktop.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// Most connections at once (LIM-15). For a further one, the connection that has waited longest for a
    /// request is closed; where none waits, the further one is.
    pub connections: usize,
    /// Most connections of one peer at once (LIM-15), of which one makes room in the same way. Addresses of
    /// one IPv6 /64 are one peer.
    pub connections_per_peer: usize,
    /// Time for a whole header section, also for the next one of a kept connection (LIM-13); and for a
    /// handshake before the first one (SEC-447).
    pub header_time: Duration,
    /// Longest time in which a peer takes nothing of what waits to be written to it; then it is cut off
    /// (SEC-440, SEC-449). A stream in which nothing waits may be silent for longer.
    pub write_time: Duration,
    /// How long open requests and streams may go on after the end was asked for.
    pub shutdown_time: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 64,
            header_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            shutdown_time: Duration::from_secs(5),
        }
    }
}

/// Answers `listener` with `service` until `shutdown` is ready, then lets open requests end within
/// [`ListenerLimits::shutdown_time`]. A head is within LIM-2 and LIM-3, or answered with 431; a request
/// line within LIM-1, or with 414; an expectation is known (RFC 9110 §10.1.1), or answered with 417.
///
/// What two readers could take for different requests is answered with 400 and ends the connection:
/// [`Framing`](portcullis_core::framing::Framing) sees the bytes before hyper does (SEC-400 … 418).
///
/// The address of the peer is in each request's extensions, as a [`SocketAddr`](std::net::SocketAddr).
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: ListenerLimits,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_over(listener, |stream| ready(Ok(stream)), service, limits, shutdown).await;
}

/// As [`serve`], but over what `handshake` makes of each connection, such as a TLS stream.
///
/// A handshake that fails, or takes longer than [`ListenerLimits::header_time`], ends its connection;
/// others are accepted meanwhile, and it counts as an open connection. HTTP/1.1 is all that is spoken:
/// a handshake that agrees on a protocol agrees on that one.
pub async fn serve_over<H, F, T, S, B>(
    listener: TcpListener,
    handshake: H,
    service: S,
    limits: ListenerLimits,
    shutdown: impl Future<Output = ()>,
) where
    H: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<T>> + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let open = Connections::default();
    // Ends with this function, and whatever is open then ends with it.
    let mut connections = JoinSet::new();
    let (accepting, ended) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Without a place the connection is closed at once, by dropping it.
        let Some(place) = open.enter(peer.ip(), &limits) else { continue };
        let _ = stream.set_nodelay(true);
        let shaken = timeout(limits.header_time, handshake(stream));
        let service =
            Front { inner: service.clone(), peer, connection: place.connection().clone() };
        let mut ended = ended.clone();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            tokio::select! {
                // Nothing was asked yet that could be left to end.
                _ = ended.changed() => {}
                () = place.connection().told_to_end() => {}
                shaken = shaken => if let Ok(Ok(stream)) = shaken {
                    answer(stream, service, limits, &place, ended).await;
                }
            }
        });
    }
    drop((listener, accepting));
    // Whoever is still busy after this is cut off.
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(limits.shutdown_time, all).await;
}

/// Answers requests until the peer ends, or is told to with the answer that it waits for.
async fn answer<T, S, B>(
    stream: T,
    service: Front<S>,
    limits: ListenerLimits,
    place: &Place,
    mut ended: watch::Receiver<()>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let stream = Strict::new(stream, place.connection().clone());
    let stream = ReadingPeer::new(stream, limits.write_time);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time.min(HEADER_TIME_MAX))
        .max_headers(HEADER_FIELDS_MAX_DESKTOP)
        .max_buf_size(HEADER_SECTION_LEN_MAX_DESKTOP)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    tokio::select! {
        // A connection that breaks has no one left to tell.
        _ = &mut connection => return,
        _ = ended.changed() => {}
        () = place.connection().told_to_end() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

#[cfg(test)]
mod tests;
