use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::settings::{Resource, TokenFormat};

fn settings() -> Settings {
    let resource = Resource::new("https://rs.example/mcp", "Name", TokenFormat::Opaque).unwrap();
    Settings::new("https://as.example")
        .unwrap()
        .with_resource(resource.with_scope("user", "words").with_further_scope("admin", "words"))
}

/// Reads the smallest good metadata with `changes` merged in.
fn read_with(changes: Value) -> Result<Value, RegistrationErrorCode> {
    let mut body = json!({ "redirect_uris": ["http://localhost:3030/callback"] });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    read(body.to_string().as_bytes(), &settings())
        .map(|accepted| serde_json::to_value(accepted).unwrap())
        .map_err(|error| error.error)
}

#[track_caller]
fn check(changes: Value, expected: Result<Value, RegistrationErrorCode>) {
    match (read_with(changes), expected) {
        (Ok(read), Ok(members)) => {
            for (name, value) in members.as_object().unwrap() {
                assert_eq!(read.get(name).unwrap_or(&Value::Null), value, "{name}");
            }
        }
        (read, expected) => assert_eq!(read, expected),
    }
}

const METADATA: RegistrationErrorCode = RegistrationErrorCode::InvalidClientMetadata;
const REDIRECT: RegistrationErrorCode = RegistrationErrorCode::InvalidRedirectUri;

#[test]
fn as_125_defaults() {
    check(
        json!({}),
        Ok(json!({
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "application_type": null,
        })),
    );
    check(json!({ "grant_types": ["implicit"] }), Err(METADATA));
    check(json!({ "grant_types": ["authorization_code", "password"] }), Err(METADATA));
    check(json!({ "grant_types": ["refresh_token"] }), Err(METADATA));
    check(json!({ "response_types": ["token"] }), Err(METADATA));
    check(json!({ "response_types": ["code", "token"] }), Err(METADATA));
    check(json!({ "response_types": ["code"] }), Ok(json!({ "response_types": ["code"] })));
}

#[test]
fn a_device_needs_no_redirect() {
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    check(
        json!({ "grant_types": [device, "refresh_token"], "redirect_uris": null }),
        Ok(json!({ "grant_types": [device, "refresh_token"], "redirect_uris": [],
            "response_types": [] })),
    );
    check(
        json!({ "grant_types": ["authorization_code", device], "redirect_uris": null }),
        Err(REDIRECT),
    );
    check(json!({ "grant_types": [device], "redirect_uris": ["com.app:/cb"] }), Err(REDIRECT));
    check(json!({ "grant_types": [device], "response_types": ["code"] }), Err(METADATA));
}

#[test]
fn as_126_application_type() {
    let https = json!(["https://app.example/cb"]);
    check(json!({ "application_type": "native" }), Ok(json!({ "application_type": "native" })));
    check(json!({ "application_type": "web" }), Err(REDIRECT));
    check(json!({ "application_type": "web", "redirect_uris": https }), Ok(json!({})));
    check(json!({ "application_type": "native", "redirect_uris": https }), Ok(json!({})));
    check(json!({ "application_type": "other" }), Err(METADATA));
}

#[test]
fn sec_192_redirect_schemes() {
    for uri in ["javascript:alert(1)", "data:,x", "file:///x", "com.app:/cb", "http://a.example/"] {
        check(json!({ "redirect_uris": [uri] }), Err(REDIRECT));
        let beside = json!({ "redirect_uris": ["https://app.example/cb", uri] });
        match uri {
            // An app's own scheme is left out.
            "com.app:/cb" => {
                check(beside, Ok(json!({ "redirect_uris": ["https://app.example/cb"] })));
            }
            _ => check(beside, Err(REDIRECT)),
        }
    }
    for uri in ["JavaScript:alert(1)", "DATA:,x", "no-scheme", "1a:/cb", ":/cb"] {
        check(json!({ "redirect_uris": ["https://app.example/cb", uri] }), Err(REDIRECT));
    }
    for uri in ["cursor://anysphere.cursor-deeplink/callback", "com.app.x:/cb"] {
        let beside = json!({ "redirect_uris": [uri, "http://localhost/cb"] });
        check(beside, Ok(json!({ "redirect_uris": ["http://localhost/cb"] })));
    }
    check(json!({ "redirect_uris": [] }), Err(REDIRECT));
    check(json!({ "redirect_uris": null }), Err(REDIRECT));
}

#[test]
fn lim_9_redirect_uris() {
    let uris =
        |count: usize| (0..count).map(|at| format!("https://app.example/{at}")).collect::<Vec<_>>();
    for (count, expected) in [(15, Ok(json!({}))), (16, Ok(json!({}))), (17, Err(METADATA))] {
        check(json!({ "redirect_uris": uris(count) }), expected);
    }
    let long = |len: usize| format!("https://app.example/{}", "a".repeat(len - 20));
    check(json!({ "redirect_uris": [long(2048)] }), Ok(json!({})));
    check(json!({ "redirect_uris": [long(2049)] }), Err(METADATA));
}

#[test]
fn sec_256_privileges_are_not_given() {
    check(
        json!({ "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
                "client_id": "chosen", "client_secret": "chosen", "introspection": true }),
        Ok(json!({ "grant_types": ["authorization_code", "refresh_token"], "client_id": null,
                   "client_secret": null, "introspection": null })),
    );
    for method in ["private_key_jwt", "tls_client_auth", "", "NONE"] {
        check(json!({ "token_endpoint_auth_method": method }), Err(METADATA));
    }
}

#[test]
fn registered_scope_is_what_is_known_of_it() {
    check(json!({ "scope": "user" }), Ok(json!({ "scope": "user" })));
    check(json!({ "scope": "user other" }), Ok(json!({ "scope": "user" })));
    check(json!({ "scope": "us\"er" }), Err(METADATA));
}

#[test]
fn sec_204_names_are_cut_and_cleaned() {
    check(json!({ "client_name": "Inspector" }), Ok(json!({ "client_name": "Inspector" })));
    let hidden = "\u{202e}A\u{200b}\u{2066}\r\n\u{0}B\u{feff}";
    check(json!({ "client_name": hidden }), Ok(json!({ "client_name": "AB" })));
    check(json!({ "client_name": " \u{200b} " }), Ok(json!({ "client_name": null })));
    let long = "x".repeat(10 * 1024);
    check(json!({ "client_name": long }), Ok(json!({ "client_name": "x".repeat(80) })));
}

#[test]
fn as_122_as_124_other_members() {
    check(json!({ "software_id": "x", "logo_uri": "http://169.254.169.254/" }), Ok(json!({})));
    check(json!({ "jwks_uri": "https://app.example/jwks" }), Ok(json!({ "jwks_uri": null })));
    check(json!({ "jwks": {}, "jwks_uri": "https://app.example/jwks" }), Err(METADATA));
    let statement = RegistrationErrorCode::InvalidSoftwareStatement;
    check(json!({ "software_statement": "a.b.c" }), Err(statement));
}

#[test]
fn wrong_types_are_errors_and_not_absence() {
    for bad in [
        json!({ "redirect_uris": "https://app.example/cb" }),
        json!({ "redirect_uris": [1] }),
        json!({ "grant_types": "authorization_code" }),
        json!({ "client_name": 1 }),
        json!({ "token_endpoint_auth_method": ["none"] }),
    ] {
        check(bad, Err(METADATA));
    }
    for body in ["", "[]", "null", "{", "{\"scope\":\"a\",\"scope\":\"b\"}"] {
        let error = read(body.as_bytes(), &settings()).map_err(|error| error.error);
        assert_eq!(error.err(), Some(METADATA), "{body}");
    }
}

proptest! {
    /// Whatever a client calls itself, what is shown is one short line without hidden characters.
    #[test]
    fn sec_204_names_are_harmless(name in "[\\PC\r\n\u{1b}\u{202e}\u{200b}\u{2066}\u{feff}<>&\"']{0,200}") {
        if let Some(shown) = shown_name(&name) {
            prop_assert!((1..=CLIENT_NAME_CHARS_MAX).contains(&shown.chars().count()));
            let hidden = ['\r', '\n', '\u{1b}', '\u{202e}', '\u{200b}', '\u{2066}', '\u{feff}'];
            let has_hidden = shown.contains(hidden);
            prop_assert!(!has_hidden);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(shown.trim(), &shown);
            prop_assert_eq!(shown_name(&shown), Some(shown.clone()), "done twice it is the same");
        }
    }
}
