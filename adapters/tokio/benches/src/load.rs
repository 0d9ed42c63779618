//! The load: connections that send the same request again as soon as it is answered.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// What is sent, where to, and for how long.
pub struct Load {
    pub address: SocketAddr,
    pub request: String,
    pub connections: usize,
    pub time: Duration,
}

/// What one run showed.
#[derive(Clone)]
pub struct Measured {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    requests: usize,
    pub processor_time: Duration,
}

/// A call of `get_time` in the current revision.
pub fn request(address: SocketAddr, path: &str, token: &str) -> String {
    let body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"get_time\",\
                \"arguments\":{},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
                \"io.modelcontextprotocol/clientCapabilities\":{}}}}";
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/call\r\nmcp-name: get_time\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Load {
    /// Runs on this thread until the time is over.
    pub fn run(&self) -> Measured {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let started = Instant::now();
        let mut latencies = runtime.block_on(async {
            let mut connections = JoinSet::new();
            for _ in 0..self.connections {
                let (address, request, end) =
                    (self.address, self.request.clone(), started + self.time);
                connections.spawn(async move { connection(address, &request, end).await });
            }
            connections.join_all().await.concat()
        });
        let elapsed = started.elapsed();
        latencies.sort_unstable();
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
        Measured {
            per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            requests: latencies.len(),
            processor_time: Duration::ZERO,
        }
    }
}

/// Sends until `end`; an answer that is not 200 ends the measurement.
async fn connection(address: SocketAddr, request: &str, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut latencies, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    while Instant::now() < end {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            if is_whole(&buffer[..filled]) {
                break;
            }
        }
        latencies.push(sent.elapsed());
    }
    latencies
}

/// Whether a whole answer is there: by its length, or by its last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head_end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let (head, body) = answer.split_at(head_end + 4);
    let head = std::str::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}{}", String::from_utf8_lossy(body));
    match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => body.len() >= length.parse().unwrap(),
        None => body.ends_with(b"0\r\n\r\n"),
    }
}

impl Measured {
    /// The run in the middle, by processor time for one request.
    pub fn median(runs: &[Self]) -> Self {
        let mut runs = runs.to_vec();
        runs.sort_by(|a, b| {
            a.cost().total_cmp(&b.cost()).then(a.per_second.total_cmp(&b.per_second))
        });
        let mut median = runs[runs.len() / 2].clone();
        runs.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
        median.per_second = runs[runs.len() / 2].per_second;
        median
    }

    /// Processor time of the server for one request, in microseconds.
    fn cost(&self) -> f64 {
        self.processor_time.as_secs_f64() * 1e6 / self.requests as f64
    }

    pub fn row(&self) -> String {
        let (p50, p99) = (self.p50.as_micros(), self.p99.as_micros());
        // Another process: nobody counted.
        let cost = if self.processor_time.is_zero() {
            "–".to_owned()
        } else {
            format!("{:.1}", self.cost())
        };
        format!("{:.0} | {p50} | {p99} | {cost}", self.per_second)
    }

    pub fn change_of_rate(&self, other: &Self) -> String {
        format!("{:+.1} %", (other.per_second / self.per_second - 1.0) * 100.0)
    }

    pub fn change_of_cost(&self, other: &Self) -> String {
        format!("{:+.1} %", (other.cost() / self.cost() - 1.0) * 100.0)
    }
}
