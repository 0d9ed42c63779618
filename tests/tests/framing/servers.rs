//! The same bytes to the device's readers, to the desktop server, and to the proxy before an upstream.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    encoding::scratch::Scratch, resource_server::ResourceServer, time::UnixTime,
};
use portcullis_embassy::{self as embassy, Reply, Service};
use portcullis_tests::{
    connection::pipe,
    device::{ConnectionMemory, Hands, LIMITS},
    over_embassy::Pipe,
    server::{NOW, RESOURCE, Server},
};
use portcullis_tokio::{
    Network,
    proxy::{Proxy, UpstreamSettings},
    resource_server::{Clock, ProtectLayer},
    serve::{ListenerLimits, serve},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::upstream::Upstream;

/// An exchange that takes longer hangs.
const HANG: Duration = Duration::from_secs(60);

/// What comes of the bytes of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Of the answers, in their order; interim ones are left out.
    pub(crate) statuses: Vec<u16>,
    /// Of the messages that reached the service behind.
    pub(crate) bodies: Vec<Vec<u8>>,
}

/// All three, started once.
pub(crate) struct Servers {
    device: &'static ResourceServer<'static>,
    memory: Box<ConnectionMemory>,
    desktop: SocketAddr,
    reached: Arc<Mutex<Vec<Vec<u8>>>>,
    proxy: SocketAddr,
    upstream: Upstream,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let reached = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let record = Arc::clone(&reached);
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let record = Arc::clone(&record);
            async move {
                let Ok(body) = request.into_body().collect().await;
                record.lock().unwrap().push(body.to_bytes().to_vec());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
            }
        });
        let layer = || {
            let settings = Server::default().settings("http://localhost:1/");
            ProtectLayer::with_clock(settings, Still).unwrap()
        };
        let (desktop, listener) = listen().await;
        let limits = ListenerLimits { connections_per_peer: 1024, ..ListenerLimits::default() };
        tokio::spawn(serve(listener, layer().protect(service), limits, pending()));

        let upstream = Upstream::start().await;
        let settings = UpstreamSettings::new(format!("http://{}/inner?k=v", upstream.address));
        let network = Network::system();
        let service =
            Proxy::with_clock_and_network(settings, RESOURCE, Arc::new(Still), &network).unwrap();
        let (proxy, listener) = listen().await;
        tokio::spawn(serve(listener, layer().protect(service), limits, pending()));
        // On its way into the box it passes the stack, and is too large for that of a test.
        let make = || Box::new(ConnectionMemory::new());
        let large = std::thread::Builder::new().stack_size(64 * 1024 * 1024);
        let memory = large.spawn(make).unwrap().join().unwrap();
        Self { device: Server::default().bare(), memory, desktop, reached, proxy, upstream }
    }

    /// What the device's readers make of it.
    pub(crate) async fn device(&mut self, bytes: &[u8]) -> Outcome {
        let (peer, own) = pipe();
        let record = Record::default();
        let clock = Hands(Some(UnixTime::from_secs(NOW)));
        let device = embassy::Server::new(self.device, &record, clock).with_limits(LIMITS);
        let serving = device.serve(Pipe(own), &mut self.memory);
        let pieces = [bytes];
        let ((), statuses) = tokio::join!(serving, converse(peer, &pieces));
        Outcome { statuses, bodies: record.0.into_inner() }
    }

    /// What the desktop server makes of it, sent in these pieces.
    pub(crate) async fn desktop(&self, pieces: &[&[u8]]) -> Outcome {
        let stream = connect(self.desktop).await;
        let statuses = converse(stream, pieces).await;
        Outcome { statuses, bodies: std::mem::take(&mut self.reached.lock().unwrap()) }
    }

    /// What the proxy makes of it, and the upstream of what it sends on.
    pub(crate) async fn proxy(&self, bytes: &[u8]) -> Outcome {
        let stream = connect(self.proxy).await;
        let statuses = converse(stream, &[bytes]).await;
        Outcome { statuses, bodies: self.upstream.take() }
    }
}

async fn listen() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends the pieces one by one, and reads until the connection is closed.
async fn converse(stream: impl AsyncRead + AsyncWrite, pieces: &[&[u8]]) -> Vec<u16> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        for piece in pieces {
            // Whoever refused the rest does not wait for it.
            if writer.write_all(piece).await.is_err() {
                break;
            }
            // The server's turn to read this piece alone.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
    };
    let read = async {
        let mut answers = Vec::new();
        while let Ok(1..) = reader.read_buf(&mut answers).await {}
        answers
    };
    let exchange = async { tokio::join!(write, read).1 };
    let answers = tokio::time::timeout(HANG, exchange).await;
    statuses(&answers.unwrap_or_else(|_| panic!("it hangs: {:?}", text(pieces))))
}

fn text(pieces: &[&[u8]]) -> String {
    String::from_utf8_lossy(&pieces.concat()).chars().take(2000).collect()
}

/// Of answers that all have a length.
fn statuses(mut answers: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !answers.is_empty() {
        let end = answers.windows(4).position(|end| end == b"\r\n\r\n").expect("a whole head") + 4;
        let head = String::from_utf8(answers[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no answer: {head}"));
        let len = head
            .split("\r\ncontent-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
        answers = answers.get(end + len..).expect("a whole body");
        if status >= 200 {
            statuses.push(status);
        }
    }
    statuses
}

/// Time stands still.
#[derive(Clone)]
struct Still;

impl Clock for Still {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(NOW))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// The service of the device.
#[derive(Default)]
struct Record(RefCell<Vec<Vec<u8>>>);

impl Service for Record {
    async fn answer<'s>(
        &'s self,
        request: embassy::Request<'_, 's>,
        _: &mut Scratch<'s>,
    ) -> Reply<'s> {
        self.0.borrow_mut().push(request.body.to_vec());
        Reply::Text { content_type: "text/plain", text: "{}" }
    }
}
