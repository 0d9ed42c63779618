//! The flow itself, driven by our own client: from a bare 401 to an authorized tool call.

use std::sync::Arc;

use portcullis_core::error::ErrorCode;
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
    let client = client(options, resource, None, journal)?;
    let tools = client.list_tools().await.map_err(unexpected)?;
    journal.note(&format!("    tools: {}", names(&tools)?));

    journal.heading("A tool within what was granted");
    let time = client.call_tool("get_time", json!({})).await.map_err(unexpected)?;
    journal.note(&format!("    {}", text(&time)?));

    journal.heading("A tool that needs a further scope");
    let zone = json!({ "offset_hours": 2 });
    let needed = match client.call_tool("set_time_zone", zone.clone()).await {
        Err(McpError::Refused { status: 403, error: Some(error), scope: Some(scope) })
            if error == ErrorCode::InsufficientScope.as_str() =>
        {
            scope
        }
        Err(error) => return Err(unexpected(error)),
        Ok(_) => return Err(DemoError::Flow("a call without its scope was let through".into())),
    };
    journal.note(&format!("    the challenge names the scopes: {needed}"));
    if needed != format!("{BASE_SCOPE} {FURTHER_SCOPE}") {
        return Err(DemoError::Flow(format!("the challenge names other scopes: {needed}")));
    }

    journal.heading("The same tool after the user agreed to that scope");
    let client = self::client(options, resource, Some(needed), journal)?;
    let set = client.call_tool("set_time_zone", zone).await.map_err(unexpected)?;
    journal.note(&format!("    {}", text(&set)?));
    let time = client.call_tool("get_time", json!({})).await.map_err(unexpected)?;
    journal.note(&format!("    {}", text(&time)?));
    Ok(())
}

/// A client whose user signs in by script.
pub(crate) fn client(
    options: &Options,
    resource: &str,
    scope: Option<String>,
    journal: &Arc<Journal>,
) -> Result<McpClient, DemoError> {
    let mut settings = ClientOptions::new("Portcullis demo client");
    settings.redirect_port = options.redirect_port;
    settings.scope = scope;
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
