//! The embassy adapter as it runs on a device, over a stream in memory instead of a socket.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use portcullis_core::resource_server::ResourceServer;
use portcullis_embassy::Server as Device;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    runtime::Runtime,
};

use crate::{
    connection,
    device::{ConnectionMemory, Hands, LIMITS, introspection::Scripted, service::Echo},
    driver::{Answer, Driver, Exchange},
    server::Server,
};

/// Too large for the stack of a test; a device would have it as a `static` too.
static MEMORY: Mutex<ConnectionMemory> = Mutex::new(ConnectionMemory::new());

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

/// A stream in memory as the adapter sees it.
pub struct Pipe(pub DuplexStream);

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
        let resource_server = *self.servers.entry(exchange.server).or_insert_with(make);
        let (peer, own) = connection::pipe();
        let (echo, questions) = (Echo::default(), Cell::new(0));
        let scripted = Scripted { answer: exchange.script.answer(), questions: &questions };
        let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        let device = Device::new(resource_server, &echo, Hands(exchange.now))
            .with_introspector(&scripted)
            .with_limits(LIMITS);
        let serve = device.serve(Pipe(own), &mut *memory);
        let converse = connection::converse(peer, exchange, async || echo.0.get());
        let ((), answer) = self.runtime.block_on(async { tokio::join!(serve, converse) });
        Answer { asked: questions.get() > 0, ..answer }
    }
}
