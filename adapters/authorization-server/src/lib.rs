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
//! hidden fields, and both are answered with 303. `GET /device` has a form of its own, with the field
//! `user_code`, and joins this path at `/login` or `/consent`. A program that plays the browser follows
//! redirects, keeps the cookie and sends the hidden fields back.
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
//! itself, in memory: attempts to guess a secret or a password, and registrations from one peer. A
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
//!
//! # Who meets which requirement
//!
//! Engine: met by `oauth-as`, checked here by tests over HTTP. Here: met by this crate, in front of
//! the engine or behind it, for the stated reason.
//!
//! | Requirement | Met by | Remark |
//! | --- | --- | --- |
//! | AS-01, AS-25 | engine | public and confidential clients |
//! | AS-02 to AS-08, AS-10, AS-12 | here | written from the settings, so that nothing is named that is not offered |
//! | AS-09, AS-84 | both | the engine judges assertions, aws-lc their signatures; ES256, EdDSA and RS256, for services that the settings name |
//! | AS-11, AS-20, AS-30 to AS-35, AS-37 to AS-45 | here | client documents: the engine fetches nothing, and takes neither loopback redirects beside others nor scopes beyond the document. Redirects on another origin than the document's are left out; consent is asked every time, so that no change goes unseen (AS-44); logos are not shown |
//! | AS-36 | not met | a document with keys is refused: clients that authenticate are known beforehand |
//! | AS-13 | operator | `serve_tls` speaks TLS; `serve` plain HTTP, for loopback or behind TLS; the issuer must be `https` elsewhere; the program refuses plain HTTP on other addresses unless told to |
//! | AS-14 | here | CORS on metadata, keys, token, registration, revocation; never on the pages or introspection |
//! | AS-15 | here | `/jwks`, named when it has keys: public parts with `kid` (RFC 7638), `alg` and `use`; published before they sign, kept until their last token is dead |
//! | AS-21 | here | on by default, as the clients of today need it; one setting removes it |
//! | AS-22 to AS-24, AS-120 to AS-126 | here | the engine treats the registered scope as a ceiling and knows no `application_type` |
//! | AS-50 to AS-56, AS-60, AS-71 | here | strict forms; loopback ports also for `localhost`, for confidential clients and for registrations without a port, which the engine does not match; one resource per request; private-use schemes are not taken |
//! | AS-57 to AS-59, AS-63, AS-65, AS-66, AS-70 | engine | codes live 60 s and are bound to client, redirect URI, challenge, resource, scope, user |
//! | AS-61, AS-62, AS-64, AS-67 to AS-69 | here | errors go to the client only after sign-in; consent is asked every time |
//! | AS-80 to AS-83 | here | forms, client authentication fields, throttling; the engine compares secrets in constant time |
//! | AS-85, AS-88 to AS-91, AS-93, AS-95, AS-97 | engine | its writes for one request are kept in one transaction |
//! | AS-86 | both | the engine revokes before it looks at the verifier, so a request that could not redeem the code is kept from it |
//! | AS-87 | both | codes are issued so that the engine takes an absent `redirect_uri`, and refuses a different one |
//! | AS-92 | both | the engine rotates, and revokes the family on reuse; here one `UPDATE` decides who is first |
//! | AS-94 | engine | absolute lifetime of a chain; no separate idle limit yet |
//! | AS-96 | both | 256 bits from the engine; only digests are stored |
//! | AS-98 | both | the engine keeps others out; a service gets the scopes that the settings grant it, for one resource |
//! | AS-113 | here | ids of services begin with `service-`, and no user may be named so |
//! | RFC 8628 | both | the engine keeps device grants and their pace, but not their resource, which is kept beside them; the page for the code, limits on guesses and on devices, and the consent page are ours. No link carries a code |
//! | AS-110 to AS-112, AS-114 | here | HS256, ES256, EdDSA and RS256, chosen by each resource: the JWT is minted around the engine's opaque token, with `jti` naming the same record |
//! | AS-130 to AS-132 | here | as registration; a read does not show the secret, which is kept as a hash, nor scope and `application_type`, which are not kept. A client cannot change between public and confidential |
//! | AS-150 to AS-152 | not met | PAR: MCP names it nowhere, and no client known to us sends it. The engine's endpoint judges redirect URIs and resources by its own rules, not by those of AS-55 and AS-60 |
//! | AS-140 to AS-142 | both | the engine decides, JWTs are led to their record; a grant that storage could not end is answered 503 and tried again |
//! | AS-143 to AS-146 | both | the engine decides; clients that are no resource servers are kept out |
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
mod form;
mod forwarded;
mod health;
mod introspection;
mod login;
mod measure;
mod metadata;
mod pages;
mod peer_rate;
mod redirect_uri;
mod registration;
mod revocation;
mod secrets;
mod serve;
mod server;
mod sessions;
mod settings;
mod signing_keys;
mod storage;
mod throttle;
mod tls;
mod token;
mod users;

pub use clients::{ClientError, Clients, KnownClient, NewClient};
pub use clock::Clock;
pub use server::AuthorizationServer;
pub use settings::{
    ClientDocuments, DEFAULT_KEY_ID, IntrospectionCredentials, Lifetimes, Limits, Resource,
    ScopeDescription, ServiceAuthentication, Settings, SettingsError, TokenFormat,
};
pub use signing_keys::KeyFolderError;
pub use storage::{Database, DatabaseError};
pub use tls::{Tls, TlsError};
pub use users::{Account, AccountError, Accounts};
