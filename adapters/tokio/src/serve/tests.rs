use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    sync::oneshot,
    task::JoinHandle,
    time::Instant,
};

use super::*;

/// For anything that is waited for.
const DEADLINE: Duration = Duration::from_secs(60);
const LIMITS: ListenerLimits = ListenerLimits {
    connections: 4,
    connections_per_peer: 3,
    header_time: Duration::from_millis(300),
    write_time: Duration::from_secs(30),
    shutdown_time: Duration::from_secs(5),
};

/// A server that tells each peer its own address.
async fn start(limits: ListenerLimits) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tower::service_fn(|request: Request<Incoming>| async move {
        let peer = request.extensions().get::<SocketAddr>().unwrap().ip().to_string();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(peer))))
    });
    let serving = tokio::spawn(serve(listener, service, limits, async {
        stopped.await.unwrap_or_default();
    }));
    (address, stop, serving)
}

/// Sends `head` and reads until the server closes; what came, and whether it closed in time.
async fn exchange(stream: &mut TcpStream, head: &str) -> (String, bool) {
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    (String::from_utf8(answer).unwrap(), closed.is_ok())
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[track_caller]
fn check_ok((answer, closed): (String, bool)) {
    let (head, peer) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && peer.starts_with("127.0.0."), "{answer}");
    assert!(closed);
}

#[tokio::test]
async fn lim_13_a_slow_head_is_cut_off() {
    let (address, _stop, _serving) = start(LIMITS).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    let (answer, closed) = exchange(&mut slow, "GET / HTTP/1.1\r\nHost:").await;
    assert!(closed && !answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut honest = TcpStream::connect(address).await.unwrap();
    check_ok(exchange(&mut honest, GET).await);
}

#[tokio::test]
async fn a_time_beyond_what_timers_count_is_none() {
    let most = Duration::MAX;
    let limits =
        ListenerLimits { header_time: most, write_time: most, shutdown_time: most, ..LIMITS };
    let (address, stop, serving) = start(limits).await;
    check_ok(exchange(&mut TcpStream::connect(address).await.unwrap(), GET).await);
    stop.send(()).unwrap();
    timeout(DEADLINE, serving).await.unwrap().unwrap();
}

/// A whole request, and the begin of another one: once the first is answered, the server has both.
const GET_AND_A_HALF: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n";

/// A connection of the peer `127.0.0.NUMBER`.
async fn connect(server: SocketAddr, number: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, number], 0))).unwrap();
    socket.connect(server).await.unwrap()
}

/// A connection that has a part of a request.
async fn connect_working(server: SocketAddr, number: u8) -> TcpStream {
    let mut stream = connect(server, number).await;
    stream.write_all(GET_AND_A_HALF.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(format!("127.0.0.{number}").as_bytes()) {
        assert_ne!(timeout(DEADLINE, stream.read_buf(&mut answer)).await.unwrap().unwrap(), 0);
    }
    stream
}

/// Whether the server closes it, without a word.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = timeout(DEADLINE, stream.read(&mut [0; 1])).await;
    matches!(read.unwrap(), Ok(0) | Err(_))
}

/// Nobody's head is slow here.
const PATIENT: ListenerLimits = ListenerLimits { header_time: Duration::from_secs(3600), ..LIMITS };

#[tokio::test]
async fn lim_15_connections_of_one_peer() {
    let (address, _stop, _serving) = start(PATIENT).await;
    let mut kept = Vec::new();
    for _ in 0..LIMITS.connections_per_peer {
        kept.push(connect_working(address, 1).await);
    }
    assert!(is_closed(&mut connect(address, 1).await).await, "nobody waits who could make room");
    check_ok(exchange(&mut connect(address, 2).await, GET).await);
    // Nothing was cut off.
    for stream in &mut kept {
        let rest = "Host: x\r\nConnection: close\r\n\r\n";
        check_ok(exchange(stream, rest).await);
    }
    drop(kept);
    check_ok(exchange(&mut connect(address, 1).await, GET).await);
}

#[tokio::test]
async fn sec_441_silent_connections_of_one_peer_and_of_many() {
    let (address, _stop, _serving) = start(PATIENT).await;
    let mut working = connect_working(address, 100).await;
    for many in [false, true] {
        let mut silent = Vec::new();
        for number in 1..=20 {
            silent.push(connect(address, if many { number } else { 1 }).await);
        }
        // Whoever comes last finds room, and keeps it for as long as it has a request.
        check_ok(exchange(&mut connect(address, 200).await, GET).await);
        assert!(is_closed(&mut silent[0]).await);
    }
    check_ok(exchange(&mut working, "Host: x\r\nConnection: close\r\n\r\n").await);
}

#[tokio::test]
async fn sec_441_a_connection_between_two_requests_makes_room() {
    let (address, _stop, _serving) = start(ListenerLimits { connections: 1, ..PATIENT }).await;
    let mut kept = connect(address, 1).await;
    let (get, ends) = ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"127.0.0.1");
    kept.write_all(get.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(ends) {
        assert_ne!(timeout(DEADLINE, kept.read_buf(&mut answer)).await.unwrap().unwrap(), 0);
    }
    // Refused at most until the server has come to read again.
    let begun = Instant::now();
    loop {
        let mut next = connect(address, 2).await;
        let (answer, _) = exchange(&mut next, GET).await;
        if answer.starts_with("HTTP/1.1 200 OK\r\n") {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{answer}");
    }
    assert!(is_closed(&mut kept).await);
}

#[tokio::test]
async fn lim_15_an_answer_that_was_not_taken_yet_is_not_cut_off() {
    // More than all buffers on the way hold.
    const LEN: usize = 32 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tower::service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![b'x'; LEN]))))
    });
    let limits = ListenerLimits { connections: 1, ..PATIENT };
    let _serving = tokio::spawn(serve(listener, service, limits, std::future::pending()));
    let mut slow = connect(address, 1).await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    for part in [1, LEN / 2, LEN] {
        while answer.len() < part {
            assert_ne!(timeout(DEADLINE, slow.read_buf(&mut answer)).await.unwrap().unwrap(), 0);
        }
        if part < LEN {
            assert!(is_closed(&mut connect(address, 2).await).await, "after {part} bytes");
        }
    }
    // All of it was taken now, if not read, and the connection waits.
    let begun = Instant::now();
    while exchange(&mut connect(address, 2).await, GET).await.0.len() < LEN {
        assert!(begun.elapsed() < DEADLINE);
    }
    timeout(DEADLINE, slow.read_to_end(&mut answer)).await.unwrap().unwrap();
    let body = answer.iter().skip_while(|byte| **byte != b'x').count();
    assert_eq!(body, LEN);
}

#[tokio::test]
async fn sec_447_who_is_silent_in_its_handshake_makes_room() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = ListenerLimits { connections: 1, ..PATIENT };
    let service = tower::service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(text("x")))
    });
    let handshake = |mut stream: TcpStream| async move {
        stream.read_exact(&mut [0; 1]).await?;
        Ok(stream)
    };
    let serving = serve_over(listener, handshake, service, limits, std::future::pending());
    let talking = async {
        let mut silent = connect(address, 1).await;
        let mut honest = connect(address, 2).await;
        honest.write_all(b"!").await.unwrap();
        let (answer, _) = exchange(&mut honest, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(is_closed(&mut silent).await);
    };
    tokio::select! {
        () = serving => unreachable!("nobody stops it"),
        () = talking => {}
    }
}

#[tokio::test]
async fn lim_2_lim_3_a_head_beyond_its_limits_is_431() {
    let (address, _stop, _serving) = start(ListenerLimits::default()).await;
    for (fields, status) in [(62, "200"), (63, "431")] {
        let fields: String = (0..fields).map(|at| format!("x-{at}: x\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
        let (answer, _) = exchange(&mut TcpStream::connect(address).await.unwrap(), &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let (answer, _) = exchange(&mut TcpStream::connect(address).await.unwrap(), &long).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn lim_1_a_longer_request_line_is_414() {
    let (address, _stop, _serving) = start(ListenerLimits::default()).await;
    let rest = "GET / HTTP/1.1".len();
    for (len, status) in [(4096, "200"), (4097, "414"), (10_000, "414")] {
        let head = format!(
            "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "x".repeat(len - rest)
        );
        let (answer, closed) =
            exchange(&mut TcpStream::connect(address).await.unwrap(), &head).await;
        assert!(closed && answer.starts_with(&format!("HTTP/1.1 {status} ")), "{len}: {answer}");
    }
    // Past what is read of a head at all.
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(20_000));
    let (answer, _) = exchange(&mut TcpStream::connect(address).await.unwrap(), &long).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn sec_417_an_unknown_expectation_is_417_and_ends_the_connection() {
    let (address, _stop, _serving) = start(ListenerLimits::default()).await;
    for (line, status) in [
        ("Expect: 100-Continue\r\nConnection: close", "200"),
        ("Expect: something", "417"),
        ("Expect: 100-continue\r\nExpect: something", "417"),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n");
        let (answer, closed) =
            exchange(&mut TcpStream::connect(address).await.unwrap(), &head).await;
        assert!(closed && answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn lim_14_an_idle_connection_is_closed() {
    let (address, _stop, _serving) = start(LIMITS).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let (answer, closed) = exchange(&mut idle, "").await;
    assert_eq!((answer.as_str(), closed), ("", true), "before its first request");
    let mut idle = TcpStream::connect(address).await.unwrap();
    let (answer, closed) = exchange(&mut idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    check_ok((answer, closed));
}

/// The client reads its answer, and sends on what it had begun: it meets no reset (RFC 9112 §9.6).
#[tokio::test]
async fn an_answer_before_the_whole_request_is_not_lost() {
    let service = tower::service_fn(|_: Request<Incoming>| async {
        let mut refusal = Response::new(text("no"));
        refusal.headers_mut().insert("connection", "close".parse().unwrap());
        Ok::<_, Infallible>(refusal)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, service, ListenerLimits::default(), std::future::pending()));
    let body = vec![b'x'; 1 << 20];
    for head in [
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; "HTTP/1.1".len()];
        stream.read_exact(&mut answer).await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
        stream.write_all(&body).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read_to_end(&mut answer).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn it_ends_when_told() {
    let (address, stop, serving) = start(LIMITS).await;
    stop.send(()).unwrap();
    timeout(DEADLINE, serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// A body that does not go on and does not end.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn whoever_is_still_busy_after_the_shutdown_time_is_cut_off() {
    let service = tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new(Silent)) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let limits = ListenerLimits { shutdown_time: Duration::from_millis(100), ..LIMITS };
    let serving = tokio::spawn(serve(listener, service, limits, async {
        stopped.await.unwrap_or_default();
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    stop.send(()).unwrap();
    timeout(DEADLINE, serving).await.unwrap().unwrap();
    let mut rest = Vec::new();
    let ended = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it goes on without its server");
}

#[tokio::test]
async fn sec_447_a_handshake_has_its_time_and_its_place() {
    // A handshake of one byte, which must be `!`.
    async fn handshake(mut stream: TcpStream) -> io::Result<TcpStream> {
        match stream.read_u8().await? {
            b'!' => Ok(stream),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new(text("hi"))) });
    let limits = ListenerLimits { header_time: Duration::from_secs(5), ..LIMITS };
    let serving = tokio::spawn(serve_over(listener, handshake, service, limits, async {
        stopped.await.unwrap_or_default();
    }));
    // Two that say nothing take two of three places; the honest one is answered meanwhile.
    let mut silent = Vec::new();
    for _ in 1..LIMITS.connections_per_peer {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let started = tokio::time::Instant::now();
    let (answer, closed) =
        exchange(&mut TcpStream::connect(address).await.unwrap(), &format!("!{GET}")).await;
    assert!(closed && answer.ends_with("hi"), "{answer}");
    let (answer, closed) =
        exchange(&mut TcpStream::connect(address).await.unwrap(), &format!("?{GET}")).await;
    assert_eq!((answer.as_str(), closed), ("", true), "a handshake that fails");
    assert!(started.elapsed() < limits.header_time);
    for mut stream in silent {
        let read = timeout(DEADLINE, stream.read_u8()).await.unwrap();
        assert!(read.is_err(), "closed by the deadline");
    }
    // Whoever is still in its handshake at the end is not waited for.
    let mut silent = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = tokio::time::Instant::now();
    stop.send(()).unwrap();
    timeout(DEADLINE, serving).await.unwrap().unwrap();
    assert!(started.elapsed() < limits.header_time);
    assert!(silent.read_u8().await.is_err());
}

fn text(text: &'static str) -> Full<Bytes> {
    Full::new(Bytes::from_static(text.as_bytes()))
}
