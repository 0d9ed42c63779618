//! Tools and a prompt whose answer asks the client first (MCP 2026-07-28, multi-round-trip requests).

use std::collections::BTreeMap;

use rmcp::{
    ErrorData,
    model::{ClientCapabilities, InputRequiredResult, InputResponses, RequestStateCodec},
};
use serde_json::{Map, Value, json};

use crate::fixture::{Fixture, text, typed};

/// What a tool has to say now.
pub(crate) enum Answer {
    Complete(Value),
    Ask(InputRequiredResult),
}

/// One call of a tool that asks.
pub(crate) struct Round<'c> {
    pub(crate) fixture: &'c Fixture,
    pub(crate) states: &'c RequestStateCodec,
    pub(crate) responses: Option<&'c InputResponses>,
    pub(crate) state: Option<&'c str>,
    pub(crate) capabilities: ClientCapabilities,
}

impl Round<'_> {
    /// `None` when there is no such tool.
    pub(crate) fn call(&self, tool: &str) -> Option<Result<Answer, ErrorData>> {
        let prefix = "test_input_required_result_";
        Some(match tool {
            "test_streaming_elicitation" => self.ask(&["user_name"], None),
            tool => match tool.strip_prefix(prefix)? {
                "elicitation" => self.once("user_name", |given| {
                    let name = given.pointer("/content/name").and_then(Value::as_str);
                    format!("Hello, {}!", name.unwrap_or("stranger"))
                }),
                "sampling" => self.once("capital_question", |given| {
                    given.pointer("/content/text").unwrap_or(&Value::Null).to_string()
                }),
                "list_roots" => self.once("client_roots", |given| given["roots"].to_string()),
                "request_state" | "tampered_state" => self.confirm(),
                "multiple_inputs" => self.three(),
                "multi_round" => self.two_rounds(),
                "capabilities" => self.what_the_client_can(),
                _ => return None,
            },
        })
    }

    /// The client's answer to a question, if it is an object as every answer is.
    pub(crate) fn given(&self, key: &str) -> Option<&Value> {
        self.responses?.get(key).filter(|response| response.is_object())
    }

    /// Asks these questions, and leaves `state` with the client.
    pub(crate) fn ask(&self, keys: &[&str], state: Option<Value>) -> Result<Answer, ErrorData> {
        let requests: BTreeMap<_, _> = keys
            .iter()
            .filter_map(|key| Some((*key, self.fixture.question(key)?.clone())))
            .collect();
        let mut result = Map::new();
        result.insert("resultType".to_owned(), "input_required".into());
        result.insert("inputRequests".to_owned(), json!(requests));
        if let Some(state) = state {
            let sealed = self.states.seal_json(&state);
            let sealed = sealed.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
            result.insert("requestState".to_owned(), sealed.into());
        }
        Ok(Answer::Ask(typed(result.into())?))
    }

    fn once(&self, key: &str, answer: impl FnOnce(&Value) -> String) -> Result<Answer, ErrorData> {
        match self.given(key) {
            Some(given) => Ok(Answer::Complete(text(answer(given)))),
            None => self.ask(&[key], None),
        }
    }

    /// The state that the client has brought back, if it is one of ours (TS-81).
    fn state(&self) -> Result<Option<Value>, ErrorData> {
        let Some(sealed) = self.state else { return Ok(None) };
        let opened = self.states.open_json(sealed);
        opened.map(Some).map_err(|_| ErrorData::invalid_params("requestState is not ours", None))
    }

    fn confirm(&self) -> Result<Answer, ErrorData> {
        match (self.state()?, self.given("confirm")) {
            (Some(_), Some(_)) => Ok(Answer::Complete(text("state-ok"))),
            _ => self.ask(&["confirm"], Some(json!("asked"))),
        }
    }

    fn three(&self) -> Result<Answer, ErrorData> {
        let keys = ["user_name", "greeting", "client_roots"];
        let complete = keys.iter().all(|key| self.given(key).is_some());
        match self.state()? {
            Some(_) if complete => Ok(Answer::Complete(text("all three are there"))),
            _ => self.ask(&keys, Some(json!("asked"))),
        }
    }

    fn two_rounds(&self) -> Result<Answer, ErrorData> {
        let state = self.state()?;
        match state.as_ref().and_then(Value::as_u64) {
            Some(1) if self.given("step1").is_some() => self.ask(&["step2"], Some(json!(2))),
            Some(2) if self.given("step2").is_some() => {
                Ok(Answer::Complete(text("both steps are done")))
            }
            _ => self.ask(&["step1"], Some(json!(1))),
        }
    }

    fn what_the_client_can(&self) -> Result<Answer, ErrorData> {
        let can = &self.capabilities;
        let questions = [
            (can.elicitation.is_some(), "user_name"),
            (can.sampling.is_some(), "greeting"),
            (can.roots.is_some(), "client_roots"),
        ];
        let open: Vec<_> = questions
            .into_iter()
            .filter(|(can, key)| *can && self.given(key).is_none())
            .map(|(_, key)| key)
            .collect();
        if open.is_empty() {
            return Ok(Answer::Complete(text("nothing to ask")));
        }
        self.ask(&open, None)
    }
}
