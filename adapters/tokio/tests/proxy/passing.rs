//! What reaches the upstream and the client, and what does not.

use portcullis_tokio::{
    proxy::{Credential, UpstreamSettings},
    resource_server::Secret,
};

use crate::{
    common::{settings, token},
    harness::*,
};

/// Names and values of a head, sorted, names in lower case.
fn lines(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn rs_44_sec_342_no_token_reaches_the_upstream() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let token = token("user");
    let mut offered: String = [
        "Proxy-Authorization: Bearer",
        "DPoP:",
        "Cookie: token=",
        "X-Access-Token:",
        "X-Forwarded-Access-Token:",
        "Authorization_: Bearer",
        "Proxy_Authorization:",
        "Forwarded: for=",
        "X-Original-URL: /",
        "Referer: https://mcp.example.com/?access_token=",
        "Via: 1.1",
        "Trailer:",
        "X-Anything:",
    ]
    .iter()
    .map(|line| format!("{line}{}{token}\r\n", if line.ends_with('=') { "" } else { " " }))
    .collect();
    offered += "Connection: keep-alive, te, user-agent\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\n\
        Origin: https://mcp.example.com\r\nX-Forwarded-For: 10.0.0.1\r\nExpect: 100-continue\r\n\
        Accept-Encoding: gzip\r\nUser-Agent: agent\r\nTraceparent: 00-1\r\nMcp-Param-Zone: utc\r\n\
        Mcp_Session_Id: s\r\n";
    let mut client = proxied.call(&offered).await;
    let request = upstream.request().await;
    assert_eq!(request.request_line(), "POST /inner/mcp?k=v HTTP/1.1");
    assert_eq!(request.body, MESSAGE);
    assert!(!request.head.contains(&token), "{}", request.head);
    let expected = [
        "accept: application/json, text/event-stream".to_owned(),
        format!("content-length: {}", MESSAGE.len()),
        "content-type: application/json".to_owned(),
        format!("host: {}", upstream.address),
        "mcp-param-zone: utc".to_owned(),
        "traceparent: 00-1".to_owned(),
    ];
    assert_eq!(lines(&request.head), expected);
    drop(request);
    client.until("HTTP/1.1 502").await;
}

/// The twin: without a token nothing comes through, and the answer is the layer's own.
#[tokio::test]
async fn rs_45_without_a_token_nothing_reaches_the_upstream() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    for (from, to) in [
        ("Authorization: Bearer ", "X-Authorization: Bearer "),
        ("Authorization: Bearer ", "Authorization_: Bearer "),
        ("Authorization: Bearer ", "Authorization: Bearer x"),
        ("Authorization: Bearer ", "Connection: authorization\r\nCookie: "),
    ] {
        let mut client = proxied.client().await;
        client.send(&post(&token("user"), "").replace(from, to)).await;
        let (status, head, _) = client.answer().await;
        assert_eq!(status, 401, "{to}");
        assert_eq!(values(&head, "www-authenticate").len(), 1);
        // INV-7: the body was not read, and the client is told that nothing follows.
        assert_eq!(values(&head, "connection"), ["close"]);
    }
    let mut client = proxied.call("Authorization: Bearer x\r\n").await;
    assert_eq!(client.answer().await.0, 400);
    let mut client = proxied.client().await;
    let metadata =
        "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n";
    client.send(metadata).await;
    let (status, _, body) = client.answer().await;
    assert!(status == 200 && body.contains("https://as.example.com"), "{body}");
    client.send(metadata).await;
    assert_eq!(client.answer().await.0, 200, "what has no body leaves the connection open");
    upstream.is_untouched();
}

#[tokio::test]
async fn the_answer_says_nothing_about_what_is_in_here() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let mut client = proxied.call("").await;
    let mut request = upstream.request().await;
    let fields = "403 Forbidden\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\nVary: Accept\r\n\
        Set-Cookie: a=b\r\nWWW-Authenticate: Bearer realm=\"inner\"\r\nProxy-Authenticate: Basic\r\n\
        Location: http://10.0.0.7/\r\nContent-Location: http://10.0.0.7/\r\nServer: inner\r\n\
        Access-Control-Allow-Origin: *\r\nAlt-Svc: h3=\":1\"\r\nConnection: keep-alive, x-inner\r\n\
        X-Inner: 1\r\nKeep-Alive: timeout=5\r\nCache-Control: no-store";
    request.answer(fields, "{\"inner\":1}").await;
    let (status, head, body) = client.answer().await;
    assert_eq!((status, body.as_str()), (403, "{\"inner\":1}"));
    let mut lines = lines(&head);
    lines.retain(|line| !line.starts_with("date: ") && !line.starts_with("mcp-session-id: "));
    let expected = [
        "cache-control: no-store",
        "content-length: 11",
        "content-type: application/json",
        "vary: Accept",
    ];
    assert_eq!(lines, expected);
}

/// RFC 9110 §15.5.6: a 405 says what is allowed.
#[tokio::test]
async fn ts_02_a_405_of_the_upstream_keeps_its_allow() {
    let upstream = Upstream::start().await;
    let with = UpstreamSettings::new(upstream.url());
    let proxied = Proxied::start(settings().sessions(), with).await;
    let mut client = proxied.client().await;
    let fields = fields(&token("user"));
    client.send(&format!("GET /mcp HTTP/1.1\r\n{fields}\r\n")).await;
    upstream.request().await.answer("405 Method Not Allowed\r\nAllow: POST", "").await;
    let (status, head, _) = client.answer().await;
    assert_eq!((status, values(&head, "allow")), (405, vec!["POST".to_owned()]));
}

/// A usual server closes a connection that is idle for five seconds; one that is older carries no request. Later
/// is as good: this waits only for the time to be over.
#[tokio::test]
async fn an_idle_connection_is_not_used_when_its_server_may_be_closing_it() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let mut client = proxied.call("").await;
    let mut first = upstream.request().await;
    first.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    client.send(&post(&token("user"), "")).await;
    upstream.request().await.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
}

#[tokio::test]
async fn what_the_settings_add_passes_and_the_credential_is_the_proxys_own() {
    let upstream = Upstream::start().await;
    let mut with = UpstreamSettings::new(upstream.url());
    with.fields = vec!["X-Tenant".into()];
    with.answer_fields = vec!["x-ratelimit-remaining".into()];
    with.host = Some("mcp.internal".into());
    with.credential =
        Some(Credential { secret: Secret::value("up-1"), field: "authorization".into() });
    let proxied = Proxied::start(settings(), with).await;
    let mut client = proxied.call("X-Tenant: t1\r\n").await;
    let mut request = upstream.request().await;
    assert_eq!(request.values("x-tenant"), ["t1"]);
    assert_eq!(request.values("authorization"), ["Bearer up-1"]);
    assert_eq!(request.values("host"), ["mcp.internal"]);
    request.answer("200 OK\r\nX-RateLimit-Remaining: 3", "{}").await;
    let (_, head, _) = client.answer().await;
    assert_eq!(values(&head, "x-ratelimit-remaining"), ["3"]);
    // Another call goes over the same connection.
    client.send(&post(&token("user"), "")).await;
    request.next().await;
    assert_eq!(request.values("authorization"), ["Bearer up-1"]);
    request.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
}

/// A client cannot put its own value beside the proxy's, though a field of that name passes.
#[tokio::test]
async fn rs_44_the_proxys_credential_replaces_what_a_client_says() {
    let upstream = Upstream::start().await;
    let mut with = UpstreamSettings::new(upstream.url());
    with.fields = vec!["X-Api-Key".into()];
    with.credential = Some(Credential { secret: Secret::value("up-1"), field: "X-Api-Key".into() });
    let proxied = Proxied::start(settings(), with).await;
    let mut client = proxied.call("X-Api-Key: mine\r\nx-api-key: again\r\n").await;
    let mut request = upstream.request().await;
    assert_eq!(request.values("x-api-key"), ["up-1"]);
    request.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
}

/// `Protect` decides by the tool in the body; the proxy sends only what was admitted.
#[tokio::test]
async fn sec_343_a_tool_without_its_scope_does_not_reach_the_upstream() {
    let upstream = Upstream::start().await;
    let proxied = Proxied::before(&upstream).await;
    let mut client = proxied.client().await;
    let set = |token: &str| {
        let body = MESSAGE.replace("\"now\"", "\"set_time\"");
        let (fields, len) = (fields(token), body.len());
        format!("POST /mcp HTTP/1.1\r\n{fields}Content-Length: {len}\r\n\r\n{body}")
    };
    client.send(&set(&token("user"))).await;
    assert_eq!(client.answer().await.0, 403);
    upstream.is_untouched();
    let mut client = proxied.client().await;
    client.send(&set(&token("user time:write"))).await;
    upstream.request().await.answer("200 OK", "{}").await;
    assert_eq!(client.answer().await.0, 200);
}
