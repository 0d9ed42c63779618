//! The protected resource metadata of the configured server, written once (RFC 9728 §2, §3).

use super::configuration::{Configuration, ConfigurationError, IdentifierError};
use crate::{
    encoding::{
        scratch::{BufferFull, Scratch},
        text,
    },
    metadata::{
        protected_resource::{AuthorizationServers, BearerMethods, ProtectedResource},
        well_known::{self, WellKnownError},
    },
};

/// The root form of the well-known path (RS-06).
pub(super) const ROOT_PATH: &str = "/.well-known/oauth-protected-resource";

/// The metadata's URL and text, in the caller's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published<'c> {
    pub(super) url: &'c str,
    pub(super) document: &'c str,
}

impl<'c> Published<'c> {
    /// Writes both; the configuration was checked.
    pub(super) fn write(
        configuration: &Configuration<'c>,
        memory: &mut Scratch<'c>,
    ) -> Result<Self, ConfigurationError> {
        let url = text::write_in(memory, |url| {
            well_known::protected_resource_url(configuration.resource, url).map_err(|error| {
                match error {
                    WellKnownError::BufferFull => ConfigurationError::BufferFull,
                    _ => ConfigurationError::Resource(IdentifierError::Syntax),
                }
            })
        })?;
        let mut authorization_servers = AuthorizationServers::new();
        for issuer in configuration.issuers {
            authorization_servers
                .push(issuer.identifier)
                .map_err(|_| ConfigurationError::TooManyIssuers)?;
        }
        let document = ProtectedResource {
            resource: configuration.resource,
            authorization_servers,
            scopes_supported: configuration.scopes_supported.unwrap_or(configuration.policy.base),
            bearer_methods_supported: BearerMethods::Header,
            resource_name: configuration.description.name,
            resource_documentation: configuration.description.documentation,
            resource_policy_uri: configuration.description.policy,
            resource_tos_uri: configuration.description.terms_of_service,
            #[cfg(feature = "dpop")]
            dpop_signing_alg_values_supported: configuration
                .dpop
                .map(|_| crate::dpop::ALGORITHMS.into_iter().collect()),
            #[cfg(feature = "dpop")]
            dpop_bound_access_tokens_required: configuration.dpop.is_some_and(|it| it.required),
        };
        let document = memory.fill(|free| Ok::<_, BufferFull>(document.write(free)?.len()))?;
        let document = core::str::from_utf8(document).map_err(|_| BufferFull)?;
        Ok(Self { url, document })
    }
}
