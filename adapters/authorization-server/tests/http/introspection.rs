//! `/introspect` and `/revoke`.

use http::StatusCode;
use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn sec_300_only_resource_servers_may_introspect() {
    let server = Server::new().await;
    let public = server.public_client().await;
    let confidential = server.client_with("client_secret_post").await;
    let (access, _) = server.tokens(&confidential, OPAQUE).await;
    let form = [("token", access.as_str())];
    let refused = (401, "invalid_client".to_owned());
    let credentials = server.server.introspection_credentials(OPAQUE).unwrap();
    for caller in [
        Client { id: credentials.client_id.clone(), secret: Some("wrong".into()) },
        Client { id: credentials.client_id.clone(), secret: None },
        Client { id: "unknown".into(), secret: Some("x".into()) },
        public,
        confidential, // its own token, and the right secret
    ] {
        let answer = server.as_client("/introspect", &caller, &form).await;
        assert_eq!(answer.refusal(), refused, "{}", caller.id);
        assert!(!answer.body.contains("active"));
    }
    let nobody = server.post_form("/introspect", &[], &form).await;
    assert_eq!(nobody.refusal(), refused);
    assert!(nobody.field("www-authenticate").is_some());
    let rightful = Client {
        id: credentials.client_id.clone(),
        secret: Some(credentials.client_secret.clone()),
    };
    let answer = server.as_client("/introspect", &rightful, &form).await;
    assert_eq!(answer.json()["active"], true);
}

#[tokio::test]
async fn sec_302_a_resource_server_sees_its_own_tokens_only() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for (own, other) in [(OPAQUE, SIGNED), (SIGNED, OPAQUE)] {
        let (access, _) = server.tokens(&client, own).await;
        assert!(server.is_active(own, &access).await);
        assert!(!server.is_active(other, &access).await);
    }
}

#[tokio::test]
async fn sec_301_sec_303_everything_else_is_inactive() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let code = server.code(&client, OPAQUE).await;
    assert!(!server.is_active(OPAQUE, &code).await);
    let (access, refresh) = server.redeem(&client, &code).await.tokens();
    let near = format!("{}0", &access[..access.len() - 1]);
    let near = if near == access { format!("{}1", &access[..access.len() - 1]) } else { near };
    for other in [refresh.as_str(), near.as_str(), "", "a.b.c", &"x".repeat(8_000)] {
        assert!(!server.is_active(OPAQUE, other).await);
    }
    assert!(server.is_active(OPAQUE, &access).await);
}

#[tokio::test]
async fn sec_304_expired_tokens_are_inactive() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for resource in [OPAQUE, SIGNED] {
        let (access, _) = server.tokens(&client, resource).await;
        server.pass_secs(599);
        assert!(server.is_active(resource, &access).await);
        server.pass_secs(1);
        assert!(!server.is_active(resource, &access).await);
    }
    server.server.sweep().await;
}

#[tokio::test]
async fn sec_305_hints() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let (access, _) = server.tokens(&client, OPAQUE).await;
    let credentials = server.server.introspection_credentials(OPAQUE).unwrap();
    let caller = Client {
        id: credentials.client_id.clone(),
        secret: Some(credentials.client_secret.clone()),
    };
    for hint in ["refresh_token", "unknown", "access_token"] {
        let form = [("token", access.as_str()), ("token_type_hint", hint)];
        let answer = server.as_client("/introspect", &caller, &form).await;
        assert_eq!(answer.json()["active"], true, "{hint}");
    }
    let twice = [("token", access.as_str()), ("token", "x")];
    for path in ["/introspect", "/revoke"] {
        let answer = server.as_client(path, &caller, &twice).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{path}");
    }
}

#[tokio::test]
async fn sec_307_tokens_are_not_taken_from_the_url() {
    let server = Server::new().await;
    for path in ["/introspect?token=x", "/revoke?token=x"] {
        assert_eq!(server.get(path).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn sec_308_revoking_what_belongs_to_another_client() {
    let server = Server::new().await;
    let (client, other) = (server.public_client().await, server.public_client().await);
    for resource in [OPAQUE, SIGNED] {
        let (access, refresh) = server.tokens(&client, resource).await;
        for token in [&access, &refresh] {
            let answer = server.as_client("/revoke", &other, &[("token", token)]).await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
        }
        assert!(server.is_active(resource, &access).await);
        let answer = server.as_client("/revoke", &client, &[("token", &access)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
        assert!(!server.is_active(resource, &access).await);
    }
}

#[tokio::test]
async fn sec_309_revoking_a_refresh_token_ends_the_grant() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_post").await;
    for hint in ["refresh_token", "access_token", "unknown"] {
        for resource in [OPAQUE, SIGNED] {
            let (access, refresh) = server.tokens(&client, resource).await;
            let form = [("token", refresh.as_str()), ("token_type_hint", hint)];
            let naked = Client { secret: None, ..client.clone() };
            let refused = server.as_client("/revoke", &naked, &form).await.refusal();
            assert_eq!(refused, (401, "invalid_client".into()));
            assert!(server.is_active(resource, &access).await);
            let answer = server.as_client("/revoke", &client, &form).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert!(!server.is_active(resource, &access).await);
            let refused = server.refresh(&client, &refresh).await.refusal();
            assert_eq!(refused, (400, "invalid_grant".into()));
        }
    }
}

#[tokio::test]
async fn as_142_unknown_tokens_are_revoked_already() {
    let server = Server::new().await;
    let client = server.public_client().await;
    for token in ["unknown", "a.b.c", "sha256:x"] {
        let answer = server.as_client("/revoke", &client, &[("token", token)]).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let missing = server.as_client("/revoke", &client, &[]).await.refusal();
    assert_eq!(missing, (400, "invalid_request".into()));
}

#[tokio::test]
async fn guessing_a_resource_servers_secret_is_throttled() {
    let server = Server::new().await;
    let credentials = server.server.introspection_credentials(OPAQUE).unwrap();
    let wrong = Client { id: credentials.client_id.clone(), secret: Some("wrong".into()) };
    for _ in 0..10 {
        let answer = server.as_client("/introspect", &wrong, &[("token", "x")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let answer = server.as_client("/introspect", &wrong, &[("token", "x")]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    server.pass_secs(60);
    assert_eq!(server.introspect(OPAQUE, "x").await, json!({ "active": false }));
}
