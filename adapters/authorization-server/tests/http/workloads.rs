//! Workload identity federation: a platform's word stands for a grant, and each that does not differs in one thing.

use http::StatusCode;
use portcullis_authorization_server::testing::{
    ProtectedServer, TestIdentityProvider, TestServer, TestingError,
};
use portcullis_authorization_server::{
    Algorithm, IssuerKeys, Resource, Settings, SettingsError, TokenFormat, Workload,
};
use serde_json::{Value, json};

use crate::databases::{TestDatabase, durable};
use crate::harness::*;
use crate::keys::Key;

const PLATFORM: &str = "https://cluster.example";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SUB: &str = "system:serviceaccount:prod:indexer";
const SUBJECT: &str = "workload:https://cluster.example#system:serviceaccount:prod:indexer";

fn refused() -> (u16, String) {
    (400, "invalid_grant".into())
}

fn resource(identifier: &str, format: TokenFormat) -> Resource {
    Resource::new(identifier, "Clock", format)
        .unwrap()
        .with_scope("user", "read the time")
        .with_further_scope("admin", "set the clock")
}

fn indexer(key: &Key) -> Workload {
    let keys = IssuerKeys::set(key.jwks());
    Workload::new("indexer", PLATFORM, keys, ["user"]).with_claim("sub", SUB)
}

/// The rule is about one resource; another one has none.
fn trusting(workload: Workload) -> Settings {
    Settings::demo(ISSUER)
        .unwrap()
        .with_resource(resource(SIGNED, TokenFormat::Hs256).with_workload(workload))
        .with_resource(resource(OPAQUE, TokenFormat::Opaque))
}

struct World {
    server: Server,
    key: Key,
}

impl World {
    async fn new() -> Self {
        Self::with(|workload| workload).await
    }

    async fn with(change: impl FnOnce(Workload) -> Workload) -> Self {
        let key = Key::es256();
        Self { server: Server::with(trusting(change(indexer(&key)))).await, key }
    }

    fn assertion(&self, changes: &[(&str, Value)]) -> String {
        let now = self.server.now_secs();
        let mut claims = json!({ "iss": PLATFORM, "sub": SUB, "aud": ISSUER, "exp": now + 3_600,
            "iat": now, "jti": "1" });
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.key.assertion(&json!({ "alg": self.key.algorithm() }), &claims)
    }

    async fn present(&self, assertion: &str, further: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", GRANT), ("assertion", assertion)];
        form.extend(further);
        self.server.post_form("/token", &[], &form).await
    }

    async fn ask(&self, changes: &[(&str, Value)]) -> Answer {
        self.present(&self.assertion(changes), &[("resource", SIGNED)]).await
    }

    async fn check(&self, name: &str, value: Value, is_good: bool) {
        let answer = self.ask(&[(name, value.clone())]).await;
        match is_good {
            true => assert_eq!(answer.status, StatusCode::OK, "{name} {value} {}", answer.body),
            false => assert_eq!(answer.refusal(), refused(), "{name} {value}"),
        }
    }
}

#[tokio::test]
async fn wf_02_wf_04_a_workload_is_neither_a_user_nor_a_client() {
    let world = World::new().await;
    let metadata = world.server.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
    assert!(metadata.get("authorization_grant_profiles_supported").is_none());
    let answer = world.ask(&[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let issued = answer.json();
    assert_eq!((&issued["scope"], &issued["token_type"]), (&json!("user"), &json!("Bearer")));
    assert!(issued.get("refresh_token").is_none());
    let token = issued["access_token"].as_str().unwrap();
    let told = world.server.introspect(SIGNED, token).await;
    assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!(SUBJECT)));
    assert_eq!(told["client_id"], "workload-indexer");
    assert!(!world.server.is_active(OPAQUE, token).await);
    assert!(world.server.server.accounts().list().await.unwrap().is_empty());
    // Nobody else can be named so, and the name is none to ask by.
    for name in ["workload-indexer", SUBJECT] {
        assert!(world.server.server.accounts().add(name, "password").await.is_err(), "{name}");
        let redirects = ["https://a.example/"];
        assert!(settings().with_public_client(name, "N", redirects).is_err(), "{name}");
    }
    for secret in [None, Some("wrong".to_owned())] {
        let impostor = Client { id: "workload-indexer".into(), secret };
        for form in [
            vec![("grant_type", "client_credentials"), ("resource", SIGNED)],
            vec![("grant_type", GRANT), ("assertion", "x"), ("resource", SIGNED)],
        ] {
            let answer = world.server.token(&impostor, &form).await;
            assert_eq!(answer.refusal(), (401, "invalid_client".into()));
        }
    }
    assert!(settings().with_user("workloader", "password").is_ok());
}

#[tokio::test]
async fn wf_03_required_claims_audience_and_times() {
    let world = World::new().await;
    let now = world.server.now_secs();
    for name in ["iss", "sub", "aud", "exp", "iat", "jti"] {
        world.check(name, Value::Null, false).await;
    }
    let token_endpoint = format!("{ISSUER}/token");
    world.check("aud", json!(ISSUER), true).await;
    world.check("aud", json!(token_endpoint), true).await;
    world.check("aud", json!([token_endpoint]), true).await;
    for bad in [json!([ISSUER, token_endpoint]), json!(SIGNED), json!([]), json!("kubernetes")] {
        world.check("aud", bad, false).await;
    }
    world.check("exp", json!(now + 86_400), true).await;
    world.check("exp", json!(now + 86_401), false).await;
    world.check("exp", json!(now - 60), false).await;
    world.check("iat", json!(now + 61), false).await;
    world.check("nbf", json!(now + 61), false).await;
    // Tokens are not bound here, so that nobody can prove to have a key.
    world.check("cnf", json!({ "jkt": "x" }), false).await;
    world.check("iss", json!("https://other.example"), false).await;
    world.check("iss", json!(format!("{PLATFORM}/")), false).await;
}

#[tokio::test]
async fn wf_02_claims_must_be_exactly_what_the_rule_says() {
    let world = World::with(|rule| rule.with_claim("namespace", "prod")).await;
    let ask = async |sub: &str, namespace: Value| {
        world.ask(&[("sub", json!(sub)), ("namespace", namespace)]).await
    };
    let good = ask(SUB, json!("prod")).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.body);
    for (sub, namespace) in [
        (SUB, json!("Prod")),
        (SUB, json!("prod ")),
        (SUB, json!("production")),
        (SUB, json!("")),
        (SUB, json!(["prod"])),
        (SUB, json!({ "prod": true })),
        (SUB, json!(true)),
        (SUB, Value::Null),
        ("system:serviceaccount:prod:other", json!("prod")),
        ("system:serviceaccount:prod:indexer2", json!("prod")),
    ] {
        assert_eq!(ask(sub, namespace.clone()).await.refusal(), refused(), "{sub} {namespace}");
    }
}

#[tokio::test]
async fn wf_02_a_rule_is_about_one_resource_and_its_scopes() {
    let world = World::new().await;
    let ask = async |form: &[(&str, &str)]| world.present(&world.assertion(&[]), form).await;
    assert_eq!(ask(&[("resource", SIGNED)]).await.status, StatusCode::OK);
    assert_eq!(ask(&[("resource", SIGNED), ("scope", "user")]).await.status, StatusCode::OK);
    assert_eq!(ask(&[("resource", OPAQUE)]).await.refusal(), refused());
    let target = (400, "invalid_target".to_owned());
    assert_eq!(ask(&[]).await.refusal(), target);
    assert_eq!(ask(&[("resource", "http://localhost:8009/mcp")]).await.refusal(), target);
    assert_eq!(ask(&[("resource", SIGNED), ("resource", OPAQUE)]).await.refusal(), target);
    for scope in ["admin", "user admin", "other", "us\"er"] {
        let answer = ask(&[("resource", SIGNED), ("scope", scope)]).await;
        assert_eq!(answer.refusal(), (400, "invalid_scope".into()), "{scope}");
    }
    let form = [("grant_type", GRANT), ("resource", SIGNED)];
    let none = world.server.post_form("/token", &[], &form).await;
    assert_eq!(none.refusal(), (400, "invalid_request".into()));
    // Without this grant a client still has to say who it is.
    let form = [("grant_type", "client_credentials"), ("resource", SIGNED)];
    let other = world.server.post_form("/token", &[], &form).await;
    assert_eq!(other.refusal(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn wf_02_keys_belong_to_their_issuer_and_algorithms_to_their_list() {
    let (key, other) = (Key::es256(), Key::es256());
    let second =
        Workload::new("second", "https://other.example", IssuerKeys::set(other.jwks()), ["user"])
            .with_claim("sub", SUB);
    let both = Settings::demo(ISSUER).unwrap().with_resource(
        resource(SIGNED, TokenFormat::Hs256).with_workload(indexer(&key)).with_workload(second),
    );
    let world = World { server: Server::with(both).await, key };
    assert_eq!(world.ask(&[]).await.status, StatusCode::OK);
    // SEC-088: the right issuer, with the key of another one that is trusted, too.
    let world = World { server: world.server, key: other };
    assert_eq!(world.ask(&[]).await.refusal(), refused());
    world.check("iss", json!("https://other.example"), true).await;
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "ES256", "typ": "at+jwt" }),
        json!({ "alg": "ES256", "typ": "oauth-id-jag+jwt" }),
        json!({ "alg": "ES256", "typ": "client-authentication+jwt" }),
    ] {
        let now = world.server.now_secs();
        let claims = json!({ "iss": "https://other.example", "sub": SUB, "aud": ISSUER,
            "exp": now + 60, "iat": now, "jti": "1" });
        let assertion = world.key.assertion(&header, &claims);
        let answer = world.present(&assertion, &[("resource", SIGNED)]).await;
        assert_eq!(answer.refusal(), refused(), "{header}");
    }
    let world = World::with(|mut rule| {
        rule.algorithms = vec![Algorithm::Rs256];
        rule
    });
    assert_eq!(world.await.ask(&[]).await.refusal(), refused());
}

#[tokio::test]
async fn wf_03_an_assertion_counts_once_where_it_should() {
    for database in TestDatabase::each() {
        for single_use in [false, true] {
            let key = Key::es256();
            let trusting = || {
                let mut rule = indexer(&key);
                rule.single_use = single_use;
                let clock = resource("http://localhost:8005/mcp", TokenFormat::Opaque);
                durable(database.place()).with_resource(
                    clock
                        .with_introspection_credentials("rs-5", "sixteen-characters")
                        .with_workload(rule),
                )
            };
            let first = Server::with(trusting()).await;
            let now = first.now_secs();
            let claims = json!({ "iss": PLATFORM, "sub": SUB, "aud": ISSUER, "exp": now + 600,
                "iat": now, "jti": format!("{single_use}") });
            let assertion = key.assertion(&json!({ "alg": "ES256" }), &claims);
            let form = [
                ("grant_type", GRANT),
                ("assertion", assertion.as_str()),
                ("resource", "http://localhost:8005/mcp"),
            ];
            assert_eq!(first.post_form("/token", &[], &form).await.status, StatusCode::OK);
            first.server.close().await;
            let second = Server::with(trusting()).await;
            let again = second.post_form("/token", &[], &form).await;
            match single_use {
                true => assert_eq!(again.refusal(), refused()),
                false => assert_eq!(again.status, StatusCode::OK, "{}", again.body),
            }
            second.server.close().await;
        }
    }
}

#[test]
fn wf_02_rules_that_cannot_be_meant() {
    let key = Key::es256();
    let good = || indexer(&key);
    let with = |rule: Workload| trusting(rule).check();
    assert_eq!(with(good()), Ok(()));
    let keys = || IssuerKeys::set(key.jwks());
    let rule = |name: &str, issuer: &str, scopes: &[&str]| {
        Workload::new(name, issuer, keys(), scopes.iter().copied()).with_claim("sub", SUB)
    };
    let at = |url: &str| {
        Workload::new("a", PLATFORM, IssuerKeys::at(url), ["user"]).with_claim("sub", SUB)
    };
    assert_eq!(with(at("https://cluster.example/openid/v1/jwks")), Ok(()));
    for bad in [
        rule("", PLATFORM, &["user"]),
        rule("two words", PLATFORM, &["user"]),
        rule("a", "http://cluster.example", &["user"]),
        rule("a", PLATFORM, &[]),
        rule("a", PLATFORM, &["other"]),
        Workload::new("a", PLATFORM, keys(), ["user"]),
        good().with_claim("namespace", ""),
        good().with_claim("aud", ISSUER),
        at("http://cluster.example/jwks"),
        Workload::new("a", PLATFORM, IssuerKeys::set("{}"), ["user"]).with_claim("sub", SUB),
    ] {
        let shown = format!("{bad:?}");
        assert_eq!(with(bad), Err(SettingsError::Workload), "{shown}");
    }
    let twice = trusting(good()).with_resource(
        resource("http://localhost:8005/mcp", TokenFormat::Opaque).with_workload(good()),
    );
    assert_eq!(twice.check(), Err(SettingsError::Workload));
}

/// The whole way over the network, with the platform's keys at a URL.
#[tokio::test]
async fn wf_02_a_protected_server_takes_the_token() {
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    let platform = TestIdentityProvider::start().await.unwrap();
    for format in [TokenFormat::Hs256, TokenFormat::Es256, TokenFormat::Opaque] {
        let keys = IssuerKeys::at(format!("{}/keys", platform.issuer()));
        let rule = Workload::new("job", platform.issuer(), keys, ["user"]).with_claim("sub", "job");
        let clock = Resource::new(RESOURCE, "Clock", format).unwrap().with_scope("user", "words");
        let server = TestServer::start([clock.with_workload(rule)]).await.unwrap();
        let mcp = ProtectedServer::sample().start_as(&server, RESOURCE).await.unwrap();
        let resource = [("resource", RESOURCE)];

        let assertion = platform.assertion(&server, "job").make().unwrap();
        let tokens = server.present(&assertion, &resource).await.unwrap();
        let answer = mcp.call_tool(&tokens.access_token, "get_time", json!({})).await.unwrap();
        assert_eq!(answer.status(), 200, "{format:?}");

        let assertion = platform.assertion(&server, "another").make().unwrap();
        let other = server.present(&assertion, &resource).await;
        assert!(matches!(other, Err(TestingError::Refused { status: 400, .. })), "{other:?}");
        let answer = mcp.call_tool(&assertion, "get_time", json!({})).await.unwrap();
        assert_eq!(answer.status(), 401);
    }
}
