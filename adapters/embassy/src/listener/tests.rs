//! Two stacks of embassy-net, and a wire between them that can be cut.

use core::cell::Cell;
use std::{boxed::Box, vec};

use embassy_net::{Config, Ipv4Cidr, StackResources, StaticConfigV4};
use embassy_net_driver_channel::{
    Device, Runner, State,
    driver::{HardwareAddress, LinkState},
};

use super::*;

const MTU: usize = 1514;
const PORT: u16 = 80;
const SERVER: [u8; 4] = [10, 0, 0, 1];
const CLIENT: [u8; 4] = [10, 0, 0, 2];

/// What takes longer hangs.
const HANG: std::time::Duration = std::time::Duration::from_secs(10);

type Wire = Runner<'static, MTU>;

/// A stack, and the end of its wire.
fn stack(
    address: [u8; 4],
) -> (Stack<'static>, embassy_net::Runner<'static, Device<'static, MTU>>, Wire) {
    let state = Box::leak(Box::new(State::<MTU, 4, 4>::new()));
    let [.., last] = address;
    let hardware = HardwareAddress::Ethernet([2, 0, 0, 0, 0, last]);
    let (wire, device) = embassy_net_driver_channel::new(state, hardware);
    wire.state_runner().set_link_state(LinkState::Up);
    let config = StaticConfigV4 {
        address: Ipv4Cidr::new(address.into(), 24),
        gateway: None,
        dns_servers: Default::default(),
    };
    let resources = Box::leak(Box::new(StackResources::<4>::new()));
    let (stack, runner) =
        embassy_net::new(device, Config::ipv4_static(config), resources, u64::from(last));
    (stack, runner, wire)
}

/// Carries frames from one end to the other, unless it is cut.
async fn carry(
    mut from: embassy_net_driver_channel::TxRunner<'_, MTU>,
    mut to: embassy_net_driver_channel::RxRunner<'_, MTU>,
    may_pass: impl Fn(&[u8]) -> bool,
) {
    loop {
        let frame = from.tx_buf().await;
        if may_pass(frame) {
            let room = to.rx_buf().await;
            room[..frame.len()].copy_from_slice(frame);
            let len = frame.len();
            to.rx_done(len);
        }
        from.tx_done();
    }
}

/// Source port and flags of a TCP frame.
fn tcp(frame: &[u8]) -> Option<(u16, u8)> {
    let is_tcp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&6);
    let port = u16::from_be_bytes([*frame.get(34)?, *frame.get(35)?]);
    is_tcp.then_some((port, *frame.get(47)?))
}

/// The flags of a first packet.
const SYN: u8 = 2;

/// Who only knocks: nothing but the first packet of its port arrives.
#[derive(Default)]
struct Knocking {
    /// Whether the next first packet is its own.
    is_next: Cell<bool>,
    port: Cell<Option<u16>>,
}

impl Knocking {
    fn may_pass(&self, frame: &[u8]) -> bool {
        let Some((port, flags)) = tcp(frame) else { return true };
        if flags == SYN && self.is_next.take() {
            self.port.set(Some(port));
        }
        flags == SYN || self.port.get() != Some(port)
    }
}

/// Runs `talk` between a listener and a client.
fn with_wire(knocking: &Knocking, talk: impl AsyncFnOnce(&Listener<'static>, Stack<'static>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (server, mut server_runner, server_wire) = stack(SERVER);
    let (client, mut client_runner, client_wire) = stack(CLIENT);
    let listener = Listener::new(server, PORT, vec![0; 1024].leak(), vec![0; 1024].leak());
    let (_, server_received, server_sent) = server_wire.split();
    let (_, client_received, client_sent) = client_wire.split();
    runtime.block_on(async {
        tokio::select! {
            never = server_runner.run() => never,
            never = client_runner.run() => never,
            () = carry(server_sent, client_received, |_| true) => {}
            () = carry(client_sent, server_received, |frame| knocking.may_pass(frame)) => {}
            talked = tokio::time::timeout(HANG, talk(&listener, client)) => {
                talked.expect("the talk hangs");
            }
        }
    });
}

fn socket(stack: Stack<'static>) -> TcpSocket<'static> {
    TcpSocket::new(stack, vec![0; 1024].leak(), vec![0; 1024].leak())
}

/// Says something over a new connection, and hears it again.
async fn echo(listener: &Listener<'_>, client: Stack<'static>) {
    let mut peer = socket(client);
    let (accepted, connected) = tokio::join!(
        listener.accept(),
        peer.connect((embassy_net::IpAddress::from(core::net::Ipv4Addr::from(SERVER)), PORT)),
    );
    connected.unwrap();
    let (address, mut own) = accepted.unwrap();
    assert_eq!(address.ip(), IpAddr::from(CLIENT));
    let busy = listener.accept().await.map(drop);
    assert_eq!(busy, Err(ListenerError::Busy), "it has one connection at a time");
    let mut bytes = [0; 8];
    peer.write(b"hello").await.unwrap();
    let len = own.read(&mut bytes).await.unwrap();
    own.write_all(&bytes[..len]).await.unwrap();
    own.flush().await.unwrap();
    let len = peer.read(&mut bytes).await.unwrap();
    assert_eq!(&bytes[..len], b"hello");
    let ends = async {
        assert_eq!(peer.read(&mut bytes).await, Ok(0));
        peer.close();
        peer.flush().await.unwrap();
    };
    tokio::join!(own.close(Close::Both), ends).0.unwrap();
}

#[test]
fn one_connection_after_the_other_and_who_it_is() {
    with_wire(&Knocking::default(), async |listener, client| {
        for _ in 0..3 {
            echo(listener, client).await;
        }
    });
}

#[test]
fn an_aborted_connection_is_reset() {
    with_wire(&Knocking::default(), async |listener, client| {
        let mut peer = socket(client);
        let server = embassy_net::IpAddress::from(core::net::Ipv4Addr::from(SERVER));
        let (accepted, connected) = tokio::join!(listener.accept(), peer.connect((server, PORT)));
        connected.unwrap();
        let (_, mut own) = accepted.unwrap();
        own.abort().await.unwrap();
        assert_eq!(peer.read(&mut [0; 8]).await, Err(Error::ConnectionReset));
        drop(own);
        echo(listener, client).await;
    });
}

#[test]
fn sec_514_who_only_knocks_does_not_stay() {
    let knocking = Knocking::default();
    with_wire(&knocking, async |listener, client| {
        let server = (embassy_net::IpAddress::from(core::net::Ipv4Addr::from(SERVER)), PORT);
        let ask = async {
            knocking.is_next.set(true);
            let mut knock = socket(client);
            let half_open =
                tokio::time::timeout(std::time::Duration::from_millis(300), knock.connect(server));
            let _ = half_open.await;
            assert!(knocking.port.get().is_some());
            // Refused as long as the socket is taken.
            let mut refused = 0;
            loop {
                let mut honest = socket(client);
                if honest.connect(server).await.is_ok() {
                    return (refused, honest);
                }
                refused += 1;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        let (accepted, (refused, honest)) = tokio::join!(listener.accept(), ask);
        assert!(refused > 5, "it was taken: {refused}");
        let (address, _) = accepted.unwrap();
        assert_eq!(Some(address.port()), honest.local_endpoint().map(|own| own.port));
    });
}
