//! Enterprise-managed authorization beyond the claims: users, keys, replays on several servers, and the whole way.

use http::StatusCode;
use portcullis_authorization_server::testing::{
    ProtectedServer, TestIdentityProvider, TestServer, TestingError,
};
use portcullis_authorization_server::{
    Dpop, IdentityProvider, IssuerKeys, Resource, Settings, SettingsError, TokenFormat,
};
use serde_json::{Value, json};

use crate::client_documents;
use crate::databases::{TestDatabase, durable};
use crate::dpop;
use crate::enterprise::*;
use crate::harness::*;
use crate::keys::Key;
use crate::openid_key;
use crate::openid_provider::Provider;
use crate::site::Site;

#[tokio::test]
async fn em_13_a_key_that_is_named_must_be_proven() {
    let key = Key::es256();
    let bound_to = json!({ "jkt": dpop::thumbprint(&key) });
    let world = World::with(dpop::bound(Dpop::Offered), |_| {}).await;
    let ask = async |id: &str, confirmation: &Value, proofs: &[&str]| {
        let changes = [("cnf", confirmation.clone()), ("resource", json!(OPAQUE))];
        let assertion = world.id_jag(id, &changes);
        let form = [("grant_type", GRANT), ("assertion", assertion.as_str())];
        dpop::ask(&world.server, &agent(), proofs, &form).await
    };
    let proof = |id: &str| dpop::proof(&world.server, &key, id);
    let answer = ask("1", &bound_to, &[&proof("1")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["token_type"], "DPoP");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.server.introspect(OPAQUE, &token).await["cnf"], bound_to);
    check(&ask("2", &bound_to, &[]).await, NO, &json!("no proof"));
    let other = dpop::proof(&world.server, &Key::es256(), "3");
    check(&ask("3", &bound_to, &[&other]).await, NO, &json!("another key"));
    // What is refused is not used up.
    let answer = ask("3", &bound_to, &[&proof("4")]).await;
    check(&answer, Ok(()), &json!("the right key"));
    for odd in [json!({}), json!({ "jkt": 1 }), json!("jkt"), json!({ "x5t#S256": "x" })] {
        check(&ask("5", &odd, &[&proof(&odd.to_string())]).await, NO, &odd);
    }
    // Where tokens are not bound, nobody can meet it.
    let world = World::new().await;
    check(&world.ask(&[("cnf", bound_to)]).await, NO, &json!("off"));
}

#[tokio::test]
async fn em_14_a_client_that_a_document_describes() {
    let site = Site::named("localhost").await;
    let (idp, client_key) = (Key::es256(), Key::es256());
    let provider = IdentityProvider::new(IDP, IssuerKeys::set(idp.jwks()));
    let trusting = settings().with_identity_provider(provider);
    let server = client_documents::server_with(&site, trusting).await;
    let keys: Value = serde_json::from_str(&client_key.jwks()).unwrap();
    let id = client_documents::publish_with_keys(&site, "/client.json", ("jwks", keys));
    let ask = async |key: &Key, jti: &str, client_id: &str| {
        let now = server.now_secs();
        let claims = json!({ "iss": IDP, "sub": "u-1", "aud": ISSUER, "client_id": client_id,
            "jti": jti, "exp": now + 300, "iat": now, "resource": SIGNED, "scope": "user" });
        let header = json!({ "alg": "ES256", "typ": "oauth-id-jag+jwt" });
        let id_jag = idp.assertion(&header, &claims);
        let form = [("grant_type", GRANT), ("assertion", id_jag.as_str())];
        client_documents::signed(&server, "/token", (&id, key, jti), &form).await
    };
    let answer = ask(&client_key, "1", &id).await;
    check(&answer, Ok(()), &json!("its own key"));
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.introspect(SIGNED, &token).await["client_id"], id.as_str());
    let impostor = ask(&Key::es256(), "2", &id).await;
    assert_eq!(impostor.refusal(), (401, "invalid_client".into()));
    check(&ask(&client_key, "3", ID).await, NO, &json!("for another client"));
}

#[tokio::test]
async fn em_17_users_are_told_apart_by_issuer_sub_and_tenant() {
    let world = World::with(settings(), |it| it.tenants = vec!["t1".into(), "t2".into()]).await;
    let subject = async |tenant: &str, sub: &str| {
        let answer = world.ask(&[("tenant", json!(tenant)), ("sub", json!(sub))]).await;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        world.server.introspect(SIGNED, &token).await["sub"].as_str().unwrap().to_owned()
    };
    assert_eq!(subject("t1", "a").await, format!("openid:{IDP}?tenant=t1#a"));
    assert_eq!(subject("t2", "a").await, format!("openid:{IDP}?tenant=t2#a"));
    for tenant in [json!("t3"), json!(""), json!(["t1"]), Value::Null] {
        check(&world.ask(&[("tenant", tenant.clone())]).await, NO, &tenant);
    }
    let world = World::new().await;
    check(&world.ask(&[("tenant", json!("t1"))]).await, NO, &json!("no tenants"));
}

#[tokio::test]
async fn em_17_an_administrator_can_keep_a_user_out() {
    let world = World::new().await;
    let answer = world.ask(&[("email", json!("demo_user"))]).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let accounts = world.server.server.accounts();
    let names: Vec<String> =
        accounts.list().await.unwrap().iter().map(|it| it.name().to_owned()).collect();
    assert_eq!(names, [format!("openid:{IDP}#u-1")]);
    assert!(world.server.is_active(SIGNED, &token).await);
    accounts.disable(&names[0]).await.unwrap();
    assert!(!world.server.is_active(SIGNED, &token).await);
    check(&world.ask(&[]).await, NO, &json!("disabled"));
    check(&world.ask(&[("sub", json!("u-2"))]).await, Ok(()), &json!("another user"));
    accounts.enable(&names[0]).await.unwrap();
    check(&world.ask(&[("jti", json!("again"))]).await, Ok(()), &json!("enabled"));
}

#[tokio::test]
async fn em_20_what_the_metadata_says_and_what_not() {
    let path = "/.well-known/oauth-authorization-server";
    let world = World::new().await;
    let answer = world.server.get(path).await;
    let metadata = answer.json();
    let profile = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    assert_eq!(metadata["authorization_grant_profiles_supported"], profile);
    let lists = |metadata: &Value| {
        metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT))
    };
    assert!(lists(&metadata));
    assert!(!answer.body.contains("id.example"));
    // Who is not trusted and whose signature is wrong look the same.
    let untrusted = world.ask(&[("iss", json!("https://other.example"))]).await;
    let forged = Key::es256()
        .assertion(&json!({ "alg": "ES256", "typ": "oauth-id-jag+jwt" }), &world.claims("1", &[]));
    let forged = world.present(&agent(), &forged, &[]).await;
    assert_eq!((untrusted.status, untrusted.body), (forged.status, forged.body));

    let server = Server::with(with_agent(settings())).await;
    let metadata = server.get(path).await.json();
    assert!(!lists(&metadata));
    assert!(metadata.get("authorization_grant_profiles_supported").is_none());
    let answer = present(&server, &agent(), &world.id_jag("1", &[]), &[]).await;
    assert_eq!(answer.refusal(), (400, "unsupported_grant_type".into()));
}

#[tokio::test]
async fn em_12_sec_254_a_replay_is_noticed_after_a_restart_and_by_another_server() {
    for database in TestDatabase::each() {
        let key = Key::es256();
        let settings = || {
            let provider = IdentityProvider::new(IDP, IssuerKeys::set(key.jwks()));
            with_agent(durable(database.place())).with_identity_provider(provider)
        };
        let server = Server::with(settings()).await;
        let claims = |id: &str| {
            json!({ "iss": IDP, "sub": "u-1", "aud": ISSUER, "client_id": ID, "jti": id,
                "exp": server.now_secs() + 300, "iat": server.now_secs(), "resource": SIGNED })
        };
        let header = json!({ "alg": "ES256", "typ": "oauth-id-jag+jwt" });
        let [first, second] = ["1", "2"].map(|id| key.assertion(&header, &claims(id)));
        check(&present(&server, &agent(), &first, &[]).await, Ok(()), &json!("first"));
        let another = Server::with(settings()).await;
        check(&present(&another, &agent(), &first, &[]).await, NO, &json!("beside"));
        check(&present(&another, &agent(), &second, &[]).await, Ok(()), &json!("beside, other"));
        another.server.close().await;
        server.server.close().await;
        let restarted = Server::with(settings()).await;
        check(&present(&restarted, &agent(), &first, &[]).await, NO, &json!("after"));
        check(&present(&restarted, &agent(), &second, &[]).await, NO, &json!("after, other"));
        restarted.server.close().await;
    }
}

#[tokio::test]
async fn sec_110_sec_111_keys_come_from_the_issuers_metadata() {
    let (key, next) = (openid_key::Key::es256("k1"), openid_key::Key::es256("k2"));
    let provider = Provider::new(&[&key]).await;
    let trusted = IdentityProvider::new(&provider.issuer, IssuerKeys::of_metadata());
    let server = Server::with(with_agent(settings()).with_identity_provider(trusted)).await;
    let ask = async |key: &openid_key::Key, id: &str| {
        let now = server.now_secs();
        let claims = json!({ "iss": provider.issuer, "sub": "u-1", "aud": ISSUER, "client_id": ID,
            "jti": id, "exp": now + 300, "iat": now, "resource": SIGNED, "scope": "user" });
        let header = json!({ "alg": "ES256", "typ": "oauth-id-jag+jwt", "kid": key.kid });
        present(&server, &agent(), &key.token_with(&header, &claims), &[]).await
    };
    check(&ask(&key, "1").await, Ok(()), &json!("known"));
    check(&ask(&next, "2").await, NO, &json!("not published"));
    // It is asked again once that may have changed.
    provider.state.lock().unwrap().keys = vec![key.jwk(), next.jwk()];
    check(&ask(&next, "2").await, NO, &json!("too early to ask"));
    server.pass_secs(10);
    check(&ask(&next, "2").await, Ok(()), &json!("published"));
    // Metadata of somebody else has no say, and without keys nobody is admitted.
    provider.state.lock().unwrap().metadata["issuer"] = json!("https://other.example");
    server.pass_secs(3_601);
    let answer = ask(&key, "3").await;
    assert_eq!(answer.refusal(), (503, "temporarily_unavailable".into()));
    assert!(answer.field("retry-after").is_some());
}

#[test]
fn em_05_sec_372_settings_that_cannot_be_meant() {
    let key = Key::es256();
    let good = || IdentityProvider::new(IDP, IssuerKeys::set(key.jwks()));
    let check = |provider: IdentityProvider| settings().with_identity_provider(provider).check();
    assert_eq!(check(good()), Ok(()));
    let of = |issuer: &str| IdentityProvider::new(issuer, IssuerKeys::set(key.jwks()));
    let at = |url: &str| IdentityProvider::new(IDP, IssuerKeys::at(url));
    assert_eq!(check(at("https://keys.example/set")), Ok(()));
    assert_eq!(check(IdentityProvider::new(IDP, IssuerKeys::of_metadata())), Ok(()));
    let mut hs256 = good();
    hs256.algorithms = vec![portcullis_authorization_server::Algorithm::Hs256];
    let mut none = good();
    none.algorithms.clear();
    let tenants = ["", "a b", "a#b"].map(|tenant| {
        let mut provider = good();
        provider.tenants = vec![tenant.to_owned()];
        provider
    });
    let bad = [
        of("http://id.example"),
        of("https://id.example?x"),
        of("id"),
        of(""),
        at("http://keys.example/set"),
        at("file:///keys"),
        IdentityProvider::new(IDP, IssuerKeys::set("{}")),
        IdentityProvider::new(IDP, IssuerKeys::set(r#"{"keys":[]}"#)),
        hs256,
        none,
    ];
    for provider in bad.into_iter().chain(tenants) {
        let shown = format!("{provider:?}");
        assert_eq!(check(provider), Err(SettingsError::IdentityProvider), "{shown}");
    }
    let twice = settings().with_identity_provider(good()).with_identity_provider(good());
    assert_eq!(twice.check(), Err(SettingsError::IdentityProvider));
    // Nobody signs in here, and yet there are users.
    let mut alone = settings().with_identity_provider(good());
    alone.passwords = Some(false);
    assert_eq!(alone.check(), Ok(()));
}

/// The whole way over the network: a user of an identity provider, and a protected MCP server.
#[tokio::test]
async fn em_04_a_protected_server_takes_the_token() {
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    let idp = TestIdentityProvider::start().await.unwrap();
    for format in [TokenFormat::Hs256, TokenFormat::Es256, TokenFormat::Opaque] {
        let resource =
            Resource::new(RESOURCE, "Clock", format).unwrap().with_scope("user", "words");
        let with_provider =
            |settings: Settings| with_agent(settings).with_identity_provider(idp.trusted());
        let server = TestServer::start_with([resource], with_provider).await.unwrap();
        let mcp = ProtectedServer::sample().start_as(&server, RESOURCE).await.unwrap();
        let credentials = [("client_id", ID), ("client_secret", SECRET)];

        let id_jag = idp.id_jag(&server, "alice", ID, RESOURCE).scope("user").make().unwrap();
        let tokens = server.present(&id_jag, &credentials).await.unwrap();
        assert!(tokens.refresh_token.is_none());
        let answer = mcp.call_tool(&tokens.access_token, "get_time", json!({})).await.unwrap();
        assert_eq!(answer.status(), 200, "{format:?}");

        let replayed = server.present(&id_jag, &credentials).await;
        assert!(matches!(replayed, Err(TestingError::Refused { status: 400, .. })), "{replayed:?}");
        // The ID-JAG itself is no access token (SEC-084).
        let answer = mcp.call_tool(&id_jag, "get_time", json!({})).await.unwrap();
        assert_eq!(answer.status(), 401);
    }
}
