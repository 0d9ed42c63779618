//! Equipment for tests of servers and clients: an authorization server, its users and clients, tokens
//! right and wrong, and a protected MCP server, all on loopback. Not for production: there is a user
//! whose password everybody knows, who agrees to everything, and tokens are made for the asking.
//!
//! It is behind the feature `testing`, which belongs among the dev-dependencies. Nothing here listens
//! beyond 127.0.0.1, sends a request beyond loopback, or keeps anything.
//!
//! Does a tool refuse a token without its scope, or a token that is not right at all?
//!
//! ```
//! use portcullis_authorization_server::testing::{ProtectedServer, SampleService, TestingError};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), TestingError> {
//! // Instead of `SampleService` the MCP service that is to be tested.
//! let server = ProtectedServer::of(SampleService)
//!     .base_scopes("user")
//!     .tool_scopes("set_time", "time:write")
//!     .start()
//!     .await?;
//!
//! let token = server.token().scope("user").make().await?;
//! let answer = server.call_tool(&token, "set_time", json!({})).await?;
//! assert_eq!(answer.status(), 403);
//! assert!(answer.field("www-authenticate").unwrap().contains(r#"scope="user time:write""#));
//!
//! let token = server.token().scope("user time:write").make().await?;
//! let answer = server.call_tool(&token, "set_time", json!({})).await?;
//! assert_eq!(answer.status(), 200);
//!
//! for wrong in [
//!     server.token().expired(),
//!     server.token().audience("https://other.example/mcp"),
//!     server.token().issuer("https://other.example"),
//!     server.token().badly_signed(),
//!     server.token().unsigned(),
//! ] {
//!     let answer = server.call_tool(&wrong.make().await?, "get_time", json!({})).await?;
//!     assert_eq!(answer.status(), 401);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A user who needs no browser, and a clock that a test moves:
//!
//! ```
//! # use portcullis_authorization_server::testing::{ProtectedServer, TestingError};
//! # use serde_json::json;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), TestingError> {
//! let server = ProtectedServer::sample().start().await?;
//! let tokens = server.authorize("user").await?; // signs in, agrees, redeems the code
//! let answer = server.call_tool(&tokens.access_token, "get_time", json!({})).await?;
//! assert_eq!(answer.status(), 200);
//!
//! server.clock().advance(tokens.expires_in + 61); // a minute is allowed for clocks that differ
//! let answer = server.call_tool(&tokens.access_token, "get_time", json!({})).await?;
//! assert_eq!(answer.status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! An identity provider whose word stands for a grant (feature `enterprise-managed`), and a client that presents it:
//!
//! ```
//! # use portcullis_authorization_server::testing::{TestIdentityProvider, TestServer, TestingError};
//! # use portcullis_authorization_server::{Resource, ServiceAuthentication, TokenFormat};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), TestingError> {
//! const MCP: &str = "https://mcp.example.com/mcp";
//! const CREDENTIALS: [(&str, &str); 2] =
//!     [("client_id", "service-agent"), ("client_secret", "at least thirty-two characters of it")];
//!
//! let provider = TestIdentityProvider::start().await?;
//! let resource = Resource::new(MCP, "Clock", TokenFormat::Hs256)?.with_scope("user", "words");
//! let secret = ServiceAuthentication::secret(CREDENTIALS[1].1)?;
//! let server = TestServer::start_with([resource], |settings| {
//!     let settings = settings.with_identity_provider(provider.trusted());
//!     settings.with_service("service-agent", "Agent", secret, ["user"]).expect("a free id")
//! })
//! .await?;
//!
//! let id_jag = provider.id_jag(&server, "alice", "service-agent", MCP).scope("user").make()?;
//! let tokens = server.present(&id_jag, &CREDENTIALS).await?;
//! assert_eq!(tokens.scope, "user");
//! assert!(server.present(&id_jag, &CREDENTIALS).await.is_err()); // it counts once
//! # Ok(())
//! # }
//! ```
//!
//! [`TestServer`] is the authorization server alone, for resources of any name, which may be served
//! anywhere; [`AuthorizationServer::resource_server_settings`](crate::AuthorizationServer::resource_server_settings)
//! has what they need. [`Client`] and [`User`] go through its endpoints step by step, [`Caller`] shows
//! the whole answer of an MCP server.

mod agent;
mod client;
mod clock;
mod error;
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
mod identity_provider;
mod mcp;
mod page;
mod protected;
mod sample;
mod server;
mod token;
mod user;

pub use agent::{Answer, Exchange};
pub use client::{Client, Code, Tokens};
pub use clock::TestClock;
pub use error::TestingError;
#[cfg(any(feature = "enterprise-managed", feature = "workload-identity"))]
pub use identity_provider::{AssertionBuilder, TestIdentityProvider};
pub use mcp::Caller;
pub use portcullis_core::jwt::Algorithm;
pub use protected::{ProtectedServer, ProtectedServerBuilder};
pub use sample::SampleService;
pub use server::TestServer;
pub use token::TokenBuilder;
pub use user::User;

/// The user of every server here, as of the demo.
pub const DEMO_USER: (&str, &str) = crate::settings::DEMO_USER;
