//! Authorization server metadata (RFC 8414) and the key set (RFC 7517).

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use http::header::{self, HeaderValue};
use serde::Serialize;

use crate::answers::{self, Response};
use crate::server::Inner;

/// How clients may authenticate; `none` is for public clients, which most of MCP's are (AS-08).
const CLIENT_METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];
const RESOURCE_SERVER_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

#[derive(Serialize)]
struct Metadata<'m> {
    issuer: &'m str,
    authorization_endpoint: &'m str,
    token_endpoint: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<&'m str>,
    introspection_endpoint: &'m str,
    introspection_endpoint_auth_methods_supported: [&'m str; 2],
    revocation_endpoint: &'m str,
    revocation_endpoint_auth_methods_supported: [&'m str; 3],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'m str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    protected_resources: Vec<&'m str>,
    response_types_supported: [&'m str; 1],
    response_modes_supported: [&'m str; 1],
    grant_types_supported: [&'m str; 2],
    token_endpoint_auth_methods_supported: [&'m str; 3],
    code_challenge_methods_supported: [&'m str; 1],
    authorization_response_iss_parameter_supported: bool,
}

/// `GET /.well-known/oauth-authorization-server` (AS-02 to AS-12).
///
/// Ours, not the engine's: that one would name the device endpoint and grants that are not offered.
pub(crate) async fn show(State(server): State<Arc<Inner>>) -> Response {
    let settings = &server.settings;
    let mut scopes_supported: Vec<&str> = Vec::new();
    for scope in settings.resources.iter().flat_map(|resource| &resource.scopes) {
        if !scopes_supported.contains(&scope.name.as_str()) {
            scopes_supported.push(&scope.name);
        }
    }
    let metadata = Metadata {
        issuer: &settings.issuer,
        authorization_endpoint: &server.endpoints.authorization,
        token_endpoint: &server.endpoints.token,
        registration_endpoint: settings
            .registration
            .then_some(server.endpoints.registration.as_str()),
        introspection_endpoint: &server.endpoints.introspection,
        introspection_endpoint_auth_methods_supported: RESOURCE_SERVER_METHODS,
        revocation_endpoint: &server.endpoints.revocation,
        revocation_endpoint_auth_methods_supported: CLIENT_METHODS,
        scopes_supported,
        protected_resources: settings.resources.iter().map(|it| it.identifier.as_str()).collect(),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        token_endpoint_auth_methods_supported: CLIENT_METHODS,
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
    };
    let mut response = answers::json(StatusCode::OK, &metadata);
    let cached = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(header::CACHE_CONTROL, cached);
    response
}

/// `GET /jwks`: no public keys yet, since HS256 keys are secrets of one resource server each and
/// are never published (AS-15). The metadata does not point here until there is something to find.
pub(crate) async fn keys() -> Response {
    let mut response = answers::json(StatusCode::OK, &serde_json::json!({ "keys": [] }));
    let media_type = HeaderValue::from_static("application/jwk-set+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
