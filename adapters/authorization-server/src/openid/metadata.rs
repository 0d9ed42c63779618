//! What a provider says about itself (OpenID Connect Discovery 1.0 §3, §4).

use http::Uri;
use serde::Deserialize;

use super::permitted;

/// What is used of the document.
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: Uri,
    pub(super) jwks_uri: Uri,
    pub(super) userinfo_endpoint: Option<Uri>,
    /// The client's secret goes into the header; else into the form.
    pub(super) takes_basic: bool,
    /// Answers name their issuer (RFC 9207 §3).
    pub(super) names_itself: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    response_types_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// `None` unless the document is that of exactly this issuer, and the code flow with PKCE and a secret
    /// can be run with it at addresses that may be asked.
    pub(super) fn read(document: &[u8], issuer: &str) -> Option<Self> {
        let read: Document = serde_json::from_slice(document).ok()?;
        let has = |list: &[String], name: &str| list.iter().any(|it| it == name);
        if read.issuer != issuer || !has(&read.response_types_supported, "code") {
            return None;
        }
        // Who says nothing may well do it; who leaves it out of a list does not.
        if read.code_challenge_methods_supported.is_some_and(|list| !has(&list, "S256")) {
            return None;
        }
        let methods = read.token_endpoint_auth_methods_supported;
        let takes = |name: &str| methods.as_ref().is_some_and(|list| has(list, name));
        // Discovery §3: absent means this one.
        let takes_basic = methods.is_none() || takes("client_secret_basic");
        if !takes_basic && !takes("client_secret_post") {
            return None;
        }
        permitted(&read.authorization_endpoint)?;
        let userinfo_endpoint = match &read.userinfo_endpoint {
            Some(url) => Some(permitted(url)?),
            None => None,
        };
        Some(Self {
            authorization_endpoint: read.authorization_endpoint,
            token_endpoint: permitted(&read.token_endpoint)?,
            jwks_uri: permitted(&read.jwks_uri)?,
            userinfo_endpoint,
            takes_basic,
            names_itself: read.authorization_response_iss_parameter_supported,
        })
    }
}

/// Where an issuer's metadata is (Discovery §4).
pub(super) fn url(issuer: &str) -> Option<Uri> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    permitted(&format!("{base}/.well-known/openid-configuration"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://id.example/tenant";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example/authorize?tenant=1",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://keys.example/set",
            "response_types_supported": ["code", "id_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["plain", "S256"],
        })
    }

    fn read(name: &str, value: Value) -> Option<Metadata> {
        let mut document = document();
        match value {
            Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
            value => document[name] = value,
        }
        Metadata::read(document.to_string().as_bytes(), ISSUER)
    }

    #[test]
    fn what_is_needed_is_there() {
        let good = read("unknown", json!(1)).unwrap();
        assert!(good.takes_basic && !good.names_itself);
        assert!(read("code_challenge_methods_supported", Value::Null).is_some());
        assert!(read("token_endpoint_auth_methods_supported", Value::Null).unwrap().takes_basic);
        let post = json!(["client_secret_post"]);
        assert!(!read("token_endpoint_auth_methods_supported", post).unwrap().takes_basic);
        assert!(
            read("authorization_response_iss_parameter_supported", json!(true))
                .unwrap()
                .names_itself
        );
        for (name, value) in [
            ("code_challenge_methods_supported", json!(["plain"])),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"])),
            ("response_types_supported", json!(["id_token"])),
            ("response_types_supported", Value::Null),
            ("jwks_uri", Value::Null),
            ("token_endpoint", Value::Null),
        ] {
            assert!(read(name, value.clone()).is_none(), "{name} {value}");
        }
    }

    #[test]
    fn sec_468_the_metadata_is_that_of_exactly_this_issuer() {
        for other in [
            "https://id.example/tenant/",
            "https://id.example/Tenant",
            "https://id.example",
            "https://evil.example/tenant",
            "",
        ] {
            assert!(read("issuer", json!(other)).is_none(), "{other}");
        }
    }

    #[test]
    fn sec_372_endpoints_are_reached_by_tls_or_on_this_machine() {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            assert!(read(name, json!("http://127.0.0.1:9/x")).is_some(), "{name}");
            for bad in
                ["http://id.example/x", "javascript:alert(1)", "https://u@id.example/x", "/x", ""]
            {
                assert!(read(name, json!(bad)).is_none(), "{name} {bad}");
            }
        }
    }

    #[test]
    fn the_place_of_the_metadata() {
        let place = |issuer| url(issuer).unwrap().to_string();
        let well_known = "https://id.example/tenant/.well-known/openid-configuration";
        assert_eq!(place("https://id.example/tenant"), well_known);
        assert_eq!(place("https://id.example/tenant/"), well_known);
        assert!(url("http://id.example").is_none());
    }
}
