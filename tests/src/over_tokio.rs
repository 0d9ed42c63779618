//! The tokio adapter as it is deployed: `Protect` behind a hyper connection, without a socket.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use portcullis_core::time::UnixTime;
use portcullis_tokio::resource_server::{Clock, Protect, ProtectLayer};
use tokio::runtime::Runtime;
use tower::{BoxError, Service};
use tower_layer::Layer as _;

use crate::{
    authorization_server::AuthorizationServer,
    connection,
    driver::{Answer, Driver, Exchange},
    server::Server,
    service::Echo,
};

/// The tokio adapter.
pub struct OverTokio {
    runtime: Runtime,
    authorization_server: AuthorizationServer,
    servers: BTreeMap<Server, Protect<Echo>>,
    service: Echo,
    clock: Hands,
}

/// A clock that is set by hand. Each look at the monotonic one is a second later than the one before,
/// so that no event is left out for coming too soon after others.
#[derive(Clone, Default)]
pub(crate) struct Hands {
    now: Arc<Mutex<Option<UnixTime>>>,
    looks: Arc<AtomicU64>,
}

impl Hands {
    pub(crate) fn set(&self, now: Option<UnixTime>) {
        *self.now.lock().unwrap() = now;
    }
}

impl Clock for Hands {
    fn unix_time(&self) -> Option<UnixTime> {
        *self.now.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.looks.fetch_add(1, Ordering::Relaxed))
    }
}

impl OverTokio {
    /// Starts its runtime and the authorization server.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let authorization_server = runtime.block_on(AuthorizationServer::start());
        Self {
            runtime,
            authorization_server,
            servers: BTreeMap::new(),
            service: Echo::default(),
            clock: Hands::default(),
        }
    }

    fn protect(&mut self, server: Server) -> Protect<Echo> {
        let make = || {
            let settings = server.settings(&self.authorization_server.endpoint());
            let layer = ProtectLayer::with_clock(settings, self.clock.clone()).unwrap();
            layer.layer(self.service.clone())
        };
        self.servers.entry(server).or_insert_with(make).clone()
    }
}

impl Default for OverTokio {
    fn default() -> Self {
        Self::new()
    }
}

impl Driver for OverTokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn answer(&mut self, exchange: &Exchange) -> Answer {
        let protect = self.protect(exchange.server);
        self.clock.set(exchange.now);
        self.authorization_server.follow(exchange.script.clone());
        let asked = self.authorization_server.questions();
        let answer = self.runtime.block_on(answered(protect, &self.service, exchange));
        let asked = self.authorization_server.questions() > asked;
        Answer { asked, ..answer }
    }
}

/// What a server over HTTP answers on a connection of its own, and whether `service` ran behind it.
pub(crate) async fn answered<S, B>(server: S, service: &Echo, exchange: &Exchange) -> Answer
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (peer, own) = connection::pipe();
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(own), TowerToHyperService::new(server));
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection");
        }
    });
    connection::converse(peer, exchange, async || service.runs()).await
}
