//! An rmcp service becomes a protected resource.
//!
//! Everything that has to do with OAuth is in this file and in `settings.toml`. Give it the key of the
//! resource, 32 random bytes as base64url text:
//!
//! ```text
//! MCP_KEY=$(head -c 32 /dev/urandom | basenc --base64url | tr -d =) cargo run -p desktop_server
//! curl -i -X POST http://localhost:8001/mcp
//! curl http://localhost:8001/.well-known/oauth-protected-resource/mcp
//! ```

mod clock;

use portcullis_tokio::{
    resource_server::{ProtectLayer, Settings},
    serve::{ListenerLimits, serve},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_toml(include_str!("../settings.toml"))?;
    let protected = ProtectLayer::new(settings)?.protect(clock::service());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8001").await?;
    serve(listener, protected, ListenerLimits::default(), std::future::pending()).await;
    Ok(())
}
