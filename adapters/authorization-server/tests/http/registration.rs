//! `/register` over HTTP; what metadata is taken is tested beside the code.

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::*;

fn minimal() -> serde_json::Value {
    json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none" })
}

#[tokio::test]
async fn as_121_success() {
    let server = Server::new().await;
    let answer = server.register(minimal()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let public = answer.json();
    assert!(public["client_id"].as_str().unwrap().starts_with("client-"));
    assert_eq!(public["redirect_uris"], json!([REDIRECT]));
    assert_eq!(public["token_endpoint_auth_method"], "none");
    assert_eq!(public["client_id_issued_at"], server.now_secs());
    for absent in ["client_secret", "client_secret_expires_at"] {
        assert!(public.get(absent).is_none(), "{absent}");
    }
    let confidential = server.register(json!({ "redirect_uris": [REDIRECT] })).await.json();
    assert_eq!(confidential["token_endpoint_auth_method"], "client_secret_basic");
    assert!(confidential["client_secret"].as_str().unwrap().len() >= 43);
    assert_eq!(confidential["client_secret_expires_at"], 0);
    assert_ne!(public["client_id"], confidential["client_id"]);
}

#[tokio::test]
async fn clients_without_application_type_may_use_loopback() {
    let server = Server::new().await;
    for uri in [REDIRECT, "http://127.0.0.1:33418/", "http://127.0.0.1/", "http://[::1]:5000/cb"] {
        let answer = server.register(json!({ "redirect_uris": [uri] })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{uri} {}", answer.body);
    }
    let answer =
        server.register(json!({ "redirect_uris": [REDIRECT], "application_type": "web" })).await;
    assert_eq!(answer.refusal(), (400, "invalid_redirect_uri".into()));
    let answer = server.register(json!({ "redirect_uris": ["com.app:/cb"] })).await;
    assert_eq!(answer.refusal(), (400, "invalid_redirect_uri".into()));
}

#[tokio::test]
async fn as_120_media_type_method_and_size() {
    let server = Server::new().await;
    assert_eq!(server.get("/register").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let send = async |content_type: &str, body: String| {
        let fields = [("content-type", content_type)];
        server.send(request(Method::POST, "/register", &fields, body.into())).await
    };
    let form = send("application/x-www-form-urlencoded", "a=b".into()).await;
    assert_eq!(form.refusal(), (415, "invalid_client_metadata".into()));
    let broken = send("application/json", "{".into()).await;
    assert_eq!(broken.refusal(), (400, "invalid_client_metadata".into()));
    for (len, status) in [(16 * 1024 - 1, 201), (16 * 1024, 201), (16 * 1024 + 1, 413)] {
        let mut body = minimal().to_string();
        body.push_str(&" ".repeat(len - body.len()));
        let answer = send("application/json; charset=utf-8", body).await;
        assert_eq!(answer.status.as_u16(), status, "{len}");
    }
}

#[tokio::test]
async fn lim_16_registrations_per_peer() {
    let mut settings = settings();
    settings.limits.registrations_per_peer_per_hour = 2;
    let server = Server::with(settings).await;
    for _ in 0..2 {
        assert_eq!(server.register(minimal()).await.status, StatusCode::CREATED);
    }
    let answer = server.register(minimal()).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.field("retry-after").is_some());
    server.pass_secs(60 * 60);
    assert_eq!(server.register(minimal()).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn sec_211_what_forwarded_headers_say_is_no_other_peer() {
    let mut settings = settings();
    settings.limits.registrations_per_peer_per_hour = 2;
    let server = Server::with(settings).await;
    for (at, status) in [(1, 201), (2, 201), (3, 429), (4, 429)] {
        let (address, element) = (format!("192.0.2.{at}"), format!("for=192.0.2.{at}"));
        let fields = [
            ("content-type", "application/json"),
            ("x-forwarded-for", &address),
            ("x-real-ip", &address),
            ("forwarded", &element),
        ];
        let body = minimal().to_string().into();
        let answer = server.send(request(Method::POST, "/register", &fields, body)).await;
        assert_eq!(answer.status.as_u16(), status, "{at}");
    }
}

#[tokio::test]
async fn lim_16_unused_clients() {
    let mut settings = settings();
    settings.limits.unused_clients = 2;
    let server = Server::with(settings).await;
    let used = server.public_client().await;
    server.tokens(&used, OPAQUE).await;
    let unused = server.public_client().await;
    assert_eq!(server.register(minimal()).await.status, StatusCode::CREATED);
    assert_eq!(server.register(minimal()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    server.pass_secs(24 * 60 * 60);
    assert_eq!(server.register(minimal()).await.status, StatusCode::CREATED);
    // The unused client is gone, the used one is not.
    let path = |client: &Client| format!("/authorize?{}", query(&client.id, &[]));
    server.get(&path(&unused)).await.is_page(400);
    assert!(server.get(&path(&used)).await.location().starts_with("/login?"));
}

#[tokio::test]
async fn sec_255_registration_can_be_closed() {
    let mut settings = settings();
    settings.registration = false;
    let server = Server::with(settings).await;
    assert_eq!(server.register(minimal()).await.status, StatusCode::NOT_FOUND);
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata.get("registration_endpoint").is_none());
}
