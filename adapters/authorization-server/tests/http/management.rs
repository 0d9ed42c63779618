//! Clients that look after their registration (RFC 7592).

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::*;

/// A registered client, the path of its registration and the field that opens it.
struct Registration {
    client: Client,
    path: String,
    bearer: String,
    answer: Value,
}

async fn register(server: &Server, method: &str) -> Registration {
    let answer = server
        .register(json!({
            "client_name": "App",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": method,
        }))
        .await
        .json();
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Registration {
        client: Client { id: text("client_id").unwrap(), secret: text("client_secret") },
        path: text("registration_client_uri").unwrap().replace(ISSUER, ""),
        bearer: format!("Bearer {}", text("registration_access_token").unwrap()),
        answer,
    }
}

async fn send(server: &Server, method: Method, path: &str, bearer: &str, body: Value) -> Answer {
    let fields = [("authorization", bearer), ("content-type", "application/json")];
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    server.send(request(method, path, &fields, body)).await
}

#[tokio::test]
async fn as_130_as_131_a_client_reads_and_replaces_its_registration() {
    let server = Server::new().await;
    for method in ["none", "client_secret_post"] {
        let own = register(&server, method).await;
        let read = send(&server, Method::GET, &own.path, &own.bearer, Value::Null).await;
        assert_eq!(read.status, StatusCode::OK, "{}", read.body);
        assert_eq!(read.field("cache-control"), Some("no-store"));
        let mut expected = own.answer.clone();
        // A secret is shown once (SEC-262).
        expected.as_object_mut().unwrap().remove("client_secret");
        assert_eq!(read.json(), expected);
        let other = "http://localhost:3030/other";
        let mut update = json!({ "client_id": own.client.id, "redirect_uris": [other],
            "token_endpoint_auth_method": method });
        if let Some(secret) = &own.client.secret {
            update["client_secret"] = json!(secret);
        }
        let updated = send(&server, Method::PUT, &own.path, &own.bearer, update).await;
        assert_eq!(updated.status, StatusCode::OK, "{}", updated.body);
        let told = updated.json();
        assert_eq!(told["redirect_uris"], json!([other]));
        // What is not sent is gone.
        assert_eq!(told["client_name"], Value::Null);
        assert_eq!(told["grant_types"], json!(["authorization_code"]));
        let ask = async |redirect: &str| {
            let query = query(&own.client.id, &[("redirect_uri", redirect)]);
            server.get(&format!("/authorize?{query}")).await
        };
        ask(REDIRECT).await.is_page(400);
        assert!(ask(other).await.location().starts_with("/login?"));
    }
}

#[tokio::test]
async fn as_131_what_an_update_must_not_say() {
    let server = Server::new().await;
    let own = register(&server, "client_secret_post").await;
    let good = json!({ "client_id": own.client.id, "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "client_secret_post" });
    for (name, value, error) in [
        ("registration_access_token", json!("x"), "invalid_client_metadata"),
        ("registration_client_uri", json!("x"), "invalid_client_metadata"),
        ("client_secret_expires_at", json!(0), "invalid_client_metadata"),
        ("client_id_issued_at", json!(0), "invalid_client_metadata"),
        ("client_id", json!("client-other"), "invalid_client_metadata"),
        ("client_id", Value::Null, "invalid_client_metadata"),
        ("client_secret", json!("other"), "invalid_client_metadata"),
        ("token_endpoint_auth_method", json!("none"), "invalid_client_metadata"),
        ("redirect_uris", json!(["javascript:alert(1)"]), "invalid_redirect_uri"),
        ("grant_types", json!(["client_credentials"]), "invalid_client_metadata"),
    ] {
        let mut update = good.clone();
        update[name] = value.clone();
        let answer = send(&server, Method::PUT, &own.path, &own.bearer, update).await;
        assert_eq!(answer.refusal(), (400, error.into()), "{name} {value}");
    }
    let read = send(&server, Method::GET, &own.path, &own.bearer, Value::Null).await.json();
    assert_eq!(read["client_name"], "App", "nothing has changed");
    let answer = send(&server, Method::PUT, &own.path, &own.bearer, good).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn as_132_sec_258_a_token_is_for_its_own_registration() {
    let server = Server::new().await;
    let (own, other) = (register(&server, "none").await, register(&server, "none").await);
    let basic = basic(&own.client.id, "x");
    for (path, bearer) in [
        (&own.path, other.bearer.as_str()),
        (&own.path, "Bearer guess"),
        (&own.path, "Bearer "),
        (&own.path, &basic),
        (&"/register/client-unknown".to_owned(), &own.bearer),
        (&"/register/service-1".to_owned(), &own.bearer),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = send(&server, method.clone(), path, bearer, Value::Null).await;
            // After some tries nobody is listened to any more.
            let status = answer.status.as_u16();
            assert!(matches!(status, 401 | 429), "{method} {path} {status}");
            if status == 401 {
                assert!(answer.field("www-authenticate").unwrap().starts_with("Bearer"));
                assert_eq!(answer.body, "");
            }
        }
    }
    let good = send(&server, Method::GET, &own.path, &own.bearer, Value::Null).await;
    assert_eq!(good.status, StatusCode::TOO_MANY_REQUESTS, "guesses are counted (LIM-20)");
    server.pass_secs(60);
    let good = send(&server, Method::GET, &own.path, &own.bearer, Value::Null).await;
    assert_eq!(good.status, StatusCode::OK);
    let method = send(&server, Method::POST, &own.path, &own.bearer, Value::Null).await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn as_132_deletion_ends_everything_that_the_client_has() {
    let server = Server::new().await;
    let own = register(&server, "none").await;
    let (access, refresh) = server.tokens(&own.client, OPAQUE).await;
    let code = server.code(&own.client, OPAQUE).await;
    let gone = send(&server, Method::DELETE, &own.path, &own.bearer, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert!(!server.is_active(OPAQUE, &access).await);
    assert_eq!(server.refresh(&own.client, &refresh).await.refusal().1, "invalid_client");
    assert_eq!(server.redeem(&own.client, &code).await.refusal().1, "invalid_client");
    let again = send(&server, Method::GET, &own.path, &own.bearer, Value::Null).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
}
