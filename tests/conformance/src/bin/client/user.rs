//! Who answers when a server asks.

use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
        ElicitRequestParams, ElicitResult, ElicitationAction, Implementation, ListRootsResult,
    },
    service::RequestContext,
};
use serde_json::{Map, Value, json};

/// Accepts each question with the answers that it proposes, has a model that says the same to everybody,
/// and no roots.
pub(crate) struct User;

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::builder()
            .enable_elicitation()
            .enable_sampling()
            .enable_roots()
            .build();
        if let Some(form) = capabilities.elicitation.as_mut().and_then(|own| own.form.as_mut()) {
            form.schema_validation = Some(true);
        }
        let own = Implementation::new("portcullis-conformance", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, own)
    }

    async fn create_elicitation(
        &self,
        question: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { requested_schema, .. } = question else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        let schema = json!(requested_schema);
        let content = answers(&schema["properties"]);
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content.into()))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let said = json!({
            "role": "assistant", "model": "none", "content": { "type": "text", "text": "Yes." },
        });
        serde_json::from_value(said).map_err(|e| ErrorData::internal_error(e.to_string(), None))
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::default())
    }
}

/// A value for each property: its default, else the least that its type admits.
fn answers(properties: &Value) -> Map<String, Value> {
    let properties = properties.as_object().into_iter().flatten();
    properties
        .map(|(name, schema)| {
            let value = schema.get("default").cloned().unwrap_or_else(|| least(schema));
            (name.clone(), value)
        })
        .collect()
}

/// A value of the schema's type.
pub(crate) fn least(schema: &Value) -> Value {
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => true.into(),
        Some("integer" | "number") => 1.into(),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => "text".into(),
    }
}
