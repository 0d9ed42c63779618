//! Makes an MCP service on tokio a protected resource (RFC 9728, RFC 6750): one `tower` layer in front
//! of rmcp, axum, or anything that serves `http` requests over hyper.
//!
//! ```no_run
//! use portcullis_tokio::resource_server::{Issuer, ProtectLayer, Secret, Settings, Verification};
//!
//! # fn service() {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Verification::offline("2026-11", Secret::env("MCP_KEY"));
//! let settings = Settings::new("https://mcp.example.com/mcp", Issuer::new("https://as.example.com", key))
//!     .base_scopes("user")
//!     .tool_scopes("set_time", "time:write");
//! let protected = ProtectLayer::new(settings)?.protect(service());
//! # Ok(())
//! # }
//! ```
//!
//! This side carries bytes and decides nothing: each decision is one call into `portcullis-core`.
//!
//! | Step | Where |
//! | --- | --- |
//! | settings checked at start | [`Settings`], `resource` |
//! | head, token, body, operation: the core's calls in order | `admission` |
//! | the authorization server is asked: deadline, one question per token, short memory | `introspection` |
//! | the issuer's keys are read: one request at a time, kept for a while | `remote_keys` |
//! | the id of a session is bound to the principal who opened it | `sessions` |
//! | proofs that were used are remembered (feature `dpop`) | `dpop` |
//! | the core's answer becomes an `http` response | `response` |
//! | one event and one count for each decision | `journal` |
//!
//! Counted (`metrics`): `portcullis_decisions_total{decision,reason}`,
//! `portcullis_introspections_total{outcome}`, `portcullis_introspection_seconds`,
//! `portcullis_introspection_cache_hits_total`, `portcullis_key_sets_total{outcome}`.

mod admission;
mod body;
mod clock;
#[cfg(feature = "dpop")]
mod dpop;
mod introspection;
mod issuer_url;
mod journal;
mod principal;
mod protect;
mod remote_keys;
mod resource;
mod response;
mod scratch;
mod sessions;
mod settings;
mod verifier;

pub use clock::{Clock, SystemClock};
pub use principal::{MissingScope, Principal};
pub use protect::{Protect, ProtectLayer};
pub use remote_keys::RemoteKeys;
pub use response::ResponseBody;
#[cfg(feature = "dpop")]
pub use settings::Dpop;
pub use settings::{
    Description, IntrospectionSettings, Issuer, JwksSettings, KeySettings, Limits,
    PublicKeySettings, Scopes, Secret, SecretError, Settings, SettingsError, Verification,
};
pub use verifier::{Facts, TokenVerifier, Unavailable, VerifyFuture};
