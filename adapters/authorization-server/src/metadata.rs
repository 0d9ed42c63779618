//! Authorization server metadata (RFC 8414) and the key set (RFC 7517).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use oauth_as::GrantType;
use oauth_as::client_assertion::PRIVATE_KEY_JWT;
use portcullis_core::limits::METADATA_LEN_MAX_DESKTOP;
use portcullis_core::metadata::MetadataError;
use portcullis_core::metadata::authorization_server_document::AuthorizationServerDocument;

use crate::answers::Response;
use crate::assertions;
use crate::server::{Endpoints, Inner};
use crate::settings::{Dpop, Settings};

/// How clients may authenticate at the token endpoint and wherever else clients do; `none` is for public
/// clients, which most of MCP's are (AS-08), the last one by a signed assertion (AS-09).
const CLIENT_METHODS: [&str; 4] =
    ["none", "client_secret_basic", "client_secret_post", PRIVATE_KEY_JWT];
const RESOURCE_SERVER_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// What `/token` takes (AS-08), beside assertions.
const GRANT_TYPES: [GrantType; 4] = [
    GrantType::AuthorizationCode,
    GrantType::RefreshToken,
    GrantType::ClientCredentials,
    GrantType::DeviceCode,
];

/// The document of a server with these settings (AS-02 to AS-12, SEC-175).
///
/// Not the engine's own, which knows nothing of what is added and left out here.
/// Fails on a document that clients would find too long to read (LIM-11).
pub(crate) fn document(settings: &Settings, endpoints: &Endpoints) -> Result<Bytes, MetadataError> {
    let mut scopes_supported: Vec<&str> = Vec::new();
    for scope in settings.resources.iter().flat_map(|resource| &resource.scopes) {
        if !scopes_supported.contains(&scope.name.as_str()) {
            scopes_supported.push(&scope.name);
        }
    }
    let resources: Vec<&str> = settings.resources.iter().map(|it| it.identifier.as_str()).collect();
    let grant_types = GRANT_TYPES.iter().copied().map(GrantType::as_str);
    let grant_types: Vec<&str> = grant_types.chain(settings.assertion_grant()).collect();
    let document = AuthorizationServerDocument {
        issuer: &settings.issuer,
        authorization_endpoint: &endpoints.authorization,
        token_endpoint: &endpoints.token,
        registration_endpoint: settings.registration.then_some(endpoints.registration.as_str()),
        device_authorization_endpoint: Some(&endpoints.device_authorization),
        revocation_endpoint: Some(&endpoints.revocation),
        revocation_endpoint_auth_methods_supported: &CLIENT_METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: &assertions::ALGORITHMS,
        introspection_endpoint: Some(&endpoints.introspection),
        pushed_authorization_request_endpoint: Some(&endpoints.pushed_requests),
        require_pushed_authorization_requests: settings.require_pushed_requests,
        introspection_endpoint_auth_methods_supported: &RESOURCE_SERVER_METHODS,
        scopes_supported: &scopes_supported,
        dpop_signing_alg_values_supported: match settings.dpop {
            Dpop::Off => &[],
            Dpop::Offered | Dpop::Required => &assertions::ALGORITHMS,
        },
        protected_resources: &resources,
        response_modes_supported: &["query"],
        grant_types_supported: &grant_types,
        authorization_grant_profiles_supported: settings.grant_profiles(),
        token_endpoint_auth_methods_supported: &CLIENT_METHODS,
        token_endpoint_auth_signing_alg_values_supported: &assertions::ALGORITHMS,
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: settings.client_documents.offered,
        // AS-15: no key set is named where there are no keys in it.
        jwks_uri: (!settings.public_algorithms().is_empty()).then_some(endpoints.jwks.as_str()),
    };
    let mut room = vec![0; METADATA_LEN_MAX_DESKTOP];
    document.write(&mut room).map(|text| Bytes::copy_from_slice(text.as_bytes()))
}

/// `GET /.well-known/oauth-authorization-server`.
pub(crate) async fn show(State(server): State<Arc<Inner>>) -> Response {
    let mut response = Response::new(Body::from(server.metadata.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// `GET /jwks`: the public keys of ES256, EdDSA and RS256 tokens (AS-15). HS256 keys are secrets of one
/// resource server each and are never published; where there are no others the set is empty.
pub(crate) async fn keys(State(server): State<Arc<Inner>>) -> Response {
    let keys = server.mint.signing_keys();
    let mut response = Response::new(Body::from(keys.current().document()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    if let Ok(value) = format!("public, max-age={}", keys.cache_secs_max()).parse() {
        headers.insert(header::CACHE_CONTROL, value);
    }
    response
}
