//! An rmcp client that gets its own tokens.
//!
//! Everything that has to do with OAuth is where the transport is made. The login page's URL is printed. Without
//! a tool it lists the tools:
//!
//! ```text
//! cargo run -p desktop_client --bin rmcp_client
//! cargo run -p desktop_client --bin rmcp_client -- https://mcp.example.com/mcp get_forecast '{"city": "Riga"}'
//! ```

use std::{error::Error, process::ExitCode};

use portcullis_tokio::client::{AuthorizedHttpClient, Authorizer, Options, PrintUrl, Printable};
use rmcp::{
    model::{CallToolRequestParams, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt},
};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        // A server's text must not act on the terminal.
        Ok(result) => println!("{}", Printable(&result)),
        Err(error) => {
            eprintln!("rmcp_client: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn run() -> Result<String, Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let server_url = words.first().map_or("http://localhost:8001/mcp", String::as_str);

    let authorizer = Authorizer::new(server_url, Options::new("Portcullis rmcp client"), PrintUrl)?;
    let transport = AuthorizedHttpClient::new(authorizer).transport();

    // Servers of today and of revisions with a handshake.
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let client = ().serve_with_lifecycle(transport, lifecycle).await?;
    let result = match words.get(1) {
        None => serde_json::to_value(client.list_all_tools().await?)?,
        Some(tool) => {
            let arguments = words.get(2).map_or("{}", String::as_str);
            let arguments = serde_json::from_str(arguments)
                .map_err(|error| format!("ARGUMENTS is no JSON object: {error}"))?;
            let call = CallToolRequestParams::new(tool.clone()).with_arguments(arguments);
            serde_json::to_value(client.call_tool(call).await?)?
        }
    };
    client.cancel().await?;
    Ok(format!("{result:#}"))
}
