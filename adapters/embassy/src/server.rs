//! The server: what is the same for all of its connections.

use core::fmt::Debug;

use edge_nal::{Close, TcpAccept, TcpShutdown};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use portcullis_core::resource_server::ResourceServer;

use crate::{
    Clock, Connections, Deadlines, HeadLimits, Introspector, Memory, NoIntrospection, Service,
    connections::{Ending, Place, Shared},
    link::Link,
};

/// How long the last bytes of a connection may take to be taken.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(1_000);
/// The same when others wait for the task.
const HURRIED_CLOSE_TIME_MAX: Duration = Duration::from_millis(200);
/// SEC-444: how long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A protected MCP server.
///
/// Any number of connections can be served at once, each in its [`Memory`].
#[derive(Clone, Copy)]
pub struct Server<'c, S, C, I = NoIntrospection> {
    pub(crate) resource_server: &'c ResourceServer<'c>,
    pub(crate) service: S,
    pub(crate) clock: C,
    pub(crate) introspector: I,
    pub(crate) limits: HeadLimits,
    pub(crate) deadlines: Deadlines,
    connections: Option<&'c dyn Shared>,
}

impl<'c, S: Service, C: Clock> Server<'c, S, C> {
    /// A server that verifies every token itself.
    pub const fn new(resource_server: &'c ResourceServer<'c>, service: S, clock: C) -> Self {
        Self {
            resource_server,
            service,
            clock,
            introspector: NoIntrospection,
            limits: HeadLimits::SMALL,
            deadlines: Deadlines::SMALL,
            connections: None,
        }
    }
}

impl<'c, S: Service, C: Clock, I: Introspector> Server<'c, S, C, I> {
    /// Asks about tokens that are not verified here.
    pub fn with_introspector<J: Introspector>(self, introspector: J) -> Server<'c, S, C, J> {
        let Self { resource_server, service, clock, limits, deadlines, connections, .. } = self;
        Server { resource_server, service, clock, introspector, limits, deadlines, connections }
    }

    /// Other limits of a head than those of a microcontroller.
    #[must_use]
    pub fn with_limits(self, limits: HeadLimits) -> Self {
        Self { limits, ..self }
    }

    /// Other deadlines than those of a microcontroller.
    #[must_use]
    pub fn with_deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// Counts connections, so that no peer has all of them and somebody listens (LIM-15).
    ///
    /// Of `N` tasks that [`run`](Self::run); without it connections are ended by deadlines alone.
    #[must_use]
    pub fn with_connections<const N: usize, M: RawMutex>(
        self,
        connections: &'c Connections<N, M>,
    ) -> Self {
        Self { connections: Some(connections), ..self }
    }

    /// Accepts and serves one connection after the other, for ever.
    ///
    /// Run it in as many tasks as there are sockets, each with its own memory.
    pub async fn run<
        A,
        const HEAD: usize,
        const FIELDS: usize,
        const BODY: usize,
        const SCRATCH: usize,
    >(
        &self,
        acceptor: &A,
        memory: &mut Memory<HEAD, FIELDS, BODY, SCRATCH>,
    ) -> !
    where
        A: TcpAccept,
    {
        loop {
            let Ok((peer, mut socket)) = acceptor.accept().await else {
                Timer::after(ACCEPT_PAUSE).await;
                continue;
            };
            // Kept until the socket is closed: before, there is no room for another one.
            let place = self.connections.map(|shared| Place::take(shared, peer.ip()));
            let ending = if let Some(None) = place {
                Ending::Known
            } else {
                let place = place.as_ref().and_then(Option::as_ref);
                self.serve_at(&mut socket, place, memory).await;
                place.map_or(Ending::Usual, Place::ending)
            };
            let (what, patience) = match ending {
                Ending::Usual => (Close::Both, CLOSE_TIME_MAX),
                Ending::Hurried => (Close::Both, HURRIED_CLOSE_TIME_MAX),
                Ending::Known => (Close::Write, HURRIED_CLOSE_TIME_MAX),
            };
            let closed = with_timeout(patience, socket.close(what)).await;
            if !matches!(closed, Ok(Ok(()))) {
                // The peer is gone, or pretends to be: nothing is left to be told.
                let _ = with_timeout(patience, socket.abort()).await;
            }
        }
    }

    /// Serves one connection to its end. Closing it is left to the caller, and counting it.
    pub async fn serve<
        T,
        const HEAD: usize,
        const FIELDS: usize,
        const BODY: usize,
        const SCRATCH: usize,
    >(
        &self,
        io: T,
        memory: &mut Memory<HEAD, FIELDS, BODY, SCRATCH>,
    ) where
        T: Read + Write,
    {
        self.serve_at(io, None, memory).await;
    }

    async fn serve_at<
        T,
        const HEAD: usize,
        const FIELDS: usize,
        const BODY: usize,
        const SCRATCH: usize,
    >(
        &self,
        io: T,
        place: Option<&Place<'_>>,
        memory: &mut Memory<HEAD, FIELDS, BODY, SCRATCH>,
    ) where
        T: Read + Write,
    {
        let mut link = Link::new(io, self.deadlines, place);
        while self.exchange(&mut link, memory).await.is_ok() {}
    }
}

impl<S: Debug, C: Debug, I: Debug> Debug for Server<'_, S, C, I> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Server")
            .field("service", &self.service)
            .field("clock", &self.clock)
            .field("introspector", &self.introspector)
            .field("limits", &self.limits)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}
