//! A protected resource as the authorization server knows it.

use std::fmt;

use portcullis_core::encoding::uri::Uri;
use portcullis_core::jwt::Algorithm;

use super::{SettingsError, is_scope_token};
#[cfg(feature = "workload-identity")]
use crate::assertion_grant::workload::Workload;
use crate::secrets;

/// What kind of access token a resource wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFormat {
    /// A random text that means nothing outside; the resource server introspects it (RFC 7662).
    Opaque,
    /// An RFC 9068 token that the resource server verifies by itself, with a key derived for it
    /// alone. It can be introspected and revoked, too.
    Hs256,
    /// The same, signed with ECDSA on P-256: anybody can verify it with the keys at `/jwks`. The choice
    /// where nothing speaks for another.
    Es256,
    /// The same, signed with Ed25519: the fastest to verify on a small machine.
    EdDsa,
    /// The same, signed with RSA: for resource servers that know nothing else (RFC 9068 §2.1).
    Rs256,
}

impl TokenFormat {
    /// The algorithm of tokens that are signed with a published key.
    pub(crate) fn public_algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Opaque | Self::Hs256 => None,
            Self::Es256 => Some(Algorithm::Es256),
            Self::EdDsa => Some(Algorithm::EdDsa),
            Self::Rs256 => Some(Algorithm::Rs256),
        }
    }
}

/// One scope and what it allows, in the words of the consent page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeDescription {
    pub(crate) name: String,
    pub(crate) words: String,
    /// Granted when a request names no scope (RFC 6749 §3.3).
    pub(crate) by_default: bool,
}

/// A protected resource: an MCP server, named by the URI that clients reach it at.
#[derive(Debug, Clone)]
pub struct Resource {
    pub(crate) identifier: String,
    pub(crate) name: String,
    pub(crate) format: TokenFormat,
    pub(crate) scopes: Vec<ScopeDescription>,
    pub(crate) credentials: IntrospectionCredentials,
    #[cfg(feature = "workload-identity")]
    pub(crate) workloads: Vec<Workload>,
}

impl Resource {
    /// A resource with fresh introspection credentials and no scope yet. `name` is shown to users.
    ///
    /// # Errors
    /// [`SettingsError::Entropy`] when the operating system gives no randomness.
    pub fn new(
        identifier: impl Into<String>,
        name: impl Into<String>,
        format: TokenFormat,
    ) -> Result<Self, SettingsError> {
        let random = || secrets::random_text().map_err(|_| SettingsError::Entropy);
        Ok(Self {
            identifier: identifier.into(),
            name: name.into(),
            format,
            scopes: Vec::new(),
            credentials: IntrospectionCredentials {
                client_id: format!("resource-server-{}", random()?),
                client_secret: random()?,
            },
            #[cfg(feature = "workload-identity")]
            workloads: Vec::new(),
        })
    }

    /// Adds a scope that is granted when a request names none.
    #[must_use]
    pub fn with_scope(self, name: impl Into<String>, words: impl Into<String>) -> Self {
        self.push_scope(name.into(), words.into(), true)
    }

    /// Adds a scope that must be asked for.
    #[must_use]
    pub fn with_further_scope(self, name: impl Into<String>, words: impl Into<String>) -> Self {
        self.push_scope(name.into(), words.into(), false)
    }

    /// Replaces the generated introspection credentials by known ones.
    #[must_use]
    pub fn with_introspection_credentials(
        mut self,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        self.credentials = IntrospectionCredentials {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
        };
        self
    }

    fn push_scope(mut self, name: String, words: String, by_default: bool) -> Self {
        self.scopes.push(ScopeDescription { name, words, by_default });
        self
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let is_resource = Uri::parse(&self.identifier)
            .is_ok_and(|uri| matches!(uri.scheme(), "http" | "https") && uri.fragment().is_none());
        if !is_resource || self.scopes.is_empty() {
            return Err(SettingsError::Resource);
        }
        if self.scopes.iter().any(|scope| !is_scope_token(&scope.name)) {
            return Err(SettingsError::Scope);
        }
        let IntrospectionCredentials { client_id, client_secret } = &self.credentials;
        if client_id.is_empty()
            || client_id.starts_with(super::CLIENT_ID_PREFIX)
            || super::is_workload(client_id)
            || client_secret.len() < 16
        {
            return Err(SettingsError::Resource);
        }
        #[cfg(feature = "workload-identity")]
        self.check_workloads()?;
        Ok(())
    }

    pub(crate) fn default_scope(&self) -> String {
        let names: Vec<&str> = self
            .scopes
            .iter()
            .filter(|scope| scope.by_default)
            .map(|scope| scope.name.as_str())
            .collect();
        names.join(" ")
    }
}

/// What a resource server authenticates with at the introspection endpoint (AS-143).
#[derive(Clone, PartialEq, Eq)]
pub struct IntrospectionCredentials {
    /// Its client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

impl fmt::Debug for IntrospectionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionCredentials")
            .field("client_id", &self.client_id)
            .field("client_secret", &"(..)")
            .finish()
    }
}
