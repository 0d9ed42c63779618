//! Tokens that are bound to keys of clients, over the whole of `Protect` (RFC 9449 §7).
#![cfg(feature = "dpop")]

mod common;

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use common::{
    scripted::{Script, Scripted},
    signing::{SigningKey, key_set},
    *,
};
use http::{Request, Response, request::Builder};
use http_body_util::Full;
use portcullis_core::{jwt::Signer, limits::SIGNATURE_LEN_MAX, time::UnixTime};
use portcullis_tokio::resource_server::{
    Dpop, Facts, PublicKeySettings, Secret, Settings, TokenVerifier, Verification, VerifyFuture,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

/// RFC 7638.
fn thumbprint(key: &SigningKey) -> String {
    let jwk = key.jwk();
    let names: &[&str] = match jwk["kty"].as_str() {
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        _ => &["e", "kty", "n"],
    };
    let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":{}", jwk[name])).collect();
    encoded(Sha256::digest(format!("{{{}}}", members.join(","))))
}

/// The public half as a proof holds it.
fn bare_jwk(key: &SigningKey) -> Value {
    let mut jwk = key.jwk();
    jwk.as_object_mut().unwrap().retain(|name, _| !["kid", "use", "alg"].contains(&name.as_str()));
    jwk
}

/// A good proof for a call with `token`, after `change` of header and claims; null removes.
fn proof_with(
    key: &SigningKey,
    token: &str,
    change: impl FnOnce(&mut Value, &mut Value),
) -> String {
    static IDS: AtomicU64 = AtomicU64::new(0);
    let id = IDS.fetch_add(1, Ordering::Relaxed).to_string();
    let mut header =
        json!({ "typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": bare_jwk(key) });
    let mut claims = json!({ "jti": id, "htm": "POST", "htu": RESOURCE, "iat": NOW,
        "ath": encoded(Sha256::digest(token)) });
    change(&mut header, &mut claims);
    for object in [&mut header, &mut claims] {
        object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    let input = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let mut out = [0; SIGNATURE_LEN_MAX];
    let len = Signer::sign(key, input.as_bytes(), &mut out).unwrap();
    format!("{input}.{}", encoded(&out[..len]))
}

fn proof(key: &SigningKey, token: &str) -> String {
    proof_with(key, token, |_, _| {})
}

fn sent(scheme: &str, token: &str) -> Builder {
    post_call("get_time").header("authorization", format!("{scheme} {token}"))
}

fn with_proofs(token: &str, proofs: &[&str]) -> Request<Full<bytes::Bytes>> {
    let builder =
        proofs.iter().fold(sent("DPoP", token), |head, proof| head.header("dpop", *proof));
    builder.body(call("get_time")).unwrap()
}

fn challenges(response: &Response<bytes::Bytes>) -> Vec<&str> {
    let all = response.headers().get_all("www-authenticate").iter();
    all.map(|value| value.to_str().unwrap()).collect()
}

const ALGS: &str = "algs=\"ES256 EdDSA RS256\"";
const REST: &str = "scope=\"user\", resource_metadata=\
    \"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"";

fn invalid_proof() -> String {
    format!(
        "DPoP error=\"invalid_dpop_proof\", error_description=\
         \"The DPoP proof is not valid for this request\", {ALGS}, {REST}"
    )
}

fn invalid_token(scheme: &str, algs: &str) -> String {
    format!(
        "{scheme} error=\"invalid_token\", error_description=\
         \"The access token is not valid for this resource\", {algs}{REST}"
    )
}

/// An issuer with a published key, and tokens of it.
struct World {
    issuer: SigningKey,
    client: SigningKey,
    /// Signed once: the next one of the same claims would be another token.
    token: OnceLock<String>,
}

impl World {
    fn new() -> Self {
        Self {
            issuer: SigningKey::es256("as"),
            client: SigningKey::es256("client"),
            token: OnceLock::new(),
        }
    }

    fn settings(&self, dpop: Dpop) -> Settings {
        let document = Some(key_set(&[&self.issuer]));
        let keys = PublicKeySettings { file: None, document };
        with_verification(Verification::PublicKeys(keys)).dpop(dpop)
    }

    fn bench(&self, dpop: Dpop) -> Bench {
        Bench::new(self.settings(dpop))
    }

    /// A token that is bound to the client's key.
    fn token(&self) -> String {
        let make = || self.bound_to(&thumbprint(&self.client), &Token::default());
        self.token.get_or_init(make).clone()
    }

    fn bound_to(&self, thumbprint: &str, token: &Token<'_>) -> String {
        self.issuer.mint_confirmed(token, &json!({ "jkt": thumbprint }))
    }

    async fn check(&self, bench: &Bench, proofs: &[&str], status: u16) -> Response<bytes::Bytes> {
        bench.check(with_proofs(&self.token(), proofs), status).await
    }
}

#[tokio::test]
async fn dp_09_a_bound_token_with_its_proof_is_admitted() {
    for dpop in [Dpop::Accepted, Dpop::Required] {
        for client in [SigningKey::es256("c"), SigningKey::ed_dsa("c"), SigningKey::rs256("c")] {
            let world = World { client, ..World::new() };
            let bench = world.bench(dpop);
            let token = world.token();
            world.check(&bench, &[&proof(&world.client, &token)], 200).await;
            assert_eq!(bench.recorder.principal().unwrap().subject(), Some("alice"));
            // RS-44: neither goes on.
            let request = bench.recorder.requests().pop().unwrap();
            for name in ["authorization", "dpop"] {
                assert_eq!(request.headers().get(name), None, "{name}");
            }
            let other = SigningKey::es256("other");
            let answer = world.check(&bench, &[&proof(&other, &token)], 401).await;
            assert_eq!(challenges(&answer), [invalid_token("DPoP", &format!("{ALGS}, "))]);
        }
    }
}

#[tokio::test]
async fn sec_114_each_check_of_a_proof() {
    let world = World::new();
    let bench = world.bench(Dpop::Accepted);
    let token = world.token();
    let changed = |part: &str, name: &'static str, value: Value| {
        let is_header = part == "header";
        proof_with(&world.client, &token, move |header, claims| {
            (if is_header { header } else { claims })[name] = value;
        })
    };
    let good = proof(&world.client, &token);
    let (input, signature) = good.rsplit_once('.').unwrap();
    let foreign = proof(&world.client, &token);
    let foreign = foreign.rsplit_once('.').unwrap().1;
    let mut private = bare_jwk(&world.client);
    private["d"] = json!("AAAA");
    let bad = [
        String::new(),
        "x".into(),
        format!("{input}.{foreign}"),
        format!("{input}.{}", &signature[1..]),
        token.clone(),
        changed("header", "typ", json!("JWT")),
        changed("header", "typ", json!("at+jwt")),
        changed("header", "typ", Value::Null),
        changed("header", "alg", json!("none")),
        changed("header", "alg", json!("HS256")),
        changed("header", "alg", json!("EdDSA")),
        changed("header", "jwk", Value::Null),
        changed("header", "jwk", private),
        changed("header", "jwk", bare_jwk(&SigningKey::es256("x"))),
        changed("claims", "htm", json!("GET")),
        changed("claims", "htu", json!("https://mcp.example.com/other")),
        changed("claims", "htu", json!("https://as.example.com/mcp")),
        changed("claims", "htu", json!("http://mcp.example.com/mcp")),
        changed("claims", "htu", json!("https://mcp.example.com/mcp?a=b")),
        changed("claims", "htu", json!("https://mcp.example.com/mcp/")),
        changed("claims", "htu", Value::Null),
        changed("claims", "iat", json!(NOW - 301)),
        changed("claims", "iat", json!(NOW + 301)),
        changed("claims", "iat", Value::Null),
        changed("claims", "jti", Value::Null),
        changed("claims", "jti", json!("")),
        changed("claims", "ath", Value::Null),
        changed("claims", "ath", json!(encoded(Sha256::digest("another token")))),
    ];
    for proof in &bad {
        let answer = world.check(&bench, &[proof], 401).await;
        assert_eq!(challenges(&answer), [invalid_proof()], "{proof}");
    }
    for proofs in [&[][..], &[good.as_str(), good.as_str()]] {
        assert_eq!(challenges(&world.check(&bench, proofs, 401).await), [invalid_proof()]);
    }
    // Their good twins.
    for good in [
        good,
        changed("claims", "htu", json!("HTTPS://MCP.example.com:443/x/../%6dcp")),
        changed("claims", "iat", json!(NOW - 300)),
        changed("claims", "iat", json!(NOW + 300)),
        changed("claims", "nonce", json!("of nobody")),
    ] {
        world.check(&bench, &[&good], 200).await;
    }
}

#[tokio::test]
async fn dp_12_sec_113_schemes_and_bindings_do_not_mix() {
    let world = World::new();
    let (bound, plain) = (world.token(), world.issuer.token());
    let other = format!("DPoP {ALGS}");
    let send = |scheme: &str, token: &str, key: &SigningKey| {
        let proof = proof(key, token);
        sent(scheme, token).header("dpop", proof).body(call("get_time")).unwrap()
    };
    let bench = world.bench(Dpop::Accepted);
    // A bound token as Bearer, with its proof or without.
    for request in [call_with(&bound, "get_time"), send("Bearer", &bound, &world.client)] {
        let answer = bench.check(request, 401).await;
        assert_eq!(challenges(&answer), [invalid_token("Bearer", ""), other.clone()]);
    }
    // A bearer token as DPoP, and as what it is.
    let answer = bench.check(send("DPoP", &plain, &world.client), 401).await;
    assert_eq!(challenges(&answer), [invalid_token("DPoP", &format!("{ALGS}, "))]);
    bench.check(call_with(&plain, "get_time"), 200).await;
    bench.check(send("dpop", &bound, &world.client), 200).await;
    let confirmed = |cnf: &Value| world.issuer.mint_confirmed(&Token::default(), cnf);
    // Bound to something else beside or instead of a key.
    let certificate = confirmed(&json!({ "x5t#S256": "AAAA" }));
    bench.check(send("DPoP", &certificate, &world.client), 401).await;
    let both = json!({ "jkt": thumbprint(&world.client), "x5t#S256": "AAAA" });
    bench.check(send("DPoP", &confirmed(&both), &world.client), 401).await;
    let jkt = json!({ "jkt": thumbprint(&world.client) });
    bench.check(send("DPoP", &confirmed(&jkt), &world.client), 200).await;
    // Where bound tokens are required, a bearer token is none; where they are off, DPoP is no scheme.
    let required = world.bench(Dpop::Required);
    let answer = required.check(call_with(&plain, "get_time"), 401).await;
    assert_eq!(challenges(&answer), [invalid_token("Bearer", ""), other]);
    let off = world.bench(Dpop::Off);
    let answer = off.check(send("DPoP", &bound, &world.client), 401).await;
    assert_eq!(challenges(&answer), [format!("Bearer {REST}")]);
    off.check(call_with(&bound, "get_time"), 401).await;
    off.check(call_with(&plain, "get_time"), 200).await;
}

#[tokio::test]
async fn dp_13_everything_else_of_the_token_counts_too() {
    let world = World::new();
    let bench = world.bench(Dpop::Accepted);
    let with = |token: Token<'_>| {
        let token = world.bound_to(&thumbprint(&world.client), &token);
        with_proofs(&token, &[&proof(&world.client, &token)])
    };
    bench.check(with(Token::default()), 200).await;
    bench
        .check(with(Token { audience: &["https://other.example/mcp"], ..Token::default() }), 401)
        .await;
    bench.check(with(Token { issuer: "https://other.example", ..Token::default() }), 401).await;
    bench.check(with(Token { expires_at: NOW - 100, ..Token::default() }), 401).await;
    let answer = bench.check(with(Token { scope: "", ..Token::default() }), 403).await;
    assert!(challenges(&answer)[0].starts_with("DPoP error=\"insufficient_scope\""));
}

#[tokio::test]
async fn dp_11_dp_14_everybody_is_told() {
    let world = World::new();
    let nobody = || post_call("get_time").body(call("get_time")).unwrap();
    let bearer = format!("Bearer {REST}");
    for (dpop, expected) in [
        (Dpop::Off, vec![bearer.clone()]),
        (Dpop::Accepted, vec![bearer, format!("DPoP {ALGS}")]),
        (Dpop::Required, vec![format!("DPoP {ALGS}, {REST}")]),
    ] {
        let bench = world.bench(dpop);
        assert_eq!(challenges(&bench.check(nobody(), 401).await), expected);
        let path = "/.well-known/oauth-protected-resource/mcp";
        let metadata = bench.send(Request::get(path).body(Full::default()).unwrap()).await;
        let metadata: Value = serde_json::from_slice(metadata.body()).unwrap();
        let algorithms = metadata.get("dpop_signing_alg_values_supported");
        let listed = json!(["ES256", "EdDSA", "RS256"]);
        assert_eq!(algorithms, (dpop != Dpop::Off).then_some(&listed));
        let required = metadata.get("dpop_bound_access_tokens_required");
        assert_eq!(required, (dpop == Dpop::Required).then_some(&json!(true)));
    }
}

#[tokio::test]
async fn dp_10_nonces() {
    let world = World::new();
    let bench =
        Bench::new(world.settings(Dpop::Accepted).dpop_nonces().origin("https://app.example"));
    let token = world.token();
    let with = |nonce: &str, iat: u64| {
        proof_with(&world.client, &token, |_, claims| {
            claims["nonce"] = json!(nonce);
            claims["iat"] = json!(iat);
        })
    };
    let answer = world.check(&bench, &[&proof(&world.client, &token)], 401).await;
    assert!(challenges(&answer)[0].starts_with("DPoP error=\"use_dpop_nonce\""));
    let nonce = field(&answer, "dpop-nonce").to_owned();
    world.check(&bench, &[&with("of nobody", NOW)], 401).await;
    let answer = world.check(&bench, &[&with(&nonce, NOW)], 200).await;
    assert!(!field(&answer, "dpop-nonce").is_empty(), "the next one comes with every answer");
    bench.clock.set_unix(NOW + 299);
    world.check(&bench, &[&with(&nonce, NOW + 299)], 200).await;
    bench.clock.set_unix(NOW + 300);
    let answer = world.check(&bench, &[&with(&nonce, NOW + 300)], 401).await;
    assert!(challenges(&answer)[0].starts_with("DPoP error=\"use_dpop_nonce\""));
    world.check(&bench, &[&with(field(&answer, "dpop-nonce"), NOW + 300)], 200).await;
    // Scripts of allowed pages may read it.
    let builder = sent("DPoP", &token).header("origin", "https://app.example");
    let answer = bench.check(builder.body(call("get_time")).unwrap(), 401).await;
    assert!(field(&answer, "access-control-expose-headers").contains("DPoP-Nonce"));
    // Another process knows it when it has the key.
    let key = || Secret::value(KEY_TEXT);
    let shared = || Bench::new(world.settings(Dpop::Accepted).dpop_nonce_key(key()));
    let answer = world.check(&shared(), &[&proof(&world.client, &token)], 401).await;
    let nonce = field(&answer, "dpop-nonce").to_owned();
    world.check(&shared(), &[&with(&nonce, NOW)], 200).await;
    world.check(&bench, &[&with(&nonce, NOW)], 401).await;
}

#[tokio::test]
async fn sec_114_a_proof_counts_once() {
    let world = World::new();
    let bench = world.bench(Dpop::Accepted);
    let proof = proof(&world.client, &world.token());
    world.check(&bench, &[&proof], 200).await;
    assert_eq!(challenges(&world.check(&bench, &[&proof], 401).await), [invalid_proof()]);
    // As long as its time lets it pass, and then its time does not.
    for secs in [300, 301] {
        bench.clock.set_unix(NOW + secs);
        world.check(&bench, &[&proof], 401).await;
    }
    bench.clock.set_unix(NOW);
    let other = proof_with(&world.client, &world.token(), |_, _| {});
    world.check(&bench, &[&other], 200).await;
    world.check(&bench, &[&proof], 401).await;
    // Where none is remembered, the time alone counts.
    let forgetful = Bench::new(world.settings(Dpop::Accepted).dpop_proofs_max(0));
    world.check(&forgetful, &[&proof], 200).await;
    world.check(&forgetful, &[&proof], 200).await;
}

#[tokio::test]
async fn sec_115_the_memory_of_proofs_is_bounded_and_forgets_nothing() {
    let world = World::new();
    let bench = Bench::new(world.settings(Dpop::Accepted).dpop_proofs_max(20));
    let other = SigningKey::ed_dsa("other");
    let theirs = world.bound_to(&thumbprint(&other), &Token::default());
    // A proof without a good token takes no room.
    for _ in 0..30 {
        let request = with_proofs(&theirs, &[&proof(&world.client, &theirs)]);
        bench.check(request, 401).await;
    }
    // One key has its part of the room, and others have theirs.
    let first = proof(&world.client, &world.token());
    world.check(&bench, &[&first], 200).await;
    world.check(&bench, &[&proof(&world.client, &world.token())], 200).await;
    let answer = world.check(&bench, &[&proof(&world.client, &world.token())], 503).await;
    assert!(!field(&answer, "retry-after").is_empty());
    world.check(&bench, &[&first], 401).await;
    bench.check(with_proofs(&theirs, &[&proof(&other, &theirs)]), 200).await;
    // When their time is over there is room again.
    bench.clock.set_unix(NOW + 301);
    let later =
        proof_with(&world.client, &world.token(), |_, claims| claims["iat"] = json!(NOW + 301));
    world.check(&bench, &[&later], 200).await;
}

#[tokio::test]
async fn dp_09_introspected_tokens_are_bound_too() {
    let client = SigningKey::es256("c");
    let answer = |confirmation: Value| {
        json!({ "active": true, "iss": ISSUER, "aud": RESOURCE, "sub": "alice", "scope": "user",
            "client_id": "c", "exp": NOW + 600, "token_type": "DPoP", "cnf": confirmation })
    };
    let ask = async |answer: Value, key: &SigningKey, status: u16| {
        let server = Scripted::start(Script::json(answer.to_string())).await;
        let settings = with_verification(server.verification());
        let bench = Bench::new(settings.dpop(Dpop::Accepted));
        bench.check(with_proofs("opaque", &[&proof(key, "opaque")]), status).await;
        // Never as Bearer.
        bench.check(call_with("opaque", "get_time"), 401).await;
    };
    let jkt = json!({ "jkt": thumbprint(&client) });
    ask(answer(jkt.clone()), &client, 200).await;
    ask(answer(jkt), &SigningKey::es256("other"), 401).await;
    ask(answer(json!({})), &client, 401).await;
    ask(answer(json!({ "jkt": "short" })), &client, 401).await;
    let mut nameless = answer(Value::Null);
    nameless.as_object_mut().unwrap().remove("cnf");
    ask(nameless, &client, 401).await;
}

#[tokio::test]
async fn dp_09_a_verifier_of_ones_own_says_the_key() {
    struct Bound(String);
    impl TokenVerifier for Bound {
        fn verify<'a>(&'a self, _: &'a str) -> VerifyFuture<'a> {
            let facts = Facts::new(ISSUER, RESOURCE, UnixTime::from_secs(NOW + 600)).scope("user");
            Box::pin(async move { Ok(Some(facts.bound_to(&self.0))) })
        }
    }
    let client = SigningKey::es256("c");
    for (jkt, status) in [(thumbprint(&client), 200), ("none".into(), 401)] {
        let settings = with_verification(Verification::custom(Bound(jkt))).dpop(Dpop::Required);
        let bench = Bench::new(settings);
        bench.check(with_proofs("opaque", &[&proof(&client, "opaque")]), status).await;
        let other = SigningKey::es256("other");
        bench.check(with_proofs("opaque", &[&proof(&other, "opaque")]), 401).await;
    }
}
