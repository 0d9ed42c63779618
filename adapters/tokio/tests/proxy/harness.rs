//! A proxy that listens, and both its peers, played by the test.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use portcullis_tokio::{
    Network,
    proxy::{Proxy, UpstreamSettings},
    resource_server::{ProtectLayer, Settings},
    serve::{ListenerLimits, serve},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::common::{RESOURCE, TestClock, settings, token};

/// For anything that is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.expect("it takes too long")
}

/// A message that calls a tool as before 2026-07-28, so that few fields are needed.
pub(crate) const MESSAGE: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now","arguments":{}}}"#;

/// The upstream: the test accepts, reads and answers.
pub(crate) struct Upstream {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/inner/mcp?k=v", self.address)
    }

    /// The next request, on a connection of its own.
    pub(crate) async fn request(&self) -> Received {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        let mut received =
            Received { peer: Peer::new(stream), head: String::new(), body: String::new() };
        received.next().await;
        received
    }

    /// Asserts that no connection is waiting to be accepted: what came before has been answered.
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        use std::{
            future::Future as _,
            pin::pin,
            task::{Context, Poll, Waker},
        };
        let mut context = Context::from_waker(Waker::noop());
        let accepted = pin!(self.listener.accept()).as_mut().poll(&mut context);
        assert!(matches!(accepted, Poll::Pending), "a request came this far");
    }
}

/// A request as it came to the upstream.
pub(crate) struct Received {
    pub(crate) peer: Peer,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    /// Reads a further request on the same connection.
    pub(crate) async fn next(&mut self) {
        self.head = self.peer.head().await;
        let length = values(&self.head, "content-length");
        self.body = match length.as_slice() {
            [] => String::new(),
            [length] => self.peer.exactly(length.parse().unwrap()).await,
            several => panic!("{several:?}"),
        };
        assert!(values(&self.head, "transfer-encoding").is_empty(), "{}", self.head);
    }

    pub(crate) fn request_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        values(&self.head, name)
    }

    pub(crate) async fn answer(&mut self, head: &str, body: &str) {
        let len = body.len();
        self.peer.send(&format!("HTTP/1.1 {head}\r\nContent-Length: {len}\r\n\r\n{body}")).await;
    }
}

/// The values of a field of a head.
pub(crate) fn values(head: &str, name: &str) -> Vec<String> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// One end of a connection.
pub(crate) struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(within(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: &str) {
        within(self.stream.write_all(text.as_bytes())).await.unwrap();
    }

    /// Sends `text` again and again until the other end breaks the connection; gives how many bytes went.
    pub(crate) async fn send_until_broken(&mut self, text: &str) -> usize {
        let mut sent = 0;
        while within(self.stream.write_all(text.as_bytes())).await.is_ok() {
            sent += text.len();
        }
        sent
    }

    /// Reads on until `text` has been read, and gives what was read up to and with it.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            let so_far = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(at) = so_far.find(text) {
                let end = at + text.len();
                self.read.drain(..end);
                return so_far[..end].to_owned();
            }
            let count = within(self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(count > 0, "no {text:?} in {so_far:?}");
        }
    }

    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    pub(crate) async fn exactly(&mut self, len: usize) -> String {
        while self.read.len() < len {
            assert!(within(self.stream.read_buf(&mut self.read)).await.unwrap() > 0);
        }
        String::from_utf8(self.read.drain(..len).collect()).unwrap()
    }

    /// Sends nothing any more.
    pub(crate) async fn finish(&mut self) {
        within(self.stream.shutdown()).await.unwrap();
    }

    /// All that comes until the other end closes, or breaks, the connection.
    pub(crate) async fn rest(&mut self) -> String {
        while let Ok(1..) = within(self.stream.read_buf(&mut self.read)).await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Head and body of an answer with a length.
    pub(crate) async fn answer(&mut self) -> (u16, String, String) {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = values(&head, "content-length").pop().expect(&head);
        let body = self.exactly(length.parse().unwrap()).await;
        (status, head, body)
    }
}

/// A proxy that listens.
pub(crate) struct Proxied {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl Proxied {
    pub(crate) async fn before(upstream: &Upstream) -> Self {
        Self::start(settings(), UpstreamSettings::new(upstream.url())).await
    }

    pub(crate) async fn start(settings: Settings, upstream: UpstreamSettings) -> Self {
        Self::with_write_time(settings, upstream, DEADLINE).await
    }

    pub(crate) async fn with_write_time(
        settings: Settings,
        upstream: UpstreamSettings,
        write_time: Duration,
    ) -> Self {
        let clock = TestClock::new();
        let layer = ProtectLayer::with_clock(settings, clock.clone()).unwrap();
        let network = Network::system();
        let proxy =
            Proxy::with_clock_and_network(upstream, RESOURCE, Arc::new(clock), &network).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let limits = ListenerLimits {
            header_time: DEADLINE,
            write_time,
            shutdown_time: DEADLINE,
            ..ListenerLimits::default()
        };
        let serving = tokio::spawn(serve(listener, layer.protect(proxy), limits, async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), serving: Some(serving) }
    }

    pub(crate) async fn client(&self) -> Peer {
        Peer::connect(self.address).await
    }

    /// A connection on which a good call with these further lines has been sent.
    pub(crate) async fn call(&self, lines: &str) -> Peer {
        let mut client = self.client().await;
        client.send(&post(&token("user"), lines)).await;
        client
    }

    pub(crate) fn ask_to_end(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn ended(&mut self) {
        within(self.serving.take().unwrap()).await.unwrap();
    }
}

/// A good call with these further lines, each with its end.
pub(crate) fn post(token: &str, lines: &str) -> String {
    let fields = fields(token);
    let len = MESSAGE.len();
    format!("POST /mcp HTTP/1.1\r\n{fields}{lines}Content-Length: {len}\r\n\r\n{MESSAGE}")
}

/// The fields of a good request, all but its framing.
pub(crate) fn fields(token: &str) -> String {
    format!(
        "Host: mcp.example.com\r\nAuthorization: Bearer {token}\r\n\
         Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
    )
}
