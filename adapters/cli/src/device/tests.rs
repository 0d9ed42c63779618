use super::*;
use portcullis_core::limits::KEY_ID_LEN_MAX;

/// 32 bytes of 0x01 and of 0x02.
const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
const NEXT_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";
const SECRET: &str = "hush-a-secret-of-the-device";

fn key(id: &str, key: &str) -> String {
    format!(r#"{{"kid":"{id}","key":"{key}"}}"#)
}

fn with_keys(keys: &str) -> String {
    format!(
        r#"{{"version":1,"resource":"https://device.example/mcp","issuer":"https://as.example","keys":{keys}}}"#
    )
}

fn certificate() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().der().to_vec()
}

fn with_introspection() -> String {
    let certificate = key::base64url_text(&certificate());
    let certificate = certificate.as_str();
    format!(
        r#"{{"version":1,"resource":"https://device.example/mcp","issuer":"https://as.example","introspection":{{"endpoint":"https://as.example/introspect","address":"192.0.2.1:443","client_id":"device","client_secret":"{SECRET}","certificate":"{certificate}"}}}}"#
    )
}

/// Refused, for the reason whose text has `words`, which quotes nothing secret.
#[track_caller]
fn check_refused(document: &str, words: &str) {
    let error = Device::parse(document.as_bytes()).err().expect(document).to_string();
    assert!(error.contains(words), "{error}: {document}");
    for secret in [KEY, NEXT_KEY, SECRET] {
        assert!(!error.contains(&secret[..5]), "{error}");
    }
}

#[track_caller]
fn check_accepted(document: &str) -> Device {
    match Device::parse(document.as_bytes()) {
        Ok(device) => device,
        Err(error) => panic!("{error}: {document}"),
    }
}

#[test]
fn a_document_is_read_and_written_alike() {
    let times = r#","time_servers":["192.0.2.1:123","[2001:db8::1]:123"]}"#;
    for document in [
        with_keys(&format!("[{}]", key("a", KEY))),
        with_keys(&format!("[{},{}]", key("a", KEY), key("b", NEXT_KEY))),
        with_keys(&format!("[{}]", key("a", KEY)))
            .replace("\"version\":1", "\"version\":4294967295"),
        with_introspection(),
        with_introspection().strip_suffix('}').unwrap().to_owned() + times,
    ] {
        assert_eq!(*check_accepted(&document).to_document().unwrap(), document);
    }
}

#[test]
fn every_member_is_needed_and_known() {
    let (keys, introspection) = (with_keys(&format!("[{}]", key("a", KEY))), with_introspection());
    for name in ["version", "resource", "issuer", "kid", "key"] {
        check_refused(&keys.replace(&format!("\"{name}\":"), "\"other\":"), "member");
    }
    for name in ["endpoint", "address", "client_id", "client_secret", "certificate"] {
        check_refused(&introspection.replace(&format!("\"{name}\":"), "\"other\":"), "member");
    }
    check_refused(&keys.replace("{\"version\"", "{\"issuer\":\"i\",\"version\""), "member");
    check_refused(&keys.replace(&format!("\"{KEY}\""), "1"), "member");
    check_refused(&keys.replace("\"version\":1", &format!("\"version\":\"{SECRET}\"")), "member");
    for version in ["0", "-1", "4294967296", "1.0", "null"] {
        check_refused(&keys.replace("\"version\":1", &format!("\"version\":{version}")), "member");
    }
    check_refused(&introspection.replace("192.0.2.1:443", "as.example:443"), "member");
}

#[test]
fn what_is_no_document_is_refused() {
    let good = with_keys(&format!("[{}]", key("a", KEY)));
    check_accepted(&format!("{good}\n"));
    check_refused("", "no JSON");
    check_refused(&good[..good.len() - 1], "no JSON");
    check_refused(&format!("{good}x"), "no JSON");
    check_refused("1", "member");
}

#[test]
fn there_is_one_way_to_check_tokens() {
    let both = with_introspection()
        .replace("\"introspection\"", &format!("\"keys\":[{}],\"introspection\"", key("a", KEY)));
    check_refused(&both, "either");
    check_refused(&with_keys("[]"), "either");
    check_refused(&with_keys("null"), "member");
    let neither = r#"{"version":1,"resource":"https://d.example","issuer":"https://as.example"}"#;
    check_refused(neither, "either");
}

#[test]
fn keys_are_whole_and_few() {
    let (a, b, c) = (key("a", KEY), key("b", NEXT_KEY), key("c", KEY));
    check_accepted(&with_keys(&format!("[{a},{b}]")));
    check_refused(&with_keys(&format!("[{a},{b},{c}]")), "full");
    check_refused(&with_keys(&format!("[{a},{a}]")), "same key id");
    check_accepted(&with_keys(&format!("[{}]", key(&"k".repeat(KEY_ID_LEN_MAX), KEY))));
    for id in ["", "a b", &"k".repeat(KEY_ID_LEN_MAX + 1)] {
        check_refused(&with_keys(&format!("[{}]", key(id, KEY))), "key id");
    }
    for bad in [&format!("{KEY}="), "AQ+B", &"A".repeat(100)] {
        check_refused(&with_keys(&format!("[{}]", key("a", bad))), "base64url");
    }
    check_refused(&with_keys(&format!("[{}]", key("a", "AQEB"))), "short");
    check_refused(&with_keys(&format!("[{}]", key("a", &"A".repeat(43)))), "zero");
}

#[test]
fn urls_are_those_that_a_device_takes() {
    let good = with_keys(&format!("[{}]", key("a", KEY)));
    for (from, to, words) in [
        ("https://device.example/mcp", "http://device.example/mcp", "the resource is not https"),
        ("https://device.example/mcp", "device", "the resource is not an absolute URI"),
        ("https://as.example", "https://as.example?x", "the issuer has userinfo, a query"),
        ("https://as.example", "", "the issuer is empty"),
    ] {
        check_refused(&good.replace(from, to), words);
    }
    let issuer = |len: usize| format!("https://{}", "i".repeat(len - "https://".len()));
    check_accepted(&good.replace("https://as.example", &issuer(IDENTIFIER_LEN_MAX)));
    check_refused(&good.replace("https://as.example", &issuer(IDENTIFIER_LEN_MAX + 1)), "too long");
}

#[test]
fn introspection_is_over_tls_with_credentials() {
    let good = with_introspection();
    check_accepted(&good);
    check_accepted(&good.replace(SECRET, &"s".repeat(IDENTIFIER_LEN_MAX)));
    let endpoint = "https://as.example/introspect";
    for (from, to, words) in [
        (endpoint, "http://localhost/introspect", "the introspection endpoint is not https"),
        (endpoint, "https://a@as.example/introspect", "the introspection endpoint has userinfo"),
        (SECRET, "", "client_secret"),
        (SECRET, "a b", "client_secret"),
        (SECRET, &"s".repeat(IDENTIFIER_LEN_MAX + 1), "client_secret"),
        ("\"certificate\":\"MII", "\"certificate\":\"MIJ", "certificate"),
        ("\"certificate\":\"MII", "\"certificate\":\"=MII", "certificate"),
    ] {
        check_refused(&good.replace(from, to), words);
    }
}

#[test]
fn a_document_and_its_time_servers_are_bounded() {
    let good = with_keys(&format!("[{}]", key("a", KEY)));
    let with_times = |count: usize| {
        let times = vec![r#""192.0.2.1:123""#; count].join(",");
        good.replace("{\"version\"", &format!("{{\"time_servers\":[{times}],\"version\""))
    };
    check_accepted(&with_times(TIME_SERVERS_MAX));
    check_refused(&with_times(TIME_SERVERS_MAX + 1), "time servers");
    let mut device = check_accepted(&with_introspection());
    let Verification::Introspection(introspection) = &mut device.verification else { panic!() };
    // A certificate of its own that is far too long for a device.
    let names: Vec<_> = (0..200).map(|at| format!("{at}.example")).collect();
    let long = rcgen::CertificateParams::new(names).unwrap();
    let long = long.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    introspection.certificate = long.der().to_vec();
    assert!(matches!(device.to_document(), Err(DeviceError::TooLong)));
}
