//! Wrong settings do not start (SEC-135), and the metadata says what the settings say.

mod common;

use common::{scripted::Scripted, *};
use http::Request;
use http_body_util::Full;
use portcullis_tokio::resource_server::{
    Description, IntrospectionSettings, Issuer, JwksSettings, KeySettings, Limits, ProtectLayer,
    PublicKeySettings, Secret, Settings, Verification,
};

#[track_caller]
fn check_refused(settings: Settings, needle: &str) {
    let error = ProtectLayer::new(settings).err().expect("these settings must not start");
    assert!(error.to_string().contains(needle), "{error}");
}

fn at(resource: &str) -> Settings {
    let key = Verification::offline(KEY_ID, Secret::value(KEY_TEXT));
    Settings::new(resource, Issuer::new(ISSUER, key))
}

#[test]
fn sec_135_resource_and_issuers() {
    for resource in ["", "mcp", "http://mcp.example.com/mcp", "ftp://a/mcp", "https://a/mcp?x"] {
        check_refused(at(resource), "the resource identifier");
    }
    ProtectLayer::new(at("http://localhost:8001/mcp")).ok().unwrap();
    ProtectLayer::new(at("http://mcp.example.com/mcp").allow_plain_http()).ok().unwrap();

    let key = || Verification::offline(KEY_ID, Secret::value(KEY_TEXT));
    check_refused(Settings::new(RESOURCE, Issuer::new("", key())), "an issuer identifier");
    check_refused(Settings::new(RESOURCE, Issuer::new("http://as.example", key())), "is not https");
    check_refused(settings().issuer(Issuer::new(ISSUER, key())), "an issuer is configured twice");
    let none = format!("resource = \"{RESOURCE}\"\nissuers = []");
    check_refused(Settings::from_toml(&none).unwrap(), "no issuer");
}

#[test]
fn sec_074_keys() {
    for (text, needle) in [
        ("", "empty"),
        ("S0tLS0s", "too short"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "all zero"),
        ("S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s=", "not base64url"),
        ("not base64url", "not base64url"),
    ] {
        let key = Verification::offline(KEY_ID, Secret::value(text));
        check_refused(with_verification(key), needle);
    }
    let key = |id: &str| KeySettings::new(id, Secret::value(KEY_TEXT));
    let ring = |keys| with_verification(Verification::Offline { keys });
    check_refused(ring(vec![]), "one key or two");
    check_refused(ring(vec![key("a"), key("b"), key("c")]), "one key or two");
    check_refused(ring(vec![key("a"), key("a")]), "the same key id");
    check_refused(ring(vec![key("")]), "key id");
    ProtectLayer::new(ring(vec![key("a"), key("b")])).ok().unwrap();
    let absent = Verification::offline("a", Secret::file("/nowhere/at/all"));
    check_refused(with_verification(absent), "/nowhere/at/all");
    let unset = Verification::offline("a", Secret::env("PORTCULLIS_TEST_UNSET"));
    check_refused(with_verification(unset), "PORTCULLIS_TEST_UNSET");
}

#[test]
fn scopes_hosts_and_limits() {
    check_refused(settings().base_scopes("user  x"), "scopes.base");
    check_refused(settings().tool_scopes("t", "a\"b"), "scopes.tools.t");
    check_refused(settings().implies("admin", " user"), "scopes.implications.admin");
    check_refused(settings().base_scopes("offline_access"), "offline_access");
    check_refused(settings().host("https://a"), "an allowed host");
    check_refused(settings().origin("null"), "an allowed origin");
    check_refused(settings().origin("app.example.com"), "an allowed origin");
    check_refused(settings().endpoint_path("mcp"), "endpoint path");
    let none: [&str; 0] = [];
    assert!(ProtectLayer::new(settings().protocol_versions(none, none)).is_err());
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        settings().limits(limits)
    };
    // SEC-097: 300 seconds at most.
    check_refused(limits(|limits| limits.leeway_secs = 301), "leeway_secs");
    ProtectLayer::new(limits(|limits| limits.leeway_secs = 300)).ok().unwrap();
    check_refused(limits(|limits| limits.body_len_max = 0), "body_len_max");
    check_refused(limits(|limits| limits.body_secs_max = 0), "body_secs_max");
}

#[tokio::test]
async fn sec_372_introspection() {
    let server = Scripted::start(scripted::Script::Reset).await;
    let with = |change: &dyn Fn(&mut IntrospectionSettings)| {
        let mut settings = server.settings();
        change(&mut settings);
        with_verification(Verification::Introspection(settings))
    };
    ProtectLayer::new(with(&|_| ())).ok().unwrap();
    let endpoint =
        |endpoint: &'static str| with(&move |settings| settings.endpoint = endpoint.to_owned());
    check_refused(endpoint("http://as.example.com/introspect"), "https");
    check_refused(endpoint(""), "https");
    check_refused(with(&|settings| settings.client_secret = Secret::value("")), "empty");
    check_refused(with(&|settings| settings.client_id.clear()), "client_id");
    check_refused(with(&|settings| settings.deadline_millis = 0), "deadline_millis");
    check_refused(with(&|settings| settings.parallel_max = 0), "parallel_max");
    let second = Issuer::new("https://as2.example.com", server.verification());
    check_refused(with(&|_| ()).issuer(second), "only one issuer");
}

#[test]
fn sec_372_key_sets() {
    let with = |change: fn(&mut JwksSettings)| {
        let url = Some("https://as.example.com/jwks".to_owned());
        let mut settings = JwksSettings { url, ..JwksSettings::default() };
        change(&mut settings);
        with_verification(Verification::Jwks(settings))
    };
    ProtectLayer::new(with(|_| ())).ok().unwrap();
    ProtectLayer::new(with(|jwks| jwks.url = None)).ok().unwrap();
    check_refused(with(|jwks| jwks.url = Some("http://as.example.com/jwks".to_owned())), "https");
    check_refused(with(|jwks| jwks.url = Some(String::new())), "https");
    ProtectLayer::new(with(|jwks| {
        jwks.url = Some("http://as.example.com/jwks".to_owned());
        jwks.plain_http = true;
    }))
    .ok()
    .unwrap();
    check_refused(with(|jwks| jwks.deadline_millis = 0), "deadline_millis");
    check_refused(with(|jwks| jwks.interval_secs_min = 0), "interval_secs_min");
    check_refused(with(|jwks| jwks.refresh_secs = 9), "refresh_secs");
    check_refused(with(|jwks| jwks.stale_secs_max = 299), "stale_secs_max");
}

#[test]
fn sec_104_public_keys() {
    let with = |document: &str| with_verification(Verification::public_keys(document));
    let key = signing::SigningKey::ed_dsa("k");
    ProtectLayer::new(with(&signing::key_set(&[&key]))).ok().unwrap();
    check_refused(with("{\"keys\":[]}"), "no key that can be used");
    check_refused(with("{}"), "key set without keys");
    check_refused(with(""), "JSON");
    let from = |settings| with_verification(Verification::PublicKeys(settings));
    check_refused(from(PublicKeySettings::default()), "one of both");
    let mut absent = PublicKeySettings { file: Some("/nowhere/at/all".into()), document: None };
    check_refused(from(absent.clone()), "/nowhere/at/all");
    absent.document = Some(signing::key_set(&[&key]));
    check_refused(from(absent), "one of both");
}

#[tokio::test]
async fn rs_01_to_rs_12_the_metadata() {
    let description = Description {
        name: Some("Clock".to_owned()),
        documentation: Some("https://example.com/clock".to_owned()),
        ..Description::default()
    };
    let layer = ProtectLayer::new(settings().description(description.clone())).ok().unwrap();
    assert_eq!(layer.endpoint_path(), "/mcp");
    assert_eq!(layer.metadata_path(), "/.well-known/oauth-protected-resource/mcp");
    assert_eq!(
        layer.metadata_url(),
        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
    );
    let get = |path: &str| Request::get(path).body(Full::default()).unwrap();
    let (path, root) = (layer.metadata_path(), "/.well-known/oauth-protected-resource");

    let bench = Bench::new(settings().description(description));
    let response = bench.send(get(path)).await;
    assert_eq!((response.status().as_u16(), bench.recorder.count()), (200, 0));
    assert_eq!(field(&response, "content-type"), "application/json");
    assert_eq!(field(&response, "access-control-allow-origin"), "*");
    assert!(field(&response, "cache-control").contains("max-age"));
    let document: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        document,
        serde_json::json!({
            "resource": RESOURCE,
            "authorization_servers": [ISSUER],
            "scopes_supported": ["user"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Clock",
            "resource_documentation": "https://example.com/clock",
        })
    );
    // RS-06: the root form only where the settings say so.
    assert_eq!(bench.send(get(root)).await.status(), 404);
    let bench = Bench::new(settings().root_metadata());
    assert_eq!(bench.send(get(root)).await.status(), 200);
}
