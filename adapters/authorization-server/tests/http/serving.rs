//! `serve`: a listener on loopback, answered until told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use http::Method;
use portcullis_authorization_server::{AuthorizationServer, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::harness::*;

async fn exchange(address: SocketAddr, request: &str) -> String {
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

/// A server on a free port of loopback, until the test ends.
async fn serving(settings: Settings) -> SocketAddr {
    let server = AuthorizationServer::new(settings).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
    address
}

const POST: &str = "POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
    Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n";

#[tokio::test]
async fn lim_14_a_body_that_does_not_come_is_408() {
    let mut settings = settings();
    settings.limits.request_time = Duration::from_millis(200);
    let address = serving(settings).await;
    let answer = exchange(address, &format!("{POST}\r\nclient")).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // All of it: the answer is that of the endpoint.
    let answer = exchange(address, &format!("{POST}\r\nclient=1")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

/// Parameters behind a chunked body are none: what is checked is what came in the body.
#[tokio::test]
async fn sec_237_parameters_in_trailers_are_not_read() {
    let address = serving(settings()).await;
    let head = "POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTE: trailers\r\n\
        Trailer: grant_type\r\nContent-Type: application/x-www-form-urlencoded\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let sent = |grant: &str, trailer: &str| {
        let body = format!("client_id=x{grant}");
        format!("{head}{:x}\r\n{body}\r\n0\r\n{trailer}\r\n", body.len())
    };
    let trailer = "grant_type: password\r\nclient_id: y\r\n";
    let missing = exchange(address, &sent("", trailer)).await;
    assert!(missing.starts_with("HTTP/1.1 400 ") && missing.contains("no grant_type"), "{missing}");
    let known = exchange(address, &sent("&grant_type=password", "")).await;
    assert!(known.contains("unsupported_grant_type"), "{known}");
}

#[tokio::test]
async fn lim_13_a_head_that_does_not_come_is_cut_off() {
    let mut settings = settings();
    settings.limits.header_time = Duration::from_millis(200);
    let address = serving(settings).await;
    let answer = exchange(address, POST).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn sec_445_one_peer_has_a_budget_of_requests() {
    let mut settings = settings();
    settings.limits.requests_per_peer_per_second = 2;
    let server = Server::with(settings).await;
    let status = async |path| {
        let answer = server.send(request(Method::GET, path, &[], Body::empty())).await;
        (answer.status.as_u16(), answer.field("retry-after").map(str::to_owned))
    };
    assert_eq!(status("/login").await, (400, None));
    assert_eq!(status("/none").await, (404, None));
    for path in ["/login", "/none", "/authorize"] {
        assert_eq!(status(path).await, (429, Some("1".into())), "{path}");
    }
    // What resource servers and monitoring ask is never held up.
    for path in ["/jwks", "/health", "/ready", "/.well-known/oauth-authorization-server"] {
        assert_eq!(status(path).await.0, 200, "{path}");
    }
    let answer = server.post_form("/introspect", &[], &[("token", "x")]).await;
    assert_eq!(answer.status.as_u16(), 401);
    server.pass_secs(1);
    assert_eq!(status("/login").await, (400, None));
}

#[tokio::test]
async fn sec_211_who_calls_through_a_trusted_proxy() {
    for (proxies, expected) in
        [(&["127.0.0.0/8"] as &[&str], [201, 201, 429]), (&[], [201, 429, 429])]
    {
        let mut settings =
            settings().with_trusted_proxies(proxies.iter().map(|it| it.parse().unwrap()));
        settings.limits.registrations_per_peer_per_hour = 1;
        let address = serving(settings).await;
        let body = r#"{"redirect_uris":["https://a.example"]}"#;
        for (peer, status) in ["192.0.2.1", "192.0.2.2", "192.0.2.2"].into_iter().zip(expected) {
            let head = format!(
                "POST /register HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: \
                 198.51.100.9, {peer}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            );
            let answer = exchange(address, &format!("{head}\r\n{body}")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{peer}: {answer}");
        }
    }
}
