//! Authorization server metadata, written (RFC 8414 §2, AS-02..12).

use super::MetadataError;
use crate::encoding::{json::write, uri::Uri};
use serde::Serialize;

/// What an authorization server publishes. Whoever fills it in takes the values from the running
/// configuration, so that nothing is advertised that is not enforced (SEC-175).
///
/// Two lists are no matter of choice and are always written: the response type `code` (AS-06) and
/// the code challenge method `S256` (AS-07). Empty lists and `false` are left out (AS-05).
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthorizationServerDocument<'m> {
    /// The issuer identifier, exactly as in tokens and in the metadata of resources (RS-02).
    pub issuer: &'m str,
    /// `authorization_endpoint`
    pub authorization_endpoint: &'m str,
    /// `token_endpoint`
    pub token_endpoint: &'m str,
    /// `registration_endpoint` (RFC 7591)
    pub registration_endpoint: Option<&'m str>,
    /// `device_authorization_endpoint` (RFC 8628 §4)
    pub device_authorization_endpoint: Option<&'m str>,
    /// `revocation_endpoint` (RFC 7009)
    pub revocation_endpoint: Option<&'m str>,
    /// `introspection_endpoint` (RFC 7662)
    pub introspection_endpoint: Option<&'m str>,
    /// `pushed_authorization_request_endpoint` (RFC 9126 §5)
    pub pushed_authorization_request_endpoint: Option<&'m str>,
    /// `require_pushed_authorization_requests` (RFC 9126 §5); needs the endpoint.
    pub require_pushed_authorization_requests: bool,
    /// `jwks_uri`
    pub jwks_uri: Option<&'m str>,
    /// `scopes_supported`
    pub scopes_supported: &'m [&'m str],
    /// `response_modes_supported`
    pub response_modes_supported: &'m [&'m str],
    /// `grant_types_supported`; never empty, because its default names the implicit grant (AS-08).
    pub grant_types_supported: &'m [&'m str],
    /// `authorization_grant_profiles_supported`, of the grants above; empty where there are none (EM-20).
    pub authorization_grant_profiles_supported: &'m [&'m str],
    /// `token_endpoint_auth_methods_supported`; never empty, because its default leaves out public
    /// clients (AS-08).
    pub token_endpoint_auth_methods_supported: &'m [&'m str],
    /// `token_endpoint_auth_signing_alg_values_supported`; needed with `private_key_jwt` (AS-09).
    pub token_endpoint_auth_signing_alg_values_supported: &'m [&'m str],
    /// `revocation_endpoint_auth_methods_supported`
    pub revocation_endpoint_auth_methods_supported: &'m [&'m str],
    /// `revocation_endpoint_auth_signing_alg_values_supported`; needed with `private_key_jwt` there.
    pub revocation_endpoint_auth_signing_alg_values_supported: &'m [&'m str],
    /// `introspection_endpoint_auth_methods_supported`
    pub introspection_endpoint_auth_methods_supported: &'m [&'m str],
    /// `dpop_signing_alg_values_supported` (RFC 9449 §5.1); empty where tokens are not bound to keys.
    pub dpop_signing_alg_values_supported: &'m [&'m str],
    /// `protected_resources` (RFC 9728 §4)
    pub protected_resources: &'m [&'m str],
    /// `authorization_response_iss_parameter_supported` (AS-10)
    pub authorization_response_iss_parameter_supported: bool,
    /// `client_id_metadata_document_supported` (AS-11)
    pub client_id_metadata_document_supported: bool,
}

impl AuthorizationServerDocument<'_> {
    /// Writes the document, once [`AuthorizationServerDocument::check`] has passed.
    pub fn write<'b>(&self, out: &'b mut [u8]) -> Result<&'b str, MetadataError> {
        self.check()?;
        let written = write::to_slice(&Members::from(self), out)?;
        core::str::from_utf8(written).map_err(|_| MetadataError::Member)
    }

    /// Refuses what must not be published: an issuer that is no URI or has userinfo, a query or a
    /// fragment (AS-03), missing endpoints (AS-06), lists whose absence would mean something else
    /// (AS-08), `private_key_jwt` without algorithms, the algorithm `none` (AS-09), and pushed requests
    /// that are required without an endpoint for them.
    ///
    /// Whether `http` may be used is for the server's own configuration.
    pub fn check(&self) -> Result<(), MetadataError> {
        let issuer = Uri::parse(self.issuer).map_err(|_| MetadataError::Member)?;
        let is_plain = issuer.userinfo().is_none()
            && issuer.query().is_none()
            && issuer.fragment().is_none()
            && issuer.authority_text().is_some();
        let signed = [
            (
                self.token_endpoint_auth_methods_supported,
                self.token_endpoint_auth_signing_alg_values_supported,
            ),
            (
                self.revocation_endpoint_auth_methods_supported,
                self.revocation_endpoint_auth_signing_alg_values_supported,
            ),
        ];
        let has_none = signed.iter().any(|(_, algorithms)| algorithms.contains(&"none"))
            || self.dpop_signing_alg_values_supported.contains(&"none");
        let names_no_algorithm = signed.iter().any(|(methods, algorithms)| {
            methods.contains(&"private_key_jwt") && algorithms.is_empty()
        });
        if !is_plain || has_none {
            return Err(MetadataError::Member);
        }
        if self.authorization_endpoint.is_empty()
            || self.token_endpoint.is_empty()
            || self.grant_types_supported.is_empty()
            || self.token_endpoint_auth_methods_supported.is_empty()
            || names_no_algorithm
            || (self.require_pushed_authorization_requests
                && self.pushed_authorization_request_endpoint.is_none())
        {
            return Err(MetadataError::Missing);
        }
        Ok(())
    }
}

/// The members in the order in which they are written.
#[derive(Serialize)]
struct Members<'m> {
    issuer: &'m str,
    authorization_endpoint: &'m str,
    token_endpoint: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_authorization_request_endpoint: Option<&'m str>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    require_pushed_authorization_requests: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<&'m str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'m [&'m str],
    response_types_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    response_modes_supported: &'m [&'m str],
    grant_types_supported: &'m [&'m str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    authorization_grant_profiles_supported: &'m [&'m str],
    token_endpoint_auth_methods_supported: &'m [&'m str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    token_endpoint_auth_signing_alg_values_supported: &'m [&'m str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    revocation_endpoint_auth_methods_supported: &'m [&'m str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    revocation_endpoint_auth_signing_alg_values_supported: &'m [&'m str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    introspection_endpoint_auth_methods_supported: &'m [&'m str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    dpop_signing_alg_values_supported: &'m [&'m str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    protected_resources: &'m [&'m str],
    code_challenge_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    authorization_response_iss_parameter_supported: bool,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    client_id_metadata_document_supported: bool,
}

impl<'m> From<&AuthorizationServerDocument<'m>> for Members<'m> {
    fn from(document: &AuthorizationServerDocument<'m>) -> Self {
        // Taken apart in full, so that no member can be forgotten.
        let AuthorizationServerDocument {
            issuer,
            authorization_endpoint,
            token_endpoint,
            registration_endpoint,
            device_authorization_endpoint,
            revocation_endpoint,
            introspection_endpoint,
            pushed_authorization_request_endpoint,
            require_pushed_authorization_requests,
            jwks_uri,
            scopes_supported,
            response_modes_supported,
            grant_types_supported,
            authorization_grant_profiles_supported,
            token_endpoint_auth_methods_supported,
            token_endpoint_auth_signing_alg_values_supported,
            revocation_endpoint_auth_methods_supported,
            revocation_endpoint_auth_signing_alg_values_supported,
            introspection_endpoint_auth_methods_supported,
            dpop_signing_alg_values_supported,
            protected_resources,
            authorization_response_iss_parameter_supported,
            client_id_metadata_document_supported,
        } = *document;
        Self {
            issuer,
            authorization_endpoint,
            token_endpoint,
            registration_endpoint,
            device_authorization_endpoint,
            revocation_endpoint,
            introspection_endpoint,
            pushed_authorization_request_endpoint,
            require_pushed_authorization_requests,
            jwks_uri,
            scopes_supported,
            response_types_supported: ["code"],
            response_modes_supported,
            grant_types_supported,
            authorization_grant_profiles_supported,
            token_endpoint_auth_methods_supported,
            token_endpoint_auth_signing_alg_values_supported,
            revocation_endpoint_auth_methods_supported,
            revocation_endpoint_auth_signing_alg_values_supported,
            introspection_endpoint_auth_methods_supported,
            dpop_signing_alg_values_supported,
            protected_resources,
            code_challenge_methods_supported: ["S256"],
            authorization_response_iss_parameter_supported,
            client_id_metadata_document_supported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoding::{json::JsonError, scratch::Scratch},
        metadata::authorization_server::AuthorizationServer,
    };
    use std::{string::String, string::ToString, vec};

    const SMALL: AuthorizationServerDocument<'static> = AuthorizationServerDocument {
        issuer: "https://as.example.com",
        authorization_endpoint: "https://as.example.com/authorize",
        token_endpoint: "https://as.example.com/token",
        registration_endpoint: None,
        device_authorization_endpoint: None,
        revocation_endpoint: None,
        introspection_endpoint: None,
        pushed_authorization_request_endpoint: None,
        require_pushed_authorization_requests: false,
        jwks_uri: None,
        scopes_supported: &[],
        response_modes_supported: &[],
        grant_types_supported: &["authorization_code", "refresh_token"],
        authorization_grant_profiles_supported: &[],
        token_endpoint_auth_methods_supported: &["none"],
        token_endpoint_auth_signing_alg_values_supported: &[],
        revocation_endpoint_auth_methods_supported: &[],
        revocation_endpoint_auth_signing_alg_values_supported: &[],
        introspection_endpoint_auth_methods_supported: &[],
        dpop_signing_alg_values_supported: &[],
        protected_resources: &[],
        authorization_response_iss_parameter_supported: false,
        client_id_metadata_document_supported: false,
    };

    const FULL: AuthorizationServerDocument<'static> = AuthorizationServerDocument {
        registration_endpoint: Some("https://as.example.com/register"),
        device_authorization_endpoint: Some("https://as.example.com/device_authorization"),
        revocation_endpoint: Some("https://as.example.com/revoke"),
        introspection_endpoint: Some("https://as.example.com/introspect"),
        pushed_authorization_request_endpoint: Some("https://as.example.com/par"),
        require_pushed_authorization_requests: true,
        jwks_uri: Some("https://as.example.com/jwks"),
        scopes_supported: &["user", "offline_access"],
        response_modes_supported: &["query"],
        authorization_grant_profiles_supported: &["urn:ietf:params:oauth:grant-profile:id-jag"],
        token_endpoint_auth_methods_supported: &["none", "private_key_jwt"],
        token_endpoint_auth_signing_alg_values_supported: &["ES256"],
        revocation_endpoint_auth_methods_supported: &["none", "private_key_jwt"],
        revocation_endpoint_auth_signing_alg_values_supported: &["ES256"],
        introspection_endpoint_auth_methods_supported: &["client_secret_basic"],
        dpop_signing_alg_values_supported: &["EdDSA"],
        protected_resources: &["https://mcp.example.com/mcp"],
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: true,
        ..SMALL
    };

    fn written(document: AuthorizationServerDocument<'_>) -> String {
        document.write(&mut [0; 2048]).unwrap().to_string()
    }

    #[test]
    fn as_05_empty_members_are_left_out() {
        let json: serde_json::Value = serde_json::from_str(&written(SMALL)).unwrap();
        let expected = serde_json::json!({
            "issuer": "https://as.example.com",
            "authorization_endpoint": "https://as.example.com/authorize",
            "token_endpoint": "https://as.example.com/token",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn as_06_to_as_12_every_member() {
        let json: serde_json::Value = serde_json::from_str(&written(FULL)).unwrap();
        let expected = serde_json::json!({
            "issuer": "https://as.example.com",
            "authorization_endpoint": "https://as.example.com/authorize",
            "token_endpoint": "https://as.example.com/token",
            "registration_endpoint": "https://as.example.com/register",
            "device_authorization_endpoint": "https://as.example.com/device_authorization",
            "revocation_endpoint": "https://as.example.com/revoke",
            "introspection_endpoint": "https://as.example.com/introspect",
            "pushed_authorization_request_endpoint": "https://as.example.com/par",
            "require_pushed_authorization_requests": true,
            "jwks_uri": "https://as.example.com/jwks",
            "scopes_supported": ["user", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "authorization_grant_profiles_supported": ["urn:ietf:params:oauth:grant-profile:id-jag"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "revocation_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported": ["ES256"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "dpop_signing_alg_values_supported": ["EdDSA"],
            "protected_resources": ["https://mcp.example.com/mcp"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = written(FULL);
        let parsed =
            AuthorizationServer::parse(text.as_bytes(), &mut Scratch::new(&mut [])).unwrap();
        assert_eq!(parsed.validate_issuer(FULL.issuer), Ok(()));
        assert_eq!(parsed.authorization_endpoint, FULL.authorization_endpoint);
        assert_eq!(parsed.token_endpoint, FULL.token_endpoint);
        assert_eq!(parsed.registration_endpoint, FULL.registration_endpoint);
        assert_eq!(parsed.introspection_endpoint, FULL.introspection_endpoint);
        assert_eq!(parsed.revocation_endpoint, FULL.revocation_endpoint);
        assert_eq!(parsed.jwks_uri, FULL.jwks_uri);
        assert!(parsed.response_types_supported.contains("code"));
        assert!(parsed.code_challenge_methods_supported.contains("S256"));
        assert!(parsed.scopes_supported.contains("offline_access"));
        assert!(parsed.grant_types_supported.contains("refresh_token"));
        assert!(parsed.token_endpoint_auth_methods_supported.contains("none"));
        assert!(parsed.authorization_response_iss_parameter_supported);
        assert!(parsed.client_id_metadata_document_supported);
    }

    #[test]
    fn sec_036_written_whole_or_not_at_all() {
        let text = written(FULL);
        for len in 0..=text.len() {
            match FULL.write(&mut vec![0; len]) {
                Ok(whole) => assert_eq!(whole, text),
                Err(error) => {
                    assert_eq!(error, MetadataError::Json(JsonError::BufferFull));
                    assert!(len < text.len());
                }
            }
        }
    }

    #[test]
    fn as_03_as_08_as_09_what_is_never_published() {
        let check = |document: AuthorizationServerDocument<'_>, expected| {
            assert_eq!(document.check(), Err(expected), "{document:?}");
            assert_eq!(document.write(&mut [0; 2048]), Err(expected));
        };
        for issuer in ["", "as", "https://as?q", "https://as#f", "https://u@as", "urn:as"] {
            check(AuthorizationServerDocument { issuer, ..FULL }, MetadataError::Member);
        }
        let algorithms = |list| AuthorizationServerDocument {
            token_endpoint_auth_signing_alg_values_supported: list,
            ..FULL
        };
        check(algorithms(&["ES256", "none"]), MetadataError::Member);
        check(algorithms(&[]), MetadataError::Missing);
        let at_revocation = |list| AuthorizationServerDocument {
            revocation_endpoint_auth_signing_alg_values_supported: list,
            ..FULL
        };
        check(at_revocation(&["none"]), MetadataError::Member);
        check(at_revocation(&[]), MetadataError::Missing);
        let dpop_signing_alg_values_supported = &["none"];
        let unsigned = AuthorizationServerDocument { dpop_signing_alg_values_supported, ..FULL };
        check(unsigned, MetadataError::Member);
        for document in [
            AuthorizationServerDocument { authorization_endpoint: "", ..FULL },
            AuthorizationServerDocument { token_endpoint: "", ..FULL },
            AuthorizationServerDocument { grant_types_supported: &[], ..FULL },
            AuthorizationServerDocument { pushed_authorization_request_endpoint: None, ..FULL },
            AuthorizationServerDocument { token_endpoint_auth_methods_supported: &[], ..FULL },
        ] {
            check(document, MetadataError::Missing);
        }
        assert_eq!((SMALL.check(), FULL.check()), (Ok(()), Ok(())));
    }
}
