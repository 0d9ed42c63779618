//! What a resource server has to be told, checked once when it starts.

use super::policy::{Policy, Rule};
use crate::{
    encoding::{scratch::BufferFull, uri::Uri},
    jwt::SignatureVerifier,
    limits,
    mcp::{BodyLimits, Versions, VersionsError},
    scope::ScopeSet,
    time::Leeway,
};

/// How the tokens of one issuer are verified.
#[derive(Clone, Copy)]
pub enum Verification<'c> {
    /// JWT access tokens (RFC 9068), checked with these keys; anything else is refused.
    Offline(&'c dyn SignatureVerifier),
    /// The issuer, or a verifier of the user's own, is asked about every token (RFC 7662).
    Introspection,
    /// JWT access tokens with these keys, everything else by asking. A JWT that fails here is
    /// refused here: an attacker must not choose the weaker way (SEC-373).
    OfflineOrIntrospection(&'c dyn SignatureVerifier),
}

impl<'c> Verification<'c> {
    pub(super) const fn keys(self) -> Option<&'c dyn SignatureVerifier> {
        match self {
            Self::Offline(keys) | Self::OfflineOrIntrospection(keys) => Some(keys),
            Self::Introspection => None,
        }
    }

    pub(super) const fn asks(self) -> bool {
        match self {
            Self::Offline(_) => false,
            Self::Introspection | Self::OfflineOrIntrospection(_) => true,
        }
    }
}

impl core::fmt::Debug for Verification<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Offline(_) => "Offline(..)",
            Self::Introspection => "Introspection",
            Self::OfflineOrIntrospection(_) => "OfflineOrIntrospection(..)",
        })
    }
}

/// An authorization server whose tokens are accepted.
#[derive(Clone, Copy, Debug)]
pub struct TrustedIssuer<'c> {
    /// Its issuer identifier, byte for byte as in its metadata (RS-02).
    pub identifier: &'c str,
    /// How its tokens are verified. Keys belong to the issuer: another's never fit (SEC-088).
    pub verification: Verification<'c>,
}

/// What people are told about the resource (RFC 9728 §2); all optional.
#[derive(Clone, Copy, Debug, Default)]
pub struct Description<'c> {
    /// `resource_name`.
    pub name: Option<&'c str>,
    /// `resource_documentation`.
    pub documentation: Option<&'c str>,
    /// `resource_policy_uri`.
    pub policy: Option<&'c str>,
    /// `resource_tos_uri`.
    pub terms_of_service: Option<&'c str>,
}

/// The settings of a resource server. Start from [`Configuration::new`]: its answers are the safe ones.
#[derive(Clone, Copy, Debug)]
pub struct Configuration<'c> {
    /// The resource identifier: the exact URL of the MCP endpoint, as clients use it (RS-07).
    pub resource: &'c str,
    /// Whose tokens are accepted; named in this order in the metadata.
    pub issuers: &'c [TrustedIssuer<'c>],
    /// Scopes by operation.
    pub policy: Policy<'c>,
    /// Names and links for the metadata.
    pub description: Description<'c>,
    /// `scopes_supported` of the metadata; the base scopes unless given (RS-09).
    pub scopes_supported: Option<ScopeSet<'c>>,
    /// The path that requests have here, where a gateway changes it; else that of `resource`.
    pub endpoint_path: Option<&'c str>,
    /// Also serve the metadata at the root well-known path: only where the host has one resource (RS-06).
    pub root_metadata: bool,
    /// Further values of `Host` that are ours, with port where one is sent (TS-12).
    pub hosts: &'c [&'c str],
    /// Origins whose pages may call, exactly as browsers send them (TS-10, TS-13).
    pub origins: &'c [&'c str],
    /// Let `GET` and `DELETE` through to a server that keeps sessions for older revisions (TL-03, TL-04).
    pub sessions: bool,
    /// Protocol revisions that the server behind speaks (TS-32, TL-07).
    pub versions: Versions<'c>,
    /// Limits of a body.
    pub body: BodyLimits,
    /// Allowance for clock skew (LIM-19).
    pub leeway: Leeway,
    /// Longest accepted lifetime of a token in seconds (LIM-19).
    pub lifetime_secs_max: u32,
    /// Accept a token that names other resources too (SEC-090).
    pub several_audiences: bool,
    /// Accept an `http` resource or issuer that is not on loopback: tokens then travel in clear
    /// (authorization §9.9).
    pub plain_http: bool,
    /// Take tokens that are bound to keys of clients (RFC 9449); without it they are refused.
    #[cfg(feature = "dpop")]
    pub dpop: Option<crate::dpop::Acceptance<'c>>,
}

impl<'c> Configuration<'c> {
    /// The safe defaults of a small host for this resource and these issuers.
    pub const fn new(resource: &'c str, issuers: &'c [TrustedIssuer<'c>]) -> Self {
        Self {
            resource,
            issuers,
            policy: Policy { base: ScopeSet::EMPTY, methods: &[], tools: &[], implications: &[] },
            description: Description {
                name: None,
                documentation: None,
                policy: None,
                terms_of_service: None,
            },
            scopes_supported: None,
            endpoint_path: None,
            root_metadata: false,
            hosts: &[],
            origins: &[],
            sessions: false,
            versions: Versions::ALL,
            body: BodyLimits::SMALL,
            leeway: Leeway::DEFAULT,
            lifetime_secs_max: limits::LIFETIME_SECS_MAX,
            several_audiences: false,
            plain_http: false,
            #[cfg(feature = "dpop")]
            dpop: None,
        }
    }

    /// Refuses what could not be served safely (SEC-135): there is no open mode by omission.
    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        check_identifier(self.resource, self.plain_http).map_err(ConfigurationError::Resource)?;
        if self.issuers.is_empty() {
            return Err(ConfigurationError::NoIssuer);
        }
        for (index, issuer) in self.issuers.iter().enumerate() {
            check_identifier(issuer.identifier, self.plain_http)
                .map_err(ConfigurationError::Issuer)?;
            let earlier = self.issuers.iter().take(index);
            if earlier.clone().any(|other| other.identifier == issuer.identifier) {
                return Err(ConfigurationError::IssuerTwice);
            }
            if issuer.verification.asks() && earlier.clone().any(|other| other.verification.asks())
            {
                return Err(ConfigurationError::SeveralAsked);
            }
        }
        self.check_scopes()?;
        if self
            .endpoint_path
            .is_some_and(|path| !path.starts_with('/') || path.contains(['?', '#']))
        {
            return Err(ConfigurationError::EndpointPath);
        }
        if self.hosts.iter().any(|host| !is_host(host)) {
            return Err(ConfigurationError::Host);
        }
        if self.origins.iter().any(|origin| !is_origin(origin)) {
            return Err(ConfigurationError::Origin);
        }
        self.versions.check().map_err(ConfigurationError::Versions)
    }

    fn check_scopes(&self) -> Result<(), ConfigurationError> {
        let of_rules =
            |rules: &[Rule<'c>]| rules.iter().any(|rule| rule.scopes.contains("offline_access"));
        // RS-10, RS-29: it is between client and authorization server, never a resource's.
        if self.policy.base.contains("offline_access")
            || of_rules(self.policy.methods)
            || of_rules(self.policy.tools)
            || self.scopes_supported.is_some_and(|scopes| scopes.contains("offline_access"))
        {
            return Err(ConfigurationError::OfflineAccess);
        }
        for rules in [self.policy.methods, self.policy.tools] {
            for (index, rule) in rules.iter().enumerate() {
                if rules.iter().take(index).any(|earlier| earlier.name == rule.name) {
                    return Err(ConfigurationError::RuleTwice);
                }
            }
        }
        Ok(())
    }
}

/// Why a resource identifier or an issuer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentifierError {
    /// Empty, or longer than [`limits::IDENTIFIER_LEN_MAX`].
    Length,
    /// Not an absolute URI.
    Syntax,
    /// Neither `https` nor `http` on loopback.
    Scheme,
    /// Has userinfo, a query or a fragment (RS-03, AS-03).
    Component,
    /// Has a character that cannot stand in a challenge (RS-31).
    Character,
}

impl core::fmt::Display for IdentifierError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Length => "is empty or too long",
            Self::Syntax => "is not an absolute URI",
            Self::Scheme => "is not https (http is for loopback only)",
            Self::Component => "has userinfo, a query or a fragment",
            Self::Character => "has a character that is not allowed",
        })
    }
}

/// Why a resource server does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The resource identifier.
    Resource(IdentifierError),
    /// An issuer identifier.
    Issuer(IdentifierError),
    /// No issuer at all.
    NoIssuer,
    /// More issuers than the metadata can name.
    TooManyIssuers,
    /// One issuer named twice.
    IssuerTwice,
    /// More than one issuer to be asked about a token that does not say whose it is.
    SeveralAsked,
    /// `offline_access` required or advertised.
    OfflineAccess,
    /// Two rules for one name.
    RuleTwice,
    /// The endpoint path is not an absolute path.
    EndpointPath,
    /// An allowed host is not `host` or `host:port`.
    Host,
    /// An allowed origin is not `scheme://host` or `scheme://host:port`.
    Origin,
    /// The protocol revisions.
    Versions(VersionsError),
    /// The metadata does not fit into the buffer.
    BufferFull,
}

impl core::fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Resource(error) => return write!(f, "the resource identifier {error}"),
            Self::Issuer(error) => return write!(f, "an issuer identifier {error}"),
            Self::Versions(error) => return error.fmt(f),
            Self::NoIssuer => "no issuer is configured",
            Self::TooManyIssuers => "too many issuers are configured",
            Self::IssuerTwice => "an issuer is configured twice",
            Self::SeveralAsked => "only one issuer can be asked by introspection",
            Self::OfflineAccess => "offline_access is not a scope of a resource",
            Self::RuleTwice => "two rules have the same name",
            Self::EndpointPath => "the endpoint path is not an absolute path",
            Self::Host => "an allowed host is not host or host:port",
            Self::Origin => "an allowed origin is not scheme://host or scheme://host:port",
            Self::BufferFull => "no room for the metadata",
        })
    }
}

impl core::error::Error for ConfigurationError {}

impl From<BufferFull> for ConfigurationError {
    fn from(_: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// Checks a resource identifier or an issuer as [`ResourceServer::new`](super::ResourceServer::new) does,
/// for those who write configurations. `plain_http` is that of [`Configuration`].
pub fn check_identifier(identifier: &str, plain_http: bool) -> Result<(), IdentifierError> {
    if identifier.is_empty() || identifier.len() > limits::IDENTIFIER_LEN_MAX {
        return Err(IdentifierError::Length);
    }
    if !identifier.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
        return Err(IdentifierError::Character);
    }
    let uri = Uri::parse(identifier).map_err(|_| IdentifierError::Syntax)?;
    if uri.userinfo().is_some() || uri.query().is_some() || uri.fragment().is_some() {
        return Err(IdentifierError::Component);
    }
    if uri.is_https() || uri.is_loopback_http() || (plain_http && uri.scheme() == "http") {
        Ok(())
    } else {
        Err(IdentifierError::Scheme)
    }
}

/// `host` or `host:port`, which may stand in a `Host` field.
pub(super) fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        })
}

/// A serialised origin (RFC 6454 §6.2); `null` is not one (TS-13).
fn is_origin(origin: &str) -> bool {
    origin.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase()) && is_host(host)
    })
}
