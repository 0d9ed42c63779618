use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::settings::{Resource, TokenFormat};

const URL: &str = "https://app.example/client.json";

fn settings() -> Settings {
    let resource = Resource::new("https://rs.example/mcp", "Name", TokenFormat::Opaque).unwrap();
    Settings::new("https://as.example").unwrap().with_resource(resource.with_scope("user", "words"))
}

fn good() -> Value {
    json!({
        "client_id": URL,
        "client_name": "App",
        "redirect_uris": ["https://app.example/cb", "http://127.0.0.1:33418/"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "logo_uri": "https://internal.example/logo.png",
    })
}

fn read(text: &str) -> Result<Client, DocumentError> {
    let url = DocumentUrl::parse(URL, false).unwrap();
    match client(url, text.as_bytes(), &settings())?.described {
        Described::Whole(client) => Ok(client),
        Described::KeysElsewhere { .. } => panic!("the keys are elsewhere"),
    }
}

/// Reads the good document with `name` set to `value`, or removed when it is null.
fn read_with(name: &str, value: Value) -> Result<Client, DocumentError> {
    let mut document = good();
    let members = document.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.into(), value);
    }
    read(&document.to_string())
}

#[track_caller]
fn refused(name: &str, value: Value, expected: DocumentError) {
    assert_eq!(read_with(name, value.clone()).unwrap_err(), expected, "{name}: {value}");
}

#[test]
fn as_33_a_good_document_is_a_public_client() {
    let client = read(&good().to_string()).unwrap();
    assert_eq!(client.client_id.as_str(), URL);
    assert_eq!(client.auth, ClientAuth::Public);
    assert_eq!(client.name.as_deref(), Some("App"));
    assert_eq!(client.redirect_uris, ["https://app.example/cb", "http://127.0.0.1:33418/"]);
    // An absent method cannot mean a secret here.
    let client = read_with("token_endpoint_auth_method", Value::Null).unwrap();
    assert_eq!(client.auth, ClientAuth::Public);
    assert_eq!(client.grant_types.len(), 2);
}

#[test]
fn sec_285_the_client_id_is_the_url_byte_by_byte() {
    for other in [
        "https://app.example/client.json/",
        "https://app.example:443/client.json",
        "https://APP.example/client.json",
        "https://app.example/%63lient.json",
        "https://evil.example/client.json",
        "",
    ] {
        refused("client_id", json!(other), DocumentError::ClientId);
    }
    refused("client_id", Value::Null, DocumentError::ClientId);
    refused("client_id", json!([URL]), DocumentError::Json);
}

#[test]
fn sec_285_secrets_and_keys() {
    refused("client_secret", json!("s"), DocumentError::Secret);
    refused("client_secret", json!(""), DocumentError::Secret);
    refused("client_secret_expires_at", json!(0), DocumentError::Secret);
    for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
        refused("token_endpoint_auth_method", json!(method), DocumentError::Metadata);
    }
    refused("jwks", json!({ "keys": [] }), DocumentError::Keys);
    refused("jwks_uri", json!("https://app.example/jwks"), DocumentError::Keys);
}

#[test]
fn as_36_keys_go_with_private_key_jwt_and_with_nothing_else() {
    let key = json!({ "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let set = json!({ "keys": [key] });
    let with = |changes: &[(&str, Value)]| {
        let mut document = good();
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        for (name, value) in changes {
            document[*name] = value.clone();
        }
        document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let url = DocumentUrl::parse(URL, false).unwrap();
        client(url, document.to_string().as_bytes(), &settings())
    };
    let uri = json!("https://app.example/jwks");
    let found = with(&[("jwks", set.clone())]).unwrap().described;
    let Described::Whole(client) = found else { panic!() };
    assert!(client.auth.is_confidential());
    let found = with(&[("jwks_uri", uri.clone())]).unwrap().described;
    assert!(matches!(found, Described::KeysElsewhere { jwks_uri, .. } if jwks_uri == uri));
    let method = |name: Value| ("token_endpoint_auth_method", name);
    for (changes, expected) in [
        (vec![], DocumentError::Keys),
        (vec![("jwks", set.clone()), ("jwks_uri", uri.clone())], DocumentError::Metadata),
        (vec![("jwks", json!({ "keys": [] }))], DocumentError::Keys),
        (vec![("jwks", json!("x"))], DocumentError::Keys),
        (vec![("jwks_uri", json!(1))], DocumentError::Json),
        (vec![("jwks", set.clone()), method(json!("none"))], DocumentError::Keys),
        (vec![("jwks", set.clone()), method(Value::Null)], DocumentError::Keys),
        (vec![("jwks_uri", uri), method(Value::Null)], DocumentError::Keys),
        (
            vec![("jwks", set), ("token_endpoint_auth_signing_alg", json!("ES256"))],
            DocumentError::Keys,
        ),
    ] {
        assert_eq!(with(&changes).map(drop).unwrap_err(), expected, "{changes:?}");
    }
}

#[test]
fn sec_285_members_that_are_missing_or_occur_twice() {
    refused("client_name", Value::Null, DocumentError::Name);
    refused("client_name", json!("\u{202e}"), DocumentError::Name);
    refused("redirect_uris", Value::Null, DocumentError::RedirectUri);
    refused("redirect_uris", json!([]), DocumentError::RedirectUri);
    for twice in [
        format!(
            r#"{{"client_id":"{URL}","client_id":"{URL}","client_name":"A","redirect_uris":["http://localhost/"]}}"#
        ),
        format!(
            r#"{{"client_id":"{URL}","client_name":"A","redirect_uris":["http://localhost/"],"redirect_uris":["http://localhost/b"]}}"#
        ),
        format!(
            r#"{{"client_id":"{URL}","client_name":"A","redirect_uris":["http://localhost/"],"client\u005fname":"B"}}"#
        ),
        "[]".into(),
        "null".into(),
        "{".into(),
        String::new(),
        format!("{} x", good()),
    ] {
        let refused = read(&twice).unwrap_err();
        assert!(matches!(refused, DocumentError::Json | DocumentError::Metadata), "{twice}");
    }
}

#[test]
fn as_34_redirects_to_other_origins_are_left_out() {
    let uris = [
        "https://evil.example/cb",
        "https://app.example.evil.example/cb",
        "http://app.example/cb",
        "https://app.example:8443/cb",
        "https://app.example/cb#f",
        "https://u@app.example/cb",
        "com.app:/cb",
        "javascript:alert(1)",
    ];
    for uri in uris {
        refused("redirect_uris", json!([uri]), DocumentError::RedirectUri);
    }
    let mut all = uris.to_vec();
    all.push("http://localhost:3030/callback");
    let client = read_with("redirect_uris", json!(all)).unwrap();
    assert_eq!(client.redirect_uris, ["http://localhost:3030/callback"]);
}

#[test]
fn as_125_other_metadata_is_judged_as_at_registration() {
    refused("grant_types", json!(["implicit"]), DocumentError::Metadata);
    refused("response_types", json!(["token"]), DocumentError::Metadata);
    refused("software_statement", json!("x"), DocumentError::Metadata);
}

/// Members as strangers write them: good ones, bad ones, and none.
fn members() -> impl Strategy<Value = Vec<(String, Value)>> {
    let text = |texts: &[&str]| -> Vec<Value> { texts.iter().map(|it| json!(it)).collect() };
    let some_of = |name: &'static str, values: Vec<Value>| {
        let value = prop::option::weighted(0.9, prop::sample::select(values));
        value.prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let redirects = [
        "https://app.example/cb",
        "http://127.0.0.1/cb",
        "https://evil.example/cb",
        "https://app.example.evil.example/",
        "com.app:/cb",
        "javascript:alert(1)",
        "https://app.example/cb#f",
    ];
    let redirects = prop::collection::vec(prop::sample::select(redirects.to_vec()), 0..4);
    let redirects = redirects.prop_map(|uris| Some(("redirect_uris".to_owned(), json!(uris))));
    let rare = |name: &'static str, value: Value| {
        prop::option::weighted(0.1, Just((name.to_owned(), value)))
    };
    let all = (
        some_of("client_id", text(&[URL, URL, URL, URL, "https://app.example/client.jsoN", ""])),
        some_of("client_name", text(&["App", "Other App", "", "\u{202e}"])),
        redirects,
        some_of(
            "token_endpoint_auth_method",
            text(&["none", "none", "client_secret_post", "private_key_jwt", "None"]),
        ),
        rare("client_secret", json!("s")),
        rare("client_secret_expires_at", json!(0)),
        rare("jwks", json!({ "keys": [] })),
        rare("client_name", json!("Again")),
    );
    all.prop_map(|(a, b, c, d, e, f, g, h)| {
        [a, b, c, d, e, f, g, h].into_iter().flatten().collect()
    })
    .prop_shuffle()
}

proptest! {
    /// What is accepted holds everything that the rules ask, and what holds it is accepted.
    #[test]
    fn sec_285_accepted_is_what_fulfils_every_rule(members in members()) {
        let text: Vec<String> =
            members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        let text = format!("{{{}}}", text.join(","));
        let all = |name: &str| -> Vec<&Value> {
            members.iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect()
        };
        let redirects: Vec<&str> = all("redirect_uris")
            .into_iter()
            .flat_map(|uris| uris.as_array().unwrap())
            .filter_map(Value::as_str)
            .filter(|uri| ["https://app.example/cb", "http://127.0.0.1/cb"].contains(uri))
            .collect();
        let names = all("client_name");
        let is_good = all("client_id") == [&json!(URL)]
            && names.len() == 1
            && ["App", "Other App", "Again"].iter().any(|name| *names[0] == json!(name))
            && !redirects.is_empty()
            && [vec![], vec![&json!("none")]].contains(&all("token_endpoint_auth_method"))
            && ["client_secret", "client_secret_expires_at", "jwks"]
                .iter()
                .all(|name| all(name).is_empty());
        let read = read(&text);
        prop_assert_eq!(read.is_ok(), is_good, "{}", text);
        if let Ok(client) = read {
            prop_assert_eq!(client.redirect_uris, redirects);
            prop_assert_eq!(client.auth, ClientAuth::Public);
        }
    }
}
