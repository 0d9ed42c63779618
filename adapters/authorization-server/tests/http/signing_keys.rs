//! Tokens signed with published keys (AS-15, AS-110), and resource servers that read those keys (RS-71).

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use portcullis_authorization_server::{AuthorizationServer, Resource, Settings, TokenFormat};
use portcullis_tokio::resource_server::{
    Issuer, ProtectLayer, Settings as ResourceSettings, Verification,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::databases::{TestDatabase, durable};
use crate::harness::*;

const FORMATS: [(&str, TokenFormat, &str); 3] = [
    ("http://localhost:8011/mcp", TokenFormat::Es256, "ES256"),
    ("http://localhost:8012/mcp", TokenFormat::EdDsa, "EdDSA"),
    ("http://localhost:8013/mcp", TokenFormat::Rs256, "RS256"),
];

fn with_formats(settings: Settings) -> Settings {
    FORMATS.into_iter().fold(settings, |settings, (identifier, format, _)| {
        let resource = Resource::new(identifier, "Clock", format).unwrap();
        settings.with_resource(resource.with_scope("user", "read the time for you"))
    })
}

/// The header and the claims of a token, unverified.
fn parts(token: &str) -> [Value; 2] {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let mut segments = token.split('.');
    [0, 1].map(|_| {
        let segment = Base64UrlUnpadded::decode_vec(segments.next().unwrap()).unwrap();
        serde_json::from_slice(&segment).unwrap()
    })
}

async fn kids(server: &Server) -> Vec<String> {
    let keys = server.get("/jwks").await.json();
    let ids = keys["keys"].as_array().unwrap().iter();
    ids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn as_15_the_key_set_is_published_and_named() {
    let server = Server::with(with_formats(settings())).await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["jwks_uri"], json!(format!("{ISSUER}/jwks")));
    assert_eq!(server.server.jwks_uri(), metadata["jwks_uri"].as_str());
    let answer = server.get("/jwks").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.field("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.field("cache-control"), Some("public, max-age=300"));
    let keys = answer.json();
    let keys = keys["keys"].as_array().unwrap();
    let mut algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, ["ES256", "EdDSA", "RS256"]);
    for key in keys {
        let expected: &[&str] = match key["kty"].as_str().unwrap() {
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
            _ => &["alg", "e", "kid", "kty", "n", "use"],
        };
        let mut members: Vec<_> = key.as_object().unwrap().keys().collect();
        members.sort_unstable();
        assert_eq!(
            (members, &key["use"]),
            (
                expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>().iter().collect(),
                &json!("sig")
            )
        );
    }
    let mut names = kids(&server).await;
    names.dedup();
    assert_eq!(names.len(), 3);
    // Shorter where a new key waits for less.
    let mut hurried = with_formats(settings());
    hurried.lifetimes.signing_key_publication = Duration::from_secs(60);
    let server = Server::with(hurried).await;
    let answer = server.get("/jwks").await;
    assert_eq!(answer.field("cache-control"), Some("public, max-age=30"));
    // Without such a resource there is nothing to name.
    assert_eq!(Server::new().await.server.jwks_uri(), None);
}

#[tokio::test]
async fn as_110_as_140_a_signed_token_leads_to_its_record() {
    let server = Server::with(with_formats(settings())).await;
    let client = server.public_client().await;
    for (resource, _, algorithm) in FORMATS {
        let (access, refresh) = server.tokens(&client, resource).await;
        let [header, claims] = parts(&access);
        assert_eq!(header["alg"], algorithm);
        assert_eq!(header["typ"], "at+jwt");
        assert!(kids(&server).await.contains(&header["kid"].as_str().unwrap().to_owned()));
        let expected = json!({ "iss": ISSUER, "aud": resource, "sub": "demo_user",
            "client_id": client.id, "scope": "user", "iat": server.now_secs(),
            "exp": server.now_secs() + 600, "jti": claims["jti"] });
        assert_eq!(claims, expected);
        let introspected = server.introspect(resource, &access).await;
        assert_eq!((&introspected["active"], &introspected["jti"]), (&json!(true), &claims["jti"]));
        // SEC-302: for its own resource server alone.
        assert!(!server.is_active(SIGNED, &access).await);
        let mut changed = access.clone().into_bytes();
        changed[access.len() - 10] = if changed[access.len() - 10] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(!server.is_active(resource, &changed).await);
        assert!(!server.is_active(resource, claims["jti"].as_str().unwrap()).await);
        let revoked = server.as_client("/revoke", &client, &[("token", &access)]).await;
        assert_eq!(revoked.status, StatusCode::OK);
        assert!(!server.is_active(resource, &access).await);
        let _ = refresh;
    }
}

/// A resource server that reads the keys over HTTP.
struct Protected {
    layer: ProtectLayer,
}

impl Protected {
    async fn new(server: &Server, resource: &str) -> Self {
        let url = serve(server.server.clone()).await;
        let issuer = Issuer::new(ISSUER, Verification::jwks(format!("{url}/jwks")));
        let settings = ResourceSettings::new(resource, issuer).base_scopes("user");
        let layer = ProtectLayer::with_clock(settings, server.clock.clone()).unwrap();
        Self { layer }
    }

    async fn call(&self, token: &str) -> u16 {
        let service = tower::service_fn(async |_: Request<Full<Bytes>>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        });
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let resource = self.layer.metadata_url();
        let authority = resource.split('/').nth(2).unwrap();
        let request = Request::post("/mcp")
            .header("host", authority)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap();
        self.layer.protect(service).oneshot(request).await.unwrap().status().as_u16()
    }
}

/// Answers on loopback for as long as the test runs.
async fn serve(server: AuthorizationServer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
    url
}

#[tokio::test]
async fn rs_66_rs_71_a_resource_server_admits_what_the_key_set_verifies() {
    let server = Server::with(with_formats(settings())).await;
    let stranger = Server::with(with_formats(settings())).await;
    let client = server.public_client().await;
    let foreign_client = stranger.public_client().await;
    for (resource, ..) in FORMATS {
        let protected = Protected::new(&server, resource).await;
        let (access, _) = server.tokens(&client, resource).await;
        assert_eq!(protected.call(&access).await, 200);
        // The same name, the same claims, and other keys.
        let (foreign, _) = stranger.tokens(&foreign_client, resource).await;
        assert_eq!(parts(&foreign)[1]["iss"], ISSUER);
        assert_eq!(protected.call(&foreign).await, 401);
        for (other, ..) in FORMATS.iter().filter(|(other, ..)| *other != resource) {
            let (other, _) = server.tokens(&client, other).await;
            assert_eq!(protected.call(&other).await, 401);
        }
        let (opaque, _) = server.tokens(&client, OPAQUE).await;
        let (hmac, _) = server.tokens(&client, SIGNED).await;
        assert_eq!(protected.call(&opaque).await, 401);
        assert_eq!(protected.call(&hmac).await, 401);
        server.pass_secs(700);
        assert_eq!(protected.call(&access).await, 401, "expired");
    }
}

#[tokio::test]
async fn as_15_sec_112_keys_change_under_traffic_without_a_refusal() {
    let mut settings = with_formats(settings());
    settings.lifetimes.signing_key = Duration::from_secs(24 * 60 * 60);
    let server = Server::with(settings).await;
    let client = server.public_client().await;
    let first = kids(&server).await;
    for (resource, ..) in FORMATS {
        let protected = Protected::new(&server, resource).await;
        let (mut access, mut refresh) = server.tokens(&client, resource).await;
        let mut signed_by = vec![parts(&access)[0]["kid"].clone()];
        // A day and more in steps of a token's life, at whose end the leeway lets it in for the last time.
        for _ in 0..26 * 6 {
            let before = access.clone();
            (access, refresh) = server.refresh(&client, &refresh).await.tokens();
            assert_eq!(protected.call(&access).await, 200);
            assert_eq!(protected.call(&before).await, 200);
            let kid = parts(&access)[0]["kid"].clone();
            if signed_by.last() != Some(&kid) {
                assert!(!signed_by.contains(&kid), "no key comes back");
                signed_by.push(kid);
            }
            server.pass_secs(600);
            server.server.sweep().await;
        }
        assert!(signed_by.len() >= 2, "{signed_by:?}");
    }
    let last = kids(&server).await;
    assert!(first.iter().all(|kid| !last.contains(kid)), "the first ones are gone");
}

#[tokio::test]
async fn sec_112_a_key_that_was_made_in_a_hurry_waits_all_the_same() {
    let server = Server::with(with_formats(settings())).await;
    let client = server.public_client().await;
    let (resource, ..) = FORMATS[0];
    let (access, refresh) = server.tokens(&client, resource).await;
    server.pass_secs(1);
    server.server.rotate_signing_keys().await.unwrap();
    assert_eq!(kids(&server).await.len(), 6);
    let (renewed, refresh) = server.refresh(&client, &refresh).await.tokens();
    assert_eq!(parts(&renewed)[0]["kid"], parts(&access)[0]["kid"]);
    server.pass_secs(3_600);
    let (later, _) = server.refresh(&client, &refresh).await.tokens();
    assert_ne!(parts(&later)[0]["kid"], parts(&access)[0]["kid"]);
}

#[tokio::test]
async fn sec_304_a_token_whose_key_was_removed_is_inactive() {
    let (database, folder) = (TestDatabase::sqlite(), tempfile::tempdir().unwrap());
    let keys = folder.path().join("keys");
    let settings = || with_formats(durable(database.place())).with_key_folder(&keys);
    let first = Server::with(settings()).await;
    let client = first.public_client().await;
    let mut tokens = Vec::new();
    for (resource, ..) in FORMATS {
        tokens.push((resource, first.tokens(&client, resource).await.0));
    }
    let with_keys = Server::with(settings()).await;
    for (resource, token) in &tokens {
        assert!(with_keys.is_active(resource, token).await, "{resource}");
    }
    for file in std::fs::read_dir(&keys).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let without = Server::with(settings()).await;
    for (resource, token) in &tokens {
        assert_eq!(without.introspect(resource, token).await, json!({ "active": false }));
    }
    // With the keys that it made instead.
    let (token, _) = without.tokens(&client, FORMATS[0].0).await;
    assert!(without.is_active(FORMATS[0].0, &token).await);
}
