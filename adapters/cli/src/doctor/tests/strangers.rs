//! What is no sound MCP server, and may be no MCP server at all: each ends with a verdict, and soon.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    diagnose, options,
    world::{METADATA, PRM, World},
};
use crate::doctor::{
    examination::examine,
    report::{Report, Verdict},
};

/// More than any of these may take, also where the machine is busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// Serves on an address of loopback: to each connection these bytes, and its end or nothing more. The URL
/// stands for `ORIGIN` in them.
struct Stranger {
    origin: String,
    _tasks: JoinSet<()>,
}

impl Stranger {
    async fn start(address: &str, says: String, hangs_up: bool) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let says: Arc<str> = says.replace("ORIGIN", &origin).into();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(speak(stream, Arc::clone(&says), hangs_up));
            }
        });
        Self { origin, _tasks: tasks }
    }

    /// What is found there, in bounded time. One that hangs up needs no limit, and then a machine with other work
    /// to do is not taken for a silent server.
    async fn examined(&self) -> Report {
        self.examined_within("50").await
    }

    async fn examined_within(&self, secs: &str) -> Report {
        let begun = Instant::now();
        let url = format!("{}/mcp", self.origin);
        let report = examine(&options(&[&url, "--timeout", secs])).await;
        assert!(begun.elapsed() < DEADLINE, "{report:#?}");
        report
    }
}

async fn speak(mut stream: TcpStream, says: Arc<str>, hangs_up: bool) {
    let mut request = Vec::new();
    while !request.windows(4).any(|piece| piece == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(len @ 1..) => request.extend_from_slice(&piece[..len]),
            _ => return,
        }
    }
    let _ = stream.write_all(says.as_bytes()).await;
    if hangs_up {
        let _ = stream.shutdown().await;
    }
    // Until whoever asked is gone: one that closes first may lose what it has said.
    while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {}
}

fn answer(status: u16, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code).collect()
}

#[tokio::test]
async fn a_site_without_mcp_is_told_to_be_none_and_nothing_else() {
    let page = "<!DOCTYPE html><title>Welcome</title>";
    for says in [
        answer(200, "content-type: text/html\r\n", page),
        answer(200, "content-type: application/json\r\n", "{\"hello\": 1}"),
        answer(204, "", ""),
        answer(404, "content-type: text/html\r\n", page),
        answer(405, "allow: GET\r\n", ""),
    ] {
        let report = Stranger::start("127.0.0.1:0", says.clone(), true).await.examined().await;
        assert_eq!(codes(&report), ["not-mcp"], "{says}");
        assert_eq!((report.verdict, &report.unchecked), (Verdict::Errors, &None));
    }
    // A server that speaks MCP, and refuses in its words, is one.
    let error = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}});
    let says = answer(200, "content-type: application/json\r\n", &error.to_string());
    let report = Stranger::start("127.0.0.1:0", says, true).await.examined().await;
    assert!(codes(&report).contains(&"no-401") && !codes(&report).contains(&"not-mcp"));
}

#[tokio::test]
async fn a_server_without_authorization_is_open() {
    let tools = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}});
    for says in [
        answer(200, "content-type: application/json\r\n", &tools.to_string()),
        // An event, and a stream that stays open.
        format!("HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\n\r\ndata: {tools}\n\n"),
    ] {
        let hangs_up = says.contains("content-length");
        let report = Stranger::start("127.0.0.1:0", says, hangs_up).await.examined().await;
        assert_eq!(codes(&report).first(), Some(&"open-server"), "{report:#?}");
        assert_eq!((report.verdict, codes(&report).contains(&"no-prm")), (Verdict::Errors, false));
    }
}

#[tokio::test]
async fn what_does_not_answer_is_not_checked() {
    let endless_head = format!("HTTP/1.1 401 x\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    let many_fields = format!("HTTP/1.1 401 x\r\n{}\r\n", "x: a\r\n".repeat(1000));
    for (says, hangs_up, expected) in [
        ("", false, "no answer in time"),
        ("HTTP/1.1 401 x\r\nwww-authenticate: Bear", false, "no answer in time"),
        ("", true, "no HTTP answer"),
        ("SSH-2.0-OpenSSH_10.0\r\n", true, "no HTTP answer"),
        ("HTTP/1.1 401 x\r\ncontent-length: -1\r\n\r\n", true, "no HTTP answer"),
        (&endless_head, true, "no HTTP answer"),
        (&many_fields, true, "no HTTP answer"),
    ] {
        let stranger = Stranger::start("127.0.0.1:0", says.to_owned(), hangs_up).await;
        let report = stranger.examined_within(if hangs_up { "50" } else { "1" }).await;
        let reason = report.unchecked.as_deref().unwrap_or_default();
        assert!(reason.starts_with(expected), "{says:.80?}: {report:#?}");
        assert_eq!((report.verdict, codes(&report).len()), (Verdict::Unchecked, 0));
    }
}

#[tokio::test]
async fn sec_168_a_redirect_to_itself_is_not_followed() {
    let says = answer(307, "location: ORIGIN/mcp\r\n", "");
    let report = Stranger::start("127.0.0.1:0", says, true).await.examined().await;
    assert_eq!((report.verdict, codes(&report)[0]), (Verdict::Errors, "server-redirects"));
    for (place, expected) in [(PRM, "prm-redirects"), (METADATA, "metadata-redirects")] {
        let world = World::start(|it| {
            let itself = place.replace("server ", &it.server).replace("issuer ", &it.issuer);
            it.change(place, |reply| reply.with_status(302).field("location", itself));
        })
        .await;
        let (report, found) = diagnose(&world.url()).await;
        assert!(found.contains(&expected), "{report:#?}");
        let (_, path) = place.split_once(' ').unwrap();
        let asked =
            world.requests().into_iter().filter(|it| it.starts_with(&format!("GET {path} ")));
        assert!(asked.count() <= 2, "{:#?}", world.requests());
    }
}

#[tokio::test]
async fn addresses_of_version_6_are_addresses() {
    let says = answer(404, "", "");
    let stranger = match TcpListener::bind("[::1]:0").await {
        Ok(_) => Stranger::start("[::1]:0", says, true).await,
        Err(error) => return eprintln!("no IPv6 here: {error}"),
    };
    assert!(stranger.origin.starts_with("http://[::1]:"));
    assert_eq!(codes(&stranger.examined().await), ["not-mcp"]);
}
