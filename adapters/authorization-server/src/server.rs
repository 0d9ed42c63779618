//! The authorization server as a value: its parts, its routes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderValue};
use oauth_as::par::ParConfig;
use oauth_as::{
    AssertionAudience, Client, ClientAuth, ClientId, GrantType, ResourceServerRegistration,
    ScopeSet, SecretHash, ServerConfig, Storage, StorageError,
};
use portcullis_core::encoding::uri::Uri;
use portcullis_core::jwt::{HmacKey, KeyId};

use crate::access_token::TokenMint;
use crate::answers;
#[cfg(feature = "enterprise-managed")]
use crate::assertion_grant::enterprise::IdentityProviders;
#[cfg(feature = "workload-identity")]
use crate::assertion_grant::workload::{self, Workloads};
use crate::audit::Audit;
use crate::client_document::{Documents, LookUpError, is_document_id};
use crate::clients::Clients;
use crate::clock::{Clock, unix_secs};
use crate::dpop::Proofs;
use crate::mcp_server::McpServer;
use crate::openid::{Provider, sign_in};
use crate::peer_rate::{self, PeerRate};
use crate::registration::management;
use crate::secrets::FormTokens;
use crate::sessions::Sessions;
use crate::settings::{Dpop, IntrospectionCredentials, Settings, SettingsError};
use crate::signing_keys::{KeyFolderError, SigningKeys};
use crate::storage::{HashedStorage, Records, RefreshLifetime};
use crate::throttle::{Peer, Throttle};
use crate::users::{self, Accounts, Users};
use crate::{
    assertions, authorize, consent, device, device_page, health, introspection, login, measure,
    metadata, pages, par, registration, revocation, secrets, token,
};

pub(crate) type Engine = oauth_as::AuthorizationServer<HashedStorage, Clock>;

/// An OAuth 2.1 authorization server for MCP. Cheap to clone; clones are the same server.
///
/// [`AuthorizationServer::router`] gives its routes to mount in a service of one's own,
/// [`AuthorizationServer::serve`] answers a listener.
#[derive(Clone)]
pub struct AuthorizationServer {
    pub(crate) inner: Arc<Inner>,
    /// What else is at its origin.
    pub(crate) mcp_server: Option<McpServer>,
}

/// Where the metadata document is, before the path of the issuer.
const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
/// Unused clients that one sweep deletes; what is left then waits for the next one.
const FORGOTTEN_PER_SWEEP: usize = 1_000;

/// All parts of a server.
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) endpoints: Endpoints,
    /// The metadata document.
    pub(crate) metadata: Bytes,
    pub(crate) engine: Engine,
    pub(crate) documents: Arc<Documents>,
    pub(crate) mint: TokenMint,
    pub(crate) sessions: Sessions,
    pub(crate) users: Box<dyn Users>,
    pub(crate) accounts: Accounts,
    pub(crate) provider: Option<Provider>,
    #[cfg(feature = "enterprise-managed")]
    pub(crate) identity_providers: IdentityProviders,
    #[cfg(feature = "workload-identity")]
    pub(crate) workloads: Workloads,
    pub(crate) form_tokens: FormTokens,
    pub(crate) wrong_secrets: Throttle,
    pub(crate) wrong_passwords: Throttle,
    pub(crate) wrong_user_codes: Throttle,
    pub(crate) devices_by_peer: Throttle,
    pub(crate) pushed_by_peer: Throttle,
    pub(crate) proofs: Proofs,
    pub(crate) registrations_by_peer: Option<PeerRate>,
    pub(crate) requests_by_peer: Option<PeerRate>,
}

impl AuthorizationServer {
    /// Makes a server, and opens its database: [`Settings::with_database`]. Unless the settings name
    /// one, users, clients and tokens live in memory and end with it.
    ///
    /// # Errors
    /// The first setting that is wrong, [`SettingsError::Database`] when the database cannot be
    /// opened, [`SettingsError::SigningKeys`] when the key folder cannot be used, or
    /// [`SettingsError::Entropy`] without randomness.
    pub async fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        secrets::check_source().map_err(|_| SettingsError::Entropy)?;
        let signing_keys = signing_keys(&settings).await?;
        let records = Records::open(&settings.database).await.map_err(|error| {
            tracing::error!(%error, database = ?settings.database, "the database cannot be opened");
            SettingsError::Database
        })?;
        let documents = Arc::new(Documents::new(&settings).ok_or(SettingsError::ClientDocuments)?);
        let endpoints = Endpoints::new(&settings.issuer);
        #[cfg(feature = "workload-identity")]
        let workloads = Workloads::new(&settings)?;
        let storage = HashedStorage::new(records.clone(), fixed_clients(&settings));
        #[cfg(feature = "workload-identity")]
        let storage = storage.with_clients(workloads.clients());
        let engine = engine(&settings, &endpoints, storage, Arc::clone(&documents));
        let limits = settings.limits;
        let minute = Duration::from_secs(60);
        let inner = Inner {
            metadata: metadata::document(&settings, &endpoints)
                .map_err(|_| SettingsError::Metadata)?,
            endpoints,
            mint: TokenMint::new(&settings, signing_keys).map_err(|_| SettingsError::MasterKey)?,
            sessions: Sessions::new(records.clone(), settings.lifetimes, limits),
            accounts: Accounts::of(&records, &settings),
            provider: match &settings.provider {
                Some(provider) => Some(Provider::new(provider.clone(), &settings.issuer)?),
                None => None,
            },
            #[cfg(feature = "enterprise-managed")]
            identity_providers: IdentityProviders::new(&settings)?,
            #[cfg(feature = "workload-identity")]
            workloads,
            users: users::of(&settings, records)?,
            form_tokens: FormTokens::new(&settings.master_key)
                .map_err(|_| SettingsError::MasterKey)?,
            wrong_secrets: Throttle::new(limits.wrong_secrets_per_minute, minute),
            wrong_passwords: Throttle::new(limits.wrong_secrets_per_minute, minute),
            wrong_user_codes: Throttle::new(limits.wrong_secrets_per_minute, minute),
            devices_by_peer: Throttle::new(limits.device_grants_per_peer_per_minute, minute),
            pushed_by_peer: Throttle::new(limits.pushed_requests_per_peer_per_minute, minute),
            proofs: Proofs::new(&settings)?,
            registrations_by_peer: PeerRate::per_hour(
                limits.registrations_per_peer_per_hour,
                &settings.clock,
            ),
            requests_by_peer: PeerRate::per_second(
                limits.requests_per_peer_per_second,
                &settings.clock,
            ),
            engine,
            documents,
            settings,
        };
        Ok(Self { inner: Arc::new(inner), mcp_server: None })
    }

    /// The key that the resource server of `resource` verifies HS256 tokens with, and its id.
    /// `None` for a resource that is unknown or takes opaque tokens.
    #[must_use]
    pub fn resource_key(&self, resource: &str) -> Option<(KeyId, HmacKey)> {
        self.inner.mint.resource_key(resource)
    }

    /// What the resource server of `resource` authenticates with when it introspects.
    #[must_use]
    pub fn introspection_credentials(&self, resource: &str) -> Option<&IntrospectionCredentials> {
        self.inner.settings.resource(resource).map(|resource| &resource.credentials)
    }

    /// The URL of the key set, when some resource takes tokens that are signed with a published key.
    #[must_use]
    pub fn jwks_uri(&self) -> Option<&str> {
        (!self.inner.mint.signing_keys().is_empty()).then_some(self.inner.endpoints.jwks.as_str())
    }

    /// Makes new signing keys now, before the old ones are of age. They are published at once and sign
    /// after [`Lifetimes::signing_key_publication`](crate::Lifetimes::signing_key_publication). To end a
    /// key at once, delete its file, too.
    ///
    /// # Errors
    /// The key folder cannot be used, or there are as many keys as a set may have.
    pub async fn rotate_signing_keys(&self) -> Result<(), KeyFolderError> {
        self.with_signing_keys(SigningKeys::rotate).await
    }

    /// Does something slow with the signing keys, beside the requests.
    async fn with_signing_keys(
        &self,
        change: impl FnOnce(&SigningKeys, u64) -> Result<(), KeyFolderError> + Send + 'static,
    ) -> Result<(), KeyFolderError> {
        let inner = Arc::clone(&self.inner);
        let changed = tokio::task::spawn_blocking(move || {
            let now = unix_secs(inner.settings.clock.now()).unwrap_or_default();
            change(inner.mint.signing_keys(), now)
        });
        changed.await.unwrap_or(Err(KeyFolderError::Key))
    }

    /// The introspection endpoint's URL.
    #[must_use]
    pub fn introspection_endpoint(&self) -> &str {
        &self.inner.endpoints.introspection
    }

    /// The URL of the metadata document (RFC 8414 §3.1).
    #[must_use]
    pub fn metadata_url(&self) -> String {
        let Endpoints { origin, path, .. } = &self.inner.endpoints;
        format!("{origin}{WELL_KNOWN}{path}")
    }

    /// The issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.settings.issuer
    }

    /// The routes of all endpoints, under the path of the issuer.
    ///
    /// A service that says who is calling puts an [`axum::extract::ConnectInfo`] with the peer's
    /// address into each request's extensions; without it all callers count as one.
    pub fn router(&self) -> Router {
        let Endpoints { path, .. } = &self.inner.endpoints;
        let at = |endpoint: &str| format!("{path}{endpoint}");
        let mut router = Router::new()
            .route(&format!("{WELL_KNOWN}{path}"), for_scripts(get(metadata::show)))
            .route(&at("/jwks"), for_scripts(get(metadata::keys)))
            .route(&at("/par"), for_scripts(post(par::push)))
            .route(&at("/authorize"), get(authorize::authorize))
            .route(&at("/style.css"), get(pages::style))
            .route(&at("/login"), get(login::show).post(login::submit))
            .route(&at("/consent"), get(consent::show).post(consent::submit))
            .route(&at("/token"), for_scripts(post(token::token)))
            .route(&at("/device_authorization"), for_scripts(post(device::authorize)))
            .route(&at("/device"), get(device_page::show).post(device_page::submit))
            .route(&at("/revoke"), for_scripts(post(revocation::revoke)))
            .route(&at("/introspect"), post(introspection::introspect));
        if self.inner.settings.registration {
            let own = get(management::read).put(management::update).delete(management::delete);
            router = router
                .route(&at("/register"), for_scripts(post(registration::register)))
                .route(&at("/register/{client_id}"), own);
        }
        if self.inner.provider.is_some() {
            router = router
                .route(&at("/login/provider"), get(sign_in::start))
                .route(&at("/login/callback"), get(sign_in::callback));
        }
        let router = router
            .route("/health", get(health::health))
            .route("/ready", get(health::ready))
            .fallback(async || answers::status_only(StatusCode::NOT_FOUND))
            .with_state(Arc::clone(&self.inner))
            .layer(from_fn_with_state(Arc::clone(&self.inner), peer_rate::limit))
            .layer(from_fn(measure::request))
            .layer(axum::middleware::map_response(harden));
        match &self.mcp_server {
            Some(mcp_server) => mcp_server.before(router),
            None => router,
        }
    }

    /// The table of users. Those that the settings name are not in it.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// The clients in the database: those that registered themselves, and those that an administrator
    /// added. Those that the settings name are not in it.
    #[must_use]
    pub fn clients(&self) -> Clients {
        Clients::of(self.inner.engine.store().records(), &self.inner.settings)
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        health::is_ready(&self.inner).await
    }

    /// Closes the database, once what is under way has ended. Nothing works afterwards.
    pub async fn close(&self) {
        self.inner.engine.store().records().close().await;
    }

    /// Forgets everything that has expired, and looks after the signing keys.
    /// [`AuthorizationServer::serve`] does it every minute; a
    /// service that mounts the router itself calls it from time to time.
    pub async fn sweep(&self) {
        let now = self.inner.settings.clock.now();
        let rates = [&self.inner.registrations_by_peer, &self.inner.requests_by_peer];
        rates.into_iter().flatten().for_each(PeerRate::forget_idle);
        self.inner.proofs.forget_idle();
        // What fails now is done the next time.
        let _ = self.inner.sessions.sweep(now).await;
        if let Err(error) = self.inner.engine.store().sweep_expired(now).await {
            tracing::warn!(%error, "expired records could not be removed");
        }
        registration::forget_unused(&self.inner, FORGOTTEN_PER_SWEEP, now).await;
        // The keys that are known go on signing.
        if let Err(error) = self.with_signing_keys(SigningKeys::tend).await {
            tracing::error!(%error, "signing keys could not be looked after");
        }
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Looks up the client if a document describes it, for the engine to find. Says nothing about other
    /// clients.
    pub(crate) async fn meet(&self, client_id: &str, peer: Peer) -> Result<(), LookUpError> {
        if is_document_id(client_id) {
            self.documents.look_up(client_id, peer, &self.settings).await
        } else {
            Ok(())
        }
    }

    /// Whether clients of `subject` still get tokens, and may use them.
    pub(crate) async fn may_continue(&self, subject: &str) -> Result<bool, StorageError> {
        #[cfg(feature = "workload-identity")]
        if subject.starts_with(workload::SUBJECT_PREFIX) {
            return Ok(self.workloads.trusts(subject));
        }
        self.users.may_continue(subject).await
    }
}

/// The URLs of all endpoints.
pub(crate) struct Endpoints {
    /// The issuer's path: empty, or `/t1`.
    pub(crate) path: String,
    /// The issuer's scheme and authority, which is what browsers send as `Origin`.
    pub(crate) origin: String,
    pub(crate) authorization: String,
    pub(crate) token: String,
    pub(crate) pushed_requests: String,
    pub(crate) registration: String,
    pub(crate) introspection: String,
    pub(crate) revocation: String,
    pub(crate) device_authorization: String,
    /// Where users type in the codes of devices.
    pub(crate) device: String,
    pub(crate) jwks: String,
}

impl Endpoints {
    /// Where a client looks after its registration. Ids made here need no encoding.
    pub(crate) fn registration_of(&self, client_id: &str) -> String {
        format!("{}/{client_id}", self.registration)
    }

    fn new(issuer: &str) -> Self {
        let path = Uri::parse(issuer).map(Uri::path).unwrap_or_default();
        let at = |endpoint: &str| format!("{issuer}{endpoint}");
        Self {
            path: path.to_owned(),
            origin: issuer.strip_suffix(path).unwrap_or(issuer).to_owned(),
            authorization: at("/authorize"),
            token: at("/token"),
            pushed_requests: at("/par"),
            registration: at("/register"),
            introspection: at("/introspect"),
            revocation: at("/revoke"),
            device_authorization: at("/device_authorization"),
            device: at("/device"),
            jwks: at("/jwks"),
        }
    }
}

/// Making keys takes a while, and so may a disk.
async fn signing_keys(settings: &Settings) -> Result<SigningKeys, SettingsError> {
    let (algorithms, lifetimes) = (settings.public_algorithms(), settings.lifetimes);
    let folder = settings.key_folder.clone();
    let now = unix_secs(settings.clock.now()).unwrap_or_default();
    let made = tokio::task::spawn_blocking(move || {
        SigningKeys::new(algorithms, lifetimes, folder.as_deref(), now)
    });
    made.await.unwrap_or(Err(KeyFolderError::Key)).map_err(SettingsError::SigningKeys)
}

fn engine(
    settings: &Settings,
    endpoints: &Endpoints,
    storage: HashedStorage,
    documents: Arc<Documents>,
) -> Engine {
    let mut config = ServerConfig::new(&settings.issuer, &endpoints.device);
    config.device_code_ttl = device::LIFETIME;
    config.poll_interval = device::INTERVAL;
    config.authorization_code_ttl = settings.lifetimes.authorization_code;
    config.access_token_ttl = settings.lifetimes.access_token;
    config.refresh_token_ttl = Some(settings.lifetimes.refresh_token);
    let mut pushed = ParConfig::new();
    pushed.pushed_authorization_request_endpoint = Some(endpoints.pushed_requests.clone());
    pushed.request_uri_ttl = settings.lifetimes.pushed_request;
    // Whether requests must be pushed is decided in `authorize`: the engine is also asked about those
    // that were.
    config.par = Some(Box::new(pushed));
    config.require_dpop = settings.dpop == Dpop::Required;
    // AS-84: an assertion is for this issuer and for nobody else.
    config.assertion_audience = AssertionAudience::IssuerOnly;
    // AS-60: a resource that is not listed is `invalid_target`, at both endpoints.
    let identifiers = settings.resources.iter().map(|resource| resource.identifier.as_str().into());
    config.allowed_resources = Some(identifiers.collect());
    // AS-145: a resource server is told about tokens that name its resource, and no others.
    let resource_servers = settings.resources.iter().map(|resource| {
        let client_id = ClientId::new(&resource.credentials.client_id);
        ResourceServerRegistration::new(client_id, [&resource.identifier])
    });
    config.resource_servers = Some(resource_servers.collect());
    let refresh = RefreshLifetime {
        clock: settings.clock.clone(),
        chain: settings.lifetimes.refresh_token,
        idle: settings.lifetimes.refresh_token_idle,
    };
    let storage = storage
        .with_refresh_lifetime(refresh)
        .with_scopes(every_scope(settings))
        .with_documents(documents);
    let engine = Engine::with_clock(config, storage, settings.clock.clone());
    assertions::verifiers().fold(engine, Engine::with_jws_verifier).with_event_sink(Box::new(Audit))
}

/// The clients that the settings name: resource servers, and clients that are known beforehand.
fn fixed_clients(settings: &Settings) -> impl Iterator<Item = Client> {
    let client = |client_id: &str, auth, name: &str| Client {
        client_id: ClientId::new(client_id),
        auth,
        grant_types: Vec::new(),
        redirect_uris: Vec::new(),
        allowed_scopes: ScopeSet::empty(),
        default_scopes: ScopeSet::empty(),
        name: Some(name.to_owned()),
        registration: None,
    };
    // A resource server is a confidential client without any grant: it can introspect, nothing else.
    let resource_servers = settings.resources.iter().map(move |resource| {
        let hash = SecretHash::sha256(&resource.credentials.client_secret);
        let auth = ClientAuth::ConfidentialSecretHash { hash };
        client(&resource.credentials.client_id, auth, &resource.name)
    });
    let known = settings.clients.iter().map(move |known| Client {
        grant_types: known.grant_types(),
        redirect_uris: known.redirect_uris.clone(),
        allowed_scopes: every_scope(settings),
        ..client(&known.client_id, ClientAuth::Public, &known.name)
    });
    let services = settings.services.iter().map(move |service| Client {
        grant_types: vec![GrantType::ClientCredentials],
        allowed_scopes: ScopeSet::from_tokens(service.scopes.iter()).unwrap_or_default(),
        ..client(&service.client_id, service.authentication.client_auth(), &service.name)
    });
    resource_servers.chain(known).chain(services)
}

/// Every scope of every resource: what a client may ask for is decided by the resource it names and
/// by the user, not by its registration.
pub(crate) fn every_scope(settings: &Settings) -> ScopeSet {
    let scopes = settings.resources.iter().flat_map(|resource| &resource.scopes);
    ScopeSet::from_tokens(scopes.map(|scope| scope.name.as_str())).unwrap_or_default()
}

/// A route that scripts of other origins may call.
fn for_scripts(route: MethodRouter<Arc<Inner>>) -> MethodRouter<Arc<Inner>> {
    route.options(answers::preflight).layer(axum::middleware::map_response(
        async |response: answers::Response| answers::readable_by_scripts(response),
    ))
}

/// What every answer carries, errors of the router included.
async fn harden(mut response: answers::Response) -> answers::Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        answers::no_store(headers);
    }
    response
}

#[cfg(test)]
mod fault_tests;
