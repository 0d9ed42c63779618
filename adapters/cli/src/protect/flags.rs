//! The simple case without a file: one resource, one issuer, one upstream.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use portcullis_tokio::{
    proxy::{Credential, Identity, UpstreamSettings},
    resource_server::{
        IntrospectionSettings, Issuer, JwksSettings, Secret, Settings, Verification,
    },
};

use super::{Error, configuration::Configuration};
use crate::serving::{files::TlsFiles, operations::Metrics};

/// A configuration in flags.
#[derive(Args)]
pub(crate) struct Flags {
    /// The MCP server behind: the URL of its endpoint. https, or http on this machine.
    #[arg(long, value_name = "URL", requires_all = ["resource", "issuer"])]
    upstream: Option<String>,
    /// The URL of the protected MCP endpoint, as clients write it.
    #[arg(long, value_name = "URL", requires = "upstream")]
    resource: Option<String>,
    /// The authorization server whose tokens are accepted; they are checked with the keys that its metadata names,
    /// unless --jwks, --key-file or --introspection is given.
    #[arg(long, value_name = "URL", requires = "upstream")]
    issuer: Option<String>,
    /// Where requests are answered; 127.0.0.1:8080 unless given.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Check tokens with the key set at this URL.
    #[arg(long, value_name = "URL", group = "verification")]
    jwks: Option<String>,
    /// Check tokens with the HS256 key in this file, as `portcullis key derive` writes it.
    #[arg(long, value_name = "FILE", group = "verification")]
    key_file: Option<PathBuf>,
    /// The id of that key.
    #[arg(long, value_name = "ID", default_value = "1", requires = "key_file")]
    key_id: String,
    /// Ask the authorization server about each token at this URL (RFC 7662).
    #[arg(long, value_name = "URL", group = "verification", requires_all = ["client_id", "client_secret_file"])]
    introspection: Option<String>,
    /// Under which name it is asked.
    #[arg(long, value_name = "ID", requires = "introspection")]
    client_id: Option<String>,
    /// The file with the secret that goes with the name.
    #[arg(long, value_name = "FILE", requires = "introspection")]
    client_secret_file: Option<PathBuf>,
    /// The certificates that are trusted where keys are read or questions asked, and no others.
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    issuer_ca: Option<PathBuf>,
    /// Scopes that every call needs, with blanks between them.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    scopes: String,
    /// Scopes that one tool needs beside them; may be given several times.
    #[arg(long, value_name = "TOOL=SCOPES")]
    tool: Vec<String>,
    /// A further value of Host that is ours; may be given several times.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Let GET and DELETE through, for upstreams that keep sessions of older revisions.
    #[arg(long)]
    sessions: bool,
    /// Tell the upstream who calls, signed with the key in this file (`portcullis key new` makes one).
    #[arg(long, value_name = "FILE")]
    identity_key: Option<PathBuf>,
    /// A bearer token of the proxy's own for the upstream, in this file.
    #[arg(long, value_name = "FILE")]
    upstream_token_file: Option<PathBuf>,
    /// The certificates that are trusted for the upstream, and no others.
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// An http upstream on another machine: requests and answers travel in the clear.
    #[arg(long)]
    upstream_plain_http: bool,
    /// Certificate with any intermediate ones, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Plain HTTP on an address that others can reach, behind something that speaks TLS.
    #[arg(long)]
    plain_http: bool,
    /// An address of its own for /metrics, /health and /ready.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

impl Flags {
    /// The configuration that a file would hold.
    pub(super) fn configuration(self) -> Result<Configuration, Error> {
        let ca_file = self.issuer_ca;
        let verification = match (self.jwks, self.key_file, self.introspection) {
            (_, Some(file), _) => Verification::offline(self.key_id, Secret::file(file)),
            (_, _, Some(endpoint)) => {
                let client_id = self.client_id.unwrap_or_default();
                let secret = Secret::file(self.client_secret_file.unwrap_or_default());
                let asked = IntrospectionSettings::new(endpoint, client_id, secret);
                Verification::Introspection(IntrospectionSettings { ca_file, ..asked })
            }
            (url, None, None) => {
                Verification::Jwks(JwksSettings { url, ca_file, ..JwksSettings::default() })
            }
        };
        // That these three are there clap has seen to; an empty one is refused like any that is no URL.
        let [upstream, resource, issuer] =
            [self.upstream, self.resource, self.issuer].map(Option::unwrap_or_default);
        let issuer = Issuer::new(issuer, verification);
        let mut settings = Settings::new(resource, issuer).base_scopes(self.scopes);
        for tool in &self.tool {
            let (name, scopes) = tool.split_once('=').ok_or_else(|| {
                Error::Problems(vec![format!("tool: {tool:?} is not TOOL=SCOPES")])
            })?;
            settings = settings.tool_scopes(name, scopes);
        }
        settings = self.host.into_iter().fold(settings, Settings::host);
        if self.sessions {
            settings = settings.sessions();
        }
        let mut upstream = UpstreamSettings::new(upstream);
        upstream.plain_http = self.upstream_plain_http;
        upstream.ca_file = self.upstream_ca;
        upstream.credential = self
            .upstream_token_file
            .map(|file| Credential { secret: Secret::file(file), field: "authorization".into() });
        if let Some(file) = self.identity_key {
            let key = Secret::file(file);
            upstream.identity = Identity::Signed { key, audience: None, lifetime_secs: 60 };
        }
        let mut configuration = Configuration::new(settings, upstream);
        configuration.listen = self.listen;
        configuration.plain_http = self.plain_http;
        configuration.tls = self
            .tls_certificate
            .zip(self.tls_key)
            .map(|(certificate, key)| TlsFiles { certificate, key });
        configuration.metrics = self.metrics.map(|listen| Metrics { listen });
        Ok(configuration)
    }
}
