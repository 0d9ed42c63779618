//! The firmware: a board, a network, and the application on top.
#![no_std]
#![no_main]

mod application;

use application::ConnectionMemory;
use edge_nal_embassy::{Tcp, TcpBuffers};
use embassy_executor::Spawner;
use embassy_net::{Config, DhcpConfig, Runner, StackResources};
use microcontroller::{
    board::{self, Board},
    provisioning::{DOCUMENT_LEN_MAX, Provisioning},
};
use portcullis_core::{encoding::scratch::Scratch, resource_server::ResourceServer};
use static_cell::{ConstStaticCell, StaticCell};
use zeroize::Zeroizing;

/// Connections that are served at the same time.
pub(crate) const CONNECTIONS: usize = 4;
/// Sockets: the connections, and DHCP.
const SOCKETS: usize = CONNECTIONS + 1;
/// Bytes that a connection may receive, or send, before anybody has taken them.
const TCP_BUFFER_LEN: usize = 1024;
/// Bytes for the texts of the identity, and for the metadata written from them.
const IDENTITY_LEN: usize = 2048;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static SOCKET_MEMORY: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    static TCP_MEMORY: StaticCell<TcpBuffers<CONNECTIONS, TCP_BUFFER_LEN, TCP_BUFFER_LEN>> =
        StaticCell::new();
    static CONNECTION_MEMORY: ConstStaticCell<[ConnectionMemory; CONNECTIONS]> =
        ConstStaticCell::new([const { ConnectionMemory::new() }; CONNECTIONS]);

    let board = Board::start(spawner).await;
    // Who it is comes first: without an identity the device does not even join the network.
    let resource_server = resource_server();

    let resources = SOCKET_MEMORY.init_with(StackResources::new);
    let config = Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(board.ethernet, config, resources, seed());
    board::spawn(spawner, network(runner));
    stack.wait_config_up().await;

    let tcp = Tcp::new(stack, TCP_MEMORY.init_with(TcpBuffers::new));
    for memory in CONNECTION_MEMORY.take() {
        board::spawn(spawner, application::serve(resource_server, tcp, memory));
    }
    if let Some(config) = stack.config_v4() {
        let resource = resource_server.configuration().resource;
        board::log(format_args!("{resource} is served at {}", config.address.address()));
    }
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
async fn network(mut runner: Runner<'static, board::Ethernet>) {
    runner.run().await;
}

/// The resource server that this device was provisioned to be.
fn resource_server() -> &'static ResourceServer<'static> {
    static IDENTITY: ConstStaticCell<[u8; IDENTITY_LEN]> = ConstStaticCell::new([0; IDENTITY_LEN]);
    let mut memory = Scratch::new(IDENTITY.take());
    // The document has the keys in it: it is wiped when they are taken over.
    let mut document = Zeroizing::new([0; DOCUMENT_LEN_MAX]);
    let document = match board::provisioning(document.as_mut()) {
        Ok(document) => document,
        Err(reason) => board::halt(format_args!("{reason}")),
    };
    let provisioning = match Provisioning::read(document, &mut memory) {
        Ok(provisioning) => provisioning,
        Err(error) => board::halt(format_args!("the provisioning cannot be used: {error}")),
    };
    match application::resource_server(provisioning, &mut memory) {
        Ok(server) => server,
        Err(error) => board::halt(format_args!("the provisioning cannot be used: {error}")),
    }
}
