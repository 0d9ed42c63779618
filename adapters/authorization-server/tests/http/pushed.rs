//! Authorization requests that clients push ahead of their user (RFC 9126).

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::json;

use crate::databases::{TestDatabase, durable};
use crate::harness::*;

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// Pushes a good request with `changes`, as `client`.
async fn push(server: &Server, client: &Client, changes: &[(&str, &str)]) -> Answer {
    let mut changes = changes.to_vec();
    if let Some(secret) = &client.secret {
        changes.push(("client_secret", secret));
    }
    push_text(server, &query(&client.id, &changes)).await
}

async fn push_text(server: &Server, form: &str) -> Answer {
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    server.send(request(Method::POST, "/par", &fields, Body::from(form.to_owned()))).await
}

/// The name of a request that was pushed.
fn name(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

/// What the browser brings.
fn short(client: &Client, request_uri: &str) -> String {
    encode(&[("client_id", &client.id), ("request_uri", request_uri)])
}

#[tokio::test]
async fn as_150_as_151_a_whole_flow() {
    let server = Server::new().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["pushed_authorization_request_endpoint"], format!("{ISSUER}/par"));
    assert!(metadata.get("require_pushed_authorization_requests").is_none());
    for method in ["none", "client_secret_post"] {
        let client = server.client_with(method).await;
        for resource in [OPAQUE, SIGNED] {
            let answer =
                push(&server, &client, &[("resource", resource), ("scope", "user admin")]).await;
            let request_uri = name(&answer);
            assert_eq!(answer.json()["expires_in"], 60);
            assert_eq!(answer.field("cache-control"), Some("no-store"));
            // 256 bits, in hexadecimal.
            assert_eq!(request_uri.strip_prefix(PREFIX).unwrap().len(), 64);
            // What else the browser brings counts for nothing (RFC 9126 §4).
            let more = encode(&[
                ("client_id", &client.id),
                ("request_uri", &request_uri),
                ("redirect_uri", "https://evil.example/"),
                ("scope", "user"),
                ("state", "other"),
                ("resource", "https://other.example"),
            ]);
            let location = server.authorize(&more).await;
            assert!(location.starts_with(&format!("{REDIRECT}?")), "{location}");
            assert_eq!(parameter(&location, "state").as_deref(), Some("st&te=1"));
            assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER));
            let code = parameter(&location, "code").unwrap();
            let issued = server.redeem(&client, &code).await;
            assert_eq!(issued.status, StatusCode::OK, "{}", issued.body);
            assert_eq!(issued.json()["scope"], "admin user");
            let (access, _) = issued.tokens();
            assert!(server.is_active(resource, &access).await);
        }
    }
}

/// Redirect rules are those of a plain request: any loopback port, and the answer goes to that one.
#[tokio::test]
async fn as_55_as_150_the_pushed_redirect_uri_is_judged_as_any_other() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let other_port = "http://localhost:41234/callback";
    let request_uri = name(&push(&server, &client, &[("redirect_uri", other_port)]).await);
    let location = server.authorize(&short(&client, &request_uri)).await;
    assert!(location.starts_with(&format!("{other_port}?")), "{location}");
    let code = parameter(&location, "code").unwrap();
    let mut form = redemption(&code);
    form[2] = ("redirect_uri", REDIRECT);
    assert_eq!(server.token(&client, &form).await.refusal().1, "invalid_grant");
    form[2] = ("redirect_uri", other_port);
    assert_eq!(server.token(&client, &form).await.status, StatusCode::OK);
}

#[tokio::test]
async fn as_150_what_is_wrong_is_said_at_once() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_post").await;
    for (changes, expected) in [
        (vec![("redirect_uri", "")], "invalid_request"),
        (vec![("redirect_uri", "https://evil.example/")], "invalid_request"),
        (vec![("redirect_uri", "http://127.0.0.1:3030/callback")], "invalid_request"),
        (vec![("request_uri", "urn:x")], "invalid_request"),
        (vec![("resource", "")], "invalid_target"),
        (vec![("resource", "https://other.example")], "invalid_target"),
        (vec![("scope", "nothing")], "invalid_scope"),
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
    ] {
        let answer = push(&server, &client, &changes).await;
        assert_eq!(answer.refusal(), (400, expected.into()), "{changes:?}");
    }
    let good = query(&client.id, &[("client_secret", client.secret.as_deref().unwrap())]);
    assert_eq!(push_text(&server, &good).await.status, StatusCode::CREATED);
    let twice = push_text(&server, &format!("{good}&state=again")).await;
    assert_eq!(twice.refusal(), (400, "invalid_request".into()));
    let resources =
        push_text(&server, &format!("{good}&{}", encode(&[("resource", SIGNED)]))).await;
    assert_eq!(resources.refusal(), (400, "invalid_target".into()));
    let large = push_text(&server, &format!("{good}&x={}", "x".repeat(64 * 1024))).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.get("/par").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let json = request(Method::POST, "/par", &[("content-type", "application/json")], "{}".into());
    assert_eq!(server.send(json).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// Who does not prove to be the client learns nothing, and cannot guess on (LIM-20).
#[tokio::test]
async fn as_81_lim_20_a_client_authenticates_as_at_the_token_endpoint() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_basic").await;
    let refused = (401, "invalid_client".to_owned());
    let good = query(&client.id, &[]);
    let bad = query(&client.id, &[("redirect_uri", "https://evil.example/")]);
    for form in [&good, &bad] {
        assert_eq!(push_text(&server, form).await.refusal(), refused);
    }
    assert_eq!(push_text(&server, &query("client-unknown", &[])).await.refusal(), refused);
    let by_field = async |secret: &str, form: &str| {
        let field = basic(&client.id, secret);
        let fields = [
            ("authorization", field.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let body = Body::from(form.to_owned());
        server.send(request(Method::POST, "/par", &fields, body)).await
    };
    for attempt in 0..10 {
        let form = if attempt % 2 == 0 { &good } else { &bad };
        let answer = by_field("wrong", form).await;
        assert_eq!(answer.refusal(), refused);
        assert!(answer.field("www-authenticate").unwrap().starts_with("Basic "));
    }
    let secret = client.secret.clone().unwrap();
    assert_eq!(by_field(&secret, &good).await.status, StatusCode::TOO_MANY_REQUESTS);
    server.pass_secs(60);
    assert_eq!(by_field(&secret, &good).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn as_151_a_name_is_for_its_client_and_for_a_minute() {
    let server = Server::new().await;
    let (client, other) = (server.public_client().await, server.public_client().await);
    let request_uri = name(&push(&server, &client, &[]).await);
    let ask = async |client: &Client, request_uri: &str| {
        server.get(&format!("/authorize?{}", short(client, request_uri))).await
    };
    ask(&other, &request_uri).await.is_page(400);
    for unknown in [
        format!("{PREFIX}{}", "0".repeat(64)),
        "https://client.example/request.jwt".into(),
        "sha256:abc".into(),
    ] {
        ask(&client, &unknown).await.is_page(400);
    }
    server
        .get(&format!("/authorize?{}", encode(&[("request_uri", &request_uri)])))
        .await
        .is_page(400);
    // It did not suffer from any of that.
    server.pass_secs(59);
    let mut browser = Browser::default();
    let consent = browser.sign_in(&server, &short(&client, &request_uri)).await;
    server.pass_secs(1);
    ask(&client, &request_uri).await.is_page(400);
    // From then on the user has the time that every user has.
    server.pass_secs(500);
    server.server.sweep().await;
    assert!(browser.decide(&server, &consent, "approve").await.location().contains("code="));
}

#[tokio::test]
async fn as_151_a_name_is_decided_on_once_however_often_it_is_brought() {
    for database in TestDatabase::each() {
        let server = Server::with(durable(database.place())).await;
        let client = server.public_client().await;
        for (first, second) in [("approve", "approve"), ("deny", "approve")] {
            let request_uri = name(&push(&server, &client, &[]).await);
            let query = short(&client, &request_uri);
            // A program looks first (a GET changes nothing), and a page is reloaded.
            let path = format!("/authorize?{query}");
            assert!(server.get(&path).await.location().starts_with("/login?"));
            let mut browser = Browser::default();
            browser.get(&server, &path).await;
            let waiting = browser.get(&server, &path).await.location();
            assert_eq!(browser.get(&server, &path).await.location(), waiting);
            let page = browser.sign_in(&server, &query).await;
            let mut other = Browser::default();
            let other_page = other.sign_in(&server, &query).await;
            let location = browser.decide(&server, &page, first).await.location();
            let expected = if first == "approve" { "code" } else { "error" };
            assert!(parameter(&location, expected).is_some(), "{location}");
            other.decide(&server, &other_page, second).await.is_page(400);
            browser.get(&server, &path).await.is_page(400);
        }
        // Many at once, at two servers: one of them gets a code.
        let second = Server::with(durable(database.place())).await;
        let query = short(&client, &name(&push(&server, &client, &[]).await));
        let decide = async || {
            let mut browser = Browser::default();
            let page = browser.sign_in(&server, &query).await;
            (browser, page)
        };
        let (mut a, mut b, mut c) = (decide().await, decide().await, decide().await);
        let (a, b, c) = tokio::join!(
            a.0.decide(&server, &a.1, "approve"),
            b.0.decide(&second, &b.1, "approve"),
            c.0.decide(&server, &c.1, "approve")
        );
        let codes = [a, b, c].iter().filter(|it| it.status == StatusCode::SEE_OTHER).count();
        assert_eq!(codes, 1);
    }
}

#[tokio::test]
async fn as_152_a_server_may_require_that_requests_are_pushed() {
    let mut settings = settings();
    settings.require_pushed_requests = true;
    let server = Server::with(settings).await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["require_pushed_authorization_requests"], json!(true));
    let client = server.public_client().await;
    let mut browser = Browser::default();
    let page = browser.ask(&server, &query(&client.id, &[])).await;
    let signed_in = browser.log_in(&server, &page, "demo_password").await;
    let location = browser.get(&server, &signed_in.location()).await;
    // The client hears of it, once the user has signed in (AS-61).
    let location = match location.status {
        StatusCode::SEE_OTHER => location.location(),
        _ => signed_in.location(),
    };
    assert_eq!(parameter(&location, "error").as_deref(), Some("invalid_request"), "{location}");
    let request_uri = name(&push(&server, &client, &[]).await);
    assert!(server.authorize(&short(&client, &request_uri)).await.contains("code="));
}

#[tokio::test]
async fn lim_17_pushed_requests_are_counted() {
    let limited = |per_peer: u32, in_all: usize| {
        let mut settings = settings();
        settings.limits.pushed_requests_per_peer_per_minute = per_peer;
        settings.limits.pushed_requests = in_all;
        settings
    };
    let too_many = (429, "temporarily_unavailable".to_owned());
    let server = Server::with(limited(2, 1_000)).await;
    let client = server.public_client().await;
    for _ in 0..2 {
        name(&push(&server, &client, &[]).await);
    }
    assert_eq!(push(&server, &client, &[]).await.refusal(), too_many);
    server.pass_secs(60);
    name(&push(&server, &client, &[]).await);
    for database in TestDatabase::each() {
        let mut settings = durable(database.place());
        settings.limits.pushed_requests = 3;
        let server = Server::with(settings).await;
        let client = server.public_client().await;
        for _ in 0..3 {
            name(&push(&server, &client, &[]).await);
        }
        assert_eq!(push(&server, &client, &[]).await.refusal(), too_many);
        server.pass_secs(60);
        name(&push(&server, &client, &[]).await);
    }
}

#[tokio::test]
async fn sec_214_what_was_pushed_ends_with_its_client() {
    for database in TestDatabase::each() {
        let server = Server::with(durable(database.place())).await;
        let registered = server
            .register(json!({ "client_name": "A", "redirect_uris": [REDIRECT],
                "token_endpoint_auth_method": "none" }))
            .await
            .json();
        let id = registered["client_id"].as_str().unwrap().to_owned();
        let client = Client { id: id.clone(), secret: None };
        let request_uri = name(&push(&server, &client, &[]).await);
        let path = format!("/authorize?{}", short(&client, &request_uri));
        assert!(server.get(&path).await.location().starts_with("/login?"));
        let bearer =
            format!("Bearer {}", registered["registration_access_token"].as_str().unwrap());
        let fields = [("authorization", bearer.as_str())];
        let own = format!("/register/{id}");
        let deleted = server.send(request(Method::DELETE, &own, &fields, Body::empty())).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        server.get(&path).await.is_page(400);
        assert_eq!(push(&server, &client, &[]).await.refusal(), (401, "invalid_client".into()));
    }
}
