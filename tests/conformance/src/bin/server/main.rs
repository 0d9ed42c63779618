//! A protected MCP server with everything that the conformance tool's server scenarios call.
//!
//! The tool sends no token. So a step in front adds a valid one to each request, and the protection
//! behind it decides as it does for everybody: it is in the path, and must change nothing that the tool
//! can see. Prints the server's URL, and serves until it is killed.

#![allow(deprecated, reason = "revisions with a handshake have what rmcp calls deprecated")]

mod fixture;
mod handler;
mod questions;
mod token;
mod tools;

use std::{error::Error, future::pending};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_tokio::{
    resource_server::{Issuer, ProtectLayer, Secret, Settings, Verification},
    serve::{ListenerLimits, serve},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tower::ServiceBuilder;

use handler::Everything;
use token::{ISSUER, KEY_ID, Minter, SCOPE};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());
    let url = format!("{origin}/mcp");

    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    let secret = Secret::value(Base64UrlUnpadded::encode_string(&key));
    let issuer = Issuer::new(ISSUER, Verification::offline(KEY_ID, secret));
    let settings = Settings::new(&url, issuer).base_scopes(SCOPE).origin(&origin).sessions();
    let protect = ProtectLayer::new(settings)?;

    let everything = Everything::new()?;
    // `Host` is the layer's to check.
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    let service = StreamableHttpService::new(
        move || Ok(everything.clone()),
        LocalSessionManager::default().into(),
        config,
    );
    let minter = Minter::new(&url, &key)?;
    let with_token = ServiceBuilder::new()
        .map_request(move |request| minter.add_token(request))
        .service(protect.protect(service));

    println!("{url}");
    serve(listener, with_token, ListenerLimits::default(), pending()).await;
    Ok(())
}
