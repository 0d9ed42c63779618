//! Sessions of older revisions, kept by rmcp behind the layer: each belongs to who opened it (RS-47).

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::*;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis_tokio::resource_server::{Protect, ProtectLayer};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tower::ServiceExt as _;

#[derive(Clone)]
struct Nothing;

impl ServerHandler for Nothing {}

type Protected = Protect<StreamableHttpService<Nothing, LocalSessionManager>>;

fn protected() -> Protected {
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    let service = StreamableHttpService::new(|| Ok(Nothing), Arc::default(), config);
    let layer = ProtectLayer::with_clock(settings().sessions(), TestClock::new()).unwrap();
    layer.protect(service)
}

/// One request of `subject`, with these values of `Mcp-Session-Id`.
async fn send(
    protected: &Protected,
    method: Method,
    subject: &str,
    sessions: &[&str],
    body: &str,
) -> Response<Bytes> {
    let token = Token { subject, ..Token::default() }.mint();
    let mut request = Request::builder()
        .method(method)
        .uri("/mcp")
        .header("host", "mcp.example.com")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", format!("Bearer {token}"));
    for session in sessions {
        request = request.header("mcp-session-id", *session);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let (head, body) = protected.clone().oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

const PING: &str = "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}";

async fn open(protected: &Protected, subject: &str) -> String {
    let body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":\
                {\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\
                \"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}";
    let answer = send(protected, Method::POST, subject, &[], body).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    let session = field(&answer, "mcp-session-id").to_owned();
    let ready = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    let answer = send(protected, Method::POST, subject, &[&session], ready).await;
    assert_eq!(answer.status(), 202, "{:?}", answer.body());
    session
}

#[tokio::test]
async fn sec_349_a_session_is_of_who_opened_it() {
    let protected = protected();
    let session = open(&protected, "alice").await;
    let ping = async |subject, sessions: &[&str]| {
        send(&protected, Method::POST, subject, sessions, PING).await.status().as_u16()
    };
    assert_eq!(ping("alice", &[&session]).await, 200);
    // Another user who has seen the id, and the same with a session of their own.
    assert_eq!(ping("mallory", &[&session]).await, 404);
    let other = open(&protected, "mallory").await;
    assert_eq!(ping("mallory", &[&session]).await, 404);
    assert_eq!(ping("mallory", &[&other]).await, 200);
    // The id as the service knows it, one tag before another id, two lines, odd values.
    let (tag, id) = session.split_at(43);
    let spliced = format!("{}{id}", &other[..43]);
    for odd in [id, tag, &spliced, "guessed", ""] {
        assert_eq!(ping("alice", &[odd]).await, 404, "{odd}");
        assert_eq!(ping("mallory", &[odd]).await, 404, "{odd}");
    }
    assert_eq!(ping("alice", &[&session, &session]).await, 404);
    // Nobody else can listen to it or end it.
    for method in [Method::GET, Method::DELETE] {
        let answer = send(&protected, method, "mallory", &[&session], "").await;
        assert_eq!(answer.status(), 404);
    }
    assert_eq!(ping("alice", &[&session]).await, 200);
    let answer = send(&protected, Method::DELETE, "alice", &[&session], "").await;
    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(ping("alice", &[&session]).await, 404);
}
