//! The same server on a socket of the operating system: several tasks, and who gets them.

use std::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use edge_nal::TcpBind as _;
use portcullis_embassy::{Connections, Memory, Server, tools::ToolService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    closing::{Asked, Watched},
    harness::{
        HANG, Hands, INFO, NOW, configuration, modern, resource_server, statuses, token, tools,
    },
};

/// Tasks, and thereby sockets, of the server.
const TASKS: usize = 4;

/// Runs `ask` against a server with [`TASKS`] tasks.
fn with_server(connections: Option<Connections<TASKS>>, ask: impl AsyncFnOnce(SocketAddr)) {
    with_watched_server(connections, &Asked::default(), ask);
}

/// The same, and writes down how connections are ended.
pub(crate) fn with_watched_server(
    connections: Option<Connections<TASKS>>,
    asked: &Asked,
    ask: impl AsyncFnOnce(SocketAddr),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    runtime.block_on(async {
        let led = Cell::new(false);
        let resource_server = resource_server(configuration());
        let tools = tools(&led);
        let service = ToolService::new(INFO, &tools, resource_server).unwrap();
        let mut server = Server::new(resource_server, service, Hands(Some(NOW)));
        if let Some(connections) = &connections {
            server = server.with_connections(connections);
        }
        let acceptor = edge_nal_std::Stack::new().bind(address).await.unwrap();
        let acceptor = Watched { acceptor, asked };
        let mut memories: Box<[Memory; TASKS]> = Box::new([const { Memory::new() }; TASKS]);
        let [one, two, three, four] = &mut *memories;
        tokio::select! {
            never = server.run(&acceptor, one) => never,
            never = server.run(&acceptor, two) => never,
            never = server.run(&acceptor, three) => never,
            never = server.run(&acceptor, four) => never,
            asked = tokio::time::timeout(HANG, ask(address)) => asked.expect("the test hangs"),
        }
    });
}

/// A connection of the peer `127.0.0.NUMBER`.
pub(crate) async fn connect(server: SocketAddr, number: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, number], 0))).unwrap();
    let stream = socket.connect(server).await.unwrap();
    // Long enough for the server to accept it: what is older than what is then known.
    tokio::time::sleep(Duration::from_millis(10)).await;
    stream
}

pub(crate) fn request() -> String {
    modern(&token("device:read"), "tools/list", "")
}

/// Sends all of it, and receives one answer.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    loop {
        let mut bytes = [0; 2048];
        let len = stream.read(&mut bytes).await.unwrap();
        answer.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.len());
        let length = answer.split_once("content-length: ").and_then(|(_, rest)| {
            let (length, _) = rest.split_once("\r\n")?;
            length.parse().ok()
        });
        if len == 0 || (body.is_some() && body == length) {
            return answer;
        }
    }
}

/// Whether the server ends the connection now.
pub(crate) async fn ends(stream: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut [0])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

/// As many connections as there are tasks, of a peer each, which have all sent the begin of a request.
pub(crate) async fn all_busy(server: SocketAddr, begin: &str) -> Vec<TcpStream> {
    let mut busy = Vec::new();
    for peer in 1..=4 {
        let mut stream = connect(server, peer).await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        busy.push(stream);
    }
    busy
}

#[test]
fn connections_are_served_one_after_the_other() {
    with_server(None, async |server| {
        for _ in 0..2 * TASKS {
            let closing = request().replacen("Host:", "Connection: close\r\nHost:", 1);
            let mut stream = connect(server, 1).await;
            assert_eq!(statuses(&exchange(&mut stream, &closing).await), [200]);
            assert!(ends(&mut stream).await);
        }
    });
}

#[test]
fn lim_15_a_peer_has_two_connections() {
    with_server(Some(Connections::new()), async |server| {
        let mut first = connect(server, 1).await;
        let mut second = connect(server, 1).await;
        assert!(!ends(&mut first).await && !ends(&mut second).await);
        // The third one comes in the place of the first, which waits for the longest time.
        let mut third = connect(server, 1).await;
        assert!(ends(&mut first).await);
        for stream in [&mut second, &mut third] {
            assert_eq!(statuses(&exchange(stream, &request()).await), [200]);
        }
    });
}

#[test]
fn lim_15_no_request_is_cut_off_for_another_connection() {
    with_server(Some(Connections::new()), async |server| {
        let request = request();
        let (begin, end) = request.split_at(request.len() - 1);
        let (mut first, mut second) = (connect(server, 1).await, connect(server, 1).await);
        for stream in [&mut first, &mut second] {
            stream.write_all(begin.as_bytes()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(ends(&mut connect(server, 1).await).await, "refused: nobody waits");
        assert_eq!(statuses(&exchange(&mut connect(server, 2).await, &request).await), [200]);
        for stream in [&mut first, &mut second] {
            assert_eq!(statuses(&exchange(stream, end).await), [200]);
        }
    });
}

#[test]
fn lim_15_one_peer_that_speaks_for_all() {
    with_server(Some(Connections::new().with_per_peer_max(TASKS)), async |server| {
        let mut streams = Vec::new();
        for _ in 0..TASKS - 1 {
            streams.push(connect(server, 1).await);
        }
        for stream in &mut streams {
            assert_eq!(statuses(&exchange(stream, &request()).await), [200]);
        }
    });
}

/// Opens many connections that say nothing, and then has one honest request; gives how long that took.
async fn flooded(server: SocketAddr, peers: impl Iterator<Item = u8>) -> Duration {
    let mut idle = Vec::new();
    for peer in peers {
        idle.push(connect(server, peer).await);
    }
    let start = Instant::now();
    let mut honest = connect(server, 200).await;
    assert_eq!(statuses(&exchange(&mut honest, &request()).await), [200]);
    start.elapsed()
}

#[test]
fn sec_441_idle_connections_of_one_peer_and_of_many() {
    with_server(Some(Connections::new()), async |server| {
        let took = flooded(server, std::iter::repeat_n(1, 20)).await;
        assert!(took < Duration::from_secs(1), "one peer: {took:?}");
        let took = flooded(server, 1..=20).await;
        assert!(took < Duration::from_secs(1), "many peers: {took:?}");
    });
    // Who does not count them waits for the deadline.
    with_server(None, async |server| {
        let took = flooded(server, std::iter::repeat_n(1, TASKS)).await;
        assert!(took > Duration::from_secs(1), "{took:?}");
    });
}

#[test]
fn sec_514_when_every_task_works_the_first_to_answer_ends() {
    with_server(Some(Connections::new()), async |server| {
        let request = request();
        let (begin, end) = request.split_at(request.len() - 1);
        let mut busy = all_busy(server, begin).await;
        // Nobody listens; the answer says that its connection ends, and then somebody does.
        for (index, stream) in busy.iter_mut().enumerate() {
            let answer = exchange(stream, end).await;
            assert_eq!(statuses(&answer), [200]);
            assert_eq!(answer.contains("\r\nconnection: close\r\n"), index == 0, "{answer}");
        }
        assert!(ends(&mut busy[0]).await && !ends(&mut busy[1]).await);
        assert_eq!(statuses(&exchange(&mut connect(server, 5).await, &request).await), [200]);
    });
}
