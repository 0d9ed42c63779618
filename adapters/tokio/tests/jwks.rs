//! Tokens signed with private keys, and the public ones that their issuer publishes (RS-71).

mod common;

use std::time::Duration;

use common::{
    scripted::{Script, Scripted},
    signing::{SigningKey, key_set},
    *,
};
use portcullis_tokio::resource_server::{Issuer, JwksSettings, Settings, Verification};

/// What the defaults of the settings say.
const INTERVAL: u64 = 10;
const REFRESH: u64 = 300;
const STALE: u64 = 3_600;

fn serves(keys: &[&SigningKey]) -> Script {
    Script::with_type(200, "application/jwk-set+json", key_set(keys))
}

fn jwks_at(server: &Scripted) -> JwksSettings {
    JwksSettings { url: Some(format!("http://{}/jwks", server.address)), ..JwksSettings::default() }
}

fn settings_for(server: &Scripted) -> Settings {
    with_verification(Verification::Jwks(jwks_at(server)))
}

async fn bench(script: Script) -> (Bench, Scripted) {
    let server = Scripted::start(script).await;
    (Bench::new(settings_for(&server)), server)
}

async fn check(bench: &Bench, token: &str, status: u16) {
    bench.check(call_with(token, "get_time"), status).await;
}

#[tokio::test]
async fn rs_66_rs_71_all_kinds_of_keys_read_once() {
    let keys = [SigningKey::es256("e"), SigningKey::ed_dsa("d"), SigningKey::rs256("r")];
    let (bench, server) = bench(serves(&keys.each_ref())).await;
    for key in &keys {
        check(&bench, &key.token(), 200).await;
        assert_eq!(bench.recorder.principal().unwrap().subject(), Some("alice"));
        // One check of claims for all: the same token is refused for each of these.
        for bad in [
            Token { expires_at: NOW - 100, ..Token::default() },
            Token { audience: &["https://mcp.example.com/other"], ..Token::default() },
            Token { issuer: "https://other.example", ..Token::default() },
        ] {
            check(&bench, &key.mint(&bad), 401).await;
        }
        check(&bench, &key.mint(&Token { scope: "", ..Token::default() }), 403).await;
        let mut changed = key.token();
        let last = changed.pop().unwrap();
        changed.push(if last == 'A' { 'Q' } else { 'A' });
        check(&bench, &changed, 401).await;
    }
    assert_eq!(server.asked(), 1);
    assert!(server.questions()[0].starts_with("GET /jwks HTTP/1.1\r\n"));
    assert!(!server.questions()[0].to_ascii_lowercase().contains("authorization"));
}

#[tokio::test]
async fn sec_072_sec_073_only_the_algorithm_of_the_key() {
    let (ec, ed) = (SigningKey::es256("e"), SigningKey::ed_dsa("d"));
    let (bench, server) = bench(serves(&[&ec, &ed])).await;
    let header = |algorithm: &str, id: &str| {
        format!("{{\"alg\":\"{algorithm}\",\"typ\":\"at+jwt\",\"kid\":\"{id}\"}}")
    };
    check(&bench, &ec.sign(&header("ES256", "e")), 200).await;
    for algorithm in ["EdDSA", "RS256", "HS256", "none", "ES384", "es256"] {
        check(&bench, &ec.sign(&header(algorithm, "e")), 401).await;
    }
    check(&bench, &ec.sign(&header("ES256", "d")), 401).await;
    check(&bench, &ed.sign(&header("ES256", "e")), 401).await;
    // SEC-085: no other type, whatever the key.
    check(&bench, &ec.sign("{\"alg\":\"ES256\",\"kid\":\"e\"}"), 401).await;
    check(&bench, &ec.sign("{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"e\"}"), 401).await;
    // A MAC made with what everybody knows of the key: its parts, its JWK, the set.
    let jwk = ec.jwk();
    for text in [jwk["x"].as_str().unwrap(), &jwk.to_string(), &key_set(&[&ec, &ed])] {
        let mac = hs256(&header("HS256", "e"), &ec.token(), text.as_bytes());
        check(&bench, &mac, 401).await;
    }
    assert_eq!(server.asked(), 1, "none of them is worth a question");
}

/// The token's claims under another header, with a MAC.
fn hs256(header: &str, token: &str, key: &[u8]) -> String {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use hmac::{Hmac, KeyInit, Mac};
    let payload = token.split('.').nth(1).unwrap();
    let input = format!("{}.{payload}", Base64UrlUnpadded::encode_string(header.as_bytes()));
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap().chain_update(&input).finalize();
    format!("{input}.{}", Base64UrlUnpadded::encode_string(&mac.into_bytes()))
}

#[tokio::test]
async fn sec_075_sec_076_keys_that_a_token_brings_along() {
    let (own, foreign) = (SigningKey::es256("e"), SigningKey::es256("f"));
    let (bench, server) = bench(serves(&[&own])).await;
    let elsewhere = Scripted::start(serves(&[&foreign])).await;
    let with = |id: &str, more: &str| {
        format!("{{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"{id}\",{more}}}")
    };
    let brought = [
        format!("\"jwk\":{}", foreign.jwk()),
        format!("\"jku\":\"http://{}/jwks\"", elsewhere.address),
        format!("\"x5u\":\"http://{}/jwks\"", elsewhere.address),
        "\"x5c\":[\"MIIB\"]".to_owned(),
    ];
    for more in &brought {
        check(&bench, &own.sign(&with("e", more)), 200).await;
        check(&bench, &foreign.sign(&with("e", more)), 401).await;
        check(&bench, &foreign.sign(&with("f", more)), 401).await;
    }
    assert_eq!((server.asked(), elsewhere.asked()), (1, 0));
}

#[tokio::test]
async fn sec_088_keys_belong_to_their_issuer() {
    let (first, second) = (SigningKey::es256("k"), SigningKey::es256("k"));
    let (server, other) =
        (Scripted::start(serves(&[&first])).await, Scripted::start(serves(&[&second])).await);
    let other_issuer = "https://as2.example.com";
    let settings = settings_for(&server)
        .issuer(Issuer::new(other_issuer, Verification::Jwks(jwks_at(&other))));
    let bench = Bench::new(settings);
    let of = |issuer| Token { issuer, ..Token::default() };
    check(&bench, &first.mint(&of(ISSUER)), 200).await;
    check(&bench, &second.mint(&of(other_issuer)), 200).await;
    check(&bench, &first.mint(&of(other_issuer)), 401).await;
    check(&bench, &second.mint(&of(ISSUER)), 401).await;
    assert_eq!((server.asked(), other.asked()), (1, 1));
}

#[tokio::test]
async fn sec_110_unknown_keys_ask_once_in_an_interval() {
    let (old, new) = (SigningKey::es256("old"), SigningKey::es256("new"));
    let (bench, server) = bench(serves(&[&old])).await;
    check(&bench, &old.token(), 200).await;
    // The set was read just now: what it lacks, the issuer lacks.
    for _ in 0..50 {
        check(&bench, &new.token(), 401).await;
    }
    assert_eq!(server.asked(), 1);
    bench.clock.set_monotonic(INTERVAL - 1);
    check(&bench, &new.token(), 401).await;
    assert_eq!(server.asked(), 1);
    bench.clock.set_monotonic(INTERVAL);
    for _ in 0..50 {
        check(&bench, &new.token(), 401).await;
    }
    assert_eq!(server.asked(), 2);
    // RS-71: a key that was published in between is found, and the old one stays.
    server.script(serves(&[&old, &new]));
    bench.clock.set_monotonic(2 * INTERVAL);
    check(&bench, &new.token(), 200).await;
    check(&bench, &old.token(), 200).await;
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn sec_110_one_request_whoever_waits() {
    let key = SigningKey::es256("k");
    let gated = match serves(&[&key]) {
        Script::Raw(text) => Script::Gated(text),
        _ => unreachable!("a text"),
    };
    let server = Scripted::start(gated).await;
    let jwks = JwksSettings { deadline_millis: 60_000, ..jwks_at(&server) };
    let bench = Bench::new(with_verification(Verification::Jwks(jwks)));
    let token = key.token();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let (protect, token) = (bench.protect.clone(), token.clone());
        waiting.push(tokio::spawn(async move {
            use tower::ServiceExt;
            protect.oneshot(call_with(&token, "get_time")).await.unwrap().status()
        }));
    }
    server.wait_for_questions(1).await;
    // SEC-561: the one that began it goes away, and takes nothing along.
    waiting.remove(0).abort();
    server.open();
    for one in waiting {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn sec_111_answers_that_are_no_keys_keep_the_old_set() {
    let (old, new) = (SigningKey::es256("old"), SigningKey::es256("new"));
    let (bench, server) = bench(serves(&[&old])).await;
    check(&bench, &old.token(), 200).await;
    let set = key_set(&[&new]);
    let json = |body: String| Script::with_type(200, "application/json", body);
    let mut private = new.jwk();
    private["d"] = "AQAB".into();
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{}/jwks\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        server.address
    );
    let troubles = [
        Script::Reset,
        Script::Silent(Duration::from_millis(50)),
        Script::with_type(500, "application/json", &set),
        Script::with_type(404, "application/json", &set),
        Script::with_type(200, "text/html", &set),
        Script::with_type(200, "text/html", "<html>busy</html>"),
        Script::Raw(redirect),
        json("<html>".to_owned()),
        json(format!("{set}{}", " ".repeat((64 << 10) + 1 - set.len()))),
        json("{\"keys\":[]}".to_owned()),
        json(serde_json::json!({ "keys": [private] }).to_string()),
        json(serde_json::json!({ "keys": [new.jwk(), new.jwk()] }).to_string()),
        json("{\"keys\":[{\"kty\":\"new\"}]}".to_owned()),
        json(set[..set.len() - 1].to_owned()),
    ];
    for (n, trouble) in troubles.into_iter().enumerate() {
        let n = u64::try_from(n).unwrap() + 1;
        server.script(trouble);
        bench.clock.set_monotonic(n * INTERVAL);
        // Whether the issuer has this key nobody can tell; what is known stays known.
        let response = bench.check(call_with(&new.token(), "get_time"), 503).await;
        field(&response, "retry-after").parse::<u32>().unwrap();
        assert!(!response.headers().contains_key("www-authenticate"));
        check(&bench, &old.token(), 200).await;
        check(&bench, &new.token(), 503).await;
        assert_eq!(u64::try_from(server.asked()).unwrap(), n + 1);
    }
    server.script(json(format!("{set}{}", " ".repeat((64 << 10) - set.len()))));
    bench.clock.set_monotonic(100 * INTERVAL);
    check(&bench, &new.token(), 200).await;
    check(&bench, &old.token(), 401).await;
}

#[tokio::test]
async fn rs_71_nobody_is_admitted_while_no_keys_are_known() {
    let key = SigningKey::es256("k");
    let (bench, server) = bench(Script::Reset).await;
    for _ in 0..5 {
        check(&bench, &key.token(), 503).await;
    }
    assert_eq!(server.asked(), 1);
    // What no key could make good is refused without them.
    check(&bench, &token("user"), 401).await;
    check(&bench, "opaque", 401).await;
    server.script(serves(&[&key]));
    bench.clock.set_monotonic(INTERVAL);
    check(&bench, &key.token(), 200).await;
}

#[tokio::test]
async fn rs_71_no_answer_before_the_deadline_is_a_503() {
    let server = Scripted::start(Script::Silent(Duration::from_secs(600))).await;
    let jwks = JwksSettings { deadline_millis: 20, ..jwks_at(&server) };
    let bench = Bench::new(with_verification(Verification::Jwks(jwks)));
    check(&bench, &SigningKey::es256("k").token(), 503).await;
}

#[tokio::test]
async fn sec_112_a_removed_key_ends_within_one_refresh() {
    let (kept, removed) = (SigningKey::es256("kept"), SigningKey::es256("removed"));
    let (bench, server) = bench(serves(&[&kept, &removed])).await;
    check(&bench, &removed.token(), 200).await;
    server.script(serves(&[&kept]));
    // Nobody came for a while: the set is read again before it is used.
    bench.clock.set_monotonic(REFRESH);
    check(&bench, &removed.token(), 401).await;
    check(&bench, &kept.token(), 200).await;
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn rs_71_keys_are_read_again_beside_the_traffic() {
    let key = SigningKey::es256("k");
    let (bench, server) = bench(serves(&[&key])).await;
    check(&bench, &key.token(), 200).await;
    server.script(Script::Silent(Duration::from_secs(2)));
    bench.clock.set_monotonic(REFRESH / 2);
    check(&bench, &key.token(), 200).await;
    server.wait_for_questions(2).await;
}

#[tokio::test]
async fn rs_71_old_keys_are_used_on_for_a_while_and_not_for_ever() {
    let key = SigningKey::es256("k");
    let (bench, server) = bench(serves(&[&key])).await;
    check(&bench, &key.token(), 200).await;
    server.script(Script::Reset);
    for at in [REFRESH, 2 * REFRESH, STALE - 1] {
        bench.clock.set_monotonic(at);
        check(&bench, &key.token(), 200).await;
    }
    bench.clock.set_monotonic(STALE);
    check(&bench, &key.token(), 503).await;
    server.script(serves(&[&key]));
    bench.clock.set_monotonic(STALE + REFRESH);
    check(&bench, &key.token(), 200).await;
}

#[tokio::test]
async fn rs_71_the_issuers_metadata_names_the_set() {
    let key = SigningKey::es256("k");
    let keys = Scripted::start(serves(&[&key])).await;
    let metadata = Scripted::start(Script::Reset).await;
    let issuer = format!("http://{}", metadata.address);
    let token = key.mint(&Token { issuer: &issuer, ..Token::default() });
    let document = |issuer: &str, jwks_uri: &str| {
        Script::json(format!(
            "{{\"issuer\":\"{issuer}\",\"authorization_endpoint\":\"{issuer}/authorize\",\
             \"token_endpoint\":\"{issuer}/token\"{jwks_uri}}}"
        ))
    };
    let at = |url: &str| format!(",\"jwks_uri\":\"{url}\"");
    let own = at(&format!("http://{}/keys", keys.address));
    let settings = Settings::new(RESOURCE, Issuer::new(&issuer, Verification::jwks_of_issuer()));
    let bench = Bench::new(settings.base_scopes("user"));
    let unusable = [
        document("https://evil.example", &own),
        document(&format!("{issuer}/"), &own),
        document(&issuer, ""),
        document(&issuer, &at("http://as.example.com/keys")),
        document(&issuer, &at("file:///etc/keys")),
        document(&issuer, ",\"jwks_uri\":7"),
        Script::status(500),
        Script::with_type(200, "text/html", "<html>"),
    ];
    let mut now = 0;
    for script in unusable {
        metadata.script(script);
        check(&bench, &token, 503).await;
        now += INTERVAL;
        bench.clock.set_monotonic(now);
    }
    assert_eq!(keys.asked(), 0);
    metadata.script(document(&issuer, &own));
    check(&bench, &token, 200).await;
    assert!(metadata.questions()[0].starts_with("GET /.well-known/oauth-authorization-server "));
    assert!(keys.questions()[0].starts_with("GET /keys "));
}

#[tokio::test]
async fn sec_373_a_jwt_that_fails_here_is_not_asked_about() {
    let (own, foreign) = (SigningKey::es256("k"), SigningKey::es256("k"));
    let keys = Scripted::start(serves(&[&own])).await;
    let asked = Scripted::start(Script::json(scripted::active("user", NOW + 600))).await;
    let bench = Bench::new(with_verification(Verification::JwksOrIntrospection {
        jwks: jwks_at(&keys),
        introspection: asked.settings(),
    }));
    check(&bench, &own.token(), 200).await;
    check(&bench, &foreign.token(), 401).await;
    check(&bench, &SigningKey::es256("x").token(), 401).await;
    assert_eq!(asked.asked(), 0);
    check(&bench, "opaque", 200).await;
    assert_eq!(asked.asked(), 1);
}

#[tokio::test]
async fn rs_69_keys_that_are_at_hand() {
    let (own, foreign) = (SigningKey::rs256("k"), SigningKey::rs256("k"));
    let bench = Bench::new(with_verification(Verification::public_keys(key_set(&[&own]))));
    check(&bench, &own.token(), 200).await;
    check(&bench, &foreign.token(), 401).await;
    // A set that never changes lacks what it lacks.
    check(&bench, &SigningKey::es256("x").token(), 401).await;
}
