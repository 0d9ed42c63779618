//! Who is let in, and what the others are told.

use crate::harness::{Device, Hands, NOW, modern, post, statuses, token, token_until};

const LIST: &str = "tools/list";

#[test]
fn rs_20_without_a_token_there_is_a_challenge() {
    let request = "POST /mcp HTTP/1.1\r\nHost: device.example.com\r\nContent-Length: 2\r\n\r\n{}";
    let (answer, _) = Device::new().talk(request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    let url = "https://device.example.com/.well-known/oauth-protected-resource/mcp";
    let challenge =
        format!("www-authenticate: Bearer scope=\"device:read\", resource_metadata=\"{url}\"\r\n");
    assert!(answer.contains(&challenge), "{answer}");
}

#[test]
fn rs_05_the_metadata_is_for_anybody() {
    let request = "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: x\r\n\r\n";
    let (answer, _) = Device::new().talk(request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["resource"], "https://device.example.com/mcp");
    assert_eq!(document["authorization_servers"][0], "https://as.example.com");
    let (head_answer, _) = Device::new().talk(request.replace("GET", "HEAD").as_bytes());
    assert_eq!(head_answer, format!("{head}\r\n\r\n"), "SEC-419: the same fields, no content");
}

#[test]
fn rs_64_a_token_is_good_until_it_ends() {
    let check = |request: &str, expected: u16| {
        assert_eq!(Device::new().statuses(request.as_bytes()).0, [expected]);
    };
    check(&modern(&token("device:read"), LIST, ""), 200);
    check(&modern(&token_until("device:read", NOW - 61), LIST, ""), 401);
    check(&modern(&token("device:write"), LIST, ""), 403);
    let good = token("device:read");
    check(&modern(&good[..good.len() - 1], LIST, ""), 401);
    check(&modern("opaque", LIST, ""), 401);
}

#[test]
fn sec_120_two_tokens_are_none() {
    let good = token("device:read");
    let twice =
        modern(&good, LIST, "").replace("Host:", &format!("authorization: Bearer {good}\r\nHost:"));
    assert_eq!(Device::new().statuses(twice.as_bytes()).0, [400]);
}

#[test]
fn sec_500_nobody_is_let_in_before_the_time_is_known() {
    let request = modern(&token("device:read"), LIST, "");
    let device = Device { clock: &Hands(None), ..Device::new() };
    let (answer, _) = device.talk(request.as_bytes());
    assert_eq!(statuses(&answer), [503]);
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    assert_eq!(Device::new().statuses(request.as_bytes()).0, [200]);
}

#[test]
fn rs_25_a_tool_that_needs_more_says_what() {
    let params = r#""name":"set_led","arguments":{"on":true}"#;
    let device = Device::new();
    let (answer, _) = device.talk(modern(&token("device:read"), "tools/call", params).as_bytes());
    assert_eq!(statuses(&answer), [403]);
    assert!(answer.contains("error=\"insufficient_scope\""), "{answer}");
    assert!(answer.contains("scope=\"device:read device:write\""), "{answer}");
    assert!(!device.led.get(), "INV-5");
    let (status, _) = device.call("device:read device:write", "tools/call", params);
    assert_eq!((status, device.led.get()), (200, true));
}

#[test]
fn ts_12_a_foreign_host_is_refused() {
    let request = modern(&token("device:read"), LIST, "").replace("Host: device", "Host: evil");
    assert_eq!(Device::new().statuses(request.as_bytes()).0, [421]);
}

#[test]
fn inv_7_the_connection_goes_on_behind_a_refusal() {
    let refused = post("bad", "", "{}");
    let honest = modern(&token("device:read"), LIST, "");
    let bytes = [refused, honest.clone(), honest].concat();
    assert_eq!(Device::new().statuses(bytes.as_bytes()), (vec![401, 200, 200], false));
}
