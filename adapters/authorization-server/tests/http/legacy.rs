//! Clients of MCP 2025-03-26, which know neither RFC 9728 nor RFC 8707, and those of today beside them
//! (LG-01 to LG-10).

use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode};
use portcullis_authorization_server::testing::{
    Client, ProtectedServer, ProtectedServerBuilder, SampleService, TestingError, User,
};
use portcullis_authorization_server::{
    AuthorizationServer, McpServerError, Resource, Settings, TokenFormat,
};
use portcullis_tokio::resource_server::{
    Issuer, ProtectLayer, Settings as ResourceServerSettings, TokenVerifier, Verification,
    VerifyFuture,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::*;

/// One server that is both, for tokens of each kind.
async fn both(format: TokenFormat) -> ProtectedServer {
    ProtectedServer::sample().token_format(format).start_for_legacy_clients().await.unwrap()
}

/// `scheme://authority` of the server.
fn origin(server: &ProtectedServer) -> &str {
    server.url().strip_suffix("/mcp").unwrap()
}

/// The status of an old client's call, without any field of MCP's in its head.
async fn old_call(server: &ProtectedServer, token: Option<&str>, tool: &str) -> u16 {
    let caller = server.caller().legacy();
    caller.call_tool(token, tool, json!({})).await.unwrap().status()
}

#[tokio::test]
async fn lg_02_lg_05_an_old_client_with_metadata_gets_in() {
    for format in [TokenFormat::Hs256, TokenFormat::Opaque, TokenFormat::Es256] {
        let server = both(format).await;
        assert_eq!(old_call(&server, None, "get_time").await, 401, "LG-05");
        let mut client = Client::at(origin(&server)).discover().await.unwrap();
        let tokens = client.authorize(&User::demo()).await.unwrap();
        let token = Some(tokens.access_token.as_str());
        assert_eq!(tokens.scope, "user");
        let begun = server.caller().initialize(token).await.unwrap();
        assert_eq!(begun.json()["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(old_call(&server, token, "get_time").await, 200, "{format:?}");
        let flipped = format!("{}x", tokens.access_token);
        assert_eq!(old_call(&server, Some(&flipped), "get_time").await, 401, "LG-05");

        // LG-06: what ends, and changes with every use.
        let renewed = client.refresh(&tokens).await.unwrap();
        assert_ne!(renewed.refresh_token, tokens.refresh_token);
        assert_eq!(old_call(&server, Some(&renewed.access_token), "get_time").await, 200);
        server.clock().advance(renewed.expires_in + 61);
        assert_eq!(old_call(&server, Some(&renewed.access_token), "get_time").await, 401);
    }
}

#[tokio::test]
async fn lg_03_an_old_client_without_metadata_uses_the_default_paths() {
    let server = both(TokenFormat::Hs256).await;
    let tokens = Client::at(origin(&server)).authorize(&User::demo()).await.unwrap();
    assert_eq!(old_call(&server, Some(&tokens.access_token), "get_time").await, 200);
    let denied = Client::at(origin(&server)).authorize(&User::demo().who_denies()).await;
    assert!(matches!(denied, Err(TestingError::Refused { status: 303, .. })), "{denied:?}");
}

#[tokio::test]
async fn lg_09_a_request_that_names_no_resource_is_for_the_one_that_there_is() {
    let server = both(TokenFormat::Hs256).await;
    let resource = server.resource().to_owned();
    let tokens = Client::at(origin(&server)).authorize(&User::demo()).await.unwrap();
    let known = server.authorization_server();
    let told = known.introspect(&resource, &tokens.access_token).await.unwrap();
    assert_eq!((&told["aud"], &told["active"]), (&json!([resource]), &json!(true)));

    // Who names one must name that one, here as anywhere.
    let naming = |name: &str| Client::at(origin(&server)).with_resource(name);
    assert!(naming(&resource).authorize(&User::demo()).await.is_ok());
    for other in ["http://127.0.0.1:1/mcp", origin(&server)] {
        let refused = naming(other).authorize(&User::demo()).await;
        let Err(TestingError::Refused { body, .. }) = refused else { panic!("{other}") };
        assert_eq!(body, "invalid_target");
    }
}

#[tokio::test]
async fn lg_09_without_the_opt_in_a_request_that_names_no_resource_is_refused() {
    let server = ProtectedServer::sample().start().await.unwrap();
    let refused = Client::at(server.authorization_server().issuer()).authorize(&User::demo()).await;
    let Err(TestingError::Refused { body, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(body, "invalid_target");
}

#[tokio::test]
async fn lg_10_both_kinds_of_client_are_led_to_the_same_endpoints() {
    let server = both(TokenFormat::Es256).await;
    let refused = server.caller().call_tool(None, "get_time", json!({})).await.unwrap();
    let challenge = refused.field("www-authenticate").unwrap();
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", origin(&server));
    assert!(challenge.contains(&format!("resource_metadata=\"{metadata}\"")), "{challenge}");
    let tokens = server.authorize("user").await.unwrap();
    let answer = server.call_tool(&tokens.access_token, "get_time", json!({})).await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// SEC-177: without the opt-in, nothing at the origin of an MCP server is an authorization server.
#[tokio::test]
async fn sec_177_legacy_is_opt_in() {
    let server = ProtectedServer::sample().start().await.unwrap();
    for (method, path) in [
        (Method::GET, "/.well-known/oauth-authorization-server"),
        (Method::GET, "/authorize?response_type=code"),
        (Method::POST, "/token"),
        (Method::POST, "/register"),
    ] {
        let address = origin(&server).strip_prefix("http://").unwrap().parse().unwrap();
        let request = request(method, path, &[("connection", "close")], Body::empty());
        let answer = crate::processes::send(address, request).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let found = Client::at(origin(&server)).discover().await;
    assert!(matches!(found, Err(TestingError::Refused { status: 404, .. })), "{found:?}");
    assert!(Client::at(origin(&server)).authorize(&User::demo()).await.is_err());
}

/// SEC-344: an older revision is no way around a scope.
#[tokio::test]
async fn sec_344_an_old_client_needs_the_same_scopes() {
    let server = both(TokenFormat::Hs256).await;
    let tokens = Client::at(origin(&server)).authorize(&User::demo()).await.unwrap();
    assert_eq!(old_call(&server, Some(&tokens.access_token), "set_time").await, 403);
    let mut client = Client::at(origin(&server)).with_scope("user time:write");
    let tokens = client.authorize(&User::demo()).await.unwrap();
    assert_eq!(old_call(&server, Some(&tokens.access_token), "set_time").await, 200);
}

fn resource(identifier: &str) -> Resource {
    Resource::new(identifier, "Clock", TokenFormat::Hs256).unwrap().with_scope("user", "words")
}

/// Settings of `ISSUER` for an MCP server there.
fn beside(identifier: &str) -> Settings {
    Settings::demo(ISSUER).unwrap().with_resource(resource(identifier)).with_legacy_clients()
}

/// The layer before `identifier`, with the tokens of this server.
fn layer(server: &AuthorizationServer, identifier: &str) -> ProtectLayer {
    ProtectLayer::new(server.resource_server_settings(identifier).unwrap()).unwrap()
}

#[tokio::test]
async fn lg_10_what_does_not_belong_together_is_not_put_together() {
    const MCP: &str = "http://localhost:9000/mcp";
    let asked = AuthorizationServer::new(beside(MCP)).await.unwrap();
    let other = AuthorizationServer::new(settings().with_resource(resource(MCP))).await.unwrap();
    let put = async |server: &AuthorizationServer, layer: &ProtectLayer| {
        server.clone().with_mcp_server(layer, SampleService).await.err()
    };
    assert_eq!(put(&asked, &layer(&asked, MCP)).await, None);
    assert_eq!(put(&other, &layer(&other, MCP)).await, Some(McpServerError::NotAsked));
    assert_eq!(put(&asked, &layer(&other, SIGNED)).await, Some(McpServerError::Resource));

    let protection = || asked.resource_server_settings(MCP).unwrap();
    let second = Issuer::new("https://as.example", Verification::jwks_of_issuer());
    let two_issuers = ProtectLayer::new(protection().issuer(second)).unwrap();
    assert_eq!(put(&asked, &two_issuers).await, Some(McpServerError::Issuer));

    for path in ["/authorize", "/token", "/register", "/register/x", "/login", "/health", "/jwks"] {
        let identifier = format!("{ISSUER}{path}");
        let server = AuthorizationServer::new(beside(&identifier)).await.unwrap();
        let refused = put(&server, &layer(&server, &identifier)).await;
        assert_eq!(refused, Some(McpServerError::Path), "{path}");
    }
}

/// Takes its time to know nothing of any token.
struct Slow;

impl TokenVerifier for Slow {
    fn verify<'a>(&'a self, _: &'a str) -> VerifyFuture<'a> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(None)
        })
    }
}

#[tokio::test]
async fn a_tool_may_take_longer_than_the_authorization_server_itself() {
    const MCP: &str = "http://localhost:9000/mcp";
    let mut settings = beside(MCP);
    settings.limits.request_time = Duration::from_millis(10);
    let server = AuthorizationServer::new(settings).await.unwrap();
    let issuer = Issuer::new(ISSUER, Verification::custom(Slow));
    let layer = ProtectLayer::new(ResourceServerSettings::new(MCP, issuer)).unwrap();
    let both = server.with_mcp_server(&layer, SampleService).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { both.serve(listener, std::future::pending()).await });
    let fields = [("authorization", "Bearer x"), ("connection", "close")];
    let asked = request(Method::POST, "/mcp", &fields, Body::empty());
    let answer = crate::processes::send(address, asked).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

/// AS-14, TS-10: each of the two answers scripts of other origins by its own rules.
#[tokio::test]
async fn scripts_of_other_origins_reach_what_they_reach_elsewhere() {
    let server = both(TokenFormat::Hs256).await;
    let host = origin(&server).strip_prefix("http://").unwrap();
    for (method, path, status, readable) in [
        (Method::OPTIONS, "/token", 204, Some("*")),
        (Method::OPTIONS, "/register", 204, Some("*")),
        (Method::GET, "/.well-known/oauth-authorization-server", 200, Some("*")),
        (Method::GET, "/.well-known/oauth-protected-resource/mcp", 200, Some("*")),
        (Method::GET, "/authorize", 400, None),
        (Method::POST, "/mcp", 403, None),
    ] {
        let fields = [
            ("origin", "https://app.example"),
            ("access-control-request-method", "POST"),
            ("connection", "close"),
        ];
        let mut asked = request(method, path, &fields, Body::empty());
        asked.headers_mut().insert("host", host.parse().unwrap());
        let answer = crate::processes::send(host.parse().unwrap(), asked).await.unwrap();
        let allowed = answer.field("access-control-allow-origin");
        assert_eq!((answer.status.as_u16(), allowed), (status, readable), "{path}");
    }
}

/// The pages where users sign in share an origin with a server of tools.
#[tokio::test]
async fn lg_10_the_mcp_server_neither_sees_nor_sets_cookies_and_runs_no_script() {
    let page = tower::service_fn(|request: http::Request<http_body_util::Full<bytes::Bytes>>| {
        let cookie = request.headers().get("cookie").is_some();
        let answer = http::Response::builder()
            .header("content-type", "text/html")
            .header("set-cookie", "portcullis=planted; Path=/")
            .body(format!("<script>alert({cookie})</script>"));
        std::future::ready(Ok::<_, std::convert::Infallible>(answer.unwrap()))
    });
    let server: ProtectedServerBuilder<_> = ProtectedServer::of(page).base_scopes("user");
    let server = server.start_for_legacy_clients().await.unwrap();
    let token = server.token().make().await.unwrap();
    let authorization = format!("Bearer {token}");
    let fields = [
        ("authorization", authorization.as_str()),
        ("cookie", "portcullis=secret"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("connection", "close"),
    ];
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let address = origin(&server).strip_prefix("http://").unwrap().parse().unwrap();
    let mut request = request(Method::POST, "/mcp", &fields, body.into());
    request.headers_mut().insert("host", origin(&server)["http://".len()..].parse().unwrap());
    let answer = crate::processes::send(address, request).await.unwrap();
    assert_eq!(answer.body, "<script>alert(false)</script>");
    assert_eq!(answer.field("set-cookie"), None);
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    let policy = answer.field("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
}
