//! The answers to what was refused, byte for byte.

use super::*;
use crate::encoding::text::TextWriter;
use core::fmt::Write;

#[test]
fn ts_32_an_unsupported_version_is_told_what_there_is() {
    Case::modern().swap("2026-07-28", "2027-01-01").set("MCP-Protocol-Version", "2027-01-01").answers(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"unsupported protocol version","data":{"supported":["2026-07-28","2025-11-25","2025-06-18"],"requested":"2027-01-01"}}}"#,
    );
}

#[test]
fn ts_35_whoever_tries_a_handshake_is_told_what_there_is() {
    Case::legacy()
        .versions(Versions::MODERN)
        .body(r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{}}"#)
        .answers(r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"_meta must have protocolVersion and clientCapabilities","data":{"supported":["2026-07-28"]}}}"#);
}

#[test]
fn ts_21_the_id_is_repeated_as_it_was_spelled() {
    for id in ["7", "-170141183460469231731687303715884105729", "\"\\u0061\\\"\"", "\"1\""] {
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32600,"message":"not a JSON-RPC 2.0 message"}}}}"#
        );
        Case::legacy().body(&format!("{{\"id\":{id}}}")).answers(&expected);
    }
}

#[test]
fn ts_27_an_unknown_id_is_omitted() {
    let expected = r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"not well-formed JSON"}}"#;
    Case::modern().body("{").answers(expected);
    let batch =
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"batches are not supported"}}"#;
    Case::modern().body("[]").answers(batch);
    for id in ["null", "{}", "1.5"] {
        let body = Case::modern().swap("\"id\":1", &format!("\"id\":{id}"));
        body.answers(
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"not a JSON-RPC 2.0 message"}}"#,
        );
    }
    // An answer that was posted has an id of our own requests, not of theirs.
    Case::modern().body(r#"{"jsonrpc":"2.0","id":5,"result":{}}"#).answers(
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"responses are not accepted here"}}"#,
    );
}

#[test]
fn ts_27_revisions_without_such_errors_get_none() {
    for (version, expected) in [
        ("2025-06-18", ""),
        ("2025-03-26", ""),
        (
            "2025-11-25",
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"not well-formed JSON"}}"#,
        ),
    ] {
        let case = Case::legacy().line("MCP-Protocol-Version", version).body("{");
        case.answers(expected);
        case.judge(|envelope| {
            assert_eq!(envelope.unwrap_err().body().is_empty(), expected.is_empty());
        });
    }
    // With an id there is a form for it.
    let case = Case::legacy().line("MCP-Protocol-Version", "2025-06-18");
    case.swap("\"name\":\"led\",", "").answers(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"a required parameter is missing or malformed"}}"#,
    );
}

#[test]
fn sec_035_every_answer_is_json_and_safe_in_html() {
    let id = "\"id\":\"</script><!--&\u{2028}\"";
    for (case, code) in [
        (Case::modern().swap("\"id\":1", id).set("Mcp-Name", "</script>"), -32020),
        (Case::modern().swap("\"id\":1", id).without("Mcp-Method"), -32020),
        (Case::modern().swap("\"id\":1", id).swap("2026-07-28", "</script>"), -32602),
        (Case::modern().swap("\"id\":1", id).swap("\"2.0\"", "\"</script>\""), -32600),
        (Case::modern().set("MCP-Protocol-Version", "\"</script>"), -32020),
    ] {
        let answer = case.judge(|envelope| envelope.unwrap_err().body().to_string());
        let parsed: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(parsed["error"]["code"], code);
        assert_ne!(parsed["id"], serde_json::Value::Null);
        assert!(!answer.contains(['<', '>', '&', '\u{2028}']), "{answer}");
    }
}

#[test]
fn sec_036_a_buffer_too_small_for_the_answer() {
    let case = Case::legacy().versions(Versions::MODERN);
    case.judge(|envelope| {
        let body = envelope.unwrap_err().body();
        let whole = body.to_string();
        for len in 0..whole.len() {
            let mut buffer = std::vec![0; len];
            assert!(write!(TextWriter::new(&mut buffer), "{body}").is_err(), "{len}");
        }
        let mut buffer = std::vec![0; whole.len()];
        let mut writer = TextWriter::new(&mut buffer);
        write!(writer, "{body}").unwrap();
        assert_eq!(writer.finish(), whole);
    });
}

#[test]
fn ts_52_tl_15_an_unknown_method() {
    let check = |case: Case, status, expected: &str| {
        let head = RequestHead::new("POST", "/mcp", []);
        case.judge(|envelope| {
            let error = EnvelopeError::method_not_found(&envelope.unwrap(), &head, case.versions);
            assert_eq!((error.status(), error.code()), (status, -32601));
            assert_eq!(error.body().to_string(), expected);
        });
    };
    let plain = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"method not found"}}"#;
    check(Case::modern(), 404, plain);
    check(Case::legacy(), 200, plain);
    let handshake = Case::modern().versions(Versions::MODERN).swap("tools/call", "initialize");
    check(
        handshake.set("Mcp-Method", "initialize"),
        404,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"method not found","data":{"supported":["2026-07-28"]}}}"#,
    );
}

#[test]
fn lim_10_a_body_that_outgrows_its_limit_on_the_way() {
    let head = RequestHead::new("POST", "/mcp", []);
    let error = EnvelopeError::too_long(&head, Versions::ALL);
    assert_eq!((error.fault(), error.status()), (Fault::TooLong, 413));
    assert_eq!(
        error.body().to_string(),
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"body is too long"}}"#
    );
}
