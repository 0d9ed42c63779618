use std::time::Duration;

use super::*;

fn resource(identifier: &str) -> Resource {
    Resource::new(identifier, "Name", TokenFormat::Opaque).unwrap().with_scope("user", "words")
}

#[track_caller]
fn check(issuer: &str, expected: Result<(), SettingsError>) {
    assert_eq!(Settings::new(issuer).unwrap().check(), expected, "{issuer}");
}

#[test]
fn as_03_issuer() {
    check("https://as.example", Ok(()));
    check("https://as.example/t1", Ok(()));
    check("http://localhost:9000", Ok(()));
    check("http://127.0.0.1:9000", Ok(()));
    check("https://[2001:db8::1]:8443/a/b-c", Ok(()));
    for bad in [
        "http://as.example",
        "https://as.example/",
        "https://as.example?x",
        "https://as.example#f",
        "https://u@as.example",
        "ftp://as.example",
        "https://as.example/:t",
        "https://as.example/{t}",
        "https://as.example/%2f",
        "as.example",
        "",
    ] {
        check(bad, Err(SettingsError::Issuer));
    }
}

#[test]
fn resources() {
    let with = |list: &[&str]| {
        list.iter().fold(Settings::new("https://as.example").unwrap(), |settings, identifier| {
            settings.with_resource(resource(identifier))
        })
    };
    assert_eq!(with(&["https://rs.example/mcp"]).check(), Ok(()));
    assert_eq!(with(&["https://rs.example/mcp", "https://rs.example/b"]).check(), Ok(()));
    assert_eq!(
        with(&["https://rs.example", "https://rs.example"]).check(),
        Err(SettingsError::ResourceRepeated)
    );
    for bad in ["https://rs.example#f", "rs.example", "https://", "https://rs example", ""] {
        assert_eq!(with(&[bad]).check(), Err(SettingsError::Resource), "{bad}");
    }
    let default = with(&["https://rs.example"]).with_default_resource("https://other.example");
    assert_eq!(default.check(), Err(SettingsError::DefaultResource));
    let default = with(&["https://rs.example"]).with_default_resource("https://rs.example");
    assert_eq!(default.check(), Ok(()));
    let quoted = Resource::new("https://rs.example", "Name", TokenFormat::Opaque)
        .unwrap()
        .with_scope("us\"er", "words");
    let settings = Settings::new("https://as.example").unwrap().with_resource(quoted);
    assert_eq!(settings.check(), Err(SettingsError::Scope));
}

#[test]
fn sec_236_users_are_not_named_like_clients() {
    let settings = || Settings::new("https://as.example").unwrap();
    assert!(settings().with_user("alice", "secret").is_ok());
    for (name, password) in [("client-1", "secret"), ("", "secret"), ("alice", ""), ("a b", "x")] {
        let refused = settings().with_user(name, password).err();
        assert_eq!(refused, Some(SettingsError::User), "{name}");
    }
    let twice = settings().with_user("alice", "x").and_then(|s| s.with_user("alice", "y"));
    assert_eq!(twice.err(), Some(SettingsError::User));
}

#[test]
fn sec_261_ids_of_known_clients() {
    let settings = || Settings::demo("http://localhost:9000").unwrap();
    let uris = ["http://127.0.0.1:3000/callback"];
    assert!(settings().with_public_client("tool", "Tool", uris).is_ok());
    for id in ["", "https://app.example/id", "client-1", "demo_user", "a b"] {
        let refused = settings().with_public_client(id, "Tool", uris).err();
        assert_eq!(refused, Some(SettingsError::Client), "{id}");
    }
    for uris in [&["http://app.example/cb"][..], &["javascript:x"], &[]] {
        let refused = settings().with_public_client("tool", "Tool", uris.to_vec()).err();
        assert_eq!(refused, Some(SettingsError::Client), "{uris:?}");
    }
    let user = settings().with_public_client("tool", "Tool", uris).unwrap().with_user("tool", "x");
    assert_eq!(user.err(), Some(SettingsError::User));
}

#[test]
fn sec_325_demo_user_only_on_loopback() {
    assert!(Settings::demo("http://localhost:9000").is_ok());
    for other in ["https://as.example", "http://as.example", "http://localhost.example:9000"] {
        assert_eq!(Settings::demo(other).err(), Some(SettingsError::DemoNotLoopback), "{other}");
    }
}

#[test]
fn placeholder_keys_and_lifetimes() {
    let settings = || Settings::new("https://as.example").unwrap();
    assert_eq!(settings().with_master_key([7; 32]).err(), Some(SettingsError::MasterKey));
    let mut key = [7; 32];
    key[31] = 8;
    assert!(settings().with_master_key(key).is_ok());
    let with = |secs: u64| {
        let mut settings = settings();
        settings.lifetimes.authorization_code = Duration::from_secs(secs);
        settings.check()
    };
    assert_eq!(with(0), Err(SettingsError::Lifetime));
    assert_eq!(with(600), Ok(()));
    assert_eq!(with(601), Err(SettingsError::Lifetime));
}

#[test]
fn sec_320_debug_has_no_secret() {
    let resource =
        resource("https://rs.example").with_introspection_credentials("rs", "hidden-secret-text");
    let settings = Settings::new("https://as.example")
        .and_then(|settings| settings.with_user("alice", "hunter2hunter2"))
        .unwrap()
        .with_resource(resource)
        .with_database(Database::Postgresql("postgresql://u:hidden-password@db/p".into()));
    let text = format!("{settings:?}");
    assert!(text.contains("https://rs.example"));
    assert!(text.contains("Postgresql"));
    for secret in ["hidden-secret-text", "hunter2hunter2", "argon2", "hidden-password"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
