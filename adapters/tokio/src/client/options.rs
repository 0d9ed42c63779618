//! What an application tells the client about itself.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::client::{ResourceMatch, UrlPolicy};
use zeroize::Zeroizing;

use super::Observer;

/// A client id that the user got from an authorization server by other means (CL-31).
#[derive(Clone)]
pub struct ConfiguredClient {
    /// The one authorization server that knows it (CL-37).
    pub issuer: String,
    /// `client_id`.
    pub id: String,
    /// `client_secret`, unless the client is public.
    pub secret: Option<Zeroizing<String>>,
}

impl fmt::Debug for ConfiguredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredClient")
            .field("issuer", &self.issuer)
            .field("id", &self.id)
            .finish_non_exhaustive()
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
    /// Which URLs may be used; by default loopback http only if the server itself is there.
    pub url_policy: Option<UrlPolicy>,
    /// How near the metadata's `resource` must be to the server's URL.
    pub resource_match: ResourceMatch,
    /// The only issuers that are used; by default any that the server names.
    pub allowed_issuers: Option<Vec<String>>,
    /// For one metadata, registration or token request. Default: 10 s.
    pub fetch_time_limit: Duration,
    /// For the user to log in. Default: 5 min.
    pub login_time_limit: Duration,
    /// For one MCP request. Default: 60 s.
    pub call_time_limit: Duration,
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
            dynamic_registration: true,
            scope: None,
            step_up: true,
            offline_access: true,
            redirect_port: 0,
            url_policy: None,
            resource_match: ResourceMatch::default(),
            allowed_issuers: None,
            fetch_time_limit: Duration::from_secs(10),
            login_time_limit: Duration::from_secs(5 * 60),
            call_time_limit: Duration::from_secs(60),
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
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
