//! SEC-034: whatever is accepted says the same to another parser.

use super::*;
use base64ct::{Base64, Encoding};
use proptest::{prelude::*, strategy::ValueTree};
use serde_json::Value;

/// If `case` is accepted, `serde_json` reads the same method, name, id and version out of it.
fn agrees_with_serde_json(case: &Case) -> bool {
    case.judge(|envelope| {
        let Ok(envelope) = envelope else { return false };
        // `serde_json` alone refuses numbers that no float can hold; they are JSON.
        let body: Value = match serde_json::from_slice(&case.body) {
            Ok(body) => body,
            Err(error) if error.to_string().contains("number out of range") => return true,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&case.body)),
        };
        assert_eq!(body["jsonrpc"], "2.0");
        match envelope.message() {
            Message::Request { id } => {
                assert_eq!(body["id"], serde_json::from_str::<Value>(&id.to_string()).unwrap());
                assert_eq!(body["method"], envelope.method());
            }
            Message::Notification => {
                assert_eq!(body.get("id"), None);
                assert_eq!(body["method"], envelope.method());
            }
            Message::Response => assert_eq!(body.get("method"), None),
        }
        let name = match envelope.method() {
            "tools/call" | "prompts/get" => body["params"]["name"].as_str(),
            "resources/read" => body["params"]["uri"].as_str(),
            _ => None,
        };
        assert_eq!(envelope.name(), name);
        let declared = &body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
        match envelope.era() {
            Era::Modern => assert!(declared.is_null() || *declared == "2026-07-28"),
            Era::Legacy => assert_eq!(*declared, Value::Null),
        }
        if let Some(arguments) = envelope.arguments() {
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            assert_eq!(arguments, body["params"]["arguments"]);
        }
        true
    })
}

/// One spelling of a string: each character as it is or escaped.
fn spelled(text: &'static str) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<bool>(), text.len()).prop_map(move |escape| {
        let spell = |(character, escape): (char, bool)| match escape {
            true => format!("\\u{:04x}", u32::from(character)),
            false => character.to_string(),
        };
        format!("\"{}\"", text.chars().zip(escape).map(spell).collect::<String>())
    })
}

fn value() -> impl Strategy<Value = String> {
    let names = ["tools/call", "tools/list", "resources/read", "led", "2.0", "2026-07-28"];
    let scalar = prop_oneof![
        proptest::sample::select(names.to_vec()).prop_flat_map(spelled),
        proptest::sample::select(std::vec![
            "1",
            "-7",
            "1.0",
            "1e3",
            "null",
            "true",
            "{}",
            "[]",
            "18446744073709551616"
        ])
        .prop_map(String::from),
        any::<String>().prop_map(|text| Value::String(text).to_string()),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        let member = (member_name(), inner.clone());
        prop_oneof![
            proptest::collection::vec(inner, 0..4)
                .prop_map(|items| format!("[{}]", items.join(" , "))),
            proptest::collection::vec(member, 0..5).prop_map(|members| object(&members)),
        ]
    })
}

fn member_name() -> impl Strategy<Value = String> {
    let names = [
        "jsonrpc",
        "id",
        "method",
        "params",
        "name",
        "uri",
        "_meta",
        "arguments",
        "result",
        "error",
        "Method",
        "method\0",
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientCapabilities",
    ];
    proptest::sample::select(names.to_vec()).prop_flat_map(spelled)
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("{name}\t:\r\n{value}")).collect();
    format!("{{{} }}", members.join(","))
}

/// A message with known members in any order and spelling, some of them replaced or added.
fn message() -> impl Strategy<Value = String> {
    let method = prop_oneof![
        spelled("tools/call"),
        spelled("resources/read"),
        spelled("tools/list"),
        spelled("initialize"),
        value()
    ];
    let params = (
        spelled("name"),
        spelled("led"),
        spelled("uri"),
        spelled("x:y"),
        spelled("arguments"),
        value(),
    )
        .prop_map(|(name, led, uri, x, arguments, value)| {
            object(&[(name, led), (uri, x), (arguments, value)])
        });
    let known = (
        (spelled("jsonrpc"), spelled("2.0")),
        (spelled("id"), prop_oneof![Just(String::from("1")), value()]),
        (spelled("method"), method),
        (spelled("params"), prop_oneof![params, value()]),
    );
    let extra = proptest::collection::vec((member_name(), value()), 0..2);
    (known, extra).prop_flat_map(|((a, b, c, d), extra)| {
        let mut members = std::vec![a, b, c, d];
        members.extend(extra);
        Just(members).prop_shuffle().prop_map(|members| object(&members))
    })
}

fn flip(case: &mut Case, at: usize, byte: u8) {
    let len = case.body.len();
    if let Some(place) = case.body.get_mut(at % len.max(1)) {
        *place = byte;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn sec_034_messages(body in message()) {
        agrees_with_serde_json(&Case::legacy().body(&body));
    }

    #[test]
    fn sec_034_messages_with_a_changed_byte(
        at in any::<usize>(), byte in any::<u8>(), is_modern in any::<bool>(),
    ) {
        let mut case = if is_modern { Case::modern() } else { Case::legacy() };
        flip(&mut case, at, byte);
        agrees_with_serde_json(&case);
    }

    #[test]
    fn sec_034_any_bytes(body in any::<Vec<u8>>()) {
        agrees_with_serde_json(&Case { body, ..Case::legacy() });
    }
}

/// The law is not kept by refusing everything.
#[test]
fn sec_034_the_generated_messages_are_often_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..500)
        .filter(|_| {
            let body = message().new_tree(&mut runner).unwrap().current();
            agrees_with_serde_json(&Case::legacy().body(&body))
        })
        .count();
    assert!(accepted > 50, "{accepted}");
}

/// Each document of the JSON parsing test suite as `arguments`, which is passed over: what is no JSON
/// there makes the whole body none.
#[test]
fn sec_034_documents_of_the_parsing_test_suite() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/vectors/JSONTestSuite/test_parsing.json"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        std::println!("skipped: {path} is not there");
        return;
    };
    let suite: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!suite.is_empty());
    for test in &suite {
        let (name, encoded) = (&test["name"], test["b64"].as_str().unwrap());
        let mut buffer = std::vec![0; encoded.len()];
        let document = Base64::decode(encoded, &mut buffer).unwrap();
        let mut case = Case { limits: BodyLimits::DESKTOP, ..Case::legacy() };
        case.body = [
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"led","arguments":"#,
            document,
            b"}}",
        ]
        .concat();
        match test["expect"].as_str() {
            Some("y") => assert!(agrees_with_serde_json(&case), "{name}"),
            Some("n") => case.judge(|envelope| assert!(envelope.is_err(), "{name}")),
            // Either is allowed, but not to read something else than the other parser.
            _ => drop(agrees_with_serde_json(&case)),
        }
    }
}
