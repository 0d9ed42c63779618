//! The test image: the board layer of the example firmware, its network, and the server of
//! portcullis-embassy, which a driver on the desktop configures anew for every scenario.
//!
//! ```text
//! port 81   one connection, from the driver: who to be, what time it is, what an authorization server says
//! port 80   MCP, as on every device
//! ```
#![no_std]
#![no_main]

mod control;
mod scenarios;

use core::net::SocketAddr;

use edge_nal::{TcpAccept as _, TcpBind as _, with_timeout};
use edge_nal_embassy::{Tcp, TcpAccept, TcpBuffers};
use embassy_executor::Spawner;
use embassy_net::{Config, DhcpConfig, Runner, StackResources};
use microcontroller::board::{self, Board};
use static_cell::{ConstStaticCell, StaticCell};
use test_image::device::{ConnectionMemory, control::CONTROL_PORT};

use crate::{control::Control, scenarios::CommandBytes};

/// Connections that are served at the same time. One would do if it were gone the moment its peer closes it.
const CONNECTIONS: usize = 3;
/// The port of HTTP.
const PORT: u16 = 80;
/// With the driver's connection.
const TCP_SOCKETS: usize = CONNECTIONS + 1;
/// With DHCP.
const SOCKETS: usize = TCP_SOCKETS + 1;
/// Bytes that a connection may receive, or send, before anybody has taken them.
const TCP_BUFFER_LEN: usize = 8 * 1024;
/// How long to wait for a driver.
const DRIVER_MILLIS_MAX: u32 = 60_000;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static SOCKET_MEMORY: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    static TCP_MEMORY: StaticCell<TcpBuffers<TCP_SOCKETS, TCP_BUFFER_LEN, TCP_BUFFER_LEN>> =
        StaticCell::new();
    static CONNECTION_MEMORY: ConstStaticCell<[ConnectionMemory; CONNECTIONS]> =
        ConstStaticCell::new([const { ConnectionMemory::new() }; CONNECTIONS]);
    static COMMAND_MEMORY: ConstStaticCell<[CommandBytes; 2]> =
        ConstStaticCell::new([const { CommandBytes::new() }; 2]);

    let board = Board::start(spawner).await;
    let resources = SOCKET_MEMORY.init_with(StackResources::new);
    let mut seed = [0; 8];
    if let Err(reason) = board::entropy(&mut seed) {
        board::halt(format_args!("{reason}"));
    }
    let config = Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) =
        embassy_net::new(board.ethernet, config, resources, u64::from_le_bytes(seed));
    board::spawn(spawner, network(runner));
    stack.wait_config_up().await;

    let tcp = Tcp::new(stack, TCP_MEMORY.init_with(TcpBuffers::new));
    let driver = bind(&tcp, CONTROL_PORT).await;
    board::log(format_args!("ready for scenarios"));
    // Without a driver there is no use in being there: the emulator must not outlive the test.
    let Ok((_, socket)) = with_timeout(DRIVER_MILLIS_MAX, driver.accept()).await else {
        board::halt(format_args!("no driver connects"));
    };
    let acceptor = bind(&tcp, PORT).await;
    let (control, commands) = (Control::new(socket), COMMAND_MEMORY.take().each_mut());
    let end = scenarios::run(control, commands, &acceptor, CONNECTION_MEMORY.take()).await;
    board::halt(format_args!("{end}"));
}

/// Moves frames between the network device and the sockets, for ever.
#[embassy_executor::task]
async fn network(mut runner: Runner<'static, board::Ethernet>) {
    runner.run().await;
}

async fn bind<'t>(tcp: &'t Tcp<'static>, port: u16) -> TcpAccept<'t> {
    match tcp.bind(SocketAddr::from(([0; 4], port))).await {
        Ok(acceptor) => acceptor,
        Err(_) => board::halt(format_args!("port {port} cannot be served")),
    }
}
