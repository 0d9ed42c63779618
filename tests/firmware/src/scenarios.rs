//! Being one server after the other, as the driver says.

use core::{
    cell::{Cell, RefCell},
    mem,
};

use edge_nal::TcpAccept;
use embassy_futures::{
    join::join_array,
    select::{Either, select},
};
use embedded_io_async::{Read, Write};
use heapless::Vec;
use portcullis_core::{
    encoding::scratch::Scratch,
    limits,
    resource_server::{Introspection, ResourceServer, Verdict},
    time::UnixTime,
};
use portcullis_embassy::{Clock, Introspector, Server as Device};
use test_image::device::{
    ConnectionMemory, LIMITS,
    configuration::{Keys, Rules, Server},
    control::{COMMAND_LEN_MAX, Command, Report},
    introspection::Scripted,
    service::Echo,
};

use crate::{
    CONNECTIONS,
    control::{Control, End},
};

/// The bytes of a command: they are kept as they came, for the answer that is in them.
pub(crate) type CommandBytes = Vec<u8, COMMAND_LEN_MAX>;

/// Follows the driver until it is gone.
pub(crate) async fn run<T: Read + Write>(
    mut control: Control<T>,
    [mut incoming, current]: [&'static mut CommandBytes; 2],
    acceptor: &impl TcpAccept,
    memories: &mut [ConnectionMemory; CONNECTIONS],
) -> End {
    let surroundings = Surroundings::new(current);
    let mut server = match surroundings.first(&mut control, &mut incoming).await {
        Ok(server) => server,
        Err(end) => return end,
    };
    loop {
        let follow = surroundings.follow(server, &mut control, &mut incoming);
        // A server that is another one from now on takes its connections with it.
        server = match select(serve(server, &surroundings, acceptor, memories), follow).await {
            Either::First(end) | Either::Second(Err(end)) => return end,
            Either::Second(Ok(other)) => other,
        };
    }
}

/// Is this server, until it is dropped.
async fn serve(
    server: Server,
    surroundings: &Surroundings,
    acceptor: &impl TcpAccept,
    memories: &mut [ConnectionMemory; CONNECTIONS],
) -> End {
    let (keys, rules) = (Keys::default(), Rules::default());
    let issuers = server.issuers(&keys);
    let configuration = server.configuration(&issuers, &rules);
    let mut memory = [0; limits::METADATA_LEN_MAX];
    let Ok(server) = ResourceServer::new(configuration, &mut Scratch::new(&mut memory)) else {
        return End::Configuration;
    };
    let device = Device::new(&server, &surroundings.echo, surroundings)
        .with_introspector(surroundings)
        .with_limits(LIMITS);
    match join_array(memories.each_mut().map(|memory| device.run(acceptor, memory))).await {}
}

/// What the server sees beside requests: as the driver said last.
struct Surroundings {
    now: Cell<Option<UnixTime>>,
    /// The command that prepared the exchange.
    command: RefCell<&'static mut CommandBytes>,
    questions: Cell<usize>,
    echo: Echo,
}

impl Surroundings {
    fn new(command: &'static mut CommandBytes) -> Self {
        Self {
            now: Cell::new(None),
            command: RefCell::new(command),
            questions: Cell::new(0),
            echo: Echo::default(),
        }
    }

    /// Which server to be first.
    async fn first<T: Read + Write>(
        &self,
        control: &mut Control<T>,
        incoming: &mut &'static mut CommandBytes,
    ) -> Result<Server, End> {
        control.receive(incoming).await?;
        self.take(incoming)?.ok_or(End::Command)
    }

    /// Reports, and follows the driver until it wants another server.
    async fn follow<T: Read + Write>(
        &self,
        server: Server,
        control: &mut Control<T>,
        incoming: &mut &'static mut CommandBytes,
    ) -> Result<Server, End> {
        loop {
            let report = Report { runs: self.echo.0.get(), questions: self.questions.get() };
            control.report(report).await?;
            control.receive(incoming).await?;
            if let Some(other) = self.take(incoming)?.filter(|wanted| *wanted != server) {
                return Ok(other);
            }
        }
    }

    /// Does what a command says; returns the server that is wanted, if it prepares an exchange.
    fn take(&self, incoming: &mut &'static mut CommandBytes) -> Result<Option<Server>, End> {
        let command = postcard::from_bytes(incoming).map_err(|_| End::Command)?;
        let (server, now) = match command {
            Command::Report => return Ok(None),
            Command::Prepare { server, now, introspection: _ } => (server, now),
        };
        self.now.set(now.map(UnixTime::from_secs));
        self.questions.set(0);
        self.echo.0.set(0);
        mem::swap(&mut *self.command.borrow_mut(), incoming);
        Ok(Some(server))
    }
}

impl Clock for &Surroundings {
    fn unix_time(&self) -> Option<UnixTime> {
        self.now.get()
    }
}

impl Introspector for Surroundings {
    async fn ask<'s>(
        &self,
        introspection: Introspection<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        let command = self.command.borrow();
        let answer = match postcard::from_bytes(&command) {
            Ok(Command::Prepare { introspection, .. }) => introspection,
            // Only what prepares an exchange is kept.
            Ok(Command::Report) | Err(_) => None,
        };
        Scripted { answer, questions: &self.questions }.resume(introspection, now, scratch)
    }
}
