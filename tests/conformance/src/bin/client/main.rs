//! A client for the conformance tool's client scenarios: rmcp over our authorization.
//!
//! The tool gives the server's URL as the last argument and the rest in its environment. Whatever the scenario
//! is, the client does what a user would have it do: it connects, lists what there is, and calls it. A
//! scenario says no more than what the client is told about itself.

#![allow(deprecated, reason = "revisions with a handshake have what rmcp calls deprecated")]

mod calls;
mod session_stream;
mod setup;
mod user;

use std::{error::Error, process::ExitCode};

use portcullis_tokio::client::{AuthorizedHttpClient, Authorizer};
use rmcp::{
    model::ProtocolVersion,
    service::{ClientLifecycleMode, ClientServiceExt as _},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

use session_stream::SessionStream;
use setup::Setup;
use user::User;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conformance-client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let setup = Setup::from_environment()?;
    let authorizer =
        Authorizer::new(setup.server_url.as_str(), setup.options().await?, setup::browse)?;
    let (http, stream_answered) = SessionStream::of(AuthorizedHttpClient::new(authorizer));
    let config = StreamableHttpClientTransportConfig::with_uri(setup.server_url.as_str());
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let client = User.serve_with_lifecycle(transport, lifecycle(&setup)).await?;
    stream_answered.wait().await?;
    calls::everything(&client, &setup.tool_calls()).await?;
    client.cancel().await?;
    Ok(())
}

/// A revision with a handshake is spoken with one, a later one without.
fn lifecycle(setup: &Setup) -> ClientLifecycleMode {
    if setup.revision == ProtocolVersion::V_2026_07_28.as_str() {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    } else {
        ClientLifecycleMode::Initialize
    }
}
