//! The server behind the proxy: it keeps every byte that comes, and reads them with no forbearance.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Fields of one hop, or of the caller's own connection: none of them goes on.
const NEVER: [&str; 9] = [
    "authorization",
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = Arc::clone(&upstream.requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let requests = Arc::clone(&requests);
                tokio::spawn(async move {
                    let mut read = Vec::new();
                    while let Ok(1..) = stream.read_buf(&mut read).await {
                        let Some((body, len)) = request(&read) else { continue };
                        assert_eq!(len, read.len(), "bytes behind a request: {}", text(&read));
                        requests.lock().unwrap().push(body);
                        read.clear();
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                        stream.write_all(answer).await.unwrap();
                    }
                    // What is no whole request is kept for the test to stumble over.
                    if !read.is_empty() {
                        requests.lock().unwrap().push(read);
                    }
                });
            }
        });
        upstream
    }

    /// The bodies of the requests that came since this was asked for.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// The body of the request at the start, and the length of the whole; `None` when it is not complete.
/// Panics when it is not plain.
fn request(read: &[u8]) -> Option<(Vec<u8>, usize)> {
    let head_len = read.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&read[..head_len - 4]).expect("a head of text");
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /inner?k=v HTTP/1.1"), "{head}");
    let mut names = BTreeSet::new();
    let mut body_len = None;
    for line in lines {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        let (name, value) = line.split_once(": ").expect("a field");
        let name = name.to_ascii_lowercase();
        assert!(!NEVER.contains(&name.as_str()), "{line}");
        if name == "content-length" {
            body_len = Some(value.parse::<usize>().expect("a length"));
        }
        assert!(names.insert(name), "twice: {line}");
    }
    let len = head_len + body_len.expect("one framing field");
    Some((read.get(head_len..len)?.to_vec(), len))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_sees_what_is_not_plain() {
    let plain = "POST /inner?k=v HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(request(plain.as_bytes()), Some((b"abc".to_vec(), plain.len())));
    assert_eq!(request(&plain.as_bytes()[..plain.len() - 1]), None);
    for (from, to) in [
        ("Host: a", "Content-Length: 3"),
        ("Host: a", "Host: a\nX: b"),
        ("Host: a", "Transfer-Encoding: chunked"),
        ("Host: a", "TE: trailers"),
        ("Content-Length: 3\r\n", ""),
        ("POST", "GET"),
    ] {
        let other = plain.replacen(from, to, 1);
        let read = std::panic::catch_unwind(|| request(other.as_bytes()));
        assert!(read.is_err(), "{other}");
    }
}
