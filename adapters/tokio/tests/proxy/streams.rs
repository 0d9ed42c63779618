//! Streams: each piece as it comes, until somebody goes away or the token has ended.

use std::time::Duration;

use portcullis_tokio::proxy::UpstreamSettings;

use crate::{
    common::{NOW, Token, settings, token},
    harness::*,
};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn an_event_arrives_before_the_next_is_sent() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    request.peer.send(STREAM).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(values(&head, "content-type"), ["text/event-stream"]);
    assert_eq!(values(&head, "x-accel-buffering"), ["no"]);
    for event in ["data: 1\n\n", ": still here\n\n", "data: 2\n\n"] {
        request.peer.send(&chunk(event)).await;
        client.until(event).await;
    }
    // A trailer ends here.
    request.peer.send("0\r\nWWW-Authenticate: Bearer\r\n\r\n").await;
    assert!(client.until("0\r\n\r\n").await.ends_with("\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn sec_391_a_client_that_goes_away_cancels_its_request() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    // While the answer is awaited.
    let client = proxied.call("").await;
    let mut request = upstream.request().await;
    drop(client);
    assert_eq!(request.peer.rest().await, "");
    // Inside a stream.
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    request.peer.send(&format!("{STREAM}{}", chunk("data: 1\n\n"))).await;
    client.until("data: 1\n\n").await;
    drop(client);
    assert_eq!(request.peer.rest().await, "");
    // The next client is served.
    let mut client = proxied.call("").await;
    upstream.request().await.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
}

#[tokio::test]
async fn sec_440_sec_449_a_reader_that_stops_is_cut_off_and_a_silent_stream_is_not() {
    /// More than the operating system holds for both connections.
    const HELD_MAX: usize = 64 << 20;
    let upstream = Upstream::start().await;
    let with = UpstreamSettings::new(upstream.url());
    let proxied = Proxied::with_write_time(settings(), with, Duration::from_secs(1)).await;
    let mut silent = proxied.call("").await;
    let mut silent_request = upstream.request().await;
    silent_request.peer.send(&format!("{STREAM}{}", chunk("data: 1\n\n"))).await;
    silent.until("data: 1\n\n").await;

    let stopped = proxied.call("").await;
    let mut request = upstream.request().await;
    request.peer.send(STREAM).await;
    let event = chunk(&format!("data: {}\n\n", "x".repeat(60_000)));
    let sent = request.peer.send_until_broken(&event).await;
    assert!(sent < HELD_MAX, "{sent}");

    // The other one was silent for as long, and goes on.
    silent_request.peer.send(&chunk("data: 2\n\n")).await;
    silent.until("data: 2\n\n").await;
    drop(stopped);
}

#[tokio::test]
async fn ts_94_sec_352_a_stream_ends_with_its_token_and_its_leeway() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    for media_type in ["text/event-stream", "Text/Event-Stream ;charset=utf-8"] {
        // One second is left of the leeway.
        let token = Token { expires_at: NOW - 59, ..Token::default() }.mint();
        let mut client = proxied.client().await;
        client.send(&post(&token, "")).await;
        let mut request = upstream.request().await;
        let stream = STREAM.replace("text/event-stream", media_type);
        request.peer.send(&format!("{stream}{}", chunk("data: 1\n\n"))).await;
        client.until("data: 1\n\n").await;
        client.until("0\r\n\r\n").await;
        assert_eq!(request.peer.rest().await, "");
    }
}

/// The twins: a stream whose token is in its leeway goes on, and so does what is no stream, to its own end.
#[tokio::test]
async fn sec_352_what_is_no_stream_or_in_its_leeway_is_not_cut() {
    const LATER: Duration = Duration::from_millis(1_100);
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let json = STREAM.replace("text/event-stream", "application/json");
    for (head, ended_secs_ago) in [(STREAM, 1), (&json, 59)] {
        let token = Token { expires_at: NOW - ended_secs_ago, ..Token::default() }.mint();
        let mut client = proxied.client().await;
        client.send(&post(&token, "")).await;
        let mut request = upstream.request().await;
        request.peer.send(&format!("{head}{}", chunk("first"))).await;
        client.until("first").await;
        tokio::time::sleep(LATER).await;
        request.peer.send(&format!("{}0\r\n\r\n", chunk("second"))).await;
        client.until("second").await;
        client.until("0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn an_open_stream_has_its_time_when_the_end_is_asked_for() {
    let upstream = Upstream::start().await;
    let mut proxied = Proxied::before(&upstream).await;
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    request.peer.send(&format!("{STREAM}{}", chunk("data: 1\n\n"))).await;
    client.until("data: 1\n\n").await;
    proxied.ask_to_end();
    // Nobody new comes in; the stream goes on.
    while tokio::net::TcpStream::connect(proxied.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    request.peer.send(&chunk("data: 2\n\n")).await;
    client.until("data: 2\n\n").await;
    request.peer.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    assert_eq!(client.rest().await, "");
    proxied.ended().await;
}

#[tokio::test]
async fn streams_and_sessions_of_older_revisions() {
    let upstream = Upstream::start().await;
    let proxied =
        Proxied::start(settings().sessions(), UpstreamSettings::new(upstream.url())).await;
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    request.answer("200 OK\r\nMcp-Session-Id: inner-7", "{}").await;
    let (_, head, _) = client.answer().await;
    let session = values(&head, "mcp-session-id").pop().unwrap();
    assert!(session.ends_with("inner-7") && session.len() > 40, "{session}");
    let (fields, version) = (fields(&token("user")), "MCP-Protocol-Version: 2025-06-18\r\n");
    let lines = format!("{fields}{version}Mcp-Session-Id: {session}\r\n");
    client.send(&format!("GET /mcp HTTP/1.1\r\n{lines}Last-Event-ID: 41\r\n\r\n")).await;
    request.next().await;
    assert_eq!(request.request_line(), "GET /inner/mcp?k=v HTTP/1.1");
    assert_eq!(request.values("mcp-session-id"), ["inner-7"]);
    assert_eq!(request.values("last-event-id"), ["41"]);
    assert_eq!(request.values("mcp-protocol-version"), ["2025-06-18"]);
    request.peer.send(&format!("{STREAM}{}0\r\n\r\n", chunk("id: 42\ndata: 1\n\n"))).await;
    client.until("id: 42\ndata: 1\n\n").await;
    client.until("0\r\n\r\n").await;
    // Nobody has judged a body of such a request.
    client.send(&format!("DELETE /mcp HTTP/1.1\r\n{lines}Content-Length: 2\r\n\r\n[]")).await;
    request.next().await;
    assert!(request.request_line().starts_with("DELETE "));
    assert_eq!(request.body, "");
    request.answer("200 OK", "").await;
    assert_eq!(client.answer().await.0, 200);
    // Somebody else's id is none.
    let foreign = lines.replace(&session, "inner-7");
    client.send(&format!("DELETE /mcp HTTP/1.1\r\n{foreign}\r\n")).await;
    assert_eq!(client.answer().await.0, 404);
    upstream.is_untouched();
}
