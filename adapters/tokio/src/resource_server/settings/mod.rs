//! What a protected MCP server has to be told: one typed struct, built in code or read from TOML.

#[cfg(feature = "dpop")]
mod dpop;
mod error;
mod secret;
mod verification;

use std::{collections::BTreeMap, path::Path};

use portcullis_core::limits;
use serde::Deserialize;

#[cfg(feature = "dpop")]
pub use dpop::Dpop;
pub use error::SettingsError;
pub use secret::{Secret, SecretError};
pub use verification::{
    IntrospectionSettings, Issuer, JwksSettings, KeySettings, PublicKeySettings, Verification,
};

/// The settings of a protected resource. Every default is the safe answer; what weakens one has a
/// name that says so (INV-9). Checked by [`ProtectLayer::new`](super::ProtectLayer::new).
///
/// All names in TOML; only `resource` and `issuers` must be there, and an unknown name is an error:
///
/// ```
/// # let settings = portcullis_tokio::resource_server::Settings::from_toml(r#"
/// resource = "https://mcp.example.com/mcp"     # the URL of the MCP endpoint, as clients write it
/// hosts = ["mcp.internal:8443"]                # further values of `Host` that are ours
/// origins = ["https://app.example.com"]        # pages that may call
/// endpoint_path = "/mcp"                       # where a gateway changes the path
/// root_metadata = false                        # metadata also at the root well-known path
/// sessions = false                             # GET and DELETE for sessions of older revisions
/// modern_versions = ["2026-07-28"]
/// legacy_versions = ["2025-11-25", "2025-06-18"]
/// plain_http = false                           # http beyond loopback
///
/// [[issuers]]
/// identifier = "https://as.example.com"
/// [issuers.verification]
/// mode = "jwt-or-introspection"                # or "offline" with `keys`, or "introspection"
/// keys = [{ id = "2026-11", secret = { env = "MCP_KEY" } }, { id = "2027-05", secret = { file = "next.key" } }]
/// [issuers.verification.introspection]         # for "introspection", these stand beside `mode`
/// endpoint = "https://as.example.com/introspect"
/// client_id = "mcp-server"
/// client_secret = { env = "MCP_CLIENT_SECRET" }
/// deadline_millis = 5000                       # from here on the defaults
/// active_secs_max = 10
/// inactive_secs_max = 2
/// active_entries_max = 10000
/// inactive_entries_max = 1000
/// parallel_max = 64
/// plain_http = false
///
/// [[issuers]]
/// identifier = "https://login.example.com"
/// [issuers.verification]
/// mode = "jwks"                                # keys that the issuer publishes: ES256, EdDSA, RS256
/// url = "https://login.example.com/jwks"       # without it: `jwks_uri` of the issuer's metadata
/// deadline_millis = 5000                       # from here on the defaults
/// interval_secs_min = 10
/// refresh_secs = 300
/// stale_secs_max = 3600
/// plain_http = false
///
/// [[issuers]]
/// identifier = "https://partner.example.com"
/// [issuers.verification]
/// mode = "public-keys"                         # a key set in a `file`, or written out
/// document = '{ "keys": [] }'
///
/// [scopes]
/// base = "user"
/// methods = { "resources/read" = "files:read" }
/// tools = { set_time = "time:write" }
/// implications = { admin = "user time:write" }
/// supported = "user time:write"
///
/// [description]
/// name = "Clock"
/// documentation = "https://example.com/clock"
/// policy = "https://example.com/privacy"
/// terms_of_service = "https://example.com/terms"
///
/// [limits]                                     # the defaults
/// body_len_max = 1048576
/// body_secs_max = 30
/// leeway_secs = 60
/// lifetime_secs_max = 86400
/// several_audiences = false
/// # "#).unwrap();
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub(crate) resource: String,
    pub(crate) issuers: Vec<Issuer>,
    #[serde(default)]
    pub(crate) scopes: Scopes,
    #[serde(default)]
    pub(crate) description: Description,
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    #[serde(default)]
    pub(crate) endpoint_path: Option<String>,
    #[serde(default)]
    pub(crate) root_metadata: bool,
    #[serde(default)]
    pub(crate) sessions: bool,
    #[serde(default)]
    pub(crate) modern_versions: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) legacy_versions: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) plain_http: bool,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[cfg(feature = "dpop")]
    #[serde(default)]
    pub(crate) dpop: Dpop,
    #[cfg(feature = "dpop")]
    #[serde(default)]
    pub(crate) dpop_nonces: bool,
    #[cfg(feature = "dpop")]
    #[serde(default)]
    pub(crate) dpop_nonce_key: Option<Secret>,
    #[cfg(feature = "dpop")]
    #[serde(default = "dpop::proofs_max")]
    pub(crate) dpop_proofs_max: usize,
}

/// Which scopes are needed for what; each value is a list of scopes with blanks between them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scopes {
    /// Needed by every call.
    pub base: String,
    /// Needed beside them, by JSON-RPC method.
    pub methods: BTreeMap<String, String>,
    /// Needed beside them, by the name of the called tool.
    pub tools: BTreeMap<String, String>,
    /// A broader scope, and the narrower ones it stands for (RS-30).
    pub implications: BTreeMap<String, String>,
    /// `scopes_supported` of the metadata; the base scopes unless given (RS-09).
    pub supported: Option<String>,
}

/// Names and links for the metadata (RS-12).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    /// The name of the server, for people.
    pub name: Option<String>,
    /// A page for developers.
    pub documentation: Option<String>,
    /// A page on how the data may be used.
    pub policy: Option<String>,
    /// The terms of service.
    pub terms_of_service: Option<String>,
}

/// Limits of requests and tokens; the defaults are those of a desktop (LIM-10, LIM-14, LIM-19).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest request body in bytes (LIM-10).
    pub body_len_max: usize,
    /// Longest time in seconds for a body to arrive (LIM-14).
    pub body_secs_max: u64,
    /// Allowance for clock skew in seconds, 300 at most (LIM-19, SEC-097).
    pub leeway_secs: u16,
    /// Longest accepted lifetime of a token in seconds (LIM-19).
    pub lifetime_secs_max: u32,
    /// Accept tokens that are meant for other resources too (SEC-090).
    pub several_audiences: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_len_max: limits::BODY_LEN_MAX_DESKTOP,
            body_secs_max: 30,
            leeway_secs: limits::LEEWAY_SECS_DEFAULT,
            lifetime_secs_max: limits::LIFETIME_SECS_MAX_DESKTOP,
            several_audiences: false,
        }
    }
}

impl Settings {
    /// The server at `resource`, the exact URL of the MCP endpoint, accepts tokens of `issuer`.
    pub fn new(resource: impl Into<String>, issuer: Issuer) -> Self {
        Self {
            resource: resource.into(),
            issuers: vec![issuer],
            scopes: Scopes::default(),
            description: Description::default(),
            hosts: Vec::new(),
            origins: Vec::new(),
            endpoint_path: None,
            root_metadata: false,
            sessions: false,
            modern_versions: None,
            legacy_versions: None,
            plain_http: false,
            limits: Limits::default(),
            #[cfg(feature = "dpop")]
            dpop: Dpop::Off,
            #[cfg(feature = "dpop")]
            dpop_nonces: false,
            #[cfg(feature = "dpop")]
            dpop_nonce_key: None,
            #[cfg(feature = "dpop")]
            dpop_proofs_max: dpop::proofs_max(),
        }
    }

    /// Reads TOML; an unknown name is an error, so that a misspelt setting is never a default.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        toml::from_str(text).map_err(|error| SettingsError::toml(&error, text))
    }

    /// Reads a TOML file.
    pub fn from_toml_file(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::File(path.to_path_buf(), error.kind()))?;
        Self::from_toml(&text)
    }

    /// The same; paths of files count from `folder`, unless they are absolute.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        self.issuers.iter_mut().for_each(|issuer| issuer.verification.make_relative_to(folder));
        #[cfg(feature = "dpop")]
        {
            self.dpop_nonce_key = self.dpop_nonce_key.map(|key| key.relative_to(folder));
        }
        self
    }

    /// The secrets that are named: who else may read their files is for the caller to ask.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let of_issuers = self.issuers.iter().flat_map(|issuer| issuer.verification.secrets());
        #[cfg(feature = "dpop")]
        let of_issuers = of_issuers.chain(&self.dpop_nonce_key);
        of_issuers
    }

    /// Also accepts tokens of another issuer.
    #[must_use]
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// The scopes that every call needs.
    #[must_use]
    pub fn base_scopes(mut self, scopes: impl Into<String>) -> Self {
        self.scopes.base = scopes.into();
        self
    }

    /// Further scopes that one tool needs.
    #[must_use]
    pub fn tool_scopes(mut self, tool: impl Into<String>, scopes: impl Into<String>) -> Self {
        self.scopes.tools.insert(tool.into(), scopes.into());
        self
    }

    /// Further scopes that one JSON-RPC method needs.
    #[must_use]
    pub fn method_scopes(mut self, method: impl Into<String>, scopes: impl Into<String>) -> Self {
        self.scopes.methods.insert(method.into(), scopes.into());
        self
    }

    /// Whoever holds `scope` holds `implied` too.
    #[must_use]
    pub fn implies(mut self, scope: impl Into<String>, implied: impl Into<String>) -> Self {
        self.scopes.implications.insert(scope.into(), implied.into());
        self
    }

    /// What the metadata lists as `scopes_supported`, where that is not the base scopes.
    #[must_use]
    pub fn scopes_supported(mut self, scopes: impl Into<String>) -> Self {
        self.scopes.supported = Some(scopes.into());
        self
    }

    /// Names and links for the metadata.
    #[must_use]
    pub fn description(mut self, description: Description) -> Self {
        self.description = description;
        self
    }

    /// A further `Host` that is ours, with its port where one is sent (TS-12).
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// A further origin whose pages may call, as browsers send it (TS-10).
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// The path that requests have here, where a gateway or a router changes it.
    #[must_use]
    pub fn endpoint_path(mut self, path: impl Into<String>) -> Self {
        self.endpoint_path = Some(path.into());
        self
    }

    /// Serve the metadata also at the root well-known path: for a host with one resource (RS-06).
    #[must_use]
    pub fn root_metadata(mut self) -> Self {
        self.root_metadata = true;
        self
    }

    /// Let `GET` and `DELETE` through to a service that keeps sessions for older revisions.
    ///
    /// A session id is never a credential (RS-46): each of these requests shows a token too, and the id
    /// counts only with a token of the user and client who opened the session, and in this process; else
    /// the answer is 404, and the client begins anew (RS-47, TL-06).
    #[must_use]
    pub fn sessions(mut self) -> Self {
        self.sessions = true;
        self
    }

    /// The protocol revisions that the service behind speaks, newest first: those without and those
    /// with a handshake.
    #[must_use]
    pub fn protocol_versions<V: Into<String>>(
        mut self,
        modern: impl IntoIterator<Item = V>,
        legacy: impl IntoIterator<Item = V>,
    ) -> Self {
        self.modern_versions = Some(modern.into_iter().map(Into::into).collect());
        self.legacy_versions = Some(legacy.into_iter().map(Into::into).collect());
        self
    }

    /// Accept `http` identifiers beyond loopback: tokens then travel in clear (authorization §9.9).
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Limits of requests and tokens.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

#[cfg(test)]
mod tests;
