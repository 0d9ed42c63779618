//! Answers whose length can be read in two ways (SEC-420).

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(60);
const HONEST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest";
/// Behind an answer, for whoever takes it to end too early.
const HIDDEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";

/// A server that answers its first request with these bytes, and each further one honestly, on whatever
/// connection it comes. It closes none.
async fn server(first: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut first = Some(first);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer_each(stream, first.take()));
        }
    });
    url
}

async fn answer_each(mut stream: TcpStream, mut first: Option<String>) {
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            let answer = first.take();
            let _ = stream.write_all(answer.as_deref().unwrap_or(HONEST).as_bytes()).await;
        }
    }
}

async fn get(fetcher: &Fetcher, url: &str) -> Option<String> {
    let (fields, body) = (HeaderMap::new(), Bytes::new());
    let sent = fetcher.send(HttpMethod::GET, url, fields, body, 1024, DEADLINE, |_, _| false);
    match sent.await {
        Ok(received) => Some(String::from_utf8(received.body).unwrap()),
        Err(error) => {
            assert_eq!(error, FetchFailure::Unreachable);
            None
        }
    }
}

/// What is read of an answer, and that the next one is not what stands behind it.
async fn check(answer: &str, expected: Option<&str>) {
    let fetcher = Fetcher::new(&Options::new("Test")).unwrap();
    let url = server(format!("{answer}{HIDDEN}")).await;
    assert_eq!(get(&fetcher, &url).await.as_deref(), expected, "{answer}");
    assert_eq!(get(&fetcher, &url).await.as_deref(), Some("honest"), "{answer}");
}

/// RFC 9112 §6.3: chunks are what counts beside a length, and a length that is said twice is one.
#[tokio::test]
async fn sec_420_an_answer_with_two_lengths_is_read_in_one_way() {
    let chunked = "5\r\nhello\r\n0\r\n\r\n";
    for (head, body) in [
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", chunked),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", chunked),
        ("Transfer-Encoding: chunked\r\nContent-Length: 100", chunked),
        ("Content-Length: 5\r\nContent-Length: 5", "hello"),
        ("Content-Length: 5, 5", "hello"),
    ] {
        check(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"), Some("hello")).await;
    }
}

#[tokio::test]
async fn sec_420_lengths_that_differ_are_no_answer() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nContent-Length: 5",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6",
        "HTTP/1.1 200 OK\r\nContent-Length: +5",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length:",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
    ] {
        check(&format!("{head}\r\n\r\nhello"), None).await;
    }
}

#[tokio::test]
async fn sec_419_statuses_without_a_body_have_none() {
    for status in ["204 No Content", "304 Not Modified"] {
        for head in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            check(&format!("HTTP/1.1 {status}\r\n{head}\r\n\r\nhello"), Some("")).await;
        }
        check(&format!("HTTP/1.1 {status}\r\n\r\n"), Some("")).await;
    }
}
