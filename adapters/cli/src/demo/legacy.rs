//! The flow with `--legacy`: a client of MCP 2025-03-26 and one of today, at the same server.

use std::sync::Arc;

use portcullis_authorization_server::testing::{self, Caller, Client, TestingError};
use portcullis_tokio::client::{Exchange, Party};
use serde_json::{Value, json};

use super::{
    DemoError, Options,
    flow::{client, names, text, unexpected},
    journal::Journal,
    user::user,
};

/// Runs both clients; each step must have the outcome that it is there to show.
pub(crate) async fn run(
    options: &Options,
    origin: &str,
    resource: &str,
    journal: &Arc<Journal>,
) -> Result<(), DemoError> {
    journal.heading("A client that takes the server's origin for the issuer and names no resource");
    let caller = |meaning| {
        let told = told(journal, Party::ResourceServer, meaning);
        Caller::new(resource).legacy().watched_by(told)
    };
    let without_token = caller("tools/call get_time without a token");
    let refused = without_token.call_tool(None, "get_time", json!({})).await.map_err(failed)?;
    expect(refused.status() == 401, "a call without a token was let through")?;
    let mut old = Client::at(origin)
        .watched_by(told(journal, Party::AuthorizationServer, ""))
        .discover()
        .await
        .map_err(failed)?;
    let tokens = old.authorize(&user(journal)).await.map_err(failed)?;
    let token = Some(tokens.access_token.as_str());
    let begun = caller("initialize with a token").initialize(token).await.map_err(failed)?;
    let version = begun.json();
    let version = version.pointer("/result/protocolVersion").and_then(Value::as_str);
    let version = version.ok_or_else(|| DemoError::Flow("no handshake".into()))?;
    journal.note(&format!("    revision: {version}"));
    let with_token = caller("tools/call get_time with a token");
    let time = with_token.call_tool(token, "get_time", json!({})).await.map_err(failed)?.json();
    journal.note(&format!("    {}", text(time.get("result").unwrap_or(&Value::Null))?));

    journal.heading("A client of today, led by the server's metadata");
    let client = client(options, resource, None, journal)?;
    let tools = client.list_tools().await.map_err(unexpected)?;
    journal.note(&format!("    tools: {}", names(&tools)?));
    let time = client.call_tool("get_time", json!({})).await.map_err(unexpected)?;
    journal.note(&format!("    {}", text(&time)?));
    Ok(())
}

/// Shows what the old client asks `to`; an empty `meaning` is what its endpoint gives.
fn told(
    journal: &Arc<Journal>,
    to: Party,
    meaning: &'static str,
) -> impl Fn(&testing::Exchange<'_>) + Send + Sync + 'static {
    let journal = Arc::clone(journal);
    move |exchange| {
        let meaning = match exchange.url.rsplit('/').next() {
            _ if !meaning.is_empty() => meaning,
            _ if exchange.status >= 400 => "refused",
            Some("register") => "this client is registered",
            Some("token") => "tokens for the code",
            _ => "its endpoints, at the origin",
        };
        let (from, status) = (Party::Client, Ok(exchange.status));
        let testing::Exchange { method, url, .. } = *exchange;
        journal.exchange(&Exchange { from, to, method, url, status, meaning });
    }
}

fn failed(error: TestingError) -> DemoError {
    DemoError::Flow(error.to_string())
}

fn expect(held: bool, otherwise: &str) -> Result<(), DemoError> {
    if held { Ok(()) } else { Err(DemoError::Flow(otherwise.into())) }
}
