//! The flow itself, driven by our own client: from a bare 401 to an authorized tool call.

use std::{collections::BTreeSet, sync::Arc};

use portcullis_tokio::client::{Exchange, McpClient, McpError, Options as ClientOptions};
use serde_json::{Value, json};

use super::{
    DemoError, Options,
    journal::Journal,
    servers::{BASE_SCOPE, FURTHER_SCOPE},
    user,
};

/// Runs the flow; each step must have the outcome that it is there to show.
pub(crate) async fn run(
    options: &Options,
    resource: &str,
    journal: &Arc<Journal>,
) -> Result<(), DemoError> {
    journal.heading("A client that knows only the server's URL");
    let client = client(options, resource, journal)?;
    let tools = client.list_tools().await.map_err(unexpected)?;
    journal.note(&format!("    tools: {}", names(&tools)?));

    journal.heading("A tool within what was granted");
    let time = client.call_tool("get_time", json!({})).await.map_err(unexpected)?;
    journal.note(&format!("    {}", text(&time)?));

    journal.heading(
        "A tool that needs a further scope: the server says so, and the client asks the user",
    );
    expect_scopes(&client, &[BASE_SCOPE]).await?;
    let zone = json!({ "offset_hours": 2 });
    let set = client.call_tool("set_time_zone", zone).await.map_err(unexpected)?;
    journal.note(&format!("    {}", text(&set)?));
    // What was granted before is not lost.
    expect_scopes(&client, &[BASE_SCOPE, FURTHER_SCOPE]).await?;
    let time = client.call_tool("get_time", json!({})).await.map_err(unexpected)?;
    journal.note(&format!("    {}", text(&time)?));
    Ok(())
}

/// The tokens have these scopes and no others: a call that needs more was not let through by oversight.
async fn expect_scopes(client: &McpClient, expected: &[&str]) -> Result<(), DemoError> {
    let granted = client.login().await.map(|login| login.scope().to_owned()).unwrap_or_default();
    let granted: BTreeSet<&str> = granted.split(' ').collect();
    if granted == expected.iter().copied().collect() {
        return Ok(());
    }
    Err(DemoError::Flow(format!("the tokens have the scopes {granted:?}, not {expected:?}")))
}

/// A client whose user signs in by script.
pub(crate) fn client(
    options: &Options,
    resource: &str,
    journal: &Arc<Journal>,
) -> Result<McpClient, DemoError> {
    let mut settings = ClientOptions::new("Portcullis demo client");
    settings.redirect_port = options.redirect_port;
    let observer = Arc::clone(journal);
    settings.observer = Arc::new(move |exchange: &Exchange<'_>| observer.exchange(exchange));
    McpClient::new(resource, settings, user::browser(journal)).map_err(unexpected)
}

pub(crate) fn unexpected(error: McpError) -> DemoError {
    DemoError::Flow(error.to_string())
}

/// The names in a `tools/list` result.
pub(crate) fn names(result: &Value) -> Result<String, DemoError> {
    let tools = result.get("tools").and_then(Value::as_array);
    let names = tools.map(|tools| {
        tools.iter().filter_map(|tool| tool.get("name")?.as_str()).collect::<Vec<_>>().join(", ")
    });
    names
        .filter(|names| !names.is_empty())
        .ok_or_else(|| DemoError::Flow("the server lists no tools".into()))
}

/// The text of a `tools/call` result that is no tool error.
pub(crate) fn text(result: &Value) -> Result<&str, DemoError> {
    let failed = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
    let text = result.pointer("/content/0/text").and_then(Value::as_str);
    match text {
        Some(text) if !failed => Ok(text),
        _ => Err(DemoError::Flow("a tool failed".into())),
    }
}
