//! Programs that act for themselves: the client credentials grant, by secret and by assertion.

use base64ct::{Base64UrlUnpadded, Encoding};
use http::StatusCode;
use portcullis_authorization_server::{ServiceAuthentication, Settings};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::databases::TestDatabase;
use crate::harness::*;
use crate::keys::Key;

const BY_SECRET: &str = "service-reports";
const SECRET: &str = "a-secret-that-a-machine-made-for-a-machine";
const BY_KEY: &str = "service-signs";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn with_services(settings: Settings, key: &Key) -> Settings {
    let secret = ServiceAuthentication::secret(SECRET).unwrap();
    let keys = ServiceAuthentication::public_keys(&key.jwks()).unwrap();
    settings
        .with_service(BY_SECRET, "Reports", secret, ["user"])
        .unwrap()
        .with_service(BY_KEY, "Signs", keys, ["user", "admin"])
        .unwrap()
}

async fn server(key: &Key) -> Server {
    Server::with(with_services(settings(), key)).await
}

/// Good claims at the server's time, with `changes`; null removes.
fn claims(server: &Server, id: &str, changes: &[(&str, Value)]) -> Value {
    let now = server.now_secs();
    let mut claims = json!({ "iss": BY_KEY, "sub": BY_KEY, "aud": ISSUER, "exp": now + 60,
        "iat": now, "jti": id });
    for (name, value) in changes {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

async fn by_assertion(server: &Server, assertion: &str, extra: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        GRANT,
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
        ("resource", OPAQUE),
    ];
    form.extend(extra);
    server.post_form("/token", &[], &form).await
}

fn by_secret() -> Client {
    Client { id: BY_SECRET.into(), secret: Some(SECRET.into()) }
}

#[tokio::test]
async fn as_98_as_113_a_service_acts_for_itself() {
    let server = server(&Key::es256()).await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    let listed =
        |name: &str, value: &str| metadata[name].as_array().unwrap().contains(&json!(value));
    assert!(listed("grant_types_supported", "client_credentials"));
    let field = basic(BY_SECRET, SECRET);
    for resource in [OPAQUE, SIGNED] {
        let form = [GRANT, ("resource", resource)];
        let answer = server.post_form("/token", &[("authorization", &field)], &form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let issued = answer.json();
        assert_eq!(issued["scope"], "user");
        assert!(issued.get("refresh_token").is_none());
        let token = issued["access_token"].as_str().unwrap();
        let told = server.introspect(resource, token).await;
        assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!(BY_SECRET)));
        assert_eq!(told["client_id"], BY_SECRET);
        if resource == SIGNED {
            let claims = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
            let claims: Value = serde_json::from_slice(&claims).unwrap();
            assert_eq!((&claims["sub"], &claims["aud"]), (&json!(BY_SECRET), &json!(SIGNED)));
        }
        let revoked = server.as_client("/revoke", &by_secret(), &[("token", token)]).await;
        assert_eq!(revoked.status, StatusCode::OK);
        assert!(!server.is_active(resource, token).await);
    }
}

#[tokio::test]
async fn as_98_only_granted_scopes_and_one_resource() {
    let server = server(&Key::es256()).await;
    let ask = async |form: &[(&str, &str)]| {
        let mut all = vec![GRANT];
        all.extend(form);
        server.token(&by_secret(), &all).await
    };
    assert_eq!(ask(&[("resource", OPAQUE), ("scope", "user")]).await.status, StatusCode::OK);
    for scope in ["admin", "user admin", "other", "user\u{e4}"] {
        let answer = ask(&[("resource", OPAQUE), ("scope", scope)]).await;
        assert_eq!(answer.refusal(), (400, "invalid_scope".into()), "{scope}");
    }
    let target = (400, "invalid_target".into());
    assert_eq!(ask(&[]).await.refusal(), target);
    assert_eq!(ask(&[("resource", "https://other.example")]).await.refusal(), target);
    assert_eq!(ask(&[("resource", OPAQUE), ("resource", SIGNED)]).await.refusal(), target);
}

#[tokio::test]
async fn as_98_nobody_else_may() {
    let server = server(&Key::es256()).await;
    let form = [GRANT, ("resource", OPAQUE)];
    let public = server.public_client().await;
    assert_eq!(server.token(&public, &form).await.refusal(), (401, "invalid_client".into()));
    let registered = server.client_with("client_secret_post").await;
    let refused = server.token(&registered, &form).await.refusal();
    assert_eq!(refused, (400, "unauthorized_client".into()));
    for secret in [None, Some("wrong".to_owned())] {
        let impostor = Client { id: BY_SECRET.into(), secret };
        assert_eq!(server.token(&impostor, &form).await.refusal().1, "invalid_client");
    }
    // A service has no user to ask, and no secret stands in for a key.
    server.get(&format!("/authorize?{}", query(BY_SECRET, &[]))).await.is_page(400);
    let with_secret = Client { id: BY_KEY.into(), secret: Some(SECRET.into()) };
    assert_eq!(server.token(&with_secret, &form).await.refusal().1, "invalid_client");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    assert!(server.token(&by_secret(), &refresh).await.status.is_client_error());
}

#[tokio::test]
async fn as_84_each_algorithm_with_its_key() {
    for key in Key::every() {
        let server = server(&key).await;
        let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
        let algorithms = &metadata["token_endpoint_auth_signing_alg_values_supported"];
        assert!(algorithms.as_array().unwrap().contains(&json!(key.algorithm())));
        let header = json!({ "alg": key.algorithm(), "typ": "client-authentication+jwt" });
        let good = key.assertion(&header, &claims(&server, "1", &[]));
        let answer = by_assertion(&server, &good, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{} {}", key.algorithm(), answer.body);
        assert_eq!(answer.json()["scope"], "admin user");
        // A stranger's key, another algorithm, and none.
        let refused = (401, "invalid_client".to_owned());
        for other in Key::every() {
            let header = json!({ "alg": other.algorithm() });
            let assertion = other.assertion(&header, &claims(&server, "2", &[]));
            assert_eq!(by_assertion(&server, &assertion, &[]).await.refusal(), refused);
        }
        for algorithm in ["none", "HS256", "PS256"] {
            let header = json!({ "alg": algorithm });
            let assertion = key.assertion(&header, &claims(&server, "3", &[]));
            assert_eq!(by_assertion(&server, &assertion, &[]).await.refusal(), refused);
        }
    }
}

#[tokio::test]
async fn sec_253_an_assertion_is_for_this_server_now_and_once() {
    let mut settings = with_services(settings(), &Key::es256());
    settings.limits.wrong_secrets_per_minute = 1_000;
    let key = Key::es256();
    let keys = ServiceAuthentication::public_keys(&key.jwks()).unwrap();
    let settings = settings.with_service("service-now", "Now", keys, ["user"]).unwrap();
    let server = Server::with(settings).await;
    let now = server.now_secs();
    let own = |changes: &[(&str, Value)], id: &str| {
        let mut all = vec![("iss", json!("service-now")), ("sub", json!("service-now"))];
        all.extend_from_slice(changes);
        key.assertion(&json!({ "alg": "ES256" }), &claims(&server, id, &all))
    };
    let once = own(&[], "once");
    assert_eq!(by_assertion(&server, &once, &[]).await.status, StatusCode::OK);
    let refused = (401, "invalid_client".to_owned());
    assert_eq!(by_assertion(&server, &once, &[]).await.refusal(), refused);
    // The same `jti` in a new assertion is used up, too.
    let again = own(&[("exp", json!(now + 90))], "once");
    assert_eq!(by_assertion(&server, &again, &[]).await.refusal(), refused);
    for (number, (name, value)) in [
        ("aud", json!(format!("{ISSUER}/token"))),
        ("aud", json!([ISSUER, "https://other.example"])),
        ("aud", json!("https://other.example")),
        ("aud", Value::Null),
        ("exp", json!(now)),
        ("exp", json!(now + 24 * 60 * 60)),
        ("exp", Value::Null),
        ("nbf", json!(now + 3_600)),
        ("iat", json!(now + 3_600)),
        ("jti", Value::Null),
        ("iss", json!(BY_KEY)),
        ("sub", json!(BY_KEY)),
        ("sub", json!("nobody")),
    ]
    .into_iter()
    .enumerate()
    {
        let assertion = own(&[(name, value.clone())], &number.to_string());
        let answer = by_assertion(&server, &assertion, &[]).await;
        assert_eq!(answer.refusal(), refused, "{name} {value}");
    }
    // Named twice it must be the same client; together with a secret it is refused.
    let named = by_assertion(&server, &own(&[], "a"), &[("client_id", "service-now")]).await;
    assert_eq!(named.status, StatusCode::OK);
    let other = by_assertion(&server, &own(&[], "b"), &[("client_id", BY_KEY)]).await;
    assert_eq!(other.refusal(), refused);
    let both = by_assertion(&server, &own(&[], "c"), &[("client_secret", SECRET)]).await;
    assert_eq!(both.refusal(), (400, "invalid_request".into()));
    let form = [
        GRANT,
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
        ("client_assertion", &own(&[], "d")),
        ("resource", OPAQUE),
    ];
    assert_eq!(server.post_form("/token", &[], &form).await.refusal(), refused);
}

#[tokio::test]
async fn lim_20_wrong_assertions_are_counted() {
    let key = Key::es256();
    let server = server(&key).await;
    let stranger = Key::es256();
    let header = json!({ "alg": "ES256" });
    for number in 0..10 {
        let wrong = stranger.assertion(&header, &claims(&server, &number.to_string(), &[]));
        assert_eq!(by_assertion(&server, &wrong, &[]).await.refusal().0, 401);
    }
    let good = key.assertion(&header, &claims(&server, "good", &[]));
    assert_eq!(by_assertion(&server, &good, &[]).await.refusal().0, 429);
    server.pass_secs(60);
    let good = key.assertion(&header, &claims(&server, "later", &[]));
    assert_eq!(by_assertion(&server, &good, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sec_254_an_assertion_counts_once_whatever_comes_at_once() {
    let key = Key::es256();
    let server = server(&key).await;
    let assertion = key.assertion(&json!({ "alg": "ES256" }), &claims(&server, "race", &[]));
    let race = || by_assertion(&server, &assertion, &[]);
    let (a, b, c, d) = tokio::join!(race(), race(), race(), race());
    let granted = [a, b, c, d].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(granted, 1);
}

/// Claims as a client, or somebody else, may send them: times as seconds from now.
#[derive(Debug, Clone)]
struct Sent {
    audience: Value,
    issuer: &'static str,
    subject: &'static str,
    ends: Option<i64>,
    issued: Option<i64>,
    begins: Option<i64>,
    has_id: bool,
    algorithm: &'static str,
    flipped: Option<prop::sample::Index>,
}

impl Sent {
    fn any() -> impl Strategy<Value = Self> {
        // Most of each is good, so that some of all is.
        let mostly = |good: Value, bad: Vec<Value>| prop_oneof![6 => Just(good), 1 => prop::sample::select(bad)];
        let audience = mostly(
            json!(ISSUER),
            vec![
                json!(format!("{ISSUER}/token")),
                json!(format!("{ISSUER}/")),
                json!([ISSUER]),
                json!([ISSUER, "https://other.example"]),
                Value::Null,
            ],
        );
        let one_of = |good: &'static str, bad: Vec<&'static str>| prop_oneof![6 => Just(good), 1 => prop::sample::select(bad)];
        let name = || one_of(BY_KEY, vec![BY_SECRET, "nobody"]);
        let time = |around: std::ops::Range<i64>| prop::option::weighted(0.8, around);
        (
            audience,
            (name(), name()),
            time(-30..630),
            time(-90..90),
            time(-90..90),
            prop::bool::weighted(0.9),
            one_of("ES256", vec!["none", "HS256", "EdDSA"]),
            prop::option::weighted(0.2, any::<prop::sample::Index>()),
        )
            .prop_map(
                |(
                    audience,
                    (issuer, subject),
                    ends,
                    issued,
                    begins,
                    has_id,
                    algorithm,
                    flipped,
                )| {
                    Self {
                        audience,
                        issuer,
                        subject,
                        ends,
                        issued,
                        begins,
                        has_id,
                        algorithm,
                        flipped,
                    }
                },
            )
    }

    /// What RFC 7523 §3 and AS-84 ask, with a minute for clocks that differ.
    fn is_good(&self) -> bool {
        self.audience == json!(ISSUER)
            && self.issuer == BY_KEY
            && self.subject == BY_KEY
            && self.ends.is_some_and(|ends| ends > 0 && ends <= 600)
            && [self.issued, self.begins].iter().flatten().all(|time| *time <= 60)
            && self.has_id
            && self.algorithm == "ES256"
            && self.flipped.is_none()
    }

    fn assertion(&self, server: &Server, key: &Key, id: usize) -> String {
        let now = i64::try_from(server.now_secs()).unwrap();
        let at = |time: Option<i64>| time.map_or(Value::Null, |time| json!(now + time));
        let id = if self.has_id { json!(id.to_string()) } else { Value::Null };
        let changes = [
            ("aud", self.audience.clone()),
            ("iss", json!(self.issuer)),
            ("sub", json!(self.subject)),
            ("exp", at(self.ends)),
            ("iat", at(self.issued)),
            ("nbf", at(self.begins)),
            ("jti", id),
        ];
        let header = json!({ "alg": self.algorithm });
        let mut text = key.assertion(&header, &claims(server, "", &changes)).into_bytes();
        if let Some(at) = self.flipped {
            // The last character of a segment has bits that mean nothing: the one before it.
            let at = at.index(text.len() - 1);
            let at =
                if text[at] == b'.' || text[at + 1] == b'.' { at.saturating_sub(2) } else { at };
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        }
        String::from_utf8(text).unwrap()
    }
}

#[test]
fn sec_253_accepted_is_what_fulfils_every_rule() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = Key::es256();
    let mut settings = with_services(settings(), &key);
    settings.limits.wrong_secrets_per_minute = u32::MAX;
    let server = runtime.block_on(Server::with(settings));
    let count = std::cell::Cell::new((0, 0));
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(1_000) });
    let checked = runner.run(&Sent::any(), |sent| {
        let (number, good) = count.get();
        count.set((number + 1, good + u32::from(sent.is_good())));
        let assertion = sent.assertion(&server, &key, number);
        // Named, so that an assertion about somebody else is one.
        let named = [("client_id", BY_KEY)];
        let answer = runtime.block_on(by_assertion(&server, &assertion, &named));
        prop_assert_eq!(answer.status == StatusCode::OK, sent.is_good(), "{}", answer.body);
        if !sent.is_good() {
            prop_assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
        }
        Ok(())
    });
    checked.unwrap();
    assert!(count.get().1 > 100, "too few good ones to say anything: {}", count.get().1);
}

/// What was used before a restart is used after it, in a database; in memory it is not known, and
/// then the assertion has ten minutes at most.
#[tokio::test]
async fn sec_254_a_restart_forgets_no_assertion() {
    let key = Key::es256();
    for database in TestDatabase::each() {
        let settings = || with_services(settings().with_database(database.place()), &key);
        let first = Server::with(settings()).await;
        let header = json!({ "alg": "ES256" });
        let used = key.assertion(&header, &claims(&first, "used", &[]));
        assert_eq!(by_assertion(&first, &used, &[]).await.status, StatusCode::OK);
        let unused = key.assertion(&header, &claims(&first, "unused", &[]));
        first.server.close().await;
        let second = Server::with(settings()).await;
        second.server.sweep().await;
        let refused = by_assertion(&second, &used, &[]).await;
        assert_eq!(refused.refusal(), (401, "invalid_client".into()));
        assert_eq!(by_assertion(&second, &unused, &[]).await.status, StatusCode::OK);
        // Its record goes when it has expired, and not before.
        second.pass_secs(59);
        second.server.sweep().await;
        assert_eq!(database.count("replay_ids").await, 2);
        second.pass_secs(2);
        second.server.sweep().await;
        assert_eq!(database.count("replay_ids").await, 0);
        assert_eq!(by_assertion(&second, &used, &[]).await.refusal().0, 401);
        second.server.close().await;
    }
}
