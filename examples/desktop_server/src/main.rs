//! An rmcp service becomes a protected resource.
//!
//! Everything that has to do with OAuth is in this file and in the settings. Those of `settings.toml` are built in; they
//! want the key of the resource, 32 random bytes as base64url text:
//!
//! ```text
//! MCP_KEY=$(head -c 32 /dev/urandom | basenc --base64url | tr -d =) cargo run -p desktop_server
//! curl -i -X POST http://localhost:8001/mcp
//! curl http://localhost:8001/.well-known/oauth-protected-resource/mcp
//! ```
//!
//! With other settings from a file, at another address, and telling what it refuses:
//!
//! ```text
//! RUST_LOG=debug cargo run -p desktop_server -- settings.toml 127.0.0.1:8002
//! ```

mod clock;

use portcullis_tokio::{
    resource_server::{ProtectLayer, Settings},
    serve::{ListenerLimits, serve},
};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).init();

    let mut arguments = std::env::args().skip(1);
    let settings = match arguments.next() {
        Some(file) => Settings::from_toml(&std::fs::read_to_string(file)?)?,
        None => Settings::from_toml(include_str!("../settings.toml"))?,
    };
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8001".to_owned());
    let protected = ProtectLayer::new(settings)?.protect(clock::service());

    let listener = tokio::net::TcpListener::bind(address).await?;
    serve(listener, protected, ListenerLimits::default(), std::future::pending()).await;
    Ok(())
}
