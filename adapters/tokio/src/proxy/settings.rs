//! What a proxy has to be told about the MCP server behind it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    AuthoritiesError,
    resource_server::{Secret, SecretError},
};

/// The MCP server behind a [`Proxy`](super::Proxy). All names in TOML; only `url` must be there:
///
/// ```
/// # let settings: portcullis_tokio::proxy::UpstreamSettings = toml::from_str(r#"
/// url = "https://mcp.internal:8443/mcp"        # where each request goes, with path and query
/// host = "mcp.internal"                        # `Host`, where it is not the URL's
/// ca_file = "internal-ca.pem"                  # the only roots trusted; else those that browsers trust
/// plain_http = false                           # http beyond loopback
/// fields = ["x-tenant"]                        # further request fields that pass
/// answer_fields = ["x-ratelimit-remaining"]    # further answer fields that pass
/// credential = { secret = { file = "upstream.token" }, field = "authorization" }
/// identity = { mode = "signed", key = { file = "identity.key" }, audience = "mcp.internal", lifetime_secs = 60 }
///
/// [limits]                                     # the defaults
/// connect_millis = 5000
/// answer_secs = 60
/// idle_secs = 300
/// requests = 512
/// header_bytes = 65536
/// # "#).unwrap();
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// The URL that every request is sent to, `https`, or `http` on loopback.
    pub url: String,
    /// What the upstream reads as `Host`; the authority of the URL unless given.
    #[serde(default)]
    pub host: Option<String>,
    /// Certificates in PEM that are trusted instead of the roots that browsers trust.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Send over `http` beyond loopback: whoever is on the way reads and changes requests and answers.
    #[serde(default)]
    pub plain_http: bool,
    /// Further fields of requests that pass. None that carries credentials, identity or framing.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Further fields of answers that pass. None that carries credentials, addresses or framing.
    #[serde(default)]
    pub answer_fields: Vec<String>,
    /// A credential of this proxy for the upstream, apart from any client's (RS-44).
    #[serde(default)]
    pub credential: Option<Credential>,
    /// What the upstream learns of who calls.
    #[serde(default)]
    pub identity: Identity,
    /// Limits of requests to the upstream.
    #[serde(default)]
    pub limits: UpstreamLimits,
}

/// A fixed credential for the upstream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Where it is.
    pub secret: Secret,
    /// The field it is sent in: `authorization`, as a bearer token (the default), or another, as it is.
    #[serde(default = "authorization")]
    pub field: String,
}

fn authorization() -> String {
    http::header::AUTHORIZATION.as_str().to_owned()
}

/// What the upstream learns of who calls. Fields of these names from clients never pass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Identity {
    /// Nothing.
    #[default]
    None,
    /// A JWT (HS256) in `Portcullis-Identity`, for one request to one upstream. Its `typ` is
    /// `portcullis-identity+jwt`, so that it is no access token; claims: `iss` (the protected resource), `aud`,
    /// `iat`, `exp`, `jti` (the request's id in the log), and of the access token `sub`, `client_id`, `scope`,
    /// `token_issuer`, `token_id`, `token_exp`; `sub`, `client_id` and `token_id` where it has them.
    Signed {
        /// The key in base64url, at least 32 bytes; the upstream has it too, and nobody else.
        key: Secret,
        /// The audience; the upstream's URL unless given.
        #[serde(default)]
        audience: Option<String>,
        /// How long it counts, in seconds; 300 at most.
        #[serde(default = "lifetime_secs")]
        lifetime_secs: u32,
    },
    /// `Portcullis-Subject`, `-Client-Id`, `-Token-Issuer`, `-Scope` and `-Request-Id`, not signed and with
    /// percent-encoding. Only for an upstream that nobody but this proxy can reach: whoever can, is whom he likes.
    PlainUnsigned,
}

const fn lifetime_secs() -> u32 {
    60
}

/// Limits of requests to the upstream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamLimits {
    /// Time for a connection with its handshake, in milliseconds; then the answer is 504.
    pub connect_millis: u64,
    /// Time until the head of the answer, in seconds; then the answer is 504.
    pub answer_secs: u64,
    /// Longest time without a byte inside an answer or a stream, in seconds; then it breaks off.
    pub idle_secs: u64,
    /// Most requests and streams at once; further ones get 503.
    pub requests: usize,
    /// About how long the head of an answer may be in bytes; at least 8192.
    pub header_bytes: usize,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connect_millis: 5_000,
            answer_secs: 60,
            idle_secs: 300,
            requests: 512,
            header_bytes: 64 * 1024,
        }
    }
}

impl UpstreamSettings {
    /// The MCP server at `url`, all else as by default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            host: None,
            ca_file: None,
            plain_http: false,
            fields: Vec::new(),
            answer_fields: Vec::new(),
            credential: None,
            identity: Identity::None,
            limits: UpstreamLimits::default(),
        }
    }

    /// The same; paths of files count from `folder`, unless they are absolute.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        self.ca_file = self.ca_file.map(|path| folder.join(path));
        self.credential = self.credential.map(|Credential { secret, field }| Credential {
            secret: secret.relative_to(folder),
            field,
        });
        if let Identity::Signed { key, .. } = &mut self.identity {
            *key = key.clone().relative_to(folder);
        }
        self
    }

    /// The secrets that are named: who else may read their files is for the caller to ask.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let key = match &self.identity {
            Identity::Signed { key, .. } => Some(key),
            Identity::None | Identity::PlainUnsigned => None,
        };
        self.credential.iter().map(|credential| &credential.secret).chain(key)
    }
}

/// A setting of the upstream that is refused. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamError {
    /// Not an absolute `https` URL (`http` on loopback only) without userinfo and fragment.
    Url,
    /// Not a host with an optional port.
    Host,
    /// The CA file cannot be read, or is not a list of certificates in PEM.
    CaFile(AuthoritiesError),
    /// A field that never passes, or no field name; with its name.
    Field(String),
    /// A secret cannot be had; with the setting that names it.
    Secret(&'static str, SecretError),
    /// The credential is no text that a field can carry.
    Credential,
    /// The key is not base64url of 32 to 64 bytes.
    Key,
    /// A number is out of its bounds; with its setting.
    Limit(&'static str),
    /// There is no usable TLS on this machine.
    Tls,
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str(
                "url: not an absolute https URL without userinfo and fragment (http is for loopback, or with plain_http)",
            ),
            Self::Host => f.write_str("host: not a host with an optional port"),
            Self::CaFile(error) => write!(f, "ca_file: {error}"),
            Self::Field(name) => write!(f, "fields: {name:?} never passes, or is no field name"),
            Self::Secret(setting, error) => write!(f, "{setting}: {error}"),
            Self::Credential => f.write_str("credential: no text that a field can carry"),
            Self::Key => f.write_str("identity.key: not base64url of 32 to 64 bytes"),
            Self::Limit(setting) => write!(f, "{setting} is out of its bounds"),
            Self::Tls => f.write_str("no usable TLS"),
        }
    }
}

impl std::error::Error for UpstreamError {}
