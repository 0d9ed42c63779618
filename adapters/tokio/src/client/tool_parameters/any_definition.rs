//! Whatever the definition of a tool says, a call of it sends nothing but well-formed fields of its own (SEC-484).

use std::cell::Cell;

use proptest::{
    collection::btree_map,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::json;

use super::*;

/// What a mark says: mostly a name, else what must not become one.
fn mark() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => "[A-Za-z][A-Za-z0-9_-]{0,3}".prop_map(Value::from),
        1 => prop::sample::select(vec![
            json!(""), json!(null), json!(7), json!(["a"]), json!("a: b"), json!("a\r\nX: y"), json!("a\n"),
            json!("Authorization"), json!("proxy-authorization"), json!("COOKIE"), json!("Set-Cookie"),
        ]),
        1 => ".{0,8}".prop_map(Value::from),
    ]
}

/// The schema of one value, with a mark or without.
fn value() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec!["string", "integer", "boolean"]);
    let kind = prop_oneof![9 => kinds, 1 => prop::sample::select(vec!["number", "object", "null"])];
    (kind, prop::option::weighted(0.7, mark())).prop_map(|(kind, mark)| match mark {
        Some(mark) => json!({ "type": kind, MARK: mark }),
        None => json!({ "type": kind }),
    })
}

/// Objects in objects, sometimes with schemas in another member than `properties`.
fn schema() -> impl Strategy<Value = Value> {
    let members = ["items", "oneOf", "$defs", "default", "not", "properties", MARK];
    value().prop_recursive(3, 24, 4, move |inner| {
        let name = prop_oneof![9 => "[a-f]", 1 => prop::sample::select(members.to_vec()).prop_map(Into::into)];
        let further = prop::option::weighted(0.1, (prop::sample::select(members.to_vec()), inner.clone()));
        (btree_map(name, inner, 0..4), further).prop_map(|(properties, further)| {
            let mut schema = json!({ "type": "object", "properties": properties });
            if let Some((member, inner)) = further {
                schema[member] = inner;
            }
            schema
        })
    })
}

/// Arguments that fit the schema, so that what it marks is there to be sent.
fn fitting(schema: &Value, text: &str) -> Value {
    match (schema.get("properties"), schema.get("type").and_then(Value::as_str)) {
        (Some(Value::Object(properties)), _) => properties
            .iter()
            .map(|(name, inner)| (name.clone(), fitting(inner, text)))
            .collect::<Map<_, _>>()
            .into(),
        (_, Some("integer")) => json!(-7),
        (_, Some("boolean")) => json!(true),
        _ => json!(text),
    }
}

/// Every text that stands for a mark anywhere in the definition.
fn marks<'a>(schema: &'a Value, found: &mut BTreeSet<String>) {
    let members: Vec<(Option<&'a String>, &'a Value)> = match schema {
        Value::Object(members) => members.iter().map(|(name, value)| (Some(name), value)).collect(),
        Value::Array(items) => items.iter().map(|value| (None, value)).collect(),
        _ => return,
    };
    for (name, value) in members {
        if name.is_some_and(|name| name == MARK) {
            found.extend(value.as_str().map(str::to_ascii_lowercase));
        }
        marks(value, found);
    }
}

/// How many fields a call of the tool sends; `None` where the tool is dropped, or the arguments do not fit.
fn sent(schema: &Value, arguments: &Value) -> Result<Option<usize>, TestCaseError> {
    let parameters = ToolParameters::default();
    let mut list = json!({ "tools": [{ "name": "t", "inputSchema": schema }] });
    parameters.learn(&mut list);
    let is_listed = list["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let Ok(fields) = parameters.fields("t", Some(arguments)) else { return Ok(None) };
    prop_assert!(is_listed || fields.is_empty(), "a tool that is dropped sends {:?}", fields);
    prop_assert_eq!(fields.len(), fields.keys_len(), "a field stands twice");
    prop_assert!(fields.len() <= PARAMETERS_MAX);
    let mut marked = BTreeSet::new();
    marks(schema, &mut marked);
    for (name, value) in &fields {
        let own = name.as_str().strip_prefix("mcp-param-");
        prop_assert!(own.is_some_and(|own| marked.contains(own)), "{}", name);
        prop_assert!(!own.is_some_and(|own| CREDENTIALS.contains(&own)), "{}", name);
        let is_plain = value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte));
        prop_assert!(is_plain, "{:?}", value);
    }
    Ok(is_listed.then_some(fields.len()))
}

#[test]
fn sec_484_whatever_a_definition_says_only_its_own_fields_are_sent() {
    let (dropped, repeated) = (Cell::new(0), Cell::new(0));
    let cases = (schema(), any::<String>(), schema());
    let config = Config { failure_persistence: None, ..Config::with_cases(1_000) };
    let outcome = TestRunner::new(config).run(&cases, |(schema, text, other)| {
        match sent(&schema, &fitting(&schema, &format!("{text}\r\nAuthorization: {text}")))? {
            None => dropped.set(dropped.get() + 1),
            Some(0) => {}
            Some(_) => repeated.set(repeated.get() + 1),
        }
        // Arguments of another tool fit or do not.
        sent(&schema, &fitting(&other, &text)).map(drop)
    });
    outcome.unwrap();
    let (dropped, repeated) = (dropped.get(), repeated.get());
    assert!(dropped > 50 && repeated > 50, "{dropped} dropped, {repeated} with fields");
}
