//! The resource server's decisions (RFC 6750, RFC 9728, RFC 8707): from a request head to a principal,
//! and from a checked body to what that principal may do.
//!
//! ```text
//! head -> decide -> Allow(principal) ----------------> operation(body) -> Proceed | Challenge | Reject
//!                   NeedIntrospection -> resume -> Allow(principal) | Challenge
//!                   Challenge | Metadata | Refuse | Preflight
//! ```

mod answer;
mod configuration;
mod decision;
#[cfg(feature = "dpop")]
mod dpop;
mod metadata;
mod operation;
mod policy;
mod principal;
mod route;

pub use answer::{Answer, Body, CrossOrigin, FieldValue};
pub use configuration::{
    Configuration, ConfigurationError, Description, IdentifierError, TrustedIssuer, Verification,
    check_identifier,
};
pub use decision::{Decision, Introspection, Verdict};
pub use operation::Operation;
pub use policy::{Policy, Rule};
pub use principal::Principal;
pub use route::Refusal;

use crate::{
    encoding::{scratch::Scratch, uri::Uri},
    metadata::well_known::{self, WellKnownPath},
    scope::Implication,
};
use metadata::Published;

/// A protected resource: its checked configuration and its written metadata.
#[derive(Clone, Copy, Debug)]
pub struct ResourceServer<'c> {
    configuration: Configuration<'c>,
    published: Published<'c>,
    /// `host` or `host:port` of the resource identifier.
    authority: &'c str,
    is_https: bool,
    endpoint_path: &'c str,
    metadata_path: WellKnownPath<'c>,
}

impl<'c> ResourceServer<'c> {
    /// Checks the configuration and writes the metadata into `memory`.
    pub fn new(
        configuration: Configuration<'c>,
        memory: &mut Scratch<'c>,
    ) -> Result<Self, ConfigurationError> {
        configuration.check()?;
        let unusable = ConfigurationError::Resource(IdentifierError::Syntax);
        let uri = Uri::parse(configuration.resource).map_err(|_| unusable)?;
        let own_path = if uri.path().is_empty() { "/" } else { uri.path() };
        Ok(Self {
            configuration,
            published: Published::write(&configuration, memory)?,
            authority: uri.authority_text().ok_or(unusable)?,
            is_https: uri.is_https(),
            endpoint_path: configuration.endpoint_path.unwrap_or(own_path),
            metadata_path: well_known::protected_resource_path(configuration.resource)
                .map_err(|_| unusable)?,
        })
    }

    /// Which scopes are needed for what.
    pub const fn policy(&self) -> &Policy<'c> {
        &self.configuration.policy
    }

    /// The configuration as it was given.
    pub const fn configuration(&self) -> &Configuration<'c> {
        &self.configuration
    }

    /// Where the metadata is: the URL that challenges name (RS-05).
    pub const fn metadata_url(&self) -> &'c str {
        self.published.url
    }

    /// The path of the metadata URL.
    pub const fn metadata_path(&self) -> WellKnownPath<'c> {
        self.metadata_path
    }

    /// The path of the MCP endpoint here.
    pub const fn endpoint_path(&self) -> &'c str {
        self.endpoint_path
    }

    const fn challenges(&self) -> Challenges<'c> {
        Challenges {
            resource_metadata: self.published.url,
            implications: self.configuration.policy.implications,
            #[cfg(feature = "dpop")]
            sender: None,
        }
    }
}

/// What every challenge of this server is made of.
#[derive(Clone, Copy, Debug)]
struct Challenges<'c> {
    resource_metadata: &'c str,
    implications: &'c [Implication<'c>],
    #[cfg(feature = "dpop")]
    sender: Option<dpop::Sender<'c>>,
}

#[cfg(test)]
mod configuration_tests;
#[cfg(test)]
mod tests;
