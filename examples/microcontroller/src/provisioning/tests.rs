use portcullis_core::{
    encoding::{json::JsonError, scratch::Scratch},
    jwt::{HmacKey, KeyError, KeyId, MintClaims, mint},
    limits::{IDENTIFIER_LEN_MAX, KEY_ID_LEN_MAX},
    scope::ScopeSet,
    time::UnixTime,
};
use std::{format, string::String};

use super::{Keys, Provisioning, ProvisioningError, TIME_SERVERS_MAX};

/// 32 bytes of 0x01 and of 0x02.
const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
const NEXT_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

fn document(keys: &str) -> String {
    format!(
        r#"{{"version":1,"resource":"https://device.example/mcp","issuer":"https://as.example","keys":{keys}}}"#
    )
}

fn key(id: &str, key: &str) -> String {
    format!(r#"{{"kid":"{id}","key":"{key}"}}"#)
}

#[track_caller]
fn check(document: &str, expected: Result<(), ProvisioningError>) {
    let mut memory = [0; 1024];
    let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory));
    assert_eq!(read.map(drop), expected, "{document}");
}

#[cfg(not(feature = "introspection"))]
fn keys<'p>(provisioning: &'p Provisioning<'_>) -> &'p Keys {
    &provisioning.keys
}

#[cfg(feature = "introspection")]
fn keys<'p>(provisioning: &'p Provisioning<'_>) -> &'p Keys {
    provisioning.keys.as_ref().unwrap()
}

#[test]
fn a_device_learns_who_it_is() {
    let mut memory = [0; 64];
    let document = document(&format!("[{},{}]", key("a", KEY), key("b", NEXT_KEY)));
    let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory)).unwrap();
    assert_eq!(read.version, 1);
    assert_eq!(read.resource, "https://device.example/mcp");
    assert_eq!(read.issuer, "https://as.example");
    let keys = keys(&read);
    assert_eq!((keys.current.id().as_str(), read.time_servers.len()), ("a", 0));
    let next = keys.next.as_ref().unwrap();
    assert_eq!(next.id().as_str(), "b");
    for (key, bytes) in [(&keys.current, [1; 32]), (next, [2; 32])] {
        let expected = HmacKey::new(&bytes).unwrap();
        assert_eq!(token_by(&key.hmac_key().unwrap()), token_by(&expected));
    }
}

/// A token that depends on the key alone.
fn token_by(key: &HmacKey) -> String {
    let claims = MintClaims {
        issuer: "https://as.example",
        audience: &["https://device.example/mcp"],
        subject: "subject",
        client_id: "client",
        scope: ScopeSet::EMPTY,
        issued_at: UnixTime::from_secs(1),
        expires_at: UnixTime::from_secs(2),
        id: "id",
    };
    let id = KeyId::new("a").unwrap();
    mint(&claims, key, &id, &mut [0; 1024]).unwrap().into()
}

#[test]
fn escapes_are_read() {
    let mut memory = [0; 64];
    let document =
        document(&format!("[{}]", key(r"\u0061", KEY))).replace("https://as", r"https:\/\/as");
    let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory)).unwrap();
    assert_eq!((read.issuer, keys(&read).current.id().as_str()), ("https://as.example", "a"));
}

#[test]
fn every_member_is_needed_and_known() {
    let good = document(&format!("[{}]", key("a", KEY)));
    check(&good, Ok(()));
    for name in ["version", "resource", "issuer", "keys", "kid", "key"] {
        let renamed = good.replace(&format!("\"{name}\":"), "\"other\":");
        check(&renamed, Err(ProvisioningError::UnknownMember));
    }
    for name in ["version", "resource", "issuer", "keys"] {
        let members = ["version", "resource", "issuer", "keys"].into_iter();
        let rest: std::vec::Vec<_> = members.filter(|member| *member != name).collect();
        let mut object: serde_json::Map<_, _> = serde_json::from_str(&good).unwrap();
        object.retain(|member, _| rest.contains(&member.as_str()));
        let object = serde_json::to_string(&object).unwrap();
        check(&object, Err(ProvisioningError::Missing(name)));
    }
    check(&document("[]"), Err(ProvisioningError::Missing("keys")));
    check(&document("[{}]"), Err(ProvisioningError::Missing("kid")));
    check(&document(r#"[{"kid":"a"}]"#), Err(ProvisioningError::Missing("key")));
}

#[test]
fn what_is_no_document_is_refused() {
    let good = document(&format!("[{}]", key("a", KEY)));
    check(&format!("{good}\n"), Ok(()));
    check(&format!("{good}x"), Err(ProvisioningError::Json(JsonError::Trailing)));
    check("", Err(ProvisioningError::Json(JsonError::Syntax)));
    check("[]", Err(ProvisioningError::Json(JsonError::Type)));
    check(&document("{}"), Err(ProvisioningError::Json(JsonError::Type)));
    check(&good.replace("\"https://as.example\"", "1"), Err(JsonError::Type.into()));
    let twice = good.replace("{\"version\"", "{\"issuer\":\"i\",\"version\"");
    check(&twice, Err(JsonError::Duplicate.into()));
}

#[test]
fn keys_are_whole_and_few() {
    let (a, b, c) = (key("a", KEY), key("b", NEXT_KEY), key("c", KEY));
    check(&document(&format!("[{a},{b}]")), Ok(()));
    check(&document(&format!("[{a},{b},{c}]")), Err(ProvisioningError::Key(KeyError::Ring)));
    check(&document(&format!("[{a},{a}]")), Err(KeyError::DuplicateKeyId.into()));
    check(&document(&format!("[{}]", key("", KEY))), Err(KeyError::KeyId.into()));
    for bad in [&format!("{KEY}="), "AQ+B", &"A".repeat(100)] {
        check(&document(&format!("[{}]", key("a", bad))), Err(ProvisioningError::Encoding));
    }
    let mut memory = [0; 64];
    let short = document(&format!("[{}]", key("a", "AQEB")));
    let read = Provisioning::read(short.as_bytes(), &mut Scratch::new(&mut memory));
    assert!(matches!(read, Err(ProvisioningError::Key(KeyError::TooShort))), "{read:?}");
}

#[test]
fn texts_have_a_longest_length() {
    let with_issuer = |len: usize| {
        document(&format!("[{}]", key("a", KEY))).replace("https://as.example", &"i".repeat(len))
    };
    check(&with_issuer(IDENTIFIER_LEN_MAX - 1), Ok(()));
    check(&with_issuer(IDENTIFIER_LEN_MAX), Ok(()));
    check(&with_issuer(IDENTIFIER_LEN_MAX + 1), Err(ProvisioningError::TooLong));
    let with_id = |len: usize| document(&format!("[{}]", key(&"k".repeat(len), KEY)));
    check(&with_id(KEY_ID_LEN_MAX), Ok(()));
    check(&with_id(KEY_ID_LEN_MAX + 1), Err(ProvisioningError::TooLong));
}

#[test]
fn sec_320_debug_shows_no_key() {
    let mut memory = [0; 64];
    let document = document(&format!("[{}]", key("a", KEY)));
    let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory)).unwrap();
    let shown = format!("{read:?}");
    assert!(shown.contains("device.example") && !shown.contains("AQEB") && !shown.contains("[1"));
}

#[test]
fn sec_510_versions_are_numbers_from_1() {
    let good = document(&format!("[{}]", key("a", KEY)));
    let with = |version: &str| good.replace("\"version\":1", &format!("\"version\":{version}"));
    check(&with("4294967295"), Ok(()));
    check(&with("4294967296"), Err(ProvisioningError::Version));
    check(&with("0"), Err(ProvisioningError::Version));
    for bad in ["-1", "1.5", "\"1\"", "null"] {
        let mut memory = [0; 64];
        let read = Provisioning::read(with(bad).as_bytes(), &mut Scratch::new(&mut memory));
        assert!(matches!(read, Err(ProvisioningError::Json(_))), "{bad}: {read:?}");
    }
}

#[test]
fn time_servers_are_addresses() {
    let good = document(&format!("[{}]", key("a", KEY)));
    let with = |servers: &str| {
        good.replace("{\"version\"", &format!("{{\"time_servers\":{servers},\"version\""))
    };
    check(&with("[]"), Ok(()));
    check(&with(r#"["192.0.2.1:123","[2001:db8::1]:123"]"#), Ok(()));
    for bad in ["192.0.2.1", "time.example:123", "", "192.0.2.1:123456"] {
        check(&with(&format!("[\"{bad}\"]")), Err(ProvisioningError::Address));
    }
    let many = |count: usize| format!("[{}]", std::vec!["\"192.0.2.1:123\""; count].join(","));
    check(&with(&many(TIME_SERVERS_MAX)), Ok(()));
    check(&with(&many(TIME_SERVERS_MAX + 1)), Err(ProvisioningError::TooLong));
}

#[cfg(feature = "introspection")]
mod introspection {
    use super::*;

    const MEMBERS: &str = r#"{"endpoint":"https://as.example/introspect","address":"192.0.2.1:443",
        "client_id":"device","client_secret":"a secret","certificate":"MAA"}"#;

    fn document(members: &str) -> String {
        format!(
            r#"{{"version":1,"resource":"https://device.example/mcp","issuer":"https://as.example","introspection":{members}}}"#
        )
    }

    #[test]
    fn a_device_learns_whom_to_ask() {
        let mut memory = [0; 256];
        let document = document(MEMBERS);
        let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory)).unwrap();
        let asked = read.introspection.as_ref().unwrap();
        assert_eq!(asked.endpoint, "https://as.example/introspect");
        assert_eq!(asked.address, "192.0.2.1:443".parse().unwrap());
        assert_eq!((asked.client_id, asked.client_secret.as_str()), ("device", "a secret"));
        assert_eq!(asked.certificate, [0x30, 0]);
        assert!(!format!("{read:?}").contains("a secret"));
    }

    #[test]
    fn every_member_is_needed_and_right() {
        for name in ["endpoint", "address", "client_id", "client_secret", "certificate"] {
            let renamed = MEMBERS.replace(&format!("\"{name}\":"), "\"other\":");
            check(&document(&renamed), Err(ProvisioningError::UnknownMember));
            let mut object: serde_json::Map<_, _> = serde_json::from_str(MEMBERS).unwrap();
            object.remove(name);
            let object = serde_json::to_string(&object).unwrap();
            check(&document(&object), Err(ProvisioningError::Missing(name)));
        }
        check(&document(&MEMBERS.replace("MAA", "MA+")), Err(ProvisioningError::Encoding));
        check(&document(&MEMBERS.replace(":443", "")), Err(ProvisioningError::Address));
    }

    #[test]
    fn one_way_to_check_tokens() {
        let keys = format!("{},\"keys\":[{}]", MEMBERS, key("a", KEY));
        check(&document(&keys), Err(ProvisioningError::TwoWays));
    }
}
