//! The server: what is the same for all of its connections.

use edge_nal::{Close, TcpAccept, TcpShutdown};
use embassy_time::{Duration, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use portcullis_core::resource_server::ResourceServer;

use crate::{
    Clock, Deadlines, HeadLimits, Introspector, Memory, NoIntrospection, Service, link::Link,
};

/// How long the last bytes of a connection may take to be taken.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(1_000);
/// SEC-444: how long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A protected MCP server.
///
/// Has no state of its own: any number of connections can be served at once, each in its [`Memory`].
#[derive(Clone, Copy, Debug)]
pub struct Server<'c, S, C, I = NoIntrospection> {
    pub(crate) resource_server: &'c ResourceServer<'c>,
    pub(crate) service: S,
    pub(crate) clock: C,
    pub(crate) introspector: I,
    pub(crate) limits: HeadLimits,
    pub(crate) deadlines: Deadlines,
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
        }
    }
}

impl<'c, S: Service, C: Clock, I: Introspector> Server<'c, S, C, I> {
    /// Asks about tokens that are not verified here.
    pub fn with_introspector<J: Introspector>(self, introspector: J) -> Server<'c, S, C, J> {
        let Self { resource_server, service, clock, limits, deadlines, .. } = self;
        Server { resource_server, service, clock, introspector, limits, deadlines }
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
            let Ok((_, mut socket)) = acceptor.accept().await else {
                Timer::after(ACCEPT_PAUSE).await;
                continue;
            };
            self.serve(&mut socket, memory).await;
            let closed = with_timeout(CLOSE_TIME_MAX, socket.close(Close::Both)).await;
            if !matches!(closed, Ok(Ok(()))) {
                // The peer is gone, or pretends to be: nothing is left to be told.
                let _ = with_timeout(CLOSE_TIME_MAX, socket.abort()).await;
            }
        }
    }

    /// Serves one connection to its end. Closing it is left to the caller.
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
        let mut link = Link::new(io, self.deadlines);
        while self.exchange(&mut link, memory).await.is_ok() {}
    }
}
