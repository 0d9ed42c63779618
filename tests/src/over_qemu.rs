//! The embassy adapter on a microcontroller: the image of `tests/firmware` in QEMU, over its network.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};

use crate::{
    connection,
    device::control::{COMMAND_LEN_MAX, CONTROL_PORT, Command, LEN_LEN, Report},
    driver::{Answer, Driver, Exchange},
    emulator::Emulator,
};

/// The port of MCP in the image.
const PORT: u16 = 80;
/// The line of the image when it can be connected to.
pub const READY: &str = "ready for scenarios";
/// How long a connection may be open: an exchange, and its end.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);
/// How long the image may take for a command.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(20);

/// The embassy adapter in the emulator.
pub struct OverQemu {
    runtime: Runtime,
    control: Control,
    emulator: Emulator,
}

impl OverQemu {
    /// Starts the image.
    pub fn start(image: &Path) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let emulator = Emulator::start(image, &[PORT, CONTROL_PORT], READY)?;
        let control = runtime.block_on(connect(emulator.addresses()[1]))?;
        Ok(Self { runtime, control: Control(control), emulator })
    }

    /// What the image printed so far.
    pub fn log(&self) -> String {
        self.emulator.log()
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(COMMAND_TIME_MAX, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The connection that tells the image what to be.
struct Control(TcpStream);

impl Control {
    /// Tells, and returns what the image reports; an error when it says nothing in time.
    async fn tell(&mut self, command: &Command<'_>) -> io::Result<Report> {
        timeout(COMMAND_TIME_MAX, self.exchange(command)).await?
    }

    async fn exchange(&mut self, command: &Command<'_>) -> io::Result<Report> {
        let bytes = postcard::to_stdvec(command).map_err(io::Error::other)?;
        assert!(bytes.len() <= COMMAND_LEN_MAX, "the image has no room for the command");
        let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.0.write_all(&[&len.to_be_bytes()[..], &bytes].concat()).await?;
        let mut len = [0; LEN_LEN];
        self.0.read_exact(&mut len).await?;
        let len = usize::try_from(u32::from_be_bytes(len)).map_err(io::Error::other)?;
        let mut report = vec![0; len];
        self.0.read_exact(&mut report).await?;
        postcard::from_bytes(&report).map_err(io::Error::other)
    }
}

/// Carries bytes between the pipe and the socket, both ways at once: a server that refuses a request
/// before it has all of it answers while the peer still sends.
async fn carry(pipe: DuplexStream, socket: TcpStream) {
    let (mut from_peer, mut to_peer) = tokio::io::split(pipe);
    let (mut from_server, mut to_server) = socket.into_split();
    let there = async {
        // A server that takes no more says so by what comes back, or by its end.
        if tokio::io::copy(&mut from_peer, &mut to_server).await.is_ok() {
            let _ = to_server.shutdown().await;
        }
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_peer).await;
        let _ = to_peer.shutdown().await;
    };
    tokio::join!(there, back);
}

impl Driver for OverQemu {
    fn name(&self) -> &'static str {
        "firmware"
    }

    fn answer(&mut self, exchange: &Exchange) -> Answer {
        let Self { runtime, control, emulator } = self;
        let prepare = Command::Prepare {
            server: exchange.server,
            now: exchange.now.map(|now| now.as_secs()),
            introspection: exchange.script.answer(),
        };
        let halted = |error: io::Error| -> Report { panic!("{error}: {}", emulator.log()) };
        runtime.block_on(async {
            control.tell(&prepare).await.unwrap_or_else(halted);
            let socket = connect(emulator.addresses()[0]).await.expect("a connection");
            let (peer, own) = connection::pipe();
            let mut report = async || control.tell(&Command::Report).await.unwrap_or_else(halted);
            let converse = connection::converse(peer, exchange, async || report().await.runs);
            let carry = timeout(CONNECTION_TIME_MAX, carry(own, socket));
            let (answer, carried) = tokio::join!(converse, carry);
            carried.expect("the image does not close the connection");
            Answer { asked: report().await.questions > 0, ..answer }
        })
    }
}
