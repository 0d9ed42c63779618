//! Enterprise-managed authorization: an ID-JAG stands for a grant, and each that does not differs in one thing.

use http::StatusCode;
use portcullis_authorization_server::{
    Algorithm, IdentityProvider, IssuerKeys, Resource, ServiceAuthentication, Settings, TokenFormat,
};
use serde_json::{Value, json};

use crate::harness::*;
use crate::keys::Key;

pub(crate) const IDP: &str = "https://id.example";
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TYPE: &str = "oauth-id-jag+jwt";
pub(crate) const SECRET: &str = "a-secret-that-a-machine-made-for-a-machine";
pub(crate) const ID: &str = "service-agent";

fn refused() -> (u16, String) {
    (400, "invalid_grant".into())
}

pub(crate) fn agent() -> Client {
    Client { id: ID.into(), secret: Some(SECRET.into()) }
}

pub(crate) fn with_agent(settings: Settings) -> Settings {
    let secret = ServiceAuthentication::secret(SECRET).unwrap();
    settings.with_service(ID, "Agent", secret, ["user"]).unwrap()
}

pub(crate) struct World {
    pub(crate) server: Server,
    key: Key,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(settings(), |_| {}).await
    }

    pub(crate) async fn with(
        settings: Settings,
        change: impl FnOnce(&mut IdentityProvider),
    ) -> Self {
        let key = Key::es256();
        let mut provider = IdentityProvider::new(IDP, IssuerKeys::set(key.jwks()));
        change(&mut provider);
        let settings = with_agent(settings).with_identity_provider(provider);
        Self { server: Server::with(settings).await, key }
    }

    /// Good claims at the server's time, with `changes`; null removes.
    pub(crate) fn claims(&self, id: &str, changes: &[(&str, Value)]) -> Value {
        let now = self.server.now_secs();
        let mut claims = json!({ "iss": IDP, "sub": "u-1", "aud": ISSUER, "client_id": ID, "jti": id,
            "exp": now + 300, "iat": now, "resource": SIGNED, "scope": "user" });
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    pub(crate) fn id_jag(&self, id: &str, changes: &[(&str, Value)]) -> String {
        let header = json!({ "alg": self.key.algorithm(), "typ": TYPE });
        self.key.assertion(&header, &self.claims(id, changes))
    }

    pub(crate) async fn present(
        &self,
        client: &Client,
        assertion: &str,
        further: &[(&str, &str)],
    ) -> Answer {
        present(&self.server, client, assertion, further).await
    }

    /// Presents an ID-JAG that differs so from a good one; each has an id of its own.
    pub(crate) async fn ask(&self, changes: &[(&str, Value)]) -> Answer {
        let id = format!("{changes:?}");
        self.present(&agent(), &self.id_jag(&id, changes), &[]).await
    }
}

pub(crate) async fn present(
    server: &Server,
    client: &Client,
    assertion: &str,
    further: &[(&str, &str)],
) -> Answer {
    let mut form = vec![("grant_type", GRANT), ("assertion", assertion)];
    form.extend(further);
    server.token(client, &form).await
}

#[tokio::test]
async fn em_04_em_10_em_11_an_id_jag_stands_for_a_grant() {
    let world = World::new().await;
    for resource in [SIGNED, OPAQUE] {
        let answer = world.ask(&[("resource", json!(resource))]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let issued = answer.json();
        assert_eq!((&issued["scope"], &issued["token_type"]), (&json!("user"), &json!("Bearer")));
        assert!(issued.get("refresh_token").is_none());
        let token = issued["access_token"].as_str().unwrap();
        let told = world.server.introspect(resource, token).await;
        assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!(ID)));
        assert_eq!(told["sub"], format!("openid:{IDP}#u-1"));
        let other = if resource == SIGNED { OPAQUE } else { SIGNED };
        assert!(!world.server.is_active(other, token).await);
    }
    // Without an assertion there is none, and it is no way to another grant.
    let none = world.server.token(&agent(), &[("grant_type", GRANT)]).await;
    assert_eq!(none.refusal(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn em_04_em_14_the_client_proves_who_it_is() {
    let world = World::new().await;
    let jag = |id: &str, client: &str| world.id_jag(id, &[("client_id", json!(client))]);
    let wrong = Client { id: ID.into(), secret: Some("wrong".into()) };
    let none = Client { id: ID.into(), secret: None };
    let public = world.server.public_client().await;
    for (at, client) in [wrong, none, public].iter().enumerate() {
        let assertion = jag(&format!("{at}"), &client.id);
        let answer = world.present(client, &assertion, &[]).await;
        assert_eq!(answer.refusal(), (401, "invalid_client".into()), "{}", client.id);
        // Nothing of the assertion was looked at, whatever it is.
        let answer = world.present(client, "nonsense", &[]).await;
        assert_eq!(answer.refusal(), (401, "invalid_client".into()), "{}", client.id);
    }
    let form = [("grant_type", GRANT), ("assertion", &jag("x", ID))];
    let nobody = world.server.post_form("/token", &[], &form).await;
    assert_eq!(nobody.refusal(), (401, "invalid_client".into()));
    // A client that registered itself and has a secret is one; it may do nothing by itself.
    let registered = world.server.client_with("client_secret_post").await;
    let answer = world.present(&registered, &jag("r", &registered.id), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let alone = [("grant_type", "client_credentials"), ("resource", SIGNED)];
    let answer = world.server.token(&registered, &alone).await;
    assert_eq!(answer.refusal(), (400, "unauthorized_client".into()));
}

#[tokio::test]
async fn em_05_type_key_and_algorithm() {
    let world = World::with(settings(), |_| {}).await;
    let signed =
        |key: &Key, header: Value, id: &str| key.assertion(&header, &world.claims(id, &[]));
    let present = async |assertion: &str| world.present(&agent(), assertion, &[]).await;
    for (at, typ) in [TYPE, "OAuth-Id-Jag+JWT", "application/oauth-id-jag+jwt"].iter().enumerate() {
        let good = signed(&world.key, json!({ "alg": "ES256", "typ": typ }), &format!("good {at}"));
        assert_eq!(present(&good).await.status, StatusCode::OK, "{typ}");
    }
    for header in [
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "typ": "JWT" }),
        json!({ "alg": "ES256", "typ": "at+jwt" }),
        json!({ "alg": "ES256", "typ": "client-authentication+jwt" }),
        json!({ "alg": "none", "typ": TYPE }),
        json!({ "alg": "None", "typ": TYPE }),
        json!({ "alg": "HS256", "typ": TYPE }),
        json!({ "alg": "RS256", "typ": TYPE }),
        json!({ "alg": "ES256", "typ": TYPE, "crit": ["x"], "x": 1 }),
        json!({ "alg": "ES256", "typ": TYPE, "kid": "another" }),
    ] {
        let bad = signed(&world.key, header.clone(), "bad");
        assert_eq!(present(&bad).await.refusal(), refused(), "{header}");
    }
    for other in Key::every() {
        let header = json!({ "alg": other.algorithm(), "typ": TYPE });
        assert_eq!(present(&signed(&other, header, "stranger")).await.refusal(), refused());
    }
    // A key in the header is nobody's.
    let stranger = Key::es256();
    let header = json!({ "alg": "ES256", "typ": TYPE, "jwk": stranger.jwk() });
    assert_eq!(present(&signed(&stranger, header, "jwk")).await.refusal(), refused());
    let good = signed(&world.key, json!({ "alg": "ES256", "typ": TYPE }), "cut");
    let (input, _) = good.rsplit_once('.').unwrap();
    let long = format!("{good}{}", "A".repeat(8 * 1024));
    for bad in [input, &format!("{input}."), &format!("{good}.x"), "x", "a.b.c", &long] {
        assert_eq!(present(bad).await.refusal(), refused(), "{bad}");
    }
    assert_eq!(present(&good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn em_05_each_algorithm_unless_fewer_are_named() {
    for algorithms in [vec![], vec![Algorithm::EdDsa]] {
        for key in Key::every() {
            let is_named = algorithms.is_empty() || key.algorithm() == "EdDSA";
            let mut provider = IdentityProvider::new(IDP, IssuerKeys::set(key.jwks()));
            if !algorithms.is_empty() {
                provider.algorithms.clone_from(&algorithms);
            }
            let settings = with_agent(settings()).with_identity_provider(provider);
            let world = World { server: Server::with(settings).await, key };
            let answer = world.ask(&[]).await;
            match is_named {
                true => assert_eq!(answer.status, StatusCode::OK, "{}", answer.body),
                false => assert_eq!(answer.refusal(), refused()),
            }
        }
    }
}

/// Nothing, or status and error.
pub(crate) type Expected = Result<(), (u16, &'static str)>;

/// Each differs from a good one in one claim; the twin that is accepted stands before it.
#[track_caller]
pub(crate) fn check(answer: &Answer, expected: Expected, case: &Value) {
    match expected {
        Ok(()) => assert_eq!(answer.status, StatusCode::OK, "{case} {}", answer.body),
        Err((status, error)) => assert_eq!(answer.refusal(), (status, error.into()), "{case}"),
    }
}

pub(crate) const NO: Expected = Err((400, "invalid_grant"));
const NO_TARGET: Expected = Err((400, "invalid_target"));
const NO_SCOPE: Expected = Err((400, "invalid_scope"));

async fn claims_of(world: &World, cases: Vec<(&str, Value, Expected)>) {
    for (name, value, expected) in cases {
        let case = json!({ name: value });
        check(&world.ask(&[(name, value)]).await, expected, &case);
    }
}

#[tokio::test]
async fn em_06_em_07_audience_client_and_issuer() {
    let world = World::new().await;
    let token_endpoint = format!("{ISSUER}/token");
    let cases = vec![
        ("aud", json!(ISSUER), Ok(())),
        ("aud", json!([ISSUER]), Ok(())),
        ("aud", json!([ISSUER, "https://other.example"]), NO),
        ("aud", json!([ISSUER, ISSUER]), NO),
        ("aud", json!([]), NO),
        ("aud", json!(token_endpoint), NO),
        ("aud", json!(format!("{ISSUER}/")), NO),
        ("aud", json!(SIGNED), NO),
        ("aud", json!(1), NO),
        ("client_id", json!(ID), Ok(())),
        ("client_id", json!("service-other"), NO),
        ("client_id", json!([ID]), NO),
        ("client_id", Value::Null, NO),
        ("iss", json!(IDP), Ok(())),
        ("iss", json!(format!("{IDP}/")), NO),
        ("iss", json!("https://evil.example"), NO),
        ("iss", json!([IDP]), NO),
    ];
    claims_of(&world, cases).await;
}

#[tokio::test]
async fn em_08_required_claims_and_times() {
    let world = World::new().await;
    let now = world.server.now_secs();
    for name in ["iss", "sub", "aud", "client_id", "jti", "exp", "iat"] {
        check(&world.ask(&[(name, Value::Null)]).await, NO, &json!(name));
    }
    let cases = vec![
        ("exp", json!(now - 59), Err((400, "invalid_grant"))),
        ("exp", json!(now + 1), Ok(())),
        ("exp", json!(0), NO),
        ("exp", json!("soon"), NO),
        ("exp", json!(1.5e9), NO),
        ("exp", json!(now + 86_400), Ok(())),
        ("exp", json!(now + 86_401), NO),
        ("exp", json!(u64::MAX), NO),
        ("iat", json!(now + 60), Ok(())),
        ("iat", json!(now + 61), NO),
        ("iat", json!(-1), NO),
        ("nbf", json!(now + 60), Ok(())),
        ("nbf", json!(now + 61), NO),
        ("nbf", json!("now"), NO),
        ("jti", json!(""), NO),
        ("jti", json!(7), NO),
        ("sub", json!("x".repeat(255)), Ok(())),
        ("sub", json!("x".repeat(256)), NO),
        ("sub", json!(""), NO),
        ("sub", json!("two words"), NO),
        ("act", json!({ "sub": "agent" }), Ok(())),
        ("email", json!("u@example.com"), Ok(())),
        ("authorization_details", json!([{ "type": "x" }]), NO),
        ("aud_tenant", json!("t"), NO),
    ];
    claims_of(&world, cases).await;
    // At `iat` and within a minute after `exp`, for clocks that differ.
    let times = |iat: u64, exp: u64| [("iat", json!(iat)), ("exp", json!(exp))];
    check(&world.ask(&times(now - 300, now - 59)).await, Ok(()), &json!("within the minute"));
    check(&world.ask(&times(now - 300, now - 60)).await, NO, &json!("after it"));
}

#[tokio::test]
async fn em_09_one_resource_that_is_served_here() {
    let world = World::new().await;
    let cases = vec![
        ("resource", json!(SIGNED), Ok(())),
        ("resource", json!([OPAQUE]), Ok(())),
        ("resource", Value::Null, NO_TARGET),
        ("resource", json!("http://localhost:8009/mcp"), NO_TARGET),
        ("resource", json!(format!("{SIGNED}/")), NO_TARGET),
        ("resource", json!([SIGNED, OPAQUE]), NO_TARGET),
        ("resource", json!([]), NO_TARGET),
        ("resource", json!(1), NO),
        ("resource", json!([SIGNED, 1]), NO),
    ];
    claims_of(&world, cases).await;
    // The client may choose one of those that are named.
    let both = [("resource", json!([SIGNED, OPAQUE]))];
    let asked = async |id: &str, form: &[(&str, &str)]| {
        world.present(&agent(), &world.id_jag(id, &both), form).await
    };
    let answer = asked("1", &[("resource", OPAQUE)]).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert!(world.server.is_active(OPAQUE, &token).await);
    let other = "http://localhost:8009/mcp";
    check(&asked("2", &[("resource", other)]).await, NO_TARGET, &json!(other));
    let two = [("resource", SIGNED), ("resource", OPAQUE)];
    check(&asked("3", &two).await, NO_TARGET, &json!("both"));
    let one = world.id_jag("4", &[]);
    let answer = world.present(&agent(), &one, &[("resource", OPAQUE)]).await;
    check(&answer, NO_TARGET, &json!("another than it names"));
    // Where there is one only, it need not be named.
    let only = Resource::new(OPAQUE, "Clock", TokenFormat::Opaque).unwrap();
    let only = Settings::demo(ISSUER).unwrap().with_resource(only.with_scope("user", "words"));
    let world = World::with(only, |_| {}).await;
    check(&world.ask(&[("resource", Value::Null)]).await, Ok(()), &json!("the only one"));
}

#[tokio::test]
async fn em_10_sec_227_never_more_than_the_provider_allows() {
    let world = World::new().await;
    // Registered clients may get every scope; the service may get `user` alone.
    let client = world.server.client_with("client_secret_post").await;
    let ask = async |id: &str, said: Value, form: &[(&str, &str)]| {
        let changes = [("client_id", json!(client.id)), ("scope", said)];
        world.present(&client, &world.id_jag(id, &changes), form).await
    };
    for (at, (said, asked, expected)) in [
        (json!("user"), None, Ok("user")),
        (json!("user admin"), None, Ok("admin user")),
        (json!("user other"), None, Ok("user")),
        (json!("user admin"), Some("admin"), Ok("admin")),
        (json!("user"), Some("user"), Ok("user")),
        (Value::Null, None, Ok("user")),
        (json!("user"), Some("user admin"), Err("invalid_scope")),
        (json!("user"), Some("admin"), Err("invalid_scope")),
        (Value::Null, Some("admin"), Err("invalid_scope")),
        (json!("other"), None, Err("invalid_scope")),
        (json!("other"), Some("other"), Err("invalid_scope")),
        (json!("us\"er"), None, Err("invalid_scope")),
        (json!(["user"]), None, Err("invalid_grant")),
    ]
    .into_iter()
    .enumerate()
    {
        let form: Vec<(&str, &str)> = asked.iter().map(|asked| ("scope", *asked)).collect();
        let answer = ask(&format!("{at}"), said.clone(), &form).await;
        match expected {
            Ok(granted) => assert_eq!(answer.json()["scope"], granted, "{said} {}", answer.body),
            Err(error) => assert_eq!(answer.refusal(), (400, error.into()), "{said} {asked:?}"),
        }
    }
    let beyond = world.ask(&[("scope", json!("user admin"))]).await;
    check(&beyond, NO_SCOPE, &json!("more than the service may get"));
}

#[tokio::test]
async fn em_12_an_id_jag_counts_once_unless_it_need_not() {
    for single_use in [true, false] {
        let world = World::with(settings(), |it| it.single_use = single_use).await;
        let assertion = world.id_jag("1", &[]);
        // What is refused uses nothing up.
        let wrong = world.present(&agent(), &assertion, &[("scope", "admin")]).await;
        check(&wrong, NO_SCOPE, &json!("refused"));
        check(&world.present(&agent(), &assertion, &[]).await, Ok(()), &json!("first"));
        let second = if single_use { NO } else { Ok(()) };
        check(&world.present(&agent(), &assertion, &[]).await, second, &json!("second"));
        world.server.pass_secs(359);
        world.server.server.sweep().await;
        check(&world.present(&agent(), &assertion, &[]).await, second, &json!("just before"));
        world.server.pass_secs(1);
        check(&world.present(&agent(), &assertion, &[]).await, NO, &json!("expired"));
    }
}
