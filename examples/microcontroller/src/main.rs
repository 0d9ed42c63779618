//! The firmware: a board, a network, and the application on top.
#![no_std]
#![no_main]

mod application;
mod board;

use board::Board;
use edge_nal_embassy::{Tcp, TcpBuffers};
use embassy_executor::Spawner;
use embassy_net::{Config, DhcpConfig, Runner, StackResources};
use microcontroller::provisioning::{DOCUMENT_LEN_MAX, Provisioning};
use portcullis_core::encoding::scratch::Scratch;
use static_cell::StaticCell;
use zeroize::Zeroizing;

/// Connections that are served at the same time.
pub(crate) const CONNECTIONS: usize = 4;
/// Sockets: the connections and DHCP.
const SOCKETS: usize = CONNECTIONS + 1;
/// Bytes that a connection may receive, or send, before anybody has taken them.
const TCP_BUFFER_LEN: usize = 1536;

static SOCKET_MEMORY: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
static TCP_MEMORY: StaticCell<TcpBuffers<CONNECTIONS, TCP_BUFFER_LEN, TCP_BUFFER_LEN>> =
    StaticCell::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let board = Board::start();
    // An identity first: without one the device does not even join the network.
    let application = application::start(identity);

    let resources = SOCKET_MEMORY.init(StackResources::new());
    let config = Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(board.ethernet, config, resources, board.seed);
    match network(runner) {
        Ok(task) => spawner.spawn(task),
        Err(error) => board::halt(format_args!("the network does not start: {error}")),
    }
    stack.wait_config_up().await;
    if let Some(config) = stack.config_v4() {
        board::log(format_args!("address {}", config.address));
    }
    application.serve(Tcp::new(stack, TCP_MEMORY.init(TcpBuffers::new()))).await
}

/// Moves frames between the network device and the sockets, for ever.
#[embassy_executor::task]
async fn network(mut runner: Runner<'static, board::Ethernet>) {
    runner.run().await;
}

/// Who this device is; kept in `memory`. The document with the keys is wiped.
fn identity(memory: &mut Scratch<'static>) -> Provisioning<'static> {
    let mut document = Zeroizing::new([0; DOCUMENT_LEN_MAX]);
    let document = match board::provisioning(document.as_mut()) {
        Ok(document) => document,
        Err(reason) => board::halt(format_args!("{reason}")),
    };
    match Provisioning::read(document, memory) {
        Ok(provisioning) => provisioning,
        Err(error) => board::halt(format_args!("the provisioning cannot be used: {error}")),
    }
}
