use super::*;

const GOOD: &str = r#"
resource = "https://mcp.example.com/mcp"

[[issuers]]
identifier = "https://as.example.com"
[issuers.verification]
mode = "introspection"
endpoint = "https://as.example.com/introspect"
client_id = "mcp-server"
client_secret = { env = "MCP_CLIENT_SECRET" }

[scopes]
base = "user"
tools = { set_time = "time:write" }
implications = { admin = "user time:write" }

[description]
name = "Clock"

[limits]
leeway_secs = 10
"#;

#[test]
fn toml_settings() {
    let settings = Settings::from_toml(GOOD).unwrap();
    assert_eq!(settings.resource, "https://mcp.example.com/mcp");
    assert_eq!(settings.scopes.tools["set_time"], "time:write");
    assert_eq!(settings.limits.leeway_secs, 10);
    assert_eq!(settings.limits.body_len_max, limits::BODY_LEN_MAX_DESKTOP);
    let introspection = settings.issuers[0].verification.introspection().unwrap();
    assert_eq!(introspection.client_id, "mcp-server");
    assert_eq!(introspection.active_secs_max, 10);
    assert!(!introspection.plain_http && !settings.plain_http);
}

#[test]
fn offline_and_mixed_modes() {
    let offline = r#"
        resource = "https://mcp.example.com/mcp"
        [[issuers]]
        identifier = "https://as.example.com"
        [issuers.verification]
        mode = "offline"
        keys = [{ id = "a", secret = { file = "/a" } }, { id = "b", secret = { env = "B" } }]
    "#;
    let settings = Settings::from_toml(offline).unwrap();
    let verification = &settings.issuers[0].verification;
    assert!(matches!(verification, Verification::Offline { keys } if keys.len() == 2));
    assert!(verification.introspection().is_none());

    let mixed = offline.replace("\"offline\"", "\"jwt-or-introspection\"")
        + "introspection = { endpoint = 'https://as', client_id = 'a', client_secret = { env = 'B' } }";
    let settings = Settings::from_toml(&mixed).unwrap();
    let verification = &settings.issuers[0].verification;
    assert!(matches!(verification, Verification::JwtOrIntrospection { .. }));
    assert!(verification.introspection().is_some());
}

#[test]
fn public_keys_at_hand_and_published() {
    let with = |verification: &str| {
        let text = format!(
            "resource = 'https://mcp.example.com/mcp'\n[[issuers]]\nidentifier = 'https://as.example.com'\n\
             [issuers.verification]\n{verification}"
        );
        Settings::from_toml(&text).map(|settings| settings.issuers[0].verification.clone())
    };
    let Verification::Jwks(jwks) = with("mode = 'jwks'\nrefresh_secs = 60").unwrap() else {
        panic!()
    };
    assert_eq!((jwks.url, jwks.refresh_secs, jwks.interval_secs_min), (None, 60, 10));
    let Verification::Jwks(jwks) = with("mode = 'jwks'\nurl = 'https://a/jwks'").unwrap() else {
        panic!()
    };
    assert_eq!(jwks.url.as_deref(), Some("https://a/jwks"));
    let Verification::PublicKeys(keys) = with("mode = 'public-keys'\nfile = '/k'").unwrap() else {
        panic!()
    };
    assert_eq!((keys.file, keys.document), (Some("/k".into()), None));
    let mixed = "mode = 'jwks-or-introspection'\n\
        introspection = { endpoint = 'https://as', client_id = 'a', client_secret = { env = 'B' } }";
    assert!(with(mixed).unwrap().introspection().is_some());
    for bad in
        ["mode = 'jwks'\nuri = 'x'", "mode = 'public-keys'\nfiles = 'x'", "mode = 'jwks'\nurl = 1"]
    {
        assert!(with(bad).is_err(), "{bad}");
    }
}

/// Replaces `from` in the good settings; the result must be refused with `needle` in the reason.
#[track_caller]
fn check_refused(from: &str, to: &str, needle: &str) {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD, "{from:?} is not in the settings");
    let error = Settings::from_toml(&text).unwrap_err().to_string();
    assert!(error.contains(needle), "{error}");
}

#[test]
fn sec_135_what_is_missing_or_misspelt_is_refused() {
    check_refused("resource = \"https://mcp.example.com/mcp\"", "", "resource");
    check_refused("identifier = \"https://as.example.com\"", "", "identifier");
    check_refused("mode = \"introspection\"", "mode = \"none\"", "unknown variant");
    check_refused("mode = \"introspection\"", "", "mode");
    check_refused("client_id = \"mcp-server\"", "", "client_id");
    check_refused("base = \"user\"", "bases = \"user\"", "unknown field `bases`");
    check_refused("name = \"Clock\"", "nam = \"Clock\"", "unknown field `nam`");
    check_refused("[limits]", "[limit]", "unknown field `limit`");
    check_refused("leeway_secs = 10", "leeway_secs = -1", "invalid value");
    check_refused("client_id =", "client =", "unknown field `client`");
}

#[test]
fn sec_320_an_error_does_not_repeat_the_secret() {
    for secret in ["\"hunter2\"", "{ hunter2 = \"hunter2\" }", "\"hunter2"] {
        let text = GOOD.replacen("{ env = \"MCP_CLIENT_SECRET\" }", secret, 1);
        let error = Settings::from_toml(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_file_is_read_and_a_missing_one_is_named() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/desktop_server/settings.toml");
    let settings = Settings::from_toml_file(path).unwrap();
    assert_eq!(settings.resource, "http://localhost:8001/mcp");
    let error = Settings::from_toml_file(format!("{path}.missing")).unwrap_err();
    assert!(error.to_string().contains("settings.toml.missing"), "{error}");
}

#[test]
fn a_toml_error_names_its_line() {
    let error = Settings::from_toml("resource = \"https://a/mcp\"\n\nresorce = 1\n").unwrap_err();
    assert!(error.to_string().starts_with("line 3: "), "{error}");
}
