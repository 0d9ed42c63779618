//! An OAuth 2.1 authorization server for MCP.
//!
//! The protocol engine is the `oauth-as` crate; this crate is its host: routes, pages, users,
//! sessions, registration, limits, and the tokens that resource servers verify by themselves.
//! Records live in memory, in one SQLite file, or in a PostgreSQL database that several servers share;
//! signing keys live in memory or in a folder.
//!
//! ```no_run
//! use portcullis_authorization_server::{AuthorizationServer, Resource, Settings, TokenFormat};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let resource = Resource::new("http://127.0.0.1:8001/mcp", "Clock", TokenFormat::Hs256)?
//!     .with_scope("user", "read the time for you")
//!     .with_further_scope("admin", "set the clock");
//! let settings = Settings::demo("http://localhost:9000")?.with_resource(resource);
//! let server = AuthorizationServer::new(settings).await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9000").await?;
//! server.serve(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The path of one authorization
//!
//! `GET /authorize` checks the request, lets it wait in a record on the server that is bound to the
//! browser's cookie, and answers 303 to `/login?request=…` (or to `/consent?request=…` when the
//! browser is signed in). The login form has the fields `username` and `password`, the consent form
//! the buttons `decision=approve` and `decision=deny`; both carry `request` and `form_token` as
//! hidden fields, and both are answered with 303. Where a provider signs users in, the sign-in page has a link
//! to `/login/provider`, which leads there, and the browser comes back to `/login/callback`. `GET /device` has a form of its own, with the field
//! `user_code`, and joins this path at `/login` or `/consent`. A program that plays the browser follows
//! redirects, keeps the cookie and sends the hidden fields back.
//!
//! A client may send its request to `POST /par` first (RFC 9126) and let the browser bring its name alone.
//! Where [`Settings::dpop`] turns that on, it may prove that it has a key (RFC 9449), and gets tokens that
//! are bound to it; resource servers take those with a proof where their setting `dpop` says so. A client whose
//! metadata say `dpop_bound_access_tokens` gets no others, and [`Settings::dpop_nonces`] bounds the age of proofs.
//!
//! # Records
//!
//! [`Settings::with_database`] says where they are: clients that registered themselves, codes, tokens,
//! revocations, sign-ins, requests that wait for their user, and the table of users ([`Accounts`]). The
//! tables are made and brought up to date when a server starts.
//!
//! - What was answered is on the disk: SQLite runs with a write-ahead log and `synchronous=FULL`,
//!   PostgreSQL with `synchronous_commit=on`. A request for tokens is one transaction, so that a process
//!   that is killed leaves a grant as it was before, or as it is after. On SQLite, writes that wait at the
//!   same time share one commit, each within a savepoint.
//! - A code or a refresh token gives tokens once, however many requests, processes or machines ask for
//!   it at the same time: one `UPDATE` finds it unused.
//! - Codes, tokens, client secrets and cookies are stored as SHA-256 digests (they have 256 bits),
//!   passwords as argon2id hashes. The SQLite file is for its owner alone (mode 0600).
//! - Expired rows are deleted every minute, in batches.
//!
//! Servers that share a database share issuer, resources and master key. What each process counts for
//! itself, in memory: attempts to guess a secret or a password, and what one peer registers, pushes and
//! proves. A
//! family of tokens whose revocation failed is tried again by the process that it failed in; the client
//! got a 503.
//!
//! ```no_run
//! use portcullis_authorization_server::{AuthorizationServer, Database, Settings};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::Sqlite("portcullis.db".into());
//! let settings = Settings::new("https://as.example")?.with_database(database);
//! let server = AuthorizationServer::new(settings).await?;
//! server.accounts().add("alice", "correct horse battery staple").await?;
//! # Ok(())
//! # }
//! ```
#![doc = include_str!("requirements.md")]
//!
//! # Clients older than RFC 9728
//!
//! [`Settings::with_legacy_clients`] and [`AuthorizationServer::with_mcp_server`] make one server of an MCP
//! server and this one, for clients of MCP 2025-03-26. The audit event `resource assumed` names the clients
//! that need it.
//!
//! # Signing keys
//!
//! [`TokenFormat::Es256`], [`TokenFormat::EdDsa`] and [`TokenFormat::Rs256`] sign with keys that anybody can
//! read at `/jwks`. They are made at the first start and kept in the folder of
//! [`Settings::with_key_folder`]: PKCS#8 in PEM, 0600 in a folder of 0700, and a server does not start with keys
//! that others can read. A key gets a successor after [`Lifetimes::signing_key`] or by
//! [`AuthorizationServer::rotate_signing_keys`]; the successor is published for
//! [`Lifetimes::signing_key_publication`] before it signs, and the old key until nothing that it signed can be
//! alive. The folder is read again every minute: to end a key at once, delete its file.
//!
//! The engine has signing of its own, which is not used: one format and one fixed key for all resources would
//! leave no choice to a resource and no change of keys, and its RSA (the crate `rsa`) takes a time that depends
//! on the private key (RUSTSEC-2023-0071). AWS-LC signs here, with RSA too; no other library ever holds a
//! private key of this server (SEC-543).
//!
//! # Tests of other servers
//!
//! The feature `testing` adds the module `testing`: an authorization server and a protected MCP server for
//! the time of a test, tokens right and wrong, a clock, and a user without a browser.
//!
//! # Users of another provider
//!
//! With [`Settings::with_openid_provider`] users sign in at an OpenID Connect provider: authorization code with
//! PKCE and nonce, ES256, EdDSA or RS256, metadata by discovery, the client's secret by `client_secret_basic` or
//! `client_secret_post`. What the ID token does not say of a user the userinfo endpoint is asked, if it is
//! needed.
//!
//! A user is the provider's issuer and `sub` together, `openid:https://id.example#248289`, and is in the table of
//! users after the first sign-in, so that an administrator can disable one. The provider is asked at sign-in
//! alone: who is removed there keeps what was granted here until it ends, or until it is revoked or the user is
//! disabled here. Nothing that the provider hands out is kept.
//!
//! # Assertions of other issuers
//!
//! The JWT bearer grant (RFC 7523 §2.1) in two uses, each behind a feature of its own, and off unless somebody is
//! trusted by name. The protocol engine authenticates, checks proofs and issues, as for every other grant.
//!
//! - **Enterprise-managed authorization** (`enterprise-managed`, `Settings::with_identity_provider`): an identity
//!   provider decides which of its users may use which client; its ID-JAG stands for the user's consent. The user is
//!   the one that the provider signs in, `openid:https://id.example#248289`, or
//!   `openid:https://id.example?tenant=a#248289` where it has tenants, and is in the table of users, to be disabled.
//! - **Workload identity** (`workload-identity`, `Resource::with_workload`): the token that a platform gives to its
//!   workload is all that the workload needs. It is no client and no user: tokens are about
//!   `workload:https://cluster.example#system:serviceaccount:prod:indexer`, and name the rule as their client.
//!
//! Keys are a set at hand, or are read as resource servers read those of an issuer: by TLS, from the place that the
//! settings or the issuer's metadata name.
//!
//! # Operations
//!
//! The program `portcullis` is this crate with a configuration file: `portcullis authorization-server`.
//!
//! - **Limits and lifetimes** are in [`Limits`] and [`Lifetimes`]. They count peers: IPv4 addresses, and
//!   IPv6 networks of /64. A window of tries to guess a secret that was used up is followed by one of twice
//!   its length, up to a quarter of an hour (LIM-20). Behind a reverse proxy,
//!   [`Settings::with_trusted_proxies`] says whose `X-Forwarded-For` is believed.
//! - **Health**: `GET /health` answers 200 while the process lives, `GET /ready` while its database answers.
//! - **Audit**: one `tracing` event with the target `audit` for each grant, refusal, sign-in, consent,
//!   registration, revocation and change by an administrator: who, which client, which resource, what came
//!   of it. Logs carry names and outcomes, never a code, token, secret, password or cookie.
//! - **Metrics** (crate `metrics`): `portcullis_audit_events_total{event}`,
//!   `portcullis_http_requests_total{route,status}`, `portcullis_http_request_seconds{route}`.
#![forbid(unsafe_code)]

mod access_token;
mod answers;
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
mod assertion_grant;
#[cfg(not(any(feature = "enterprise-managed", feature = "workload-identity")))]
#[path = "assertion_grant/absent.rs"]
mod assertion_grant;
mod assertions;
mod audit;
mod authorize;
mod browser;
mod client_authentication;
mod client_document;
mod clients;
mod clock;
mod consent;
mod device;
mod device_page;
mod dpop;
mod exchange;
mod form;
mod forwarded;
mod health;
mod introspection;
mod jws;
mod login;
mod mcp_server;
mod measure;
mod metadata;
mod openid;
mod pages;
mod par;
mod peer_rate;
mod protection;
mod redirect_uri;
mod registration;
#[cfg(test)]
mod requirements;
mod revocation;
mod secrets;
mod serve;
mod server;
mod sessions;
mod settings;
mod signing_keys;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;
mod throttle;
mod tls;
mod token;
mod users;

#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
pub use assertion_grant::IssuerKeys;
#[cfg(feature = "enterprise-managed")]
pub use assertion_grant::enterprise::IdentityProvider;
#[cfg(feature = "workload-identity")]
pub use assertion_grant::workload::Workload;
pub use clients::{ClientError, Clients, KnownClient, NewClient};
pub use clock::Clock;
pub use mcp_server::McpServerError;
pub use openid::{AdmittedUsers, OpenIdProvider};
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
pub use portcullis_core::jwt::Algorithm;
pub use server::AuthorizationServer;
pub use settings::{
    ClientDocuments, DEFAULT_KEY_ID, Dpop, IntrospectionCredentials, Lifetimes, Limits, Resource,
    ScopeDescription, ServiceAuthentication, Settings, SettingsError, TokenFormat,
};
pub use signing_keys::KeyFolderError;
pub use storage::{Database, DatabaseError};
pub use tls::{Tls, TlsError};
pub use users::{Account, AccountError, Accounts};
