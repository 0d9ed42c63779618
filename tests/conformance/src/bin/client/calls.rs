//! Lists what a server has, and calls it.

use std::error::Error;

use rmcp::{
    RoleClient,
    model::{
        CallToolRequestParams, ErrorCode, GetPromptRequestParams, ReadResourceRequestParams, Tool,
    },
    service::{RunningService, ServiceError},
};
use serde_json::{Map, Value, json};

use crate::user::{User, least};

type Client = RunningService<RoleClient, User>;

/// The tools first: these calls, or each tool once. An error of a tool is an answer like any other; that
/// there is none is an error.
pub(crate) async fn everything(client: &Client, calls: &[Value]) -> Result<(), Box<dyn Error>> {
    let tools = client.list_all_tools().await?;
    if calls.is_empty() {
        for tool in &tools {
            call(client, &tool.name, arguments(tool, &tools)).await?;
        }
    }
    for wanted in calls {
        let name = wanted["name"].as_str().ok_or("a call without a name")?;
        let arguments = wanted["arguments"].as_object().cloned().unwrap_or_default();
        call(client, name, arguments).await?;
    }
    let Some(server) = client.peer_info() else { return Ok(()) };
    if server.capabilities.resources.is_some() {
        for resource in client.list_all_resources().await? {
            client.read_resource(ReadResourceRequestParams::new(resource.uri.clone())).await?;
        }
    }
    if server.capabilities.prompts.is_some() {
        for prompt in client.list_all_prompts().await? {
            let arguments = prompt.arguments.iter().flatten();
            let arguments: Map<String, Value> =
                arguments.map(|argument| (argument.name.clone(), "text".into())).collect();
            let wanted = GetPromptRequestParams::new(prompt.name.clone());
            client.get_prompt(wanted.with_arguments(arguments)).await?;
        }
    }
    Ok(())
}

/// Calls a tool. Some scenarios list tools without being able to call one, and say so.
async fn call(
    client: &Client,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<(), ServiceError> {
    let wanted = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    match client.call_tool(wanted).await {
        Err(ServiceError::McpError(error)) if error.code == ErrorCode::METHOD_NOT_FOUND => {
            eprintln!("{tool} cannot be called");
            Ok(())
        }
        called => called.map(drop),
    }
}

/// What the tool requires. A required `schema` is that of the other tool: a scenario asks for it back.
fn arguments(tool: &Tool, tools: &[Tool]) -> Map<String, Value> {
    let schema = json!(tool.input_schema);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    required
        .map(|name| {
            let other = tools.iter().find(|other| name == "schema" && other.name != tool.name);
            let value = other.map(|other| json!(other.input_schema));
            (name.to_owned(), value.unwrap_or_else(|| least(&schema["properties"][name])))
        })
        .collect()
}
