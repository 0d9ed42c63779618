//! `/authorize`: what is refused on a page, what is told to the client, and when.

use std::collections::HashSet;

use crate::harness::*;

#[tokio::test]
async fn as_51_untrusted_requests_stay_on_a_page() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for changes in [
        [("client_id", "client-unknown")],
        [("client_id", "")],
        [("redirect_uri", "")],
        [("redirect_uri", "http://localhost:3030/other")],
        [("redirect_uri", "https://evil.example/callback")],
        [("redirect_uri", "javascript:alert(1)")],
    ] {
        server.get(&format!("/authorize?{}", query(&client.id, &changes))).await.is_page(400);
    }
    let twice = format!("{}&state=x", query(&client.id, &[]));
    server.get(&format!("/authorize?{twice}")).await.is_page(400);
    server.get("/authorize").await.is_page(400);
    server.get("/authorize?client_id=%zz").await.is_page(400);
    let good = server.get(&format!("/authorize?{}", query(&client.id, &[]))).await;
    assert!(good.location().starts_with("/login?request="));
}

#[tokio::test]
async fn sec_193_errors_never_lead_to_an_unregistered_address() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for broken in [
        ("response_type", ""),
        ("response_type", "token"),
        ("scope", "\u{22}"),
        ("prompt", "none"),
        ("resource", "https://other.example"),
        ("code_challenge", ""),
    ] {
        let changes = [broken, ("redirect_uri", "https://evil.example/cb")];
        server.get(&format!("/authorize?{}", query(&client.id, &changes))).await.is_page(400);
    }
}

#[tokio::test]
async fn sec_190_variants_over_http() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for variant in [
        "http://localhost:3030/callback/",
        "http://localhost:3030/callback?x=1",
        "http://localhost:3030/callback#f",
        "http://localhost:3030/callback%2f",
        "http://localhost:3030/CALLBACK",
        "http://localhost:3030/x/../callback",
        "http://LOCALHOST:3030/callback",
        "http://127.0.0.1:3030/callback",
        "http://localhost.evil:3030/callback",
        "http://localhost:3030@evil/callback",
        "https://localhost:3030/callback",
        " http://localhost:3030/callback",
        "http://localhost:3030/callback\t",
    ] {
        let query = query(&client.id, &[("redirect_uri", variant)]);
        server.get(&format!("/authorize?{query}")).await.is_page(400);
    }
}

#[tokio::test]
async fn as_55_another_loopback_port_and_the_redirect_goes_there() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let other = "http://localhost:41000/callback";
    let location = server.authorize(&query(&client.id, &[("redirect_uri", other)])).await;
    assert!(location.starts_with("http://localhost:41000/callback?code="), "{location}");
    let code = parameter(&location, "code").unwrap();
    let mut form = redemption(&code).to_vec();
    let answer = server.token(&client, &form).await; // the registered port, not the requested one
    assert_eq!(answer.refusal(), (400, "invalid_grant".into()));
    form[2].1 = other;
    assert_eq!(server.token(&client, &form).await.status, 200);
}

/// The error that comes back to the client, after sign-in.
pub(crate) async fn error_of(server: &Server, query: &str) -> String {
    let mut browser = Browser::default();
    let page = browser.ask(server, query).await;
    page.is_page(200);
    let answer = browser.log_in(server, &page, "demo_password").await;
    let location = answer.location();
    if location.starts_with('/') {
        return "none".into();
    }
    assert!(location.starts_with("http://localhost:3030/callback?"), "{location}");
    assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER), "SEC-208");
    assert_eq!(parameter(&location, "state").as_deref(), Some("st&te=1"));
    assert_eq!(parameter(&location, "code"), None);
    parameter(&location, "error").unwrap()
}

#[tokio::test]
async fn sec_195_pkce() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let (short, long) = (&CHALLENGE[..42], format!("{CHALLENGE}A"));
    let very_long = "A".repeat(129);
    let illegal = format!("{}+", &CHALLENGE[..42]);
    for change in [
        ("code_challenge", ""),
        ("code_challenge", short),
        ("code_challenge", &long),
        ("code_challenge", &very_long),
        ("code_challenge", &illegal),
        ("code_challenge_method", ""),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", "s256"),
    ] {
        let query = query(&client.id, &[change]);
        assert_eq!(error_of(&server, &query).await, "invalid_request", "{change:?}");
    }
    assert_eq!(error_of(&server, &query(&client.id, &[])).await, "none");
}

#[tokio::test]
async fn sec_196_response_types() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for (response_type, expected) in [
        ("token", "unsupported_response_type"),
        ("id_token", "unsupported_response_type"),
        ("code token", "unsupported_response_type"),
        ("none", "unsupported_response_type"),
        ("", "invalid_request"),
    ] {
        let query = query(&client.id, &[("response_type", response_type)]);
        assert_eq!(error_of(&server, &query).await, expected);
    }
    for mode in ["fragment", "form_post", "query"] {
        let location = server.authorize(&query(&client.id, &[("response_mode", mode)])).await;
        assert!(location.contains("?code="), "{location}");
    }
}

#[tokio::test]
async fn sec_197_unknown_parameters_are_ignored() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let extra =
        [("request", "a.b.c"), ("claims", "{}"), ("login_hint", "x"), ("prompt", "consent")];
    assert_eq!(error_of(&server, &query(&client.id, &extra)).await, "none");
    // It would stand for another request than the query has; nobody fetches it.
    let elsewhere = query(&client.id, &[("request_uri", "http://127.0.0.1:1/")]);
    server.get(&format!("/authorize?{elsewhere}")).await.is_page(400);
}

#[tokio::test]
async fn sec_198_resource() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for resource in [
        "https://other.example/mcp",
        "http://localhost:8001/mcp#f",
        "/mcp",
        "http://localhost:8001",
        "",
    ] {
        let query = query(&client.id, &[("resource", resource)]);
        assert_eq!(error_of(&server, &query).await, "invalid_target", "{resource}");
    }
    let second = encode(&[("resource", SIGNED)]);
    let both = format!("{}&{second}", query(&client.id, &[]));
    assert_eq!(error_of(&server, &both).await, "invalid_target");
}

#[tokio::test]
async fn sec_199_scope() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for (scope, expected) in [
        ("other", "invalid_scope"),
        ("us\"er", "invalid_scope"),
        ("USER", "invalid_scope"),
        ("user%20admin", "invalid_scope"),
        ("user", "none"),
    ] {
        let query = query(&client.id, &[("scope", scope)]);
        assert_eq!(error_of(&server, &query).await, expected, "{scope}");
    }
    let location = server.authorize(&query(&client.id, &[("scope", "user other")])).await;
    let answer = server.redeem(&client, &parameter(&location, "code").unwrap()).await;
    assert_eq!(answer.json()["scope"], "user");
}

#[tokio::test]
async fn as_61_errors_reach_the_client_only_after_sign_in() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let broken = query(&client.id, &[("response_type", "token")]);
    let answer = server.get(&format!("/authorize?{broken}")).await;
    assert!(answer.location().starts_with("/login?"));
    // A browser that is signed in already gets the error at once.
    let mut browser = Browser::default();
    browser.sign_in(&server, &query(&client.id, &[])).await.is_page(200);
    let location = browser.get(&server, &format!("/authorize?{broken}")).await.location();
    assert!(location.starts_with("http://localhost:3030/callback?error="), "{location}");
}

#[tokio::test]
async fn a_repeated_get_has_no_side_effect() {
    let mut settings = settings();
    settings.limits.pending_authorizations_per_peer = 2;
    let server = Server::with(settings).await;
    let client = server.public_client().await;
    let query = query(&client.id, &[]);
    // A look ahead without cookies, as some clients do, then the user's browser, twice.
    assert!(server.get(&format!("/authorize?{query}")).await.location().starts_with("/login?"));
    let mut browser = Browser::default();
    let mut seen = HashSet::new();
    for _ in 0..5 {
        seen.insert(browser.get(&server, &format!("/authorize?{query}")).await.location());
    }
    assert_eq!(seen.len(), 1, "one record, found again");
    let consent = browser.sign_in(&server, &query).await;
    assert!(browser.decide(&server, &consent, "approve").await.location().contains("?code="));
}

#[tokio::test]
async fn browsers_and_scripts_are_redirected_alike() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let path = format!("/authorize?{}", query(&client.id, &[]));
    for fields in [
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-mode", "cors"), ("accept", "application/json")],
        &[("accept", "*/*")],
    ] {
        let answer = server.send(request(http::Method::GET, &path, fields, "".into())).await;
        assert!(answer.location().starts_with("/login?request="));
    }
}

#[tokio::test]
async fn as_22_a_client_known_beforehand() {
    let uris = ["http://127.0.0.1:3000/callback"];
    let server = Server::with(settings().with_public_client("tool", "Tool", uris).unwrap()).await;
    let client = Client { id: "tool".into(), secret: None };
    let here = "http://127.0.0.1:41000/callback";
    let location = server.authorize(&query("tool", &[("redirect_uri", here)])).await;
    let code = parameter(&location, "code").unwrap();
    let mut form = redemption(&code);
    form[2].1 = here;
    let (_, refresh) = server.token(&client, &form).await.tokens();
    assert_eq!(server.refresh(&client, &refresh).await.status, 200);
    server.get(&format!("/authorize?{}", query("tool", &[]))).await.is_page(400);
}

#[tokio::test]
async fn sec_256_a_resource_server_is_no_client() {
    let server = Server::new().await;
    let credentials = server.server.introspection_credentials(OPAQUE).unwrap();
    let id = credentials.client_id.clone();
    server.get(&format!("/authorize?{}", query(&id, &[]))).await.is_page(400);
    let client = Client { id, secret: Some(credentials.client_secret.clone()) };
    let refused = (400, "unauthorized_client".to_owned());
    assert_eq!(server.redeem(&client, "x").await.refusal(), refused);
    assert_eq!(server.refresh(&client, "x").await.refusal(), refused);
}

#[tokio::test]
async fn sec_214_a_client_that_goes_away_meanwhile() {
    let mut settings = settings();
    settings.lifetimes.unused_client = std::time::Duration::from_secs(60);
    let server = Server::with(settings).await;
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.sign_in(&server, &query(&client.id, &[])).await;
    server.pass_secs(60);
    server.public_client().await; // makes the server forget the old one
    browser.decide(&server, &page, "approve").await.is_page(400);
}

#[tokio::test]
async fn lim_17_pending_authorizations() {
    let mut settings = settings();
    settings.limits.pending_authorizations_per_peer = 2;
    let server = Server::with(settings).await;
    let client = server.public_client().await;
    let path = format!("/authorize?{}", query(&client.id, &[]));
    for _ in 0..2 {
        assert!(server.get(&path).await.location().starts_with("/login?"));
    }
    server.get(&path).await.is_page(429);
    server.pass_secs(600);
    assert!(server.get(&path).await.location().starts_with("/login?"));
}

#[tokio::test]
async fn sec_213_state() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let odd = "\u{1f980} %&=+\"<script>' \\";
    let location = server.authorize(&query(&client.id, &[("state", odd)])).await;
    assert_eq!(parameter(&location, "state").as_deref(), Some(odd));
    let location = server.authorize(&query(&client.id, &[("state", "")])).await;
    assert_eq!(parameter(&location, "state"), None);
    let huge = query(&client.id, &[("state", &"x".repeat(100 * 1024))]);
    // The router's request target has its own limit; within it the query is refused by ours.
    let at_most = huge.get(..40 * 1024).unwrap();
    server.get(&format!("/authorize?{at_most}")).await.is_page(400);
}
