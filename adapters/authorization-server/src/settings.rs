//! What an authorization server is told before it starts.

use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;
use oauth_as::Scope;
use portcullis_core::encoding::uri::Uri;
use portcullis_core::jwt::{Algorithm, KeyId};
use zeroize::Zeroizing;

#[cfg(feature = "enterprise-managed")]
use crate::assertion_grant::enterprise::IdentityProvider;
use crate::clock::Clock;
use crate::openid::{self, OpenIdProvider};
use crate::secrets;
use crate::signing_keys::KeyFolderError;
use crate::storage::Database;
use crate::users::{self, PasswordHash};

mod assertions;
mod client_documents;
mod clients;
mod dpop;
mod legacy;
mod limits;
mod resource;

pub use client_documents::ClientDocuments;
pub use clients::ServiceAuthentication;
pub(crate) use clients::{PublicClient, ServiceClient};
pub(crate) use dpop::BOUND_ID_PREFIX;
pub use dpop::Dpop;
pub use limits::{Lifetimes, Limits};
pub use resource::{IntrospectionCredentials, Resource, ScopeDescription, TokenFormat};

/// What a client id that this server makes starts with. No user may be named so: the subject of a
/// token never looks like a client (AS-24, SEC-236), and neither looks like an `https` URL (AS-23).
pub(crate) const CLIENT_ID_PREFIX: &str = "client-";

/// What the id of a service starts with. No user may be named so: such an id is the subject of the
/// service's tokens (AS-113).
pub(crate) const SERVICE_ID_PREFIX: &str = "service-";

/// The id (`kid`) of the keys derived from the master key, unless [`Settings::with_key_id`] names another.
pub const DEFAULT_KEY_ID: &str = "1";

/// Longest issuer in bytes; it stands in every URL and token of the server.
const ISSUER_LEN_MAX: usize = 256;

/// Longest name of a user in bytes; it stands in every token of the user.
const USER_NAME_LEN_MAX: usize = 256;

/// The demo's user, as in the official Python SDK's example.
pub(crate) const DEMO_USER: (&str, &str) = ("demo_user", "demo_password");

/// Everything that can be chosen. Made with [`Settings::new`], extended with the `with_` methods,
/// checked as a whole by [`crate::AuthorizationServer::new`].
pub struct Settings {
    pub(crate) issuer: String,
    pub(crate) resources: Vec<Resource>,
    pub(crate) default_resource: Option<String>,
    /// Clients that know nothing of RFC 9728 are served: [`Settings::with_legacy_clients`].
    pub(crate) legacy_clients: bool,
    pub(crate) users: Vec<(String, PasswordHash)>,
    pub(crate) clients: Vec<PublicClient>,
    pub(crate) services: Vec<ServiceClient>,
    /// Those of `clients` and `services` that get nothing but bound tokens.
    pub(crate) bound_clients: Vec<String>,
    pub(crate) master_key: Zeroizing<[u8; 32]>,
    pub(crate) key_id: String,
    pub(crate) key_folder: Option<PathBuf>,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) provider: Option<OpenIdProvider>,
    #[cfg(feature = "enterprise-managed")]
    pub(crate) identity_providers: Vec<IdentityProvider>,
    /// Whether users sign in with passwords of this server; `None` unless there is a provider.
    ///
    /// With a provider they are off, and users of the table get nothing more, unless this says otherwise.
    pub passwords: Option<bool>,
    /// Whether clients may register themselves (RFC 7591).
    ///
    /// On: the clients of today need it. MCP deprecates it, and a deployment whose clients are all
    /// known turns it off, which removes the endpoint and its metadata (AS-21).
    pub registration: bool,
    /// Whether a client must push its authorization request first (RFC 9126 §5). Off: it may, and
    /// MCP never asks for it (AS-152).
    pub require_pushed_requests: bool,
    /// Whether tokens can be bound to a key of the client (RFC 9449).
    pub dpop: Dpop,
    /// Whether proofs must carry a fresh nonce of this server (RFC 9449 §8). Off.
    pub dpop_nonces: bool,
    /// Clients that are known by a document at a URL.
    pub client_documents: ClientDocuments,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// Bounds on input, on state and on attempts.
    pub limits: Limits,
}

impl Settings {
    /// Settings for `issuer`, the identifier that clients know this server by (RFC 8414 §2), with
    /// no user and no resource yet and a fresh random master key.
    ///
    /// # Errors
    /// [`SettingsError::Entropy`] when the operating system gives no randomness.
    pub fn new(issuer: impl Into<String>) -> Result<Self, SettingsError> {
        Ok(Self {
            issuer: issuer.into(),
            resources: Vec::new(),
            default_resource: None,
            legacy_clients: false,
            users: Vec::new(),
            clients: Vec::new(),
            services: Vec::new(),
            bound_clients: Vec::new(),
            master_key: secrets::random_bytes().map_err(|_| SettingsError::Entropy)?.into(),
            key_id: DEFAULT_KEY_ID.to_owned(),
            key_folder: None,
            clock: Clock::system(),
            database: Database::Memory,
            trusted_proxies: Vec::new(),
            provider: None,
            #[cfg(feature = "enterprise-managed")]
            identity_providers: Vec::new(),
            passwords: None,
            registration: true,
            require_pushed_requests: false,
            dpop: Dpop::Off,
            dpop_nonces: false,
            client_documents: ClientDocuments::default(),
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
        })
    }

    /// Settings for a demonstration on one machine: the user `demo_user` with the password
    /// `demo_password`, and limits on attempts that a test suite does not run into.
    ///
    /// # Errors
    /// [`SettingsError::DemoNotLoopback`] when `issuer` is not `http` on a loopback host: a password
    /// that everybody knows must not be reachable from elsewhere (SEC-325).
    pub fn demo(issuer: impl Into<String>) -> Result<Self, SettingsError> {
        let mut settings = Self::new(issuer)?;
        if !crate::redirect_uri::is_loopback(&settings.issuer) {
            return Err(SettingsError::DemoNotLoopback);
        }
        settings.limits.registrations_per_peer_per_hour = 10_000;
        settings.limits.pending_authorizations_per_peer = 1_000;
        settings.limits.document_fetches_per_peer_per_minute = 1_000;
        settings.limits.document_fetches_per_host_per_minute = 1_000;
        settings.limits.device_grants_per_peer_per_minute = 1_000;
        settings.limits.pushed_requests_per_peer_per_minute = 1_000;
        settings.limits.dpop_proofs_per_peer_per_minute = 0;
        settings.limits.dpop_proofs_per_minute = 0;
        settings.limits.requests_per_peer_per_second = 0;
        let (name, password) = DEMO_USER;
        settings.with_user(name, password)
    }

    /// Adds a protected resource that tokens can be issued for.
    #[must_use]
    pub fn with_resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Names the resource that a request without `resource` means: for clients older than RFC 8707.
    /// Without it such a request is refused (AS-60).
    #[must_use]
    pub fn with_default_resource(mut self, identifier: impl Into<String>) -> Self {
        self.default_resource = Some(identifier.into());
        self
    }

    /// Adds a user that lives as long as these settings: for demonstrations and tests. Users of a
    /// deployment are in its database ([`crate::Accounts`]). Only the argon2id hash of the password is
    /// kept.
    ///
    /// # Errors
    /// [`SettingsError::User`] for an empty name or password, a name that is taken, or one that
    /// could be mistaken for a client id; [`SettingsError::Entropy`] without randomness.
    pub fn with_user(mut self, name: &str, password: &str) -> Result<Self, SettingsError> {
        let taken = self.users.iter().any(|(known, _)| known == name)
            || self.clients.iter().any(|client| client.client_id == name);
        if !is_user_name(name) || password.is_empty() || taken {
            return Err(SettingsError::User);
        }
        let hash = users::hash(password).map_err(|_| SettingsError::Entropy)?;
        self.users.push((name.to_owned(), hash));
        Ok(self)
    }

    /// Sets the master key that the keys of all HS256 resources are derived from. A deployment that
    /// has provisioned resource servers must keep it over restarts.
    ///
    /// # Errors
    /// [`SettingsError::MasterKey`] when all bytes are the same: that is a placeholder.
    pub fn with_master_key(mut self, key: [u8; 32]) -> Result<Self, SettingsError> {
        if key.iter().all(|byte| Some(byte) == key.first()) {
            return Err(SettingsError::MasterKey);
        }
        self.master_key = key.into();
        Ok(self)
    }

    /// Sets the id (`kid`) of the keys: it names the generation of keys that tokens are signed with, and
    /// is part of what they are derived from. [`DEFAULT_KEY_ID`] unless set.
    ///
    /// # Errors
    /// [`SettingsError::KeyId`] when it is empty, too long, or has a character that a `kid` may not have.
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Result<Self, SettingsError> {
        let key_id = key_id.into();
        KeyId::new(&key_id).map_err(|_| SettingsError::KeyId)?;
        self.key_id = key_id;
        Ok(self)
    }

    /// Says where records are kept; [`Database::Memory`] unless set. Servers that share a database
    /// must share issuer, resources and master key.
    #[must_use]
    pub fn with_database(mut self, database: Database) -> Self {
        self.database = database;
        self
    }

    /// Names the addresses of reverse proxies in front of this server. Of a request from one of them, the
    /// last address in `X-Forwarded-For` that is no such proxy is the peer that limits count; it is read
    /// from nobody else (SEC-211).
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted_proxies.extend(proxies);
        self
    }

    /// Keeps the keys of ES256, EdDSA and RS256 in this folder, which is made if it is not there; keys are
    /// made at the first start. Without it they live in memory and end with the process, and so do all
    /// tokens that they signed. Processes of one server share a folder.
    ///
    /// On Unix the folder and the keys must be their owner's alone (0700, 0600), or the server does not
    /// start. Elsewhere nothing of the kind is checked.
    #[must_use]
    pub fn with_key_folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_folder = Some(path.into());
        self
    }

    /// Lets the users of an OpenID Connect provider sign in. See [`Settings::passwords`] for those of this
    /// server.
    #[must_use]
    pub fn with_openid_provider(mut self, provider: OpenIdProvider) -> Self {
        self.provider = Some(provider);
        self
    }

    pub(crate) fn takes_passwords(&self) -> bool {
        self.passwords.unwrap_or(self.provider.is_none())
    }

    /// Replaces the system's clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks all of it, as [`crate::AuthorizationServer::new`] does; the database is not touched.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_issuer(&self.issuer)?;
        for (at, resource) in self.resources.iter().enumerate() {
            resource.check()?;
            let same = |other: &Resource| {
                other.identifier == resource.identifier
                    || other.credentials.client_id == resource.credentials.client_id
            };
            if self.resources.iter().take(at).any(same) {
                return Err(SettingsError::ResourceRepeated);
            }
            let client_id = &resource.credentials.client_id;
            if self.users.iter().any(|(name, _)| name == client_id) {
                return Err(SettingsError::User);
            }
            if self.clients.iter().any(|client| client.client_id == *client_id) {
                return Err(SettingsError::Client);
            }
        }
        self.check_assertions()?;
        self.check_services()?;
        self.check_dpop()?;
        self.check_legacy_clients()?;
        match &self.provider {
            Some(provider) => provider.check()?,
            // Nobody could sign in.
            None if !self.takes_passwords() && self.subject_prefixes().is_empty() => {
                return Err(SettingsError::OpenIdProvider);
            }
            None => {}
        }
        if let Some(default) = &self.default_resource {
            self.resource(default).ok_or(SettingsError::DefaultResource)?;
        }
        if self.client_documents.loopback_for_development
            && !crate::redirect_uri::is_loopback(&self.issuer)
        {
            return Err(SettingsError::ClientDocuments);
        }
        self.lifetimes.check()
    }

    /// The algorithms of published keys that some resource wants, each once.
    pub(crate) fn public_algorithms(&self) -> Vec<Algorithm> {
        let mut found = Vec::new();
        for algorithm in self.resources.iter().filter_map(|it| it.format.public_algorithm()) {
            if !found.contains(&algorithm) {
                found.push(algorithm);
            }
        }
        found
    }

    /// Whether some resource has this scope.
    pub(crate) fn has_scope(&self, name: &str) -> bool {
        self.resources.iter().flat_map(|it| &it.scopes).any(|scope| scope.name == name)
    }

    pub(crate) fn resource(&self, identifier: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.identifier == identifier)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("issuer", &self.issuer)
            .field("resources", &self.resources)
            .field("users", &self.users.len())
            .field("database", &self.database)
            .field("registration", &self.registration)
            .field("lifetimes", &self.lifetimes)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// `https`, or `http` on a loopback host for development; no query, fragment or user information
/// (AS-03). A slash at the end is refused: clients compare the issuer as a text, and one that
/// some of them shorten is one that some of them refuse.
fn check_issuer(issuer: &str) -> Result<(), SettingsError> {
    let uri = Uri::parse(issuer).map_err(|_| SettingsError::Issuer)?;
    // The path becomes a part of routes, which give other characters a meaning.
    let path_is_plain =
        uri.path().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    let is_origin_and_path =
        uri.userinfo().is_none() && uri.query().is_none() && uri.fragment().is_none();
    if !is_origin_and_path
        || !path_is_plain
        || issuer.len() > ISSUER_LEN_MAX
        || issuer.ends_with('/')
        || !(uri.is_https() || uri.is_loopback_http())
    {
        return Err(SettingsError::Issuer);
    }
    Ok(())
}

/// Why a server cannot be made from these settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// The issuer is not an `https` URL (or loopback `http`) without query, fragment and end slash.
    Issuer,
    /// The demo's user was asked for at an address that others can reach.
    DemoNotLoopback,
    /// A resource identifier is not an absolute `http(s)` URI without fragment, or has no scope.
    Resource,
    /// Two resources share an identifier or a client id for introspection.
    ResourceRepeated,
    /// The default resource is not one of the resources.
    DefaultResource,
    /// Clients that know nothing of RFC 9728 cannot be served by this server:
    /// [`Settings::with_legacy_clients`].
    LegacyClients,
    /// A scope is not an RFC 6749 scope token.
    Scope,
    /// A client's id or redirect URI cannot be one, or the id is taken.
    Client,
    /// A service's id, secret or keys cannot be used, or its scope is none of any resource.
    Service,
    /// Nonces or clients with bound tokens alone need [`Settings::dpop`], and such a client is to be known.
    Dpop,
    /// A user is unnamed, twice there, without password, or named like a client.
    User,
    /// The OpenID Connect provider cannot be asked at its issuer, or its registration or the rule about
    /// its users is not whole; or there are neither passwords nor a provider.
    OpenIdProvider,
    /// An identity provider's issuer, keys, algorithms or tenants cannot be used, or it is there twice.
    IdentityProvider,
    /// A rule about workloads has a name that is taken, an issuer, keys or algorithms that cannot be used, no claim
    /// to compare, or a scope that the resource has not.
    Workload,
    /// Documents of clients on loopback are for an issuer on loopback, or TLS cannot be used with
    /// these roots.
    ClientDocuments,
    /// A lifetime is zero or longer than allowed.
    Lifetime,
    /// The metadata of all resources and scopes would be longer than clients read (LIM-11).
    Metadata,
    /// The master key is a placeholder.
    MasterKey,
    /// The key id cannot be one.
    KeyId,
    /// The signing keys, or their folder.
    SigningKeys(KeyFolderError),
    /// The operating system gave no randomness.
    Entropy,
    /// The database cannot be opened, or its tables cannot be brought up to date; the log says why.
    Database,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => {
                "the issuer must be https (http on loopback), without query, fragment or end slash"
            }
            Self::DemoNotLoopback => "the demo user is only for an issuer on this machine",
            Self::Resource => "a resource must be an absolute http(s) URI without fragment",
            Self::ResourceRepeated => "two resources share an identifier or introspection client",
            Self::DefaultResource => "the default resource is not one of the resources",
            Self::LegacyClients => {
                "legacy clients need an issuer without path, one resource at that origin and no \
                 other, and registration"
            }
            Self::Scope => "a scope is not a scope token of RFC 6749",
            Self::Client => "a client needs a free id and redirect URIs on https or loopback",
            Self::Service => {
                "a service needs a free id that begins with service-, a secret of 32 characters or \
                 public keys of one kind, and scopes of the resources"
            }
            Self::Dpop => "nonces and clients of bound tokens need dpop, and the clients to be known",
            Self::User => "a user needs a free, printable name unlike a client id, and a password",
            Self::OpenIdProvider => {
                "an OpenID Connect provider needs an https issuer, a client id, a secret and a rule about \
                 its users that admits somebody; without a provider passwords are needed"
            }
            Self::IdentityProvider => {
                "an identity provider needs an https issuer of its own, public keys, ES256, EdDSA or RS256, and \
                 printable tenants without #"
            }
            Self::Workload => {
                "a workload needs a free name, an https issuer, public keys, ES256, EdDSA or RS256, a claim to \
                 compare, and scopes of its resource"
            }
            Self::ClientDocuments => {
                "client documents on loopback need an issuer there, and roots must be certificates"
            }
            Self::Lifetime => "a lifetime is zero or longer than allowed",
            Self::Metadata => "resources and scopes are more than a metadata document can name",
            Self::MasterKey => "the master key is a placeholder",
            Self::KeyId => "the key id is empty, too long, or has an unsuitable character",
            Self::SigningKeys(error) => return error.fmt(f),
            Self::Entropy => "the operating system gave no randomness",
            Self::Database => "the database cannot be opened",
        })
    }
}

impl std::error::Error for SettingsError {}

/// Whether a user may have this name: printable, and nothing that could be mistaken for a client.
pub(crate) fn is_user_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= USER_NAME_LEN_MAX
        && name.chars().all(|c| c.is_ascii_graphic())
        && !name.starts_with(CLIENT_ID_PREFIX)
        && !name.starts_with(SERVICE_ID_PREFIX)
        && !is_workload(name)
        && !name.starts_with("https://")
        && !name.starts_with(openid::SUBJECT_PREFIX)
}

/// Whether this is a subject or a client id of a workload. Nobody else may be named so (WF-04).
pub(crate) fn is_workload(name: &str) -> bool {
    let rest = name.strip_prefix("workload");
    rest.is_some_and(|rest| rest.starts_with(['-', ':']))
}

/// Whether `token` is an RFC 6749 §3.3 scope token.
pub(crate) fn is_scope_token(token: &str) -> bool {
    Scope::new(token).is_ok()
}

#[cfg(test)]
mod tests;
