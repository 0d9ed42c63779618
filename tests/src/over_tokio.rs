//! The tokio adapter as it is deployed: `Protect` behind a hyper connection, without a socket.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use portcullis_core::time::UnixTime;
use portcullis_tokio::resource_server::{Clock, Protect, ProtectLayer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    runtime::Runtime,
};
use tower_layer::Layer as _;

use crate::{
    authorization_server::AuthorizationServer,
    driver::{Answer, Driver, Exchange, Later},
    server::Server,
    service::Echo,
    wire::ResponseHead,
};

/// More than the longest request, so that writing never waits for reading.
const PIPE_LEN: usize = 4 * 1024 * 1024;
/// An exchange that takes longer hangs.
const EXCHANGE_SECS_MAX: u64 = 20;

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
struct Hands {
    now: Arc<Mutex<Option<UnixTime>>>,
    looks: Arc<AtomicU64>,
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

    fn protect(&mut self, server: &Server) -> Protect<Echo> {
        let make = || {
            let settings = server.settings(&self.authorization_server.endpoint());
            let layer = ProtectLayer::with_clock(settings, self.clock.clone()).unwrap();
            layer.layer(self.service.clone())
        };
        self.servers.entry(server.clone()).or_insert_with(make).clone()
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
        let protect = self.protect(&exchange.server);
        *self.clock.now.lock().unwrap() = exchange.now;
        self.authorization_server.follow(exchange.script.clone());
        let asked = self.authorization_server.questions();
        let (mut peer, own) = tokio::io::duplex(PIPE_LEN);
        let service = self.service.clone();
        let exchanged = async {
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(own), TowerToHyperService::new(protect));
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection");
                }
            });
            let mut earlier = None;
            if let Some(request) = &exchange.earlier {
                let answer = send(&mut peer, request).await.expect("the earlier request");
                earlier = Some(answer.status);
            }
            let runs = service.runs();
            let answer = send(&mut peer, &exchange.request).await.expect("an answer");
            let reached = service.runs() > runs;
            let later = match &exchange.later {
                None => Later::None,
                Some(request) => match send(&mut peer, request).await {
                    None => Later::Closed,
                    Some(answer) => Later::Status(answer.status),
                },
            };
            Answer { earlier, reached, later, ..answer }
        };
        let limit = Duration::from_secs(EXCHANGE_SECS_MAX);
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, exchanged).await });
        let asked = self.authorization_server.questions() > asked;
        Answer { asked, ..answer.expect("the exchange hangs") }
    }
}

/// Sends a request and reads the answer; `None` when the connection is closed.
pub(crate) async fn send(peer: &mut DuplexStream, request: &[u8]) -> Option<Answer> {
    peer.write_all(request).await.ok()?;
    let mut bytes = Vec::new();
    let has_content = !request.starts_with(b"HEAD ");
    loop {
        if let Some(head) = ResponseHead::read(&bytes) {
            let len = if has_content { head.body_len } else { 0 };
            if let Some(body) = bytes.get(head.head_len..head.head_len + len) {
                assert_eq!(bytes.len(), head.head_len + len, "bytes after the answer");
                let ResponseHead { status, fields, .. } = head;
                return Some(Answer { status, fields, body: body.to_vec(), ..Answer::default() });
            }
        }
        match peer.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => {
                assert!(bytes.is_empty(), "the answer breaks off");
                return None;
            }
            Ok(_) => {}
        }
    }
}
