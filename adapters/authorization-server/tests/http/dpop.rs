//! Tokens that are bound to a key of the client (RFC 9449).

use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use portcullis_authorization_server::{Dpop, Resource, Settings, TokenFormat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::databases::TestDatabase;
use crate::harness::*;
use crate::keys::{Key, encoded};

/// Takes ES256 tokens.
const PUBLISHED: &str = "http://localhost:8004/mcp";

pub(crate) fn bound(dpop: Dpop) -> Settings {
    let resource = |identifier, format| {
        Resource::new(identifier, "Clock", format).unwrap().with_scope("user", "read the time")
    };
    let mut settings = Settings::demo(ISSUER)
        .unwrap()
        .with_resource(resource(OPAQUE, TokenFormat::Opaque))
        .with_resource(resource(PUBLISHED, TokenFormat::Es256));
    settings.dpop = dpop;
    settings
}

/// RFC 7638: the required members of an EC key in the order of their names.
pub(crate) fn thumbprint(key: &Key) -> String {
    let jwk = key.jwk();
    let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
    let canonical =
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text("x"), text("y"));
    encoded(Sha256::digest(canonical.as_bytes()))
}

/// A good proof for `POST` of `path`, with changes to its header and claims; null removes.
pub(crate) fn proof_with(
    server: &Server,
    key: &Key,
    (path, id): (&str, &str),
    header: &[(&str, Value)],
    claims: &[(&str, Value)],
) -> String {
    let mut head = json!({ "typ": "dpop+jwt", "alg": key.algorithm(), "jwk": key.jwk() });
    let mut body = json!({ "htm": "POST", "htu": format!("{ISSUER}{path}"),
        "iat": server.now_secs(), "jti": id });
    for (object, changes) in [(&mut head, header), (&mut body, claims)] {
        for (name, value) in changes {
            object[name] = value.clone();
        }
        object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    key.assertion(&head, &body)
}

pub(crate) fn proof(server: &Server, key: &Key, id: &str) -> String {
    proof_with(server, key, ("/token", id), &[], &[])
}

/// A form to `/token`, as `client` with these proofs.
pub(crate) async fn ask(
    server: &Server,
    client: &Client,
    proofs: &[&str],
    form: &[(&str, &str)],
) -> Answer {
    let mut form = form.to_vec();
    form.push(("client_id", &client.id));
    form.extend(client.secret.iter().map(|secret| ("client_secret", secret.as_str())));
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let mut asked = request(Method::POST, "/token", &fields, encode(&form).into());
    for proof in proofs {
        let value = HeaderValue::from_str(proof).unwrap();
        asked.headers_mut().append(HeaderName::from_static("dpop"), value);
    }
    server.send(asked).await
}

pub(crate) fn refreshing(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

pub(crate) fn refused() -> (u16, String) {
    (400, "invalid_dpop_proof".into())
}

#[tokio::test]
async fn dp_05_dp_06_tokens_are_bound_and_everybody_is_told() {
    let server = Server::with(bound(Dpop::Offered)).await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    let algorithms = &metadata["dpop_signing_alg_values_supported"];
    assert_eq!(*algorithms, json!(["ES256", "EdDSA", "RS256"]));
    let key = Key::es256();
    for (resource, method) in [(OPAQUE, "none"), (PUBLISHED, "client_secret_post")] {
        let client = server.client_with(method).await;
        let code = server.code(&client, resource).await;
        let proof = proof(&server, &key, resource);
        let issued = ask(&server, &client, &[&proof], &redemption(&code)).await;
        assert_eq!(issued.status, StatusCode::OK, "{}", issued.body);
        assert_eq!(issued.json()["token_type"], "DPoP");
        let (access, _) = issued.tokens();
        let told = server.introspect(resource, &access).await;
        assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("DPoP")));
        assert_eq!(told["cnf"], json!({ "jkt": thumbprint(&key) }));
        if resource == PUBLISHED {
            let claims = Base64UrlUnpadded::decode_vec(access.split('.').nth(1).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&claims).unwrap();
            assert_eq!(claims["cnf"], json!({ "jkt": thumbprint(&key) }));
        }
        // A client that sends no proof is served as ever.
        let (plain, _) = server.tokens(&client, resource).await;
        let told = server.introspect(resource, &plain).await;
        assert_eq!((&told["token_type"], told.get("cnf")), (&json!("Bearer"), None));
    }
    // Each algorithm that is named.
    let client = server.public_client().await;
    for key in Key::every() {
        let code = server.code(&client, OPAQUE).await;
        let proof = proof(&server, &key, "each");
        let issued = ask(&server, &client, &[&proof], &redemption(&code)).await;
        assert_eq!(issued.json()["token_type"], "DPoP", "{}", key.algorithm());
    }
}

#[tokio::test]
async fn sec_114_each_check_of_a_proof() {
    let server = Server::with(bound(Dpop::Offered)).await;
    let client = server.public_client().await;
    let (key, other) = (Key::es256(), Key::es256());
    let code = server.code(&client, OPAQUE).await;
    let now = server.now_secs();
    let mut private = key.jwk();
    private["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let header = |name: &'static str, value: Value| (vec![(name, value)], vec![]);
    let claim = |name: &'static str, value: Value| (vec![], vec![(name, value)]);
    for (number, (header, claims)) in [
        header("typ", json!("JWT")),
        header("typ", Value::Null),
        header("alg", json!("none")),
        header("alg", json!("HS256")),
        header("alg", json!("EdDSA")),
        header("jwk", Value::Null),
        header("jwk", private),
        header("jwk", other.jwk()),
        header("jwk", json!({ "kty": "oct", "k": "c2VjcmV0" })),
        header("crit", json!(["x"])),
        claim("htm", json!("GET")),
        claim("htm", json!("post")),
        claim("htm", Value::Null),
        claim("htu", json!(format!("{ISSUER}/par"))),
        claim("htu", json!("https://other.example/token")),
        claim("htu", Value::Null),
        claim("iat", json!(now - 300)),
        claim("iat", json!(now + 3_600)),
        claim("iat", json!(u64::MAX)),
        claim("iat", Value::Null),
        claim("jti", Value::Null),
        claim("jti", json!("j".repeat(200))),
    ]
    .into_iter()
    .enumerate()
    {
        let name = number.to_string();
        let proof = proof_with(&server, &key, ("/token", &name), &header, &claims);
        let answer = ask(&server, &client, &[&proof], &redemption(&code)).await;
        assert_eq!(answer.refusal(), refused(), "{header:?} {claims:?}");
    }
    let good = proof(&server, &key, "good");
    let at = good.len() - 4;
    let other_char = if good[at..].starts_with('A') { "B" } else { "A" };
    let flipped = [&good[..at], other_char, &good[at + 1..]].concat();
    for proofs in [vec![""], vec!["a.b.c"], vec![&flipped], vec![&good, &good]] {
        let answer = ask(&server, &client, &proofs, &redemption(&code)).await;
        assert_eq!(answer.refusal(), refused(), "{proofs:?}");
    }
    // None of that cost the client its code: at the edges of the window a proof counts.
    let edge = proof_with(
        &server,
        &key,
        ("/token", "edge"),
        &[],
        &[("iat", json!(now - 299)), ("htu", json!(format!("{ISSUER}/token?x#y")))],
    );
    assert_eq!(ask(&server, &client, &[&edge], &redemption(&code)).await.status, StatusCode::OK);
}

/// A proof counts once, on all servers of one database, and after a restart.
#[tokio::test]
async fn sec_114_a_proof_counts_once() {
    for database in TestDatabase::each() {
        let settings = || bound(Dpop::Offered).with_database(database.place());
        let (first, second) = (Server::with(settings()).await, Server::with(settings()).await);
        let client = first.public_client().await;
        let key = Key::es256();
        let proof = proof(&first, &key, "once");
        let code = first.code(&client, OPAQUE).await;
        let issued = ask(&first, &client, &[&proof], &redemption(&code)).await;
        let (_, refresh) = issued.tokens();
        first.server.close().await;
        let restarted = Server::with(settings()).await;
        for server in [&second, &restarted] {
            server.server.sweep().await;
            let again = ask(server, &client, &[&proof], &refreshing(&refresh)).await;
            assert_eq!(again.refusal(), refused());
        }
        // The same `jti` of another key is another proof; this one is not the right key.
        let other = self::proof(&second, &Key::es256(), "once");
        assert_eq!(
            ask(&second, &client, &[&other], &refreshing(&refresh)).await.refusal(),
            refused()
        );
        let fresh = self::proof(&second, &key, "twice");
        let renewed = ask(&second, &client, &[&fresh], &refreshing(&refresh)).await;
        assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.body);
    }
}

/// RFC 9449 §5: the refresh token of a public client is good with its key alone.
#[tokio::test]
async fn dp_06_a_refresh_token_needs_its_key() {
    let server = Server::with(bound(Dpop::Offered)).await;
    let (key, other) = (Key::es256(), Key::es256());
    let client = server.public_client().await;
    let code = server.code(&client, PUBLISHED).await;
    let issued = ask(&server, &client, &[&proof(&server, &key, "1")], &redemption(&code)).await;
    let (_, refresh) = issued.tokens();
    let stolen =
        ask(&server, &client, &[&proof(&server, &other, "2")], &refreshing(&refresh)).await;
    assert_eq!(stolen.refusal(), refused());
    assert_eq!(ask(&server, &client, &[], &refreshing(&refresh)).await.refusal(), refused());
    let renewed = ask(&server, &client, &[&proof(&server, &key, "3")], &refreshing(&refresh)).await;
    assert_eq!(renewed.json()["token_type"], "DPoP", "{}", renewed.body);
    // A chain of bearer tokens does not become a bound one.
    let (_, plain) = server.tokens(&client, OPAQUE).await;
    let late = ask(&server, &client, &[&proof(&server, &key, "4")], &refreshing(&plain)).await;
    assert_eq!(late.refusal(), refused());
    assert_eq!(server.refresh(&client, &plain).await.status, StatusCode::OK);
}

/// RFC 9449 §10: the code, too, whether the key was named in the query or pushed.
#[tokio::test]
async fn dp_08_a_code_can_be_bound_to_a_key() {
    let server = Server::with(bound(Dpop::Offered)).await;
    let (key, other) = (Key::es256(), Key::es256());
    let client = server.public_client().await;
    let named = query(&client.id, &[("dpop_jkt", &thumbprint(&key))]);
    let push = async |proof: &str, form: &str| {
        let fields = [("content-type", "application/x-www-form-urlencoded"), ("dpop", proof)];
        server.send(request(Method::POST, "/par", &fields, form.to_owned().into())).await
    };
    let at_par = |key: &Key, id: &str| proof_with(&server, key, ("/par", id), &[], &[]);
    let plain = query(&client.id, &[]);
    let pushed = push(&at_par(&key, "p"), &plain).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.body);
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let pushed = encode(&[("client_id", &client.id), ("request_uri", &uri)]);
    for (number, query) in [named.clone(), pushed].iter().enumerate() {
        let code = parameter(&server.authorize(query).await, "code").unwrap();
        let wrong = proof(&server, &other, &format!("w{number}"));
        for proofs in [vec![], vec![wrong.as_str()]] {
            let answer = ask(&server, &client, &proofs, &redemption(&code)).await;
            assert_eq!(answer.refusal(), refused(), "{number} {proofs:?}");
        }
        let right = proof(&server, &key, &format!("r{number}"));
        let issued = ask(&server, &client, &[&right], &redemption(&code)).await;
        assert_eq!(issued.json()["token_type"], "DPoP", "{}", issued.body);
    }
    // The name and the proof of two keys, a proof for another endpoint, and the same proof again.
    assert_eq!(push(&at_par(&other, "q"), &named).await.refusal(), refused());
    assert_eq!(push(&proof(&server, &key, "r"), &plain).await.refusal(), refused());
    assert_eq!(push(&at_par(&key, "p"), &plain).await.refusal(), refused());
}

#[tokio::test]
async fn dp_01_required_and_off() {
    let key = Key::es256();
    let server = Server::with(bound(Dpop::Required)).await;
    let client = server.public_client().await;
    let code = server.code(&client, OPAQUE).await;
    assert_eq!(server.redeem(&client, &code).await.refusal(), refused());
    let issued = ask(&server, &client, &[&proof(&server, &key, "1")], &redemption(&code)).await;
    assert_eq!(issued.status, StatusCode::OK, "{}", issued.body);
    // Where it is off, a proof is nothing, and the token a bearer token.
    let server = Server::new().await;
    let client = server.public_client().await;
    let named = query(&client.id, &[("dpop_jkt", &thumbprint(&key))]);
    let code = parameter(&server.authorize(&named).await, "code").unwrap();
    let issued = ask(&server, &client, &["not a proof"], &redemption(&code)).await;
    assert_eq!(issued.json()["token_type"], "Bearer", "{}", issued.body);
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata.get("dpop_signing_alg_values_supported"), None);
}

/// What strangers make the server remember is bounded, for each of them and for all.
#[tokio::test]
async fn sec_115_proofs_are_counted_before_they_are_remembered() {
    let key = Key::es256();
    for (per_peer, in_all) in [(3, 0), (0, 3)] {
        let mut settings = bound(Dpop::Offered);
        settings.limits.dpop_proofs_per_peer_per_minute = per_peer;
        settings.limits.dpop_proofs_per_minute = in_all;
        let server = Server::with(settings).await;
        let client = server.public_client().await;
        let guess = async |id: &str| {
            ask(&server, &client, &[&proof(&server, &key, id)], &redemption("no code")).await
        };
        for id in ["1", "2", "3"] {
            assert_eq!(guess(id).await.refusal(), (400, "invalid_grant".into()));
        }
        assert_eq!(guess("4").await.refusal(), (429, "temporarily_unavailable".into()));
        // Whoever sends none is served.
        let plain = server.redeem(&client, "no code").await;
        assert_eq!(plain.refusal(), (400, "invalid_grant".into()));
        server.pass_secs(60);
        assert_eq!(guess("5").await.refusal(), (400, "invalid_grant".into()));
    }
}
