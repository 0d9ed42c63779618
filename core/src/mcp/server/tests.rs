//! Every method of a small server, in both eras.

use super::*;
use crate::{encoding::scratch::Scratch, mcp::BodyLimits};
use serde_json::{Value, json};
use std::{format, string::String, string::ToString, vec::Vec};

const INFO: ServerInfo<'static> =
    ServerInfo { name: "dev \"1\"", version: "1", instructions: Some("Be <kind>.") };
const TOOLS: [Tool<'static>; 2] = [
    Tool::new("read_temp", "Reads \"it\"."),
    Tool::new("set_led", "Sets it.").with_arguments(r#"{"type":"object"}"#),
];

/// Sends one message; gives status and answer. A tool's outcome is its arguments.
fn exchange(versions: Versions<'static>, revision: Option<&str>, body: &Value) -> (u16, String) {
    let method = body["method"].as_str().unwrap_or_default();
    let name = body["params"]["name"].as_str().unwrap_or_default();
    let mut fields: Vec<(&str, &[u8])> = Vec::from([("content-type", &b"application/json"[..])]);
    if let Some(revision) = revision {
        fields.push(("mcp-protocol-version", revision.as_bytes()));
    }
    if revision.is_some_and(|revision| revision > "2026") {
        fields.push(("mcp-method", method.as_bytes()));
        fields.push(("mcp-name", name.as_bytes()));
        if name.is_empty() {
            fields.pop();
        }
    }
    let head = RequestHead::new("POST", "/mcp", fields);
    let body = body.to_string();
    let mut memory = [0; 256];
    let mut scratch = Scratch::new(&mut memory);
    let envelope =
        Envelope::read(&head, body.as_bytes(), versions, BodyLimits::SMALL, &mut scratch).unwrap();
    let server = ToolServer::new(INFO, &TOOLS, versions).with_ttl_secs(60);
    match server.task(&envelope, &head) {
        Task::Accept => (202, String::new()),
        Task::Reply(reply) => (200, reply.to_string()),
        Task::Call(call) => {
            let tool = TOOLS[call.tool].name;
            let text = format!("{tool} {}", call.arguments);
            (200, call.finish(CallOutcome::Text(&text)).to_string())
        }
        Task::Reject(error) => (error.status(), error.body().to_string()),
    }
}

fn modern(method: &str, params: Value) -> (u16, Value) {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let (status, answer) = exchange(Versions::ALL, Some("2026-07-28"), &body);
    (status, serde_json::from_str(&answer).unwrap())
}

fn legacy(method: &str, params: Value) -> (u16, Value) {
    let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
    let revision = (method != "initialize").then_some("2025-06-18");
    let (status, answer) = exchange(Versions::ALL, revision, &body);
    (status, serde_json::from_str(&answer).unwrap())
}

fn meta() -> Value {
    json!({"io.modelcontextprotocol/serverInfo": {"name": "dev \"1\"", "version": "1"}})
}

#[test]
fn ts_70_discovery() {
    let result = json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18"],
        "capabilities": {"tools": {}},
        "instructions": "Be <kind>.",
        "ttlMs": 60000,
        "cacheScope": "public",
        "_meta": meta(),
    });
    let expected = json!({"jsonrpc": "2.0", "id": 7, "result": result});
    assert_eq!(modern("server/discover", json!({})), (200, expected));
}

fn listed() -> Value {
    json!([
        {
            "name": "read_temp",
            "description": "Reads \"it\".",
            "inputSchema": {"type": "object", "additionalProperties": false},
        },
        {"name": "set_led", "description": "Sets it.", "inputSchema": {"type": "object"}},
    ])
}

#[test]
fn ts_72_the_list_of_tools() {
    let (status, answer) = modern("tools/list", json!({}));
    let expected = json!({
        "resultType": "complete",
        "tools": listed(),
        "ttlMs": 60000,
        "cacheScope": "public",
        "_meta": meta(),
    });
    assert_eq!((status, &answer["result"]), (200, &expected));
}

#[test]
fn ts_78_a_cursor_that_was_never_given_out() {
    for cursor in [json!("x"), json!(""), json!(null), json!(7), json!({})] {
        for (status, answer) in [
            modern("tools/list", json!({ "cursor": cursor })),
            legacy("tools/list", json!({ "cursor": cursor })),
        ] {
            assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32602)), "{cursor}");
        }
    }
    // It means something to lists alone.
    let params = json!({"name": "read_temp", "cursor": "x"});
    for (_, answer) in [modern("tools/call", params), modern("tools/list", json!({"Cursor": "x"}))]
    {
        assert!(answer["result"].is_object(), "{answer}");
    }
}

#[test]
fn tl_15_older_revisions_get_no_newer_members() {
    let (status, answer) = legacy("tools/list", json!({}));
    assert_eq!((status, &answer["result"]), (200, &json!({"tools": listed()})));
    let (status, answer) = legacy("tools/call", json!({"name": "read_temp"}));
    let expected = json!({"content": [{"type": "text", "text": "read_temp {}"}]});
    assert_eq!((status, &answer["result"]), (200, &expected));
}

#[test]
fn ts_75_calls() {
    let (status, answer) = modern("tools/call", json!({"name": "set_led", "arguments": {"on": 1}}));
    let content = json!([{"type": "text", "text": "set_led {\"on\":1}"}]);
    let expected = json!({"resultType": "complete", "content": content, "_meta": meta()});
    assert_eq!((status, &answer["result"]), (200, &expected));
    for params in [
        json!({"name": "set_le"}),
        json!({"name": "SET_LED"}),
        json!({"name": "set_led", "arguments": []}),
        json!({"name": "set_led", "arguments": null}),
        json!({"name": "set_led", "arguments": "{}"}),
    ] {
        for (status, answer) in
            [modern("tools/call", params.clone()), legacy("tools/call", params.clone())]
        {
            assert_eq!((status, answer["error"]["code"].as_i64()), (200, Some(-32602)), "{params}");
        }
    }
}

#[test]
fn tl_01_the_handshake() {
    let check = |asked: Value, version: &str| {
        let (status, answer) = legacy("initialize", asked);
        let expected = json!({
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "dev \"1\"", "version": "1"},
            "instructions": "Be <kind>.",
        });
        assert_eq!((status, &answer["result"]), (200, &expected));
    };
    check(json!({"protocolVersion": "2025-06-18"}), "2025-06-18");
    check(json!({"protocolVersion": "2025-11-25"}), "2025-11-25");
    // Never a version without a handshake, whoever asks for it.
    for other in ["2024-11-05", "2026-07-28", "", "x"] {
        check(json!({"protocolVersion": other}), "2025-11-25");
    }
    check(json!({}), "2025-11-25");
}

#[test]
fn tl_08_ping() {
    assert_eq!(
        legacy("ping", json!({})),
        (200, json!({"jsonrpc": "2.0", "id": "a", "result": {}}))
    );
}

#[test]
fn ts_52_other_methods_are_not_found() {
    for method in ["ping", "initialize", "logging/setLevel", "resources/list", "tools/List", "x"] {
        let (status, answer) = modern(method, json!({}));
        assert_eq!((status, answer["error"]["code"].as_i64()), (404, Some(-32601)), "{method}");
        assert_eq!(answer["id"], 7);
    }
    for method in ["server/discover", "logging/setLevel", "tools"] {
        let (status, answer) = legacy(method, json!({}));
        assert_eq!((status, answer["error"]["code"].as_i64()), (200, Some(-32601)), "{method}");
    }
}

#[test]
fn ts_22_what_wants_no_answer_gets_none_and_does_nothing() {
    for (revision, body) in [
        ("2025-11-25", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
        ("2025-11-25", json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
        ("2026-07-28", json!({"jsonrpc": "2.0", "method": "notifications/cancelled"})),
        (
            "2025-11-25",
            json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "set_led"}}),
        ),
    ] {
        assert_eq!(exchange(Versions::ALL, Some(revision), &body), (202, String::new()), "{body}");
    }
}

#[test]
fn ts_76_how_a_tool_ends() {
    let check = |era, outcome, expected: Value| {
        let server = &ToolServer::new(INFO, &TOOLS, Versions::ALL);
        let content = Content::Call(outcome);
        let reply = Reply { id: Id::Integer("1"), era, server, content }.to_string();
        assert!(!reply.contains('<'), "SEC-035: {reply}");
        let mut answer: Value = serde_json::from_str(&reply).unwrap();
        let result = answer["result"].as_object_mut().unwrap();
        assert_eq!(result.remove("_meta").is_some(), era == Era::Modern);
        assert_eq!(result.remove("resultType").is_some(), era == Era::Modern);
        assert_eq!(answer["result"], expected);
    };
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    for era in [Era::Modern, Era::Legacy] {
        check(era, CallOutcome::Text("<21.5>"), json!({"content": text("<21.5>")}));
        check(
            era,
            CallOutcome::Failed("no\nsensor"),
            json!({"content": text("no\nsensor"), "isError": true}),
        );
        check(
            era,
            CallOutcome::Structured(r#"{"a":[1]}"#),
            json!({"content": text(r#"{"a":[1]}"#), "structuredContent": {"a": [1]}}),
        );
    }
    check(
        Era::Modern,
        CallOutcome::Structured("21"),
        json!({"content": text("21"), "structuredContent": 21}),
    );
    check(Era::Legacy, CallOutcome::Structured("21"), json!({"content": text("21")}));
}
