//! What discovery ends with.

use crate::{
    client::{ClientAuthentication, SigningAlgorithm, UrlPolicy},
    metadata::{authorization_server::AuthorizationServer, protected_resource::ProtectedResource},
    scope::ScopeSet,
};

/// A resource and its authorization server, both checked. Only [`Discovery`](super::Discovery) makes one.
#[derive(Clone, Debug)]
pub struct Discovered<'s> {
    pub(super) resource: ProtectedResource<'s>,
    pub(super) server: AuthorizationServer<'s>,
    pub(super) challenged_scope: Option<ScopeSet<'s>>,
    pub(super) url_policy: UrlPolicy,
    pub(super) sends_resource: bool,
    /// Nobody described the authorization server: its endpoints are the default ones (LG-03).
    pub(super) is_guessed: bool,
}

impl<'s> Discovered<'s> {
    /// The resource identifier, verbatim (CL-41).
    pub const fn resource(&self) -> &'s str {
        self.resource.resource
    }

    /// The issuer, verbatim (CL-26).
    pub const fn issuer(&self) -> &'s str {
        self.server.issuer
    }

    /// All that the resource says of itself; texts for people are a stranger's.
    pub const fn resource_metadata(&self) -> &ProtectedResource<'s> {
        &self.resource
    }

    /// All that the authorization server says of itself.
    pub const fn server_metadata(&self) -> &AuthorizationServer<'s> {
        &self.server
    }

    /// Where the user's browser is sent.
    pub const fn authorization_endpoint(&self) -> &'s str {
        self.server.authorization_endpoint
    }

    /// Where codes and refresh tokens are exchanged.
    pub const fn token_endpoint(&self) -> &'s str {
        self.server.token_endpoint
    }

    /// What the 401 challenge asked for (CL-43).
    pub const fn challenged_scope(&self) -> Option<ScopeSet<'s>> {
        self.challenged_scope
    }

    /// Which URLs of the authorization server may be used or shown to the user.
    pub const fn url_policy(&self) -> UrlPolicy {
        self.url_policy
    }

    /// What is sent as `resource` (CL-41).
    pub(in crate::client) const fn resource_parameter(&self) -> Option<&'s str> {
        if self.sends_resource { Some(self.resource.resource) } else { None }
    }

    /// Whether the token endpoint takes what is signed so; a server that does not say is asked.
    pub(in crate::client) fn lists_signing_algorithm(&self, algorithm: SigningAlgorithm) -> bool {
        let listed = &self.server.token_endpoint_auth_signing_alg_values_supported;
        listed.is_empty() || listed.contains(algorithm.as_str())
    }

    /// Whether the token endpoint takes this method; an absent list means Basic (RFC 8414 §2).
    pub(in crate::client) fn lists_authentication(&self, method: ClientAuthentication) -> bool {
        let listed = &self.server.token_endpoint_auth_methods_supported;
        if self.is_guessed {
            return method != ClientAuthentication::PrivateKeyJwt;
        }
        if listed.is_empty() {
            return method == ClientAuthentication::Basic;
        }
        listed.contains(method.as_str())
    }
}
