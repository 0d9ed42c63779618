//! From a server's URL to a tool call.
//!
//! Logs in when the server asks for it. The login page's URL is printed, or opened with `--open`. Without a
//! URL it talks to `portcullis demo`, without a tool it lists the tools:
//!
//! ```text
//! cargo run -p desktop_client
//! cargo run -p desktop_client -- https://mcp.example.com/mcp get_forecast '{"city": "Riga"}' --open
//! ```

use std::{error::Error, process::ExitCode, sync::Arc};

use portcullis_tokio::client::{Exchange, McpClient, Options, PrintUrl, Printable, SystemBrowser};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        // A server's text must not act on the terminal.
        Ok(result) => println!("{}", Printable(&result)),
        Err(error) => {
            eprintln!("desktop_client: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn run() -> Result<String, Box<dyn Error>> {
    let (flags, words): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    if flags.iter().any(|flag| flag != "--open") {
        return Err("usage: desktop_client [URL [TOOL [ARGUMENTS]]] [--open]".into());
    }
    let server_url = words.first().map_or("http://localhost:8001/mcp", String::as_str);

    let options = Options {
        observer: Arc::new(|exchange: &Exchange<'_>| eprintln!("{exchange}")),
        ..Options::new("Portcullis desktop client")
    };
    let client = if flags.iter().any(|flag| flag == "--open") {
        McpClient::new(server_url, options, SystemBrowser)?
    } else {
        McpClient::new(server_url, options, PrintUrl)?
    };

    let result = match words.get(1) {
        None => client.list_tools().await?,
        Some(tool) => {
            let arguments = words.get(2).map_or("{}", String::as_str);
            let arguments = serde_json::from_str(arguments)
                .map_err(|error| format!("ARGUMENTS is no JSON: {error}"))?;
            client.call_tool(tool, arguments).await?
        }
    };
    Ok(format!("{result:#}"))
}
