//! The protocol itself, in both eras.

use serde_json::json;

use crate::harness::{Device, json, legacy, modern, post, token};

#[test]
fn ts_72_tools_are_listed() {
    let (status, answer) = Device::new().call("device:read", "tools/list", "");
    assert_eq!(status, 200);
    let names = |index: usize| answer["result"]["tools"][index]["name"].clone();
    assert_eq!((names(0), names(1)), (json!("read_temperature"), json!("set_led")));
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(answer["result"]["tools"][1]["inputSchema"]["required"], json!(["on"]));
}

#[test]
fn ts_70_the_server_is_discovered() {
    let (status, answer) = Device::new().call("device:read", "server/discover", "");
    assert_eq!((status, &answer["result"]["supportedVersions"][0]), (200, &json!("2026-07-28")));
}

#[test]
fn ts_76_a_structured_result_is_repeated_as_text() {
    let (status, answer) =
        Device::new().call("device:read", "tools/call", r#""name":"read_temperature""#);
    assert_eq!((status, &answer["result"]["structuredContent"]), (200, &json!({"celsius": 21})));
    assert_eq!(answer["result"]["content"][0]["text"], r#"{"celsius":21}"#);
}

#[test]
fn ts_75_arguments_that_do_not_fit_never_reach_the_tool() {
    let device = Device::new();
    let call = |arguments: &str| {
        let params = format!(r#""name":"set_led","arguments":{arguments}"#);
        let (status, answer) = device.call("device:read device:write", "tools/call", &params);
        assert_eq!(status, 200, "{answer}");
        answer
    };
    for arguments in ["{}", r#"{"on":1}"#, r#"{"on":true,"x":1}"#, r#"{"on":null}"#] {
        let answer = call(arguments);
        assert_eq!(answer["result"]["isError"], true, "{arguments}: {answer}");
        assert!(!device.led.get(), "{arguments}");
    }
    // SEC-020: two readers could pick different ones.
    let twice = call(r#"{"on":true,"on":false}"#);
    assert_eq!((&twice["result"]["isError"], device.led.get()), (&json!(true), false));
    assert_eq!(call("[]")["error"]["code"], -32602);
    let answer = call(r#"{"on":true}"#);
    assert_eq!(answer["result"]["content"][0]["text"], "set by alice");
    assert!(device.led.get());
    let answer = call(r#"{"on":true}"#);
    assert_eq!(answer["result"]["content"][0]["text"], "it is so already");
    assert_eq!(answer["result"]["isError"], true);
    let (_, answer) = device.call("device:read", "tools/call", r#""name":"set_le""#);
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn ts_52_unknown_methods() {
    let device = Device::new();
    for method in ["resources/list", "initialize", "subscriptions/listen"] {
        let (status, answer) = device.call("device:read", method, "");
        assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32601)), "{method}");
    }
}

#[test]
fn tl_01_the_handshake_of_older_revisions() {
    let token = token("device:read");
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let (answer, _) = Device::new().talk(post(&token, "", initialize).as_bytes());
    let (status, answer) = json(&answer);
    assert_eq!((status, &answer["result"]["protocolVersion"]), (200, &json!("2025-11-25")));
    let initialized = legacy(&token, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let (answer, _) = Device::new().talk(initialized.as_bytes());
    assert_eq!(answer, "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    let ask = |body: &str| json(&Device::new().talk(legacy(&token, body).as_bytes()).0);
    let (status, answer) = ask(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert_eq!((status, answer), (200, json!({"jsonrpc": "2.0", "id": "p", "result": {}})));
    let (status, answer) = ask(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    assert_eq!((status, answer["result"]["tools"].as_array().map(Vec::len)), (200, Some(2)));
    assert_eq!(answer["result"].get("resultType"), None, "TL-15");
    let call = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"set_led","arguments":{"on":true}}}"#;
    assert_eq!(ask(call).0, 403, "SEC-344: an older revision is no way around");
}

#[test]
fn ts_42_headers_that_say_something_else() {
    let token = token("device:read device:write");
    let params = r#""name":"set_led","arguments":{"on":true}"#;
    let request = modern(&token, "tools/call", params);
    let device = Device::new();
    let (answer, _) =
        device.talk(request.replace("Mcp-Name: set_led", "Mcp-Name: read_led").as_bytes());
    let (status, answer) = json(&answer);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32020)));
    assert!(!device.led.get());
}
