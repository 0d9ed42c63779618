//! The service behind the protection.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams,
        CompleteResult, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, RequestStateCodec, ServerCapabilities, ServerConfig,
        SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
        UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext, SubscriptionSink},
};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, complete, text, typed},
    questions::{Answer, Round},
    tools,
};

/// How long the lists stay as they are.
const TTL_MS: u64 = 60_000;

#[derive(Clone)]
pub(crate) struct Everything {
    fixture: Arc<Fixture>,
    states: RequestStateCodec,
    listeners: Arc<Listeners>,
}

/// Who listens for changes.
#[derive(Default)]
struct Listeners {
    next: AtomicU64,
    sinks: Mutex<BTreeMap<u64, SubscriptionSink>>,
}

impl Listeners {
    fn enter(&self, sink: SubscriptionSink) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sink);
        number
    }

    fn leave(&self, number: u64) {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    fn all(&self) -> Vec<SubscriptionSink> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Everything {
    pub(crate) fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            fixture: Arc::new(Fixture::new()?),
            states: RequestStateCodec::try_new(key)?,
            listeners: Arc::default(),
        })
    }

    async fn call(
        &self,
        tool: &str,
        arguments: &Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<Value, ErrorData> {
        let peer = &context.peer;
        if let Some(answer) = self.fixture.answer(tool) {
            return Ok(answer.clone());
        }
        if self.fixture.elicitation(tool).is_some() {
            return tools::elicit(peer, &self.fixture, tool, arguments).await;
        }
        match tool {
            "test_tool_with_logging" => Ok(tools::log(peer).await),
            "test_logging_tool" => Ok(tools::log_if_asked(context).await),
            "test_tool_with_progress" => Ok(tools::progress(context).await),
            "test_reconnection" => Ok(tools::take_a_while().await),
            "test_sampling" => tools::sample(peer, arguments).await,
            "test_missing_capability" => tools::need_sampling(context),
            "test_trigger_tool_change" => {
                for listener in self.listeners.all() {
                    drop(listener.notify_tool_list_changed().await);
                }
                Ok(text("told"))
            }
            "test_trigger_prompt_change" => {
                for listener in self.listeners.all() {
                    drop(listener.notify_prompt_list_changed().await);
                }
                Ok(text("told"))
            }
            _ => Err(ErrorData::invalid_params("unknown tool", None)),
        }
    }

    fn prompt(&self, name: &str, arguments: &Value) -> Result<Value, ErrorData> {
        let picture = self.fixture.picture();
        let content = match name {
            "test_simple_prompt" => vec![said("This is a simple prompt for testing.")],
            "test_prompt_with_arguments" => {
                let [one, two] = ["arg1", "arg2"].map(|name| arguments[name].as_str());
                let (one, two) = (one.unwrap_or_default(), two.unwrap_or_default());
                vec![said(&format!("Prompt with arguments: arg1='{one}', arg2='{two}'"))]
            }
            "test_prompt_with_embedded_resource" => {
                let resource = json!({
                    "uri": arguments["resourceUri"], "mimeType": "text/plain",
                    "text": "Embedded resource content for testing.",
                });
                let question = said("Please process the embedded resource above.");
                vec![json!({ "type": "resource", "resource": resource }), question]
            }
            "test_prompt_with_image" => {
                let picture = json!({ "type": "image", "data": picture, "mimeType": "image/png" });
                vec![picture, said("Please analyze the image above.")]
            }
            _ => return Err(ErrorData::invalid_params("unknown prompt", None)),
        };
        let messages: Vec<_> = content
            .into_iter()
            .map(|content| json!({ "role": "user", "content": content }))
            .collect();
        Ok(json!({ "messages": messages }))
    }

    fn contents(&self, uri: &str) -> Result<Value, ErrorData> {
        if let Some(contents) = self.fixture.contents(uri) {
            return Ok(contents.clone());
        }
        let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let id = id.filter(|id| !id.is_empty()).ok_or_else(|| {
            ErrorData::resource_not_found("no such resource", Some(json!({ "uri": uri })))
        })?;
        let text = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
        Ok(json!({ "uri": uri, "mimeType": "application/json", "text": text.to_string() }))
    }
}

fn said(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_logging()
            .enable_completions()
            .build();
        let own = Implementation::new("portcullis-conformance", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(own)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.fixture.tool(name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let list = ListToolsResult::with_all_items(self.fixture.tools()?);
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let round = Round {
            fixture: &self.fixture,
            states: &self.states,
            responses: request.input_responses.as_ref(),
            state: request.request_state.as_deref(),
            capabilities: context.meta.client_capabilities().unwrap_or_default(),
        };
        let result = match round.call(&request.name) {
            Some(answer) => match answer? {
                Answer::Ask(questions) => return Ok(questions.into()),
                Answer::Complete(result) => result,
            },
            None => {
                let arguments = request.arguments.map_or(Value::Null, Value::Object);
                self.call(&request.name, &arguments, &context).await?
            }
        };
        Ok(complete::<CallToolResult>(result)?.into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let list = ListPromptsResult::with_all_items(typed(self.fixture.prompts.clone())?);
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != "test_input_required_result_prompt" {
            let arguments = request.arguments.map_or(Value::Null, Value::Object);
            let prompt = self.prompt(&request.name, &arguments)?;
            return Ok(complete::<GetPromptResult>(prompt)?.into());
        }
        let round = Round {
            fixture: &self.fixture,
            states: &self.states,
            responses: request.input_responses.as_ref(),
            state: request.request_state.as_deref(),
            capabilities: context.meta.client_capabilities().unwrap_or_default(),
        };
        let Some(given) = round.given("user_context") else {
            return match round.ask(&["user_context"], None)? {
                Answer::Ask(questions) => Ok(questions.into()),
                Answer::Complete(result) => Ok(complete::<GetPromptResult>(result)?.into()),
            };
        };
        let message =
            json!({ "role": "user", "content": said(&given["content"]["context"].to_string()) });
        Ok(complete::<GetPromptResult>(json!({ "messages": [message] }))?.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let list = ListResourcesResult::with_all_items(typed(self.fixture.resources.clone())?);
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = typed(self.fixture.resource_templates.clone())?;
        let list = ListResourceTemplatesResult::with_all_items(templates);
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = self.contents(&request.uri)?;
        let result: ReadResourceResult = complete(json!({ "contents": [contents] }))?;
        Ok(result.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let words = ["paris", "park", "party"];
        let words: Vec<_> =
            words.into_iter().filter(|word| word.starts_with(&request.argument.value)).collect();
        complete(
            json!({ "completion": { "values": words, "total": words.len(), "hasMore": false } }),
        )
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let number = self.listeners.enter(context.sink().clone());
        context.cancelled().await;
        self.listeners.leave(number);
        Ok(())
    }

    /// Nothing here changes but when the tool asks for it, so that all subscribers know all there is.
    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}
