//! The embassy adapter as it runs on a device, over a stream in memory instead of a socket.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use portcullis_core::{
    encoding::{scratch::Scratch, text},
    limits,
    message::{Field, IncomingResponse},
    resource_server::{Introspection, ResourceServer, Verdict},
    time::UnixTime,
};
use portcullis_embassy::{
    Clock, HeadLimits, Introspector, Memory, Reply, Request, Server as Device, Service,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    runtime::Runtime,
};

use crate::{
    authorization_server::Script,
    driver::{Answer, Driver, Exchange, Later},
    over_tokio::send,
    server::Server,
    service,
};

/// More than the longest request, so that writing never waits for reading.
const PIPE_LEN: usize = 4 * 1024 * 1024;
/// An exchange that takes longer hangs.
const EXCHANGE_SECS_MAX: u64 = 20;

/// The limits of a desktop, so that every driver has the same ones.
const LIMITS: HeadLimits = HeadLimits {
    request_line_len_max: limits::REQUEST_LINE_LEN_MAX,
    section_len_max: 16 * 1024,
    fields_max: 64,
};
const HEAD_LEN: usize = LIMITS.request_line_len_max + LIMITS.section_len_max;
const BODY_LEN: usize = limits::BODY_LEN_MAX_DESKTOP;
/// For a token, and for a body that comes back.
const SCRATCH_LEN: usize = 2 * BODY_LEN;

/// Too large for the stack of a test; a device would have it as a `static` too.
static MEMORY: Mutex<Memory<HEAD_LEN, { LIMITS.fields_max }, BODY_LEN, SCRATCH_LEN>> =
    Mutex::new(Memory::new());

/// The embassy adapter.
pub struct OverEmbassy {
    runtime: Runtime,
    servers: BTreeMap<Server, &'static ResourceServer<'static>>,
}

impl OverEmbassy {
    /// Starts its runtime.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, servers: BTreeMap::new() }
    }
}

impl Default for OverEmbassy {
    fn default() -> Self {
        Self::new()
    }
}

/// Says what the clock of the exchange says.
struct Hands(Option<UnixTime>);

impl Clock for Hands {
    fn unix_time(&self) -> Option<UnixTime> {
        self.0
    }
}

/// The service behind, which counts how often it ran.
#[derive(Default)]
struct Echo(Cell<usize>);

impl Service for Echo {
    async fn answer<'s>(
        &'s self,
        request: Request<'_, 's>,
        scratch: &mut Scratch<'s>,
    ) -> Reply<'s> {
        self.0.set(self.0.get() + 1);
        let answer = service::answer(&service::line(request.principal), request.body);
        let answer = String::from_utf8(answer).expect("a checked body is text");
        let text = text::write_in(scratch, |text| text.push(&answer)).expect("room for the body");
        Reply::Text { content_type: service::CONTENT_TYPE, text }
    }
}

/// Has the answer of the authorization server at hand.
struct Scripted<'e> {
    script: &'e Script,
    asked: Cell<bool>,
}

impl Introspector for Scripted<'_> {
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        self.asked.set(true);
        let mut keep = |bytes: &[u8]| -> &'s [u8] {
            let kept = scratch.take(bytes.len()).expect("room for an answer");
            kept.copy_from_slice(bytes);
            kept
        };
        let response = match self.script {
            Script::Unreachable | Script::Silent => None,
            Script::Answers { status, content_type, body } => Some(IncomingResponse {
                status: *status,
                content_type: match content_type {
                    Some(kind) => Field::One(keep(kind.as_bytes())),
                    None => Field::Absent,
                },
                body: keep(body),
            }),
        };
        introspection.resume(response.as_ref(), now, scratch)
    }
}

/// A stream in memory as the adapter sees it.
struct Pipe(DuplexStream);

impl ErrorType for Pipe {
    type Error = ErrorKind;
}

impl Read for Pipe {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buffer).await.map_err(|_| ErrorKind::Other)
    }
}

impl Write for Pipe {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(bytes).await.map_err(|_| ErrorKind::Other)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().await.map_err(|_| ErrorKind::Other)
    }
}

impl Driver for OverEmbassy {
    fn name(&self) -> &'static str {
        "embassy"
    }

    fn answer(&mut self, exchange: &Exchange) -> Answer {
        let make = || exchange.server.bare();
        let resource_server = *self.servers.entry(exchange.server.clone()).or_insert_with(make);
        let (mut peer, own) = tokio::io::duplex(PIPE_LEN);
        let echo = Echo::default();
        let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        let scripted = Scripted { script: &exchange.script, asked: Cell::new(false) };
        let device = Device::new(resource_server, &echo, Hands(exchange.now))
            .with_introspector(&scripted)
            .with_limits(LIMITS);
        let serve = async {
            device.serve(Pipe(own), &mut *memory).await;
        };
        let exchanged = async {
            let mut earlier = None;
            if let Some(request) = &exchange.earlier {
                let answer = send(&mut peer, request).await.expect("the earlier request");
                earlier = Some(answer.status);
            }
            let runs = echo.0.get();
            let answer = send(&mut peer, &exchange.request).await.expect("an answer");
            let reached = echo.0.get() > runs;
            let later = match &exchange.later {
                None => Later::None,
                Some(request) => match send(&mut peer, request).await {
                    None => Later::Closed,
                    Some(answer) => Later::Status(answer.status),
                },
            };
            drop(peer);
            Answer { earlier, reached, later, ..answer }
        };
        let limit = Duration::from_secs(EXCHANGE_SECS_MAX);
        let both = async { tokio::join!(serve, exchanged).1 };
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, both).await });
        Answer { asked: scripted.asked.get(), ..answer.expect("the exchange hangs") }
    }
}
