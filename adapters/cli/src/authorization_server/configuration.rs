//! The configuration file: every key, what it means when it is absent, and where its paths count from.
//!
//! `example.toml` says the same for people; a test keeps the two together.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use portcullis_authorization_server::{
    ClientDocuments, DEFAULT_KEY_ID, Database, Lifetimes, Limits as ServerLimits,
    ServiceAuthentication, TokenFormat,
};
use portcullis_tokio::resource_server::Secret;
use serde::Deserialize;

use super::{Error, database_url::DatabaseUrl, settings::Problem};
use crate::{
    files,
    serving::{
        configuration::{self, ConfigurationError},
        files::{self as serving_files, TlsFiles},
        log::{Level, LogFormat},
        operations::Metrics,
    },
};
use assertions::{TrustedProvider, TrustedWorkload};
use login::Login;

mod assertions;
mod login;

/// Read when no file is named and there is one.
const FILE_NAME: &str = "portcullis.toml";
/// Longest key set in a file in bytes: room for eight RSA keys of 4096 bits.
const KEY_SET_LEN_MAX: usize = 16 * 1024;
/// What `--example-config` prints.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Configuration {
    issuer: Option<String>,
    listen: Option<SocketAddr>,
    pub(super) plain_http: bool,
    data: Option<PathBuf>,
    pub(super) registration: Option<bool>,
    pub(super) require_pushed_requests: bool,
    pub(super) dpop: Bound,
    pub(super) dpop_nonces: bool,
    pub(super) default_resource: Option<String>,
    pub(super) trusted_proxies: Vec<IpNet>,
    database: DatabasePlace,
    pub(super) tls: Option<TlsFiles>,
    keys: Keys,
    pub(super) log: Log,
    pub(super) metrics: Option<Metrics>,
    lifetimes: LifetimesSecs,
    limits: Limits,
    client_documents: Documents,
    pub(super) login: Login,
    #[serde(rename = "identity_provider")]
    pub(super) identity_providers: Vec<TrustedProvider>,
    #[serde(rename = "resource")]
    pub(super) resources: Vec<Resource>,
    #[serde(rename = "client")]
    pub(super) clients: Vec<Client>,
    #[serde(rename = "service")]
    pub(super) services: Vec<Service>,
    /// Where relative paths count from.
    #[serde(skip)]
    folder: PathBuf,
    /// The file that was read, if there is one.
    #[serde(skip)]
    pub(super) file: Option<PathBuf>,
}

/// Whether tokens can be bound to keys (RFC 9449).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bound {
    #[default]
    Off,
    Offered,
    Required,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DatabasePlace {
    sqlite: Option<PathBuf>,
    postgresql: Option<DatabaseUrl>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keys {
    master: Option<PathBuf>,
    kid: Option<String>,
    signing: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: LogFormat,
    pub(super) level: Level,
    audit: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LifetimesSecs {
    authorization_code_secs: Option<u64>,
    access_token_secs: Option<u64>,
    refresh_token_secs: Option<u64>,
    refresh_token_idle_secs: Option<u64>,
    pending_authorization_secs: Option<u64>,
    pushed_request_secs: Option<u64>,
    session_secs: Option<u64>,
    unused_client_secs: Option<u64>,
    signing_key_secs: Option<u64>,
    signing_key_publication_secs: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    connections: Option<usize>,
    header_time_secs: Option<u64>,
    write_time_secs: Option<u64>,
    request_time_secs: Option<u64>,
    requests_per_peer_per_second: Option<u32>,
    wrong_secrets_per_minute: Option<u32>,
    pending_authorizations: Option<usize>,
    pending_authorizations_per_peer: Option<usize>,
    pushed_requests: Option<usize>,
    pushed_requests_per_peer_per_minute: Option<u32>,
    registrations_per_peer_per_hour: Option<u32>,
    unused_clients: Option<usize>,
    registration_bytes: Option<usize>,
    redirect_uris: Option<usize>,
    redirect_uri_bytes: Option<usize>,
    document_fetches_per_peer_per_minute: Option<u32>,
    document_fetches_per_host_per_minute: Option<u32>,
    device_grants: Option<usize>,
    device_grants_per_peer_per_minute: Option<u32>,
    dpop_proofs_per_peer_per_minute: Option<u32>,
    dpop_proofs_per_minute: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Documents {
    offered: Option<bool>,
    hosts: Option<Vec<String>>,
    loopback_for_development: Option<bool>,
}

/// A protected resource: an MCP server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) identifier: String,
    pub(super) name: String,
    pub(super) token_format: Format,
    #[serde(rename = "scope")]
    pub(super) scopes: Vec<Scope>,
    pub(super) introspection: Option<Introspection>,
    #[serde(default, rename = "workload")]
    pub(super) workloads: Vec<TrustedWorkload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Hs256,
    Es256,
    EdDsa,
    Rs256,
    Opaque,
}

impl From<Format> for TokenFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Hs256 => Self::Hs256,
            Format::Es256 => Self::Es256,
            Format::EdDsa => Self::EdDsa,
            Format::Rs256 => Self::Rs256,
            Format::Opaque => Self::Opaque,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) description: String,
    /// Granted when a client names no scope.
    #[serde(default)]
    pub(super) default: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Introspection {
    pub(super) client_id: String,
    secret: Secret,
}

/// A public client that is known beforehand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) name: String,
    /// None for a device, whose user types in a code elsewhere (RFC 8628).
    #[serde(default)]
    pub(super) redirect_uris: Vec<String>,
    #[serde(default)]
    pub(super) dpop_bound_access_tokens: bool,
}

/// A program that acts for itself (the client credentials grant), and how it proves who it is: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    secret: Option<Secret>,
    public_keys: Option<PathBuf>,
    #[serde(default)]
    pub(super) dpop_bound_access_tokens: bool,
}

impl Configuration {
    /// Reads the file named, or the one in the working folder if there is one; else all is as absent.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, ConfigurationError> {
        let usual = Path::new(FILE_NAME);
        match named.or_else(|| usual.is_file().then_some(usual)) {
            Some(path) => Self::read(path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let mut configuration: Self = configuration::read(path)?;
        configuration.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        configuration.file = Some(path.to_owned());
        Ok(configuration)
    }

    pub(super) fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)))
    }

    /// Unless it is named, the server is known by its port on this machine.
    pub(super) fn issuer(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let own = || format!("{scheme}://localhost:{}", self.listen().port());
        self.issuer.clone().unwrap_or_else(own)
    }

    /// The folder of what the server makes for itself.
    pub(super) fn data(&self) -> PathBuf {
        self.at(self.data.as_deref().unwrap_or(Path::new("portcullis-data")))
    }

    pub(super) fn master_key(&self) -> PathBuf {
        match &self.keys.master {
            Some(path) => self.at(path),
            None => self.data().join("master.key"),
        }
    }

    /// The folder of the keys that are published.
    pub(super) fn signing_keys(&self) -> PathBuf {
        match &self.keys.signing {
            Some(path) => self.at(path),
            None => self.data().join("keys"),
        }
    }

    pub(super) fn kid(&self) -> &str {
        self.keys.kid.as_deref().unwrap_or(DEFAULT_KEY_ID)
    }

    pub(super) fn audit_file(&self) -> Option<PathBuf> {
        self.log.audit.as_deref().map(|path| self.at(path))
    }

    /// The database, or why there cannot be one.
    pub(crate) fn database(&self) -> Result<Database, String> {
        match (&self.database.sqlite, &self.database.postgresql) {
            (Some(_), Some(_)) => Err("database: sqlite and postgresql exclude each other".into()),
            (Some(path), None) => Ok(Database::Sqlite(self.at(path))),
            (None, Some(url)) => url
                .read(&self.folder)
                .map(Database::Postgresql)
                .map_err(|error| format!("database.postgresql: {error}")),
            (None, None) => Ok(Database::Sqlite(self.data().join("records.db"))),
        }
    }

    /// The database, with the folder that it is to be made in.
    pub(super) fn ready_database(&self) -> Result<Database, Error> {
        let problem = |error| Error::Problems(vec![Problem::new(error)]);
        let database = self.database().map_err(problem)?;
        if let Database::Sqlite(path) = &database
            && let Some(folder) = path.parent()
        {
            files::make_private_folder(folder)?;
        }
        Ok(database)
    }

    /// Whether a client or a resource server of the configuration is known by this id.
    pub(super) fn names_client(&self, id: &str) -> bool {
        let mut introspecting = self.resources.iter().filter_map(|it| it.introspection.as_ref());
        self.clients.iter().any(|client| client.id == id)
            || self.services.iter().any(|service| service.id == id)
            || introspecting.any(|it| it.client_id == id)
    }

    /// The secret that a resource server introspects with.
    pub(super) fn introspection_secret(&self, of: &Introspection) -> Result<String, String> {
        self.secret(&of.secret)
    }

    fn secret(&self, secret: &Secret) -> Result<String, String> {
        serving_files::secret(secret, &self.folder).map(|text| text.to_string())
    }

    /// How a service proves who it is, or why that cannot be told.
    pub(super) fn authentication(&self, of: &Service) -> Result<ServiceAuthentication, String> {
        let made = match (&of.secret, &of.public_keys) {
            (Some(secret), None) => ServiceAuthentication::secret(self.secret(secret)?),
            (None, Some(path)) => {
                let bytes = files::read(&self.at(path), KEY_SET_LEN_MAX);
                let bytes = bytes.map_err(|error| error.to_string())?;
                let text = std::str::from_utf8(&bytes).map_err(|_| "the key set is not a text")?;
                ServiceAuthentication::public_keys(text)
            }
            (_, _) => return Err("it needs either secret or public_keys".into()),
        };
        made.map_err(|error| error.to_string())
    }

    /// What clients that are known by a document may do.
    pub(super) fn client_documents(&self) -> ClientDocuments {
        let mut documents = ClientDocuments::default();
        let own = &self.client_documents;
        documents.offered = own.offered.unwrap_or(documents.offered);
        documents.hosts.clone_from(&own.hosts);
        documents.loopback_for_development =
            own.loopback_for_development.unwrap_or(documents.loopback_for_development);
        documents
    }

    /// A path of the file, which counts from the file's own folder.
    pub(super) fn at(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn lifetimes(&self) -> Lifetimes {
        let (mut lifetimes, own) = (Lifetimes::default(), &self.lifetimes);
        let set = |field: &mut Duration, secs: Option<u64>| {
            *field = secs.map_or(*field, Duration::from_secs);
        };
        set(&mut lifetimes.authorization_code, own.authorization_code_secs);
        set(&mut lifetimes.access_token, own.access_token_secs);
        set(&mut lifetimes.refresh_token, own.refresh_token_secs);
        set(&mut lifetimes.refresh_token_idle, own.refresh_token_idle_secs);
        set(&mut lifetimes.pending_authorization, own.pending_authorization_secs);
        set(&mut lifetimes.pushed_request, own.pushed_request_secs);
        set(&mut lifetimes.session, own.session_secs);
        set(&mut lifetimes.unused_client, own.unused_client_secs);
        set(&mut lifetimes.signing_key, own.signing_key_secs);
        set(&mut lifetimes.signing_key_publication, own.signing_key_publication_secs);
        lifetimes
    }

    pub(super) fn limits(&self) -> ServerLimits {
        fn set<T: Copy>(field: &mut T, value: Option<T>) {
            *field = value.unwrap_or(*field);
        }
        let (mut limits, own) = (ServerLimits::default(), &self.limits);
        set(&mut limits.connections, own.connections);
        set(&mut limits.header_time, own.header_time_secs.map(Duration::from_secs));
        set(&mut limits.write_time, own.write_time_secs.map(Duration::from_secs));
        set(&mut limits.request_time, own.request_time_secs.map(Duration::from_secs));
        set(&mut limits.requests_per_peer_per_second, own.requests_per_peer_per_second);
        set(&mut limits.wrong_secrets_per_minute, own.wrong_secrets_per_minute);
        set(&mut limits.pending_authorizations, own.pending_authorizations);
        set(&mut limits.pending_authorizations_per_peer, own.pending_authorizations_per_peer);
        set(&mut limits.pushed_requests, own.pushed_requests);
        set(
            &mut limits.pushed_requests_per_peer_per_minute,
            own.pushed_requests_per_peer_per_minute,
        );
        set(&mut limits.registrations_per_peer_per_hour, own.registrations_per_peer_per_hour);
        set(&mut limits.unused_clients, own.unused_clients);
        set(&mut limits.registration_bytes, own.registration_bytes);
        set(&mut limits.redirect_uris, own.redirect_uris);
        set(&mut limits.redirect_uri_bytes, own.redirect_uri_bytes);
        set(
            &mut limits.document_fetches_per_peer_per_minute,
            own.document_fetches_per_peer_per_minute,
        );
        set(
            &mut limits.document_fetches_per_host_per_minute,
            own.document_fetches_per_host_per_minute,
        );
        set(&mut limits.dpop_proofs_per_peer_per_minute, own.dpop_proofs_per_peer_per_minute);
        set(&mut limits.dpop_proofs_per_minute, own.dpop_proofs_per_minute);
        set(&mut limits.device_grants, own.device_grants);
        set(&mut limits.device_grants_per_peer_per_minute, own.device_grants_per_peer_per_minute);
        limits
    }
}

#[cfg(test)]
mod tests;
