//! What the tool expects to find, as data: `fixture.json`.

use std::collections::BTreeMap;

use rmcp::{ErrorData, model::Tool};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fixture {
    tools: Vec<ToolEntry>,
    pub(crate) prompts: Value,
    pub(crate) resources: Value,
    contents: Vec<Value>,
    pub(crate) resource_templates: Value,
    /// What an answer asks of the client, by key.
    questions: BTreeMap<String, Value>,
    /// The schemas that tools of older revisions ask the user with.
    elicitations: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolEntry {
    name: String,
    description: String,
    input_schema: Option<Value>,
    /// Of a tool that always answers the same.
    answer: Option<Value>,
}

impl Fixture {
    pub(crate) fn new() -> serde_json::Result<Self> {
        serde_json::from_str(include_str!("../../../fixture.json"))
    }

    pub(crate) fn tools(&self) -> Result<Vec<Tool>, ErrorData> {
        self.tools.iter().map(ToolEntry::tool).collect()
    }

    pub(crate) fn tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|entry| entry.name == name)?.tool().ok()
    }

    /// The answer of a tool that always answers the same.
    pub(crate) fn answer(&self, tool: &str) -> Option<&Value> {
        self.tools.iter().find(|entry| entry.name == tool)?.answer.as_ref()
    }

    pub(crate) fn contents(&self, uri: &str) -> Option<&Value> {
        self.contents.iter().find(|contents| contents["uri"] == uri)
    }

    /// The base64 text of the picture.
    pub(crate) fn picture(&self) -> Value {
        self.contents("test://static-binary").map_or(Value::Null, |picture| picture["blob"].clone())
    }

    pub(crate) fn question(&self, key: &str) -> Option<&Value> {
        self.questions.get(key)
    }

    pub(crate) fn elicitation(&self, tool: &str) -> Option<&Value> {
        self.elicitations.get(tool)
    }
}

impl ToolEntry {
    fn tool(&self) -> Result<Tool, ErrorData> {
        let schema = self.input_schema.clone();
        let schema = schema.unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
        typed(json!({
            "name": self.name, "description": self.description, "inputSchema": schema,
        }))
    }
}

/// The model's type for what is written as JSON.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// The model's type for a result. rmcp leaves `resultType` out again for the revisions that have none.
pub(crate) fn complete<T: DeserializeOwned>(mut result: Value) -> Result<T, ErrorData> {
    result["resultType"] = "complete".into();
    typed(result)
}

/// A result of one text.
pub(crate) fn text(text: impl Into<String>) -> Value {
    json!({ "content": [{ "type": "text", "text": text.into() }] })
}
