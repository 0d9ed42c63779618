//! An MCP client that gets its own tokens: the loop around the core's client machines.
//!
//! [`McpClient`] sends MCP requests and logs in when the server answers 401; [`AuthorizationLayer`] does that
//! for another HTTP client, and an [`Authorizer`] for whatever sends requests. [`authorize`] does the
//! login alone. What is decided is decided by [`portcullis_core::client`]; this module carries
//! bytes, keeps the time, shows the user a page, and listens on loopback for the answer.
//!
//! ```no_run
//! # async fn example() -> Result<(), portcullis_tokio::client::McpError> {
//! use portcullis_tokio::client::{McpClient, Options, PrintUrl};
//!
//! let client = McpClient::new("https://mcp.example/mcp", Options::new("My tool"), PrintUrl)?;
//! println!("{}", client.list_tools().await?);
//! # Ok(())
//! # }
//! ```

mod authorize;
mod authorizer;
mod browser;
#[cfg(feature = "dpop")]
mod dpop;
#[cfg(not(feature = "dpop"))]
#[path = "no_dpop.rs"]
mod dpop;
mod event_stream;
mod fetcher;
mod first_request;
mod grants;
mod layer;
mod login;
mod logout;
mod mcp_client;
mod observer;
mod operation;
mod options;
mod printable;
mod redirect;
#[cfg(feature = "rmcp")]
mod rmcp_http;
mod session;
mod shared_failure;
mod signing_key;
mod store;
mod token_failure;
mod tool_parameters;

pub use crate::key_pair::NoSigningKey;
pub use authorize::AuthorizeError;
pub use authorizer::Authorizer;
pub use browser::{OpenBrowser, Opened, PrintUrl, SystemBrowser};
#[cfg(feature = "dpop")]
pub use dpop::Dpop;
pub use grants::device::{DeviceCode, PrintCode, ShowCode, Shown};
#[cfg(feature = "enterprise-managed")]
pub use grants::enterprise::{EnterpriseManaged, SignedIn, Subject, SubjectSource};
#[cfg(feature = "workload-identity")]
pub use grants::workload::{Asserted, AssertionSource, WorkloadIdentity};
pub use layer::{AuthorizationLayer, Authorized, AuthorizedError};
pub use login::Login;
pub use logout::{LoggedOut, NotRevoked};
pub use mcp_client::{ANSWER_LEN_MAX, McpClient, McpError, PROTOCOL_VERSION};
pub use observer::{Exchange, Observer, Party};
pub use operation::{Judgement, Operation};
pub use options::{Access, ConfiguredClient, Options};
pub use portcullis_core::client::{
    FetchFailure, LegacyResource, ResourceMatch, UrlPolicy, UrlRefusal,
};
pub use portcullis_core::client::{SignError, Signer, SigningAlgorithm};
pub use printable::Printable;
#[cfg(feature = "rmcp")]
pub use rmcp_http::{AuthorizedHttpClient, AuthorizedHttpError};
pub use signing_key::SigningKey;
#[cfg(feature = "keyring")]
pub use store::KeyringStore;
pub use store::{FileStore, RECORD_LEN_MAX, StoreError, StoreLock, TokenStore};

/// Logs in to the server at `server_url`: from its 401 to tokens.
///
/// Without a challenge at hand the server's metadata is looked for at its well-known places (CL-03);
/// a client that has just met a 401 takes [`McpClient`], which reads the challenge too.
pub async fn authorize(
    server_url: &str,
    options: &Options,
    browser: &dyn OpenBrowser,
) -> Result<Login, AuthorizeError> {
    let fetcher = fetcher::Fetcher::new(options).ok_or(AuthorizeError::Setup("no usable TLS"))?;
    let wanted = dpop::Wanted::new(options);
    let flow = authorize::Flow { server_url, options, fetcher: &fetcher, wanted };
    flow.authorize(&[], None, None, browser).await.map_err(|failure| failure.error)
}

#[cfg(test)]
mod tests;
