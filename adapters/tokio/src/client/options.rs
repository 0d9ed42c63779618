//! What an application tells the client about itself.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::client::{
    ClientKey, ClientSecret, KnownClient, LegacyResource, Origin, ResourceMatch, Signer, UrlPolicy,
};
use zeroize::Zeroizing;

#[cfg(feature = "enterprise-managed")]
use super::EnterpriseManaged;
#[cfg(feature = "workload-identity")]
use super::WorkloadIdentity;
use super::{Observer, ShowCode};
use crate::Authorities;

/// A client id that the user got from an authorization server by other means (CL-31).
#[derive(Clone)]
pub struct ConfiguredClient {
    /// The one authorization server that knows it (CL-37).
    pub issuer: String,
    /// `client_id`.
    pub id: String,
    /// `client_secret`, unless the client is public.
    pub secret: Option<Zeroizing<String>>,
    /// The key that the authorization server knows the public half of, such as a
    /// [`SigningKey`](super::SigningKey); used before the secret, where the server takes it.
    pub key: Option<Arc<dyn Signer + Send + Sync>>,
}

impl ConfiguredClient {
    /// A public client: one with neither secret nor key.
    pub fn new(issuer: impl Into<String>, id: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), id: id.into(), secret: None, key: None }
    }

    /// The client as the core knows one.
    pub(super) fn known(&self) -> KnownClient<'_> {
        KnownClient {
            issuer: &self.issuer,
            id: &self.id,
            secret: self.secret.as_ref().map(|secret| ClientSecret::new(secret.as_str())),
            secret_expires_at: None,
            key: self.key.as_ref().map(|key| ClientKey::new(&**key)),
            authentication: None,
            redirect_uri: None,
            origin: Origin::Configured,
        }
    }

    /// The client with its secret.
    #[must_use]
    pub fn with_secret(self, secret: impl Into<String>) -> Self {
        Self { secret: Some(Zeroizing::new(secret.into())), ..self }
    }

    /// The client with its key.
    #[must_use]
    pub fn with_key(self, key: impl Signer + Send + 'static) -> Self {
        Self { key: Some(Arc::new(key)), ..self }
    }
}

impl fmt::Debug for ConfiguredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredClient")
            .field("issuer", &self.issuer)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// In whose name the client acts, and how it gets the tokens for it.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Access {
    /// The user logs in with a browser on this machine (OAuth 2.1 §4.1).
    #[default]
    Browser,
    /// The user logs in with a browser on another machine, which this one shows a code for (RFC 8628).
    Device(Arc<dyn ShowCode>),
    /// The application acts for itself, as one of [`Options::clients`] with a secret or a key (RFC 6749
    /// §4.4). There is no user and no refresh token: a new token is asked for before the old one ends.
    ClientCredentials,
    /// The enterprise's identity provider decides, where the user has signed in (ID-JAG).
    #[cfg(feature = "enterprise-managed")]
    EnterpriseManaged(Arc<EnterpriseManaged>),
    /// The platform that runs the application says who it is (RFC 7523 §2.1).
    #[cfg(feature = "workload-identity")]
    WorkloadIdentity(Arc<WorkloadIdentity>),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Browser => "Browser",
            Self::Device(_) => "Device",
            Self::ClientCredentials => "ClientCredentials",
            #[cfg(feature = "enterprise-managed")]
            Self::EnterpriseManaged(_) => "EnterpriseManaged",
            #[cfg(feature = "workload-identity")]
            Self::WorkloadIdentity(_) => "WorkloadIdentity",
        })
    }
}

/// How to log in. [`Options::new`] has the safe answers.
#[derive(Clone)]
pub struct Options {
    /// The application's name, shown to the user by the authorization server.
    pub name: String,
    /// The application's home page.
    pub uri: Option<String>,
    /// Client ids given by hand.
    pub clients: Vec<ConfiguredClient>,
    /// The https URL of the application's client metadata document (CL-32).
    pub metadata_document: Option<String>,
    /// The key whose public half that document names, if it says that the application authenticates with one
    /// (CL-33).
    pub metadata_key: Option<Arc<dyn Signer + Send + Sync>>,
    /// How tokens are got. Default: the user's browser on this machine.
    pub access: Access,
    /// Whether the application may register itself. Default: yes.
    pub dynamic_registration: bool,
    /// Exactly these scopes at first; by default what the server asks for.
    pub scope: Option<String>,
    /// Whether to ask the user for more scopes when the server says that an operation needs them (CL-80).
    /// Default: yes.
    pub step_up: bool,
    /// Whether to ask for a refresh token where there is a way to ask. Default: yes.
    pub offline_access: bool,
    /// The port of the redirect URI on 127.0.0.1; 0, the default, is any free one.
    pub redirect_port: u16,
    /// Whose TLS certificates are accepted, of the server and of authorization servers. Default: those that browsers
    /// trust.
    pub authorities: Authorities,
    /// Which URLs may be used; by default loopback http only if the server itself is there.
    pub url_policy: Option<UrlPolicy>,
    /// Whether connections are made to addresses of the public internet alone: for a client that runs on a
    /// server, where a stranger's metadata must not lead it into that server's network (CL-92, CL-93). It counts
    /// for all that this crate sends, to the MCP server itself as well (behind an
    /// [`AuthorizationLayer`](super::AuthorizationLayer) the application's own client sends that). Each address is
    /// looked at when it is connected to; another one is [`FetchFailure::NotPublic`](super::FetchFailure).
    /// Default: no, since servers on a user's own machine or network are common.
    pub public_addresses_only: bool,
    /// How near the metadata's `resource` must be to the server's URL.
    pub resource_match: ResourceMatch,
    /// Whether a server without any resource metadata may be its own authorization server, as in MCP
    /// 2025-03-26. Default: no, since it is weaker: nobody vouches for such a server, and it may not check PKCE
    /// though it is sent.
    pub legacy: Option<LegacyResource>,
    /// The only issuers that are used; by default any that the server names.
    pub allowed_issuers: Option<Vec<String>>,
    /// For one metadata, registration or token request. Default: 10 s.
    pub fetch_time_limit: Duration,
    /// For the user to log in. Default: 5 min.
    pub login_time_limit: Duration,
    /// For one MCP request. Default: 60 s.
    pub call_time_limit: Duration,
    /// Whether tokens are to be bound to a key of this client (RFC 9449). Default: no.
    #[cfg(feature = "dpop")]
    pub dpop: super::Dpop,
    /// The key that they are bound to. By default each login gets one of its own, which is stored with it; a
    /// login that is bound to a given key cannot be stored: an authorizer with a store does not use one.
    #[cfg(feature = "dpop")]
    pub dpop_key: Option<Arc<dyn Signer + Send + Sync>>,
    /// Is told of every exchange.
    pub observer: Arc<dyn Observer>,
}

impl Options {
    /// The defaults, for an application of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            uri: None,
            clients: Vec::new(),
            metadata_document: None,
            metadata_key: None,
            access: Access::default(),
            dynamic_registration: true,
            scope: None,
            step_up: true,
            offline_access: true,
            redirect_port: 0,
            authorities: Authorities::public(),
            url_policy: None,
            public_addresses_only: false,
            resource_match: ResourceMatch::default(),
            legacy: None,
            allowed_issuers: None,
            fetch_time_limit: Duration::from_secs(10),
            login_time_limit: Duration::from_secs(5 * 60),
            call_time_limit: Duration::from_secs(60),
            #[cfg(feature = "dpop")]
            dpop: super::Dpop::Off,
            #[cfg(feature = "dpop")]
            dpop_key: None,
            observer: Arc::new(|_: &super::Exchange<'_>| {}),
        }
    }

    /// The URL policy for this server.
    pub(super) fn url_policy(&self, server_url: &str) -> UrlPolicy {
        self.url_policy.unwrap_or_else(|| UrlPolicy::for_server(server_url))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("clients", &self.clients)
            .field("metadata_document", &self.metadata_document)
            .field("access", &self.access)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
