//! The whole client against scripted servers: honest ones first, then each kind of bad one.

#[cfg(feature = "dpop")]
mod bound;
mod faults;
mod grants;
mod hostile;
#[cfg(unix)]
pub(super) mod killed;
mod layer;
mod legacy;
mod mirrored;
mod other_issuer;
mod private_addresses;
mod refreshing;
#[cfg(feature = "rmcp")]
mod rmcp_http;
mod simulated;
mod step_up;
mod storing;
mod stuck;
#[cfg(all(feature = "enterprise-managed", feature = "workload-identity"))]
mod trusted;
mod world;

use std::time::Duration;

use portcullis_core::client::{CallbackError, TokenRequestError};
use serde_json::json;

use super::*;
use world::{World, browse, json_body, redirect, text, visit};

const PRM: &str = "/.well-known/oauth-protected-resource/mcp";
const AS: &str = "/.well-known/oauth-authorization-server";
const LOGIN: [&str; 6] = [PRM, AS, "/register", "/authorize", "/token", "/mcp"];

/// The same login, which is to be refreshed before it is used.
fn due(login: &Login) -> Login {
    let mut record: serde_json::Value = serde_json::from_slice(&login.to_record("")).unwrap();
    record["refresh_at"] = json!(1);
    let record = record.to_string();
    Login::from_record(record.as_bytes(), &login.server_url).unwrap().0
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test]
async fn from_a_bare_401_to_a_result() {
    let world = World::honest().await;
    let client = world.client();
    let result = is_send(client.call_tool("get_time", json!({}))).await.unwrap();
    assert_eq!(result["method"], "tools/call");
    assert_eq!(world.paths(), [&["/mcp"], &LOGIN[..]].concat());

    let calls = world.seen("/mcp");
    assert_eq!(calls[0].field("authorization"), None);
    assert_eq!(calls[1].field("authorization"), Some("Bearer at-1"));
    for call in &calls {
        assert_eq!(call.field("mcp-protocol-version"), Some(PROTOCOL_VERSION));
        assert_eq!(call.field("mcp-method"), Some("tools/call"));
        assert_eq!(call.field("mcp-name"), Some("get_time"));
        assert_eq!(call.field("accept"), Some("application/json, text/event-stream"));
    }
    // CL-70: the token goes to the server, and nowhere else.
    let known = world.known.lock().unwrap();
    for seen in known.seen.iter().filter(|seen| seen.path != "/mcp") {
        assert_eq!(seen.field("authorization"), None, "{}", seen.path);
        assert_eq!(seen.field("cookie"), None);
    }
}

#[tokio::test]
async fn cl_41_43_what_is_asked_for() {
    let world = World::honest().await;
    world.client().list_tools().await.unwrap();
    let asked = &world.seen("/authorize")[0];
    assert_eq!(asked.parameter("scope").as_deref(), Some("user"));
    assert_eq!(asked.parameter("resource").as_ref(), Some(&world.resource));
    assert_eq!(asked.parameter("code_challenge_method").as_deref(), Some("S256"));
    let exchange = &world.seen("/token")[0];
    assert_eq!(exchange.parameter("resource").as_ref(), Some(&world.resource));
    assert_eq!(exchange.parameter("redirect_uri"), asked.parameter("redirect_uri"));
    assert_eq!(exchange.parameter("client_id").as_deref(), Some("c-1"));
}

#[tokio::test]
async fn sec_320_no_secret_is_shown_to_observers_or_in_debug() {
    let world = World::honest().await;
    let client = world.client();
    client.list_tools().await.unwrap();
    let state = world.seen("/authorize")[0].parameter("state").unwrap();
    let verifier = world.seen("/token")[0].parameter("code_verifier").unwrap();
    let mut shown = world.known.lock().unwrap().lines.clone();
    assert_eq!(shown.len(), 7, "{shown:#?}");
    shown.push(format!("{client:?} {:?}", client.login().await));
    for secret in [state.as_str(), &verifier, "at-1", "rt-1", "the-code"] {
        assert!(!shown.iter().any(|line| line.contains(secret)), "{secret}: {shown:#?}");
    }
}

#[tokio::test]
async fn the_login_alone() {
    let world = World::honest().await;
    let login = authorize(&world.resource, &world.options(), &browse).await.unwrap();
    assert_eq!((login.issuer(), login.resource()), (&*world.issuer, &*world.resource));
    assert_eq!((login.access_token(), login.client_id()), ("at-1", "c-1"));
    assert!(login.is_refreshable());
    assert_eq!(world.paths(), LOGIN[..5]);
    let client = world.client();
    client.set_login(login.clone()).await;
    client.list_tools().await.unwrap();
    assert_eq!(world.seen("/mcp").len(), 1);

    // SEC-475: not for another server, even one on the same host.
    let other = format!("{}2", world.resource);
    let other = McpClient::new(other, world.options(), browse).unwrap();
    other.set_login(login).await;
    assert!(other.login().await.is_none());
}

#[tokio::test]
async fn cl_72_an_expired_token_is_refreshed() {
    let world = World::honest().await;
    let client = world.client();
    client.list_tools().await.unwrap();
    // Both tokens of the client are now older than the newest, but for the refresh token.
    let twisted = World::with(|world, seen| {
        let first = world.known.lock().unwrap().tokens == 1 && world.seen("/mcp").len() == 3;
        (first && seen.path == "/mcp").then(|| text(401, "text/plain", ""))
    })
    .await;
    let client = twisted.client();
    client.list_tools().await.unwrap();
    client.list_tools().await.unwrap();
    assert_eq!(twisted.paths()[7..], ["/mcp", PRM, AS, "/token", "/mcp"]);
    assert_eq!(twisted.seen("/token")[1].parameter("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(client.login().await.unwrap().access_token(), "at-2");
}

#[tokio::test]
async fn cl_72_a_refused_refresh_leads_to_a_login() {
    let world = World::with(|world, seen| {
        if seen.path == "/token" && seen.parameter("grant_type").as_deref() == Some("refresh_token")
        {
            return Some(json_body(400, json!({ "error": "invalid_grant" }).to_string()));
        }
        let old = world.known.lock().unwrap().tokens == 1 && world.seen("/mcp").len() > 2;
        (old && seen.path == "/mcp").then(|| text(401, "text/plain", ""))
    })
    .await;
    let client = world.client();
    client.list_tools().await.unwrap();
    client.list_tools().await.unwrap();
    let authorized = world.seen("/authorize").len();
    assert_eq!((authorized, client.login().await.unwrap().access_token()), (2, "at-2"));
}

#[tokio::test]
async fn sec_479_requests_at_once_log_in_once() {
    let world = World::honest().await;
    let client = world.client();
    let (first, second, third) =
        tokio::join!(client.list_tools(), client.list_tools(), client.list_tools());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(world.seen("/token").len(), 1);
}

#[tokio::test]
async fn sec_476_401_for_ever_ends() {
    let world =
        World::with(|_, seen| (seen.path == "/mcp").then(|| text(401, "text/plain", ""))).await;
    let outcome = world.client().list_tools().await;
    assert!(matches!(outcome, Err(McpError::Unauthorized)), "{outcome:?}");
    assert_eq!((world.seen("/mcp").len(), world.seen("/authorize").len()), (2, 1));
}

#[tokio::test]
async fn an_answer_as_event_stream() {
    let world = World::with(|_, seen| {
        seen.field("authorization")?;
        let stream = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n\
            data: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{\"n\":99}}\n\n\
            data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":1}}\n\n";
        // The stream stays open: the answer ends the wait, not the stream.
        let open = futures_pending(stream);
        Some(text(200, "text/event-stream", open))
    })
    .await;
    let result = world.client().list_tools().await.unwrap();
    assert_eq!(result, json!({ "n": 1 }));
}

/// A body that shows `text` and then neither goes on nor ends.
fn futures_pending(text: &'static str) -> axum::body::Body {
    axum::body::Body::new(Stalled(Some(text)))
}

struct Stalled(Option<&'static str>);

impl http_body::Body for Stalled {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(text) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(text.into())))),
            None => std::task::Poll::Pending,
        }
    }
}

#[tokio::test]
async fn sec_486_a_servers_text_does_not_act_on_the_terminal() {
    let world = World::with(|_, seen| {
        seen.field("authorization")?;
        let error = json!({ "code": -32603, "message": "\u{1b}[2J\u{202e}oops" });
        Some(json_body(200, json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string()))
    })
    .await;
    let shown = world.client().list_tools().await.unwrap_err().to_string();
    assert!(shown.contains("oops") && shown.starts_with("error -32603"), "{shown}");
    assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'), "{shown:?}");
}

#[tokio::test]
async fn cl_43_who_logs_in_asks_for_what_the_challenge_names() {
    // The metadata names more; it counts where there is no challenge.
    for (challenges, expected) in [(true, "user"), (false, "user admin")] {
        let world = World::with(move |world, seen| match seen.path.as_str() {
            "/mcp" if !challenges => Some(text(503, "text/plain", "not now")),
            PRM => {
                let scopes = r#"{"scopes_supported":["user","admin"],"#;
                Some(json_body(200, world.resource_document().replacen('{', scopes, 1)))
            }
            _ => None,
        })
        .await;
        let authorizer = Authorizer::new(world.resource.as_str(), world.options(), browse);
        authorizer.unwrap().log_in().await.unwrap();
        let asked = world.seen("/authorize")[0].parameter("scope");
        assert_eq!(asked.as_deref(), Some(expected));
        let first = &world.seen("/mcp")[0];
        assert!(first.field("authorization").is_none());
        assert_eq!((world.seen("/mcp").len(), &*world.paths()[0]), (1, "/mcp"));
    }
}
