//! What the upstream learns of who calls, checked as its documentation says.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use portcullis_tokio::{
    proxy::{Identity, UpstreamSettings},
    resource_server::Secret,
};
use serde_json::Value;

use crate::{
    common::{KEY_TEXT, NOW, RESOURCE, settings, token},
    harness::*,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/protect/identity.py");
const OTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE";

/// What the example for upstreams says of a statement; `None` when it refuses it.
fn verified(statement: &str, key: &str, audience: &str, now: u64) -> Option<Value> {
    let mut child = Command::new("python3")
        .args([SCRIPT, key, audience, &now.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3, which the tests need");
    child.stdin.take().unwrap().write_all(statement.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Some(serde_json::from_slice(&output.stdout).unwrap());
    }
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("ValueError: not "), "{error}");
    None
}

fn signed(upstream: &Upstream) -> UpstreamSettings {
    let mut settings = UpstreamSettings::new(upstream.url());
    let key = Secret::value(KEY_TEXT);
    settings.identity = Identity::Signed { key, audience: None, lifetime_secs: 60 };
    settings
}

/// Names in which a client could claim to be somebody.
const FORGED: &str = "Portcullis-Identity: forged\r\nportcullis_identity: forged\r\n\
    PORTCULLIS-IDENTITY: forged\r\nPortcullis-Subject: forged\r\nPortcullis_Subject: forged\r\n\
    Portcullis-Client-Id: forged\r\nPortcullis-Scope: forged\r\nX-Forwarded-User: forged\r\n\
    X-Remote-User: forged\r\n";

#[tokio::test]
async fn a_signed_statement_is_the_proxys_and_for_this_upstream() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::start(settings(), signed(&upstream)).await;
    let mut client = proxied.call(FORGED).await;
    let mut request = upstream.request().await;
    assert!(!request.head.contains("forged"), "{}", request.head);
    let statements = request.values("portcullis-identity");
    let [statement] = statements.as_slice() else { panic!("{statements:?}") };
    let claims = verified(statement, KEY_TEXT, &upstream.url(), NOW).unwrap();
    assert_eq!(
        (claims["sub"].as_str(), claims["client_id"].as_str()),
        (Some("alice"), Some("client-1"))
    );
    assert_eq!((claims["scope"].as_str(), claims["iss"].as_str()), (Some("user"), Some(RESOURCE)));
    assert_eq!(claims["token_issuer"], "https://as.example.com");
    assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(NOW), Some(NOW + 60)));
    assert!(verified(statement, OTHER_KEY, &upstream.url(), NOW).is_none());
    assert!(verified(statement, KEY_TEXT, "http://other/", NOW).is_none());
    assert!(verified(statement, KEY_TEXT, &upstream.url(), NOW + 120).is_none());
    assert!(verified(statement, KEY_TEXT, &upstream.url(), NOW - 61).is_none());
    // RS-68: an access token that the same key signed is no statement.
    assert!(verified(&token("user"), KEY_TEXT, RESOURCE, NOW).is_none());
    request.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
    // Each request has a statement of its own.
    client.send(&post(&token("user time:write"), "")).await;
    request.next().await;
    let second = request.values("portcullis-identity").pop().unwrap();
    let second = verified(&second, KEY_TEXT, &upstream.url(), NOW).unwrap();
    assert_eq!(second["scope"], "user time:write");
    assert_ne!(second["jti"], claims["jti"]);
}

/// And it is no access token: the proxy that made it refuses it.
#[tokio::test]
async fn rs_68_a_statement_is_no_access_token() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::start(settings(), signed(&upstream)).await;
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    let statement = request.values("portcullis-identity").pop().unwrap();
    request.answer("200 OK", "{}").await;
    client.answer().await;
    client.send(&post(&statement, "")).await;
    assert_eq!(client.answer().await.0, 401);
}

#[tokio::test]
async fn nothing_is_said_unless_it_is_asked_for() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let _client = proxied.call(FORGED).await;
    let request = upstream.request().await;
    assert!(!request.head.to_lowercase().contains("portcullis"), "{}", request.head);
    assert!(!request.head.contains("forged"), "{}", request.head);
}

#[tokio::test]
async fn plain_fields_are_the_proxys_too() {
    let upstream = Upstream::start().await;
    let mut with = UpstreamSettings::new(upstream.url());
    with.identity = Identity::PlainUnsigned;
    let proxied = Proxied::start(settings(), with).await;
    let _client = proxied.call(FORGED).await;
    let request = upstream.request().await;
    assert!(!request.head.contains("forged"), "{}", request.head);
    assert_eq!(request.values("portcullis-subject"), ["alice"]);
    assert_eq!(request.values("portcullis-client-id"), ["client-1"]);
    assert_eq!(request.values("portcullis-scope"), ["user"]);
    assert_eq!(request.values("portcullis-token-issuer"), ["https://as.example.com"]);
    assert_eq!(request.values("portcullis-request-id").len(), 1);
}
