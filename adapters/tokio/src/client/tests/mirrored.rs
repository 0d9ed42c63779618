//! Parameters of tools that fields repeat.

use super::{world::Seen, *};

/// A server whose tool has one parameter that is marked so, and that refuses calls without its field.
async fn with_tool(mark: &'static str, refuses: bool) -> World {
    World::with(move |world, seen| {
        seen.field("authorization")?;
        let request: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        let answer = |rest: serde_json::Value| {
            let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
            answer.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            answer.to_string()
        };
        if request["method"] == "tools/list" {
            let marked = json!({ "type": "string", "x-mcp-header": mark });
            let tool =
                json!({ "name": "t", "inputSchema": { "properties": { "region": marked } } });
            return Some(json_body(200, answer(json!({ "result": { "tools": [tool] } }))));
        }
        let error = json!({ "error": { "code": -32020, "message": "HeaderMismatch" } });
        let is_refused = refuses && seen.field("mcp-param-region").is_none();
        Some(match is_refused {
            true => json_body(400, answer(error)),
            false => world.honest_answer(seen),
        })
    })
    .await
}

fn calls(world: &World) -> Vec<Seen> {
    let mut calls = world.seen("/mcp");
    calls.retain(|seen| seen.field("mcp-method") == Some("tools/call"));
    calls
}

#[tokio::test]
async fn tc_04_marked_parameters_are_repeated_once_the_tools_are_known() {
    let world = with_tool("Region", false).await;
    let client = world.client();
    let listed = client.list_tools().await.unwrap();
    assert_eq!(listed["tools"].as_array().unwrap().len(), 1);
    client.call_tool("t", json!({ "region": "eu", "other": "x" })).await.unwrap();
    client.call_tool("t", json!({ "other": "x" })).await.unwrap();
    client.call_tool("other", json!({ "region": "eu" })).await.unwrap();
    let fields: Vec<_> = calls(&world)
        .iter()
        .map(|seen| seen.field("mcp-param-region").map(str::to_owned))
        .collect();
    assert_eq!(fields, [Some("eu".to_owned()), None, None]);
    let wrong = client.call_tool("t", json!({ "region": 7 })).await;
    assert!(matches!(wrong, Err(McpError::Request)), "{wrong:?}");
}

#[tokio::test]
async fn tc_04_a_mismatch_leads_to_the_list_and_one_more_call() {
    let world = with_tool("Region", true).await;
    let client = world.client();
    // The tools were never listed.
    client.call_tool("t", json!({ "region": "eu" })).await.unwrap();
    let authorized = calls(&world).iter().filter(|it| it.field("authorization").is_some()).count();
    assert_eq!(authorized, 2);
    // Where the list says nothing new, the server's word is the end.
    let outcome = client.call_tool("t", json!({})).await;
    assert!(matches!(outcome, Err(McpError::Rpc { code: -32020, .. })), "{outcome:?}");
    assert_eq!(calls(&world).len(), 4);
}

#[tokio::test]
async fn sec_484_a_tool_with_a_hostile_mark_is_dropped_and_its_field_never_sent() {
    for mark in ["Authorization", "a\r\nAuthorization: Bearer evil", "a b", ""] {
        let world = with_tool(mark, true).await;
        let client = world.client();
        assert_eq!(client.list_tools().await.unwrap()["tools"], json!([]));
        let outcome = client.call_tool("t", json!({ "region": "evil" })).await;
        assert!(matches!(outcome, Err(McpError::Rpc { code: -32020, .. })), "{outcome:?}");
        for call in world.seen("/mcp") {
            let names: Vec<_> = call.fields.keys().map(|name| name.as_str().to_owned()).collect();
            assert!(!names.iter().any(|name| name.starts_with("mcp-param-")), "{names:?}");
            let authorization: Vec<_> = call.fields.get_all("authorization").iter().collect();
            assert!(authorization.iter().all(|value| *value == "Bearer at-1"), "{authorization:?}");
        }
    }
}
