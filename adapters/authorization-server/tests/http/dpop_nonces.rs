//! Proofs with nonces of the authorization server (RFC 9449 §8).

use axum::body::Body;
use http::{Method, StatusCode};
use portcullis_authorization_server::{Database, Dpop, Settings};
use serde_json::{Value, json};

use crate::databases::durable;
use crate::dpop::{ask, bound, proof, proof_with, refused};
use crate::harness::*;
use crate::keys::Key;

/// How long a nonce is taken.
const NONCE_SECS: u64 = 300;

fn with_nonces(mut settings: Settings) -> Settings {
    settings.dpop = Dpop::Offered;
    settings.dpop_nonces = true;
    settings
}

fn with_nonce(server: &Server, key: &Key, (path, id): (&str, &str), nonce: &str) -> String {
    proof_with(server, key, (path, id), &[], &[("nonce", json!(nonce))])
}

fn nonce_of(answer: &Answer) -> String {
    answer.field("dpop-nonce").unwrap().to_owned()
}

fn wants_nonce() -> (u16, String) {
    (400, "use_dpop_nonce".into())
}

async fn push(server: &Server, proof: &str, form: String) -> Answer {
    let fields = [("content-type", "application/x-www-form-urlencoded"), ("dpop", proof)];
    server.send(request(Method::POST, "/par", &fields, Body::from(form))).await
}

#[tokio::test]
async fn dp_04_a_proof_needs_a_fresh_nonce() {
    let server = Server::with(with_nonces(bound(Dpop::Offered))).await;
    let (key, client) = (Key::es256(), server.public_client().await);
    let code = server.code(&client, OPAQUE).await;
    let plain = proof(&server, &key, "without");
    let challenged = ask(&server, &client, &[&plain], &redemption(&code)).await;
    assert_eq!(challenged.refusal(), wants_nonce());
    let exposed = challenged.field("access-control-expose-headers").unwrap();
    assert!(exposed.contains("dpop-nonce"), "{exposed}");
    let nonce = nonce_of(&challenged);

    // Every other nonce is none, and the proof is judged as without one.
    let other = Server::with(with_nonces(bound(Dpop::Offered))).await;
    let foreign = nonce_of(&other.redeem(&client, "no code").await);
    let mut changed = nonce.clone();
    let first = if changed.starts_with('A') { "B" } else { "A" };
    changed.replace_range(..1, first);
    for (number, wrong) in ["", "x", &foreign, &changed, &nonce[1..]].iter().enumerate() {
        let wrong = with_nonce(&server, &key, ("/token", &format!("w{number}")), wrong);
        let answer = ask(&server, &client, &[&wrong], &redemption(&code)).await;
        assert_eq!(answer.refusal(), wants_nonce(), "{number}");
    }
    // A nonce makes no good proof of a bad one.
    let bad: [(&str, Value); 3] =
        [("htu", json!("https://other.example/token")), ("jti", Value::Null), ("iat", json!(1))];
    for (name, value) in bad {
        let claims = [("nonce", json!(nonce)), (name, value)];
        let bad = proof_with(&server, &key, ("/token", name), &[], &claims);
        let answer = ask(&server, &client, &[&bad], &redemption(&code)).await;
        assert_eq!(answer.refusal(), refused(), "{name}");
    }
    for unreadable in ["", "a.b.c", "a.e30.c", "a.e30"] {
        let answer = ask(&server, &client, &[unreadable], &redemption(&code)).await;
        let expected = if unreadable == "a.e30.c" { wants_nonce() } else { refused() };
        assert_eq!(answer.refusal(), expected, "{unreadable}");
    }
    // None of that cost the client its code.
    let good = with_nonce(&server, &key, ("/token", "good"), &nonce);
    let issued = ask(&server, &client, &[&good], &redemption(&code)).await;
    assert_eq!(issued.json()["token_type"], "DPoP", "{}", issued.body);
    let (_, refresh) = issued.tokens();
    let refreshing = crate::dpop::refreshing(&refresh);
    // A proof counts once, with a nonce too.
    assert_eq!(ask(&server, &client, &[&good], &refreshing).await.refusal(), refused());
    let next = with_nonce(&server, &key, ("/token", "next"), &nonce_of(&issued));
    let renewed = ask(&server, &client, &[&next], &refreshing).await;
    assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.body);
}

#[tokio::test]
async fn sec_114_a_nonce_ends() {
    let server = Server::with(with_nonces(bound(Dpop::Offered))).await;
    let (key, client) = (Key::es256(), server.public_client().await);
    let nonce = nonce_of(&server.redeem(&client, "no code").await);
    for (secs, id, is_fresh) in [(NONCE_SECS - 1, "last", true), (1, "late", false)] {
        server.pass_secs(secs);
        let proof = with_nonce(&server, &key, ("/token", id), &nonce);
        let answer = ask(&server, &client, &[&proof], &redemption("no code")).await;
        let good = (400, "invalid_grant".into());
        assert_eq!(answer.refusal(), if is_fresh { good } else { wants_nonce() }, "{id}");
    }
}

/// One nonce is good at both endpoints, and at every server with the same master key, before and after restarts.
#[tokio::test]
async fn dp_04_servers_of_one_master_key_share_nonces() {
    let settings = || with_nonces(durable(Database::Memory));
    let (first, second) = (Server::with(settings()).await, Server::with(settings()).await);
    let key = Key::es256();
    let client = second.public_client().await;
    let nonce = nonce_of(&first.redeem(&client, "no code").await);
    let plain = proof_with(&second, &key, ("/par", "plain"), &[], &[]);
    let challenged = push(&second, &plain, query(&client.id, &[])).await;
    assert_eq!(challenged.refusal(), wants_nonce());
    assert!(challenged.field("dpop-nonce").is_some());
    let good = with_nonce(&second, &key, ("/par", "good"), &nonce);
    let pushed = push(&second, &good, query(&client.id, &[])).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.body);
    assert!(pushed.field("dpop-nonce").is_some());
}

#[tokio::test]
async fn dp_04_without_proofs_and_without_the_setting_nothing_changes() {
    let server = Server::with(with_nonces(bound(Dpop::Offered))).await;
    let client = server.public_client().await;
    let code = server.code(&client, OPAQUE).await;
    let issued = server.redeem(&client, &code).await;
    assert_eq!(issued.json()["token_type"], "Bearer", "{}", issued.body);
    assert!(issued.field("dpop-nonce").is_some());

    let server = Server::with(bound(Dpop::Offered)).await;
    let client = server.public_client().await;
    let code = server.code(&client, OPAQUE).await;
    let proof = with_nonce(&server, &Key::es256(), ("/token", "n"), "of nobody");
    let issued = ask(&server, &client, &[&proof], &redemption(&code)).await;
    assert_eq!(issued.json()["token_type"], "DPoP", "{}", issued.body);
    assert_eq!(issued.field("dpop-nonce"), None);
}
