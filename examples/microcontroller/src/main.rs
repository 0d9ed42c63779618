//! The firmware: a board, a network, and the application on top.
#![no_std]
#![no_main]

mod application;
mod identity;
mod introspector;
mod keeper;
mod time;

use application::{ConnectionMemory, Device, SocketMemory};
use embassy_executor::Spawner;
use embassy_net::{Config, DhcpConfig, Runner, Stack, StackResources};
use identity::Identity;
use microcontroller::board::{self, Board, Ethernet};
use static_cell::{ConstStaticCell, StaticCell};

/// Connections that are served at the same time.
pub(crate) const CONNECTIONS: usize = 4;
/// Sockets: the connections, DHCP, and those that ask for tokens and time.
const SOCKETS: usize = CONNECTIONS
    + 1
    + if cfg!(feature = "introspection") { 1 } else { 0 }
    + if cfg!(feature = "sntp") { 1 } else { 0 };

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static SOCKET_MEMORY: ConstStaticCell<[SocketMemory; CONNECTIONS]> =
        ConstStaticCell::new([const { ([0; _], [0; _]) }; CONNECTIONS]);
    static CONNECTION_MEMORY: ConstStaticCell<[ConnectionMemory; CONNECTIONS]> =
        ConstStaticCell::new([const { ConnectionMemory::new() }; CONNECTIONS]);

    let board = Board::start(spawner).await;
    // Who it is comes first: without an identity the device does not even join the network.
    let (mut identity, to_store) = Identity::read();
    let server = match application::resource_server(&mut identity) {
        Ok(server) => server,
        Err(error) => identity::unusable(&error),
    };
    let clock = keeper::start(spawner, board.flash, to_store).await;
    let stack = join(spawner, board.ethernet).await;

    #[cfg(feature = "sntp")]
    time::start(spawner, stack, clock, &identity);
    let introspector = introspector::start(spawner, stack, &mut identity);
    let keys = identity.keys;
    let device = Device { server, keys, introspector, clock };
    for (socket, memory) in SOCKET_MEMORY.take().iter_mut().zip(CONNECTION_MEMORY.take()) {
        board::spawn(spawner, application::serve(device, stack, socket, memory));
    }
    if let Some(config) = stack.config_v4() {
        let address = config.address.address();
        board::log(format_args!("{} is served at {address}", identity.resource));
    }
}

/// Joins the network: an address comes by DHCP.
async fn join(spawner: Spawner, ethernet: Ethernet) -> Stack<'static> {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let resources = RESOURCES.init_with(StackResources::new);
    let config = Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(ethernet, config, resources, seed());
    board::spawn(spawner, network(runner));
    stack.wait_config_up().await;
    stack
}

/// A number that nobody can guess: sequence numbers and ports begin there.
fn seed() -> u64 {
    let mut seed = [0; 8];
    match board::entropy(&mut seed) {
        Ok(()) => u64::from_le_bytes(seed),
        Err(reason) => board::halt(format_args!("{reason}")),
    }
}

/// Moves frames between the network device and the sockets, for ever.
#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Ethernet>) {
    runner.run().await;
}
