//! Metadata and whole flows.

use http::StatusCode;
use portcullis_core::encoding::scratch::Scratch;
use portcullis_core::jwt::{KeyRing, UnverifiedJwt};
use portcullis_core::limits::SCRATCH_LEN;
use serde_json::json;

use crate::authorization::error_of;
use crate::harness::*;

#[tokio::test]
async fn as_02_metadata() {
    let server = Server::new().await;
    let answer = server.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    let metadata = answer.json();
    for (name, expected) in [
        ("issuer", json!(ISSUER)),
        ("authorization_endpoint", json!("http://localhost:9000/authorize")),
        ("token_endpoint", json!("http://localhost:9000/token")),
        ("registration_endpoint", json!("http://localhost:9000/register")),
        ("introspection_endpoint", json!("http://localhost:9000/introspect")),
        ("revocation_endpoint", json!("http://localhost:9000/revoke")),
        ("device_authorization_endpoint", json!("http://localhost:9000/device_authorization")),
        ("response_types_supported", json!(["code"])),
        (
            "grant_types_supported",
            json!([
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
            ]),
        ),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("scopes_supported", json!(["user", "admin"])),
    ] {
        assert_eq!(metadata[name], expected, "{name}");
    }
    assert_eq!(server.get("/.well-known/openid-configuration").await.status, 404);
}

/// What the document offers works, and what it does not offer is refused.
#[tokio::test]
async fn sec_175_metadata_is_the_running_configuration() {
    let server = Server::new().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    let offers =
        |list: &str, value: &str| metadata[list].as_array().unwrap().contains(&json!(value));
    // Keys are known beforehand, so that nobody registers for `private_key_jwt`.
    for method in ["none", "client_secret_basic", "client_secret_post", "tls"] {
        let client = json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": method });
        let accepted = server.register(client).await.status == StatusCode::CREATED;
        assert_eq!(offers("token_endpoint_auth_methods_supported", method), accepted, "{method}");
    }
    let client = server.public_client().await;
    for grant in ["authorization_code", "refresh_token", "client_credentials", "password", "none"] {
        let (_, error) = server.token(&client, &[("grant_type", grant)]).await.refusal();
        let known = error != "unsupported_grant_type";
        assert_eq!(offers("grant_types_supported", grant), known, "{grant}");
    }
    for (list, name, values) in [
        ("protected_resources", "resource", &[OPAQUE, SIGNED, "http://localhost:8003/mcp"][..]),
        ("scopes_supported", "scope", &["user", "admin", "other"]),
        ("code_challenge_methods_supported", "code_challenge_method", &["S256", "plain"]),
        ("response_types_supported", "response_type", &["code", "token"]),
    ] {
        for value in values {
            let accepted = error_of(&server, &query(&client.id, &[(name, value)])).await == "none";
            assert_eq!(offers(list, value), accepted, "{name} {value}");
        }
    }
    for endpoint in [
        "token",
        "registration",
        "introspection",
        "revocation",
        "device_authorization",
        "pushed_authorization_request",
    ] {
        let url = metadata[format!("{endpoint}_endpoint")].as_str().unwrap();
        let answer = server.post_form(url.strip_prefix(ISSUER).unwrap(), &[], &[]).await;
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{endpoint}");
    }
    for absent in ["jwks_uri", "dpop_signing_alg_values_supported"] {
        assert_eq!(metadata[absent], json!(null));
    }
    let mut closed = settings();
    closed.registration = false;
    let server = Server::with(closed).await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["registration_endpoint"], json!(null));
    assert_eq!(server.post_form("/register", &[], &[]).await.status, StatusCode::NOT_FOUND);
}

/// A document is only published if clients read it whole.
#[tokio::test]
async fn lim_11_metadata_length() {
    let with_scopes = async |count: usize| {
        let resource = portcullis_authorization_server::Resource::new(
            OPAQUE,
            "Clock",
            portcullis_authorization_server::TokenFormat::Opaque,
        );
        let resource = (0..count).fold(resource.unwrap(), |resource, at| {
            resource.with_scope(format!("{at:0>64}"), "words")
        });
        let settings = portcullis_authorization_server::Settings::demo(ISSUER).unwrap();
        let made = portcullis_authorization_server::AuthorizationServer::new(
            settings.with_resource(resource),
        );
        made.await.err()
    };
    assert_eq!(with_scopes(900).await, None);
    let too_long = portcullis_authorization_server::SettingsError::Metadata;
    assert_eq!(with_scopes(1_000).await, Some(too_long));
}

#[tokio::test]
async fn as_04_issuer_with_a_path() {
    let resource = portcullis_authorization_server::Resource::new(
        OPAQUE,
        "Clock",
        portcullis_authorization_server::TokenFormat::Opaque,
    );
    let settings = portcullis_authorization_server::Settings::demo("http://localhost:9000/t1")
        .unwrap()
        .with_resource(resource.unwrap().with_scope("user", "words"));
    let server = Server::with(settings).await;
    let metadata = server.get("/.well-known/oauth-authorization-server/t1").await.json();
    assert_eq!(metadata["issuer"], "http://localhost:9000/t1");
    assert_eq!(metadata["token_endpoint"], "http://localhost:9000/t1/token");
    assert_eq!(server.get("/.well-known/oauth-authorization-server").await.status, 404);
    assert_eq!(server.get("/token").await.status, 404);
    assert_eq!(server.get("/t1/token").await.status, 405);
}

#[tokio::test]
async fn as_15_no_secret_key_is_published() {
    let server = Server::new().await;
    let answer = server.get("/jwks").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "keys": [] })));
}

#[tokio::test]
async fn opaque_tokens_from_code_to_introspection() {
    let server = Server::new().await;
    for method in ["none", "client_secret_post", "client_secret_basic"] {
        let client = server.client_with(method).await;
        assert_eq!(client.secret.is_some(), method != "none");
        let location = server.authorize(&query(&client.id, &[])).await;
        assert!(location.starts_with("http://localhost:3030/callback?code="), "{location}");
        assert_eq!(parameter(&location, "state").as_deref(), Some("st&te=1"));
        assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER));
        let code = parameter(&location, "code").unwrap();
        let answer = server.redeem(&client, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 600);
        assert_eq!(body["scope"], "user");
        let (access, refresh) = answer.tokens();
        let facts = server.introspect(OPAQUE, &access).await;
        assert_eq!(facts["active"], true);
        assert_eq!(facts["sub"], "demo_user");
        assert_eq!(facts["client_id"], client.id.as_str());
        assert_eq!(facts["aud"], json!([OPAQUE]));
        assert_eq!(facts["iss"], ISSUER);
        assert_eq!(facts["scope"], "user");
        assert_eq!(facts["token_type"], "Bearer");
        assert_eq!(facts["exp"], server.now_secs() + 600);
        assert_eq!(facts["iat"], server.now_secs());
        assert!(facts["jti"].is_string());

        let answer = server.refresh(&client, &refresh).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let (renewed, next) = answer.tokens();
        assert!(renewed != access && next != refresh);
        assert!(server.is_active(OPAQUE, &renewed).await);
    }
}

#[tokio::test]
async fn basic_authentication_at_the_token_endpoint() {
    let server = Server::new().await;
    let client = server.client_with("client_secret_basic").await;
    let secret = client.secret.clone().unwrap();
    let code = server.code(&client, OPAQUE).await;
    let wrong = basic(&client.id, "wrong");
    let answer = server.post_form("/token", &[("authorization", &wrong)], &redemption(&code)).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".into()));
    assert!(answer.field("www-authenticate").unwrap().starts_with("Basic "));
    let right = basic(&client.id, &secret);
    let answer = server.post_form("/token", &[("authorization", &right)], &redemption(&code)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn as_110_signed_tokens_verify_with_the_resource_key() {
    let server = Server::new().await;
    let client = server.public_client().await;
    let (access, refresh) = server.tokens(&client, SIGNED).await;
    let (id, key) = server.server.resource_key(SIGNED).unwrap();
    let ring = KeyRing::new(id, key);
    let mut room = [0; SCRATCH_LEN];
    let mut scratch = Scratch::new(&mut room);
    let jwt = UnverifiedJwt::parse(&access, &mut scratch).unwrap();
    let facts = jwt.verify(&ring).unwrap().claims(&mut scratch).unwrap();
    assert_eq!(facts.issuer, ISSUER);
    assert_eq!(facts.audience.as_slice(), [SIGNED]);
    assert_eq!(facts.subject, Some("demo_user"));
    assert_eq!(facts.client_id, Some(client.id.as_str()));
    assert_eq!(facts.expires_at.as_secs(), server.now_secs() + 600);
    assert_eq!(facts.scope.as_str(), "user");

    // The same record answers introspection and revocation.
    let introspected = server.introspect(SIGNED, &access).await;
    assert_eq!(introspected["active"], true);
    assert_eq!(introspected["jti"].as_str(), facts.id);
    let flipped = format!("{}A", &access[..access.len() - 1]);
    let flipped = if flipped == access { access.replace("A", "B") } else { flipped };
    assert!(!server.is_active(SIGNED, &flipped).await);
    assert!(!server.is_active(SIGNED, facts.id.unwrap()).await, "a jti is no token");
    assert!(!server.is_active(SIGNED, &format!("sha256:{}", facts.id.unwrap())).await);

    let (renewed, _) = server.refresh(&client, &refresh).await.tokens();
    assert_eq!(renewed.split('.').count(), 3);
    assert!(server.is_active(SIGNED, &renewed).await);
    assert!(server.server.resource_key(OPAQUE).is_none());
}

#[tokio::test]
async fn a_step_up_gets_more_than_the_registered_scope() {
    let server = Server::new().await;
    let client = server.public_client().await; // registered with scope "user"
    let location = server.authorize(&query(&client.id, &[("scope", "user admin")])).await;
    let answer = server.redeem(&client, &parameter(&location, "code").unwrap()).await;
    assert_eq!(answer.json()["scope"], "admin user");
}

#[tokio::test]
async fn scope_and_resource_defaults() {
    let server = Server::with(settings().with_default_resource(SIGNED)).await;
    let client = server.public_client().await;
    let location = server.authorize(&query(&client.id, &[("scope", ""), ("resource", "")])).await;
    let answer = server.redeem(&client, &parameter(&location, "code").unwrap()).await;
    assert_eq!(answer.json()["scope"], "user");
    let (access, _) = answer.tokens();
    assert!(server.is_active(SIGNED, &access).await);
}

#[tokio::test]
async fn as_14_cors() {
    let server = Server::new().await;
    for path in ["/token", "/register", "/revoke", "/.well-known/oauth-authorization-server"] {
        let fields = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
        let answer = server.send(request(http::Method::OPTIONS, path, &fields, "".into())).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.field("access-control-allow-credentials"), None);
    }
    for path in ["/authorize", "/login", "/consent", "/introspect"] {
        let fields = [("origin", "https://app.example")];
        for method in [http::Method::OPTIONS, http::Method::GET, http::Method::POST] {
            let answer = server.send(request(method, path, &fields, "".into())).await;
            assert_eq!(answer.field("access-control-allow-origin"), None, "{path}");
        }
    }
}
