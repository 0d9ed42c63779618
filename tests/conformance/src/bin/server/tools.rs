//! Tools that do something while they are called.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        ClientCapabilities, CreateMessageRequestParams, ElicitRequestParams, LoggingLevel,
        LoggingMessageNotificationParam, ProgressNotificationParam,
    },
    service::{Peer, RequestContext},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fixture::{Fixture, text, typed};

/// So long, that a client sees what is sent before the answer.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn log(peer: &Peer<RoleServer>) -> Value {
    for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        tell(peer, LoggingLevel::Info, said).await;
        sleep(PAUSE).await;
    }
    text("logged")
}

/// Logs only at the level that the request asks for (TS-64).
pub(crate) async fn log_if_asked(context: &RequestContext<RoleServer>) -> Value {
    if let Some(level) = context.meta.log_level() {
        tell(&context.peer, level, "as asked").await;
    }
    text("done")
}

async fn tell(peer: &Peer<RoleServer>, level: LoggingLevel, said: &str) {
    let told =
        peer.notify_logging_message(LoggingMessageNotificationParam::new(level, json!(said)));
    // A client that has gone does not stop the tool.
    drop(told.await);
}

pub(crate) async fn progress(context: &RequestContext<RoleServer>) -> Value {
    let token = context.meta.get_progress_token();
    for done in [0.0, 50.0, 100.0] {
        if let Some(token) = &token {
            let progress = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
            drop(context.peer.notify_progress(progress).await);
        }
        sleep(PAUSE).await;
    }
    text("all of it is done")
}

pub(crate) async fn take_a_while() -> Value {
    sleep(2 * PAUSE).await;
    text("came back")
}

/// Asks the client's model, as revisions with a handshake do.
pub(crate) async fn sample(peer: &Peer<RoleServer>, arguments: &Value) -> Result<Value, ErrorData> {
    let question: CreateMessageRequestParams = typed(json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": arguments["prompt"] } }],
        "maxTokens": 100,
    }))?;
    Ok(match peer.create_message(question).await {
        Ok(answer) => {
            let answer = json!(answer);
            let said = answer.pointer("/content/text").and_then(Value::as_str);
            text(format!("LLM response: {}", said.unwrap_or_default()))
        }
        Err(error) => failed(&error.to_string()),
    })
}

/// Asks the user with the schema of this tool, as revisions with a handshake do.
pub(crate) async fn elicit(
    peer: &Peer<RoleServer>,
    fixture: &Fixture,
    tool: &str,
    arguments: &Value,
) -> Result<Value, ErrorData> {
    let question: ElicitRequestParams = typed(json!({
        "mode": "form",
        "message": arguments["message"].as_str().unwrap_or("Please answer"),
        "requestedSchema": fixture.elicitation(tool),
    }))?;
    Ok(match peer.create_elicitation(question).await {
        Ok(answer) => {
            let answer = json!(answer);
            let action = answer["action"].as_str().unwrap_or_default();
            text(format!("Elicitation completed: action={action}, content={}", answer["content"]))
        }
        Err(error) => failed(&error.to_string()),
    })
}

/// A call by a client that does not sample is refused before anything is done (TS-33).
pub(crate) fn need_sampling(context: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    let capabilities = context.meta.client_capabilities().unwrap_or_default();
    if capabilities.sampling.is_some() {
        return Ok(text("the client samples"));
    }
    let needed = ClientCapabilities::builder().enable_sampling().build();
    Err(ErrorData::missing_required_client_capability(needed))
}

fn failed(why: &str) -> Value {
    let mut failed = text(why);
    failed["isError"] = true.into();
    failed
}
