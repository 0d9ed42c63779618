//! `serve`: a listener on loopback, answered until told to stop.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::harness::*;

async fn exchange(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(Duration::from_secs(5), read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn answers_until_shutdown() {
    let server = Server::new().await.server;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        server.serve(listener, async { stopped.await.unwrap_or_default() }).await
    });
    let get =
        "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let answer = exchange(address, &format!("{get}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"issuer\":\"http://localhost:9000\""));
    // LIM-3: beside the two fields that are there, up to the limit and one more.
    for (more, status) in [(61, "200"), (62, "200"), (63, "431")] {
        let fields: String = (0..more).map(|at| format!("X-{at}: x\r\n")).collect();
        let answer = exchange(address, &format!("{get}{fields}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{more}: {answer}");
    }
    stop.send(()).unwrap();
    let ended = timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
    assert!(ended.is_ok());
    assert!(TcpStream::connect(address).await.is_err());
}
