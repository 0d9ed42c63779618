//! Arguments of tools that `Mcp-Param-*` fields repeat (TS-46, TS-47, TC-04).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::mcp::header_value;
use serde_json::{Map, Value};

/// The mark in the schema of a parameter.
const MARK: &str = "x-mcp-header";
/// Most tools with such parameters that are remembered.
const TOOLS_MAX: usize = 4096;
/// Most such parameters of one tool.
const PARAMETERS_MAX: usize = 64;
/// 2^53−1 (TS-47).
const INTEGER_MAX: i64 = 9_007_199_254_740_991;
/// Names that stand for credentials: a tool that wants them repeated where every hop reads them is not called
/// (SEC-484).
const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// Members of a schema whose values are schemas by name.
const SCHEMAS_BY_NAME: [&str; 4] =
    ["patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Members of a schema whose values are data.
const DATA: [&str; 5] = ["const", "default", "enum", "example", "examples"];

/// What the server's lists of tools say, as far as a call has to know it.
#[derive(Debug, Default)]
pub(super) struct ToolParameters(Mutex<BTreeMap<String, Vec<Parameter>>>);

/// One marked parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    field: HeaderName,
    /// The names on the way from the arguments to it.
    path: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
}

/// An argument that is not of its parameter's type, or an integer that not every reader knows exactly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongArgument;

impl ToolParameters {
    /// Reads a page of `tools/list`, and takes those tools out of it whose marks are wrong.
    pub(super) fn learn(&self, result: &mut Value) {
        let Some(tools) = result.get_mut("tools").and_then(Value::as_array_mut) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tools.retain(|tool| {
            let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
            known.remove(name);
            let Some(schema) = tool.get("inputSchema") else { return true };
            let Some(parameters) = parameters(schema) else {
                tracing::warn!(tool = %super::Printable(name), "a tool with wrong x-mcp-header is left out");
                return false;
            };
            if !parameters.is_empty() && known.len() < TOOLS_MAX {
                known.insert(name.to_owned(), parameters);
            }
            true
        });
    }

    /// The fields for a call of this tool; none that is not known to want any.
    pub(super) fn fields(
        &self,
        tool: &str,
        arguments: Option<&Value>,
    ) -> Result<HeaderMap, WrongArgument> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fields = HeaderMap::new();
        for parameter in known.get(tool).into_iter().flatten() {
            let Some(text) = parameter.text(arguments)? else { continue };
            let value = HeaderValue::from_str(&header_value(&text).to_string());
            fields.insert(parameter.field.clone(), value.map_err(|_| WrongArgument)?);
        }
        Ok(fields)
    }
}

impl Parameter {
    /// What the field repeats; `None` where the argument is absent or null.
    fn text(&self, arguments: Option<&Value>) -> Result<Option<String>, WrongArgument> {
        let mut value = arguments;
        for name in &self.path {
            value = value.and_then(|value| value.get(name));
        }
        let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
        let text = match (self.kind, value) {
            (Kind::Text, Value::String(text)) => Some(text.clone()),
            (Kind::Boolean, Value::Bool(value)) => Some(value.to_string()),
            (Kind::Integer, Value::Number(number)) => number
                .as_i64()
                .filter(|value| (-INTEGER_MAX..=INTEGER_MAX).contains(value))
                .map(|value| value.to_string()),
            _ => None,
        };
        text.map(Some).ok_or(WrongArgument)
    }
}

/// The marked parameters of a tool; `None` when one of the marks is wrong.
fn parameters(schema: &Value) -> Option<Vec<Parameter>> {
    let mut found = Vec::new();
    let Some(schema) = schema.as_object() else { return Some(found) };
    collect(schema, &mut Vec::new(), &mut found)?;
    let fields: BTreeSet<_> = found.iter().map(|parameter| parameter.field.as_str()).collect();
    // HeaderName is lower case: names are unique whatever their case.
    (fields.len() == found.len() && found.len() <= PARAMETERS_MAX).then_some(found)
}

/// Looks at the schema at `path`, and at those of its properties. How deep they are is bounded by the reader of
/// the JSON.
fn collect(
    schema: &Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut Vec<Parameter>,
) -> Option<()> {
    if let Some(mark) = schema.get(MARK) {
        found.push(marked(mark, schema.get("type"), path)?);
    }
    for (member, value) in schema {
        match (member.as_str(), value) {
            (MARK, _) => {}
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let Some(property) = property.as_object() else { continue };
                    path.push(name.clone());
                    collect(property, path, found)?;
                    path.pop();
                }
            }
            // What is reached in another way than by properties must have no mark.
            (name, value) if is_marked_by(name, value) => return None,
            _ => {}
        }
    }
    Some(())
}

fn marked(mark: &Value, kind: Option<&Value>, path: &[String]) -> Option<Parameter> {
    let name = mark.as_str().filter(|name| !name.is_empty())?;
    if path.is_empty() || CREDENTIALS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
        return None;
    }
    let kind = match kind.and_then(Value::as_str)? {
        "string" => Kind::Text,
        "integer" => Kind::Integer,
        "boolean" => Kind::Boolean,
        _ => return None,
    };
    // Only a token of RFC 9110 §5.6.2 is a name.
    let field = HeaderName::from_bytes(format!("mcp-param-{name}").as_bytes()).ok()?;
    Some(Parameter { field, path: path.to_vec(), kind })
}

/// Whether a member of a schema, other than its properties, has a mark anywhere inside.
fn is_marked_by(member: &str, value: &Value) -> bool {
    match value {
        _ if DATA.contains(&member) => false,
        Value::Object(schemas) if SCHEMAS_BY_NAME.contains(&member) => {
            schemas.values().any(is_marked)
        }
        value => is_marked(value),
    }
}

fn is_marked(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_marked),
        Value::Object(schema) => {
            schema.contains_key(MARK)
                || schema.iter().any(|(member, value)| match (member.as_str(), value) {
                    ("properties", Value::Object(properties)) => properties.values().any(is_marked),
                    (member, value) => is_marked_by(member, value),
                })
        }
        _ => false,
    }
}

#[cfg(test)]
mod any_definition;
#[cfg(test)]
mod tests {
    use portcullis_core::{
        mcp::{Argument, param_header},
        message::Field,
    };
    use serde_json::json;

    use super::*;

    /// A tool with these properties, as it comes out of a list: in it or not, and what it wants.
    fn listed(properties: Value, further: Value) -> (bool, ToolParameters) {
        let mut schema = json!({ "type": "object", "properties": properties });
        schema.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let mut result =
            json!({ "tools": [{ "name": "t", "inputSchema": schema }, { "name": "u" }] });
        let parameters = ToolParameters::default();
        parameters.learn(&mut result);
        let names: Vec<_> =
            result["tools"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
        assert!(names.contains(&&json!("u")));
        (names.contains(&&json!("t")), parameters)
    }

    #[track_caller]
    fn dropped(properties: Value, further: Value) {
        let (is_listed, parameters) = listed(properties.clone(), further);
        assert!(!is_listed, "{properties}");
        let fields = parameters.fields("t", Some(&json!({ "a": "x", "b": "y" })));
        assert_eq!(fields, Ok(HeaderMap::new()));
    }

    #[test]
    fn tc_04_what_is_marked_is_repeated_as_the_core_reads_it() {
        let properties = json!({
            "region": { "type": "string", "x-mcp-header": "Region" },
            "where": { "type": "object", "properties": {
                "floor": { "type": "integer", "x-mcp-header": "floor" } } },
            "dry": { "type": "boolean", "x-mcp-header": "Dry-Run" },
            "free": { "type": "string" },
            // A parameter of this name is none that is marked.
            "x-mcp-header": { "type": "string", "default": { "x-mcp-header": 1 } },
        });
        let (is_listed, parameters) = listed(properties, json!({}));
        assert!(is_listed);
        let arguments =
            json!({ "region": "é\r\nX: y", "where": { "floor": -42 }, "dry": true, "free": "f" });
        let fields = parameters.fields("t", Some(&arguments)).unwrap();
        assert_eq!(fields.len(), 3);
        for (name, argument) in [
            ("mcp-param-region", Argument::Text("é\r\nX: y")),
            ("mcp-param-floor", Argument::Integer("-42")),
            ("mcp-param-dry-run", Argument::Boolean(true)),
        ] {
            let value = fields[name].as_bytes();
            assert_eq!(param_header(Field::One(value), argument), Ok(()), "{name}");
        }
        let without = json!({ "region": null, "where": {}, "free": "f" });
        assert_eq!(parameters.fields("t", Some(&without)), Ok(HeaderMap::new()));
        assert_eq!(parameters.fields("t", None), Ok(HeaderMap::new()));
        assert_eq!(parameters.fields("other", Some(&arguments)), Ok(HeaderMap::new()));
    }

    #[test]
    fn ts_47_arguments_that_no_field_can_repeat() {
        let properties = json!({
            "s": { "type": "string", "x-mcp-header": "s" },
            "i": { "type": "integer", "x-mcp-header": "i" },
        });
        let (_, parameters) = listed(properties, json!({}));
        for good in [json!({ "i": INTEGER_MAX }), json!({ "i": -INTEGER_MAX }), json!({ "s": "" })]
        {
            assert_eq!(parameters.fields("t", Some(&good)).unwrap().len(), 1, "{good}");
        }
        for wrong in [
            json!({ "i": INTEGER_MAX + 1 }),
            json!({ "i": 1.5 }),
            json!({ "i": "1" }),
            json!({ "s": 1 }),
            json!({ "s": ["a"] }),
        ] {
            assert_eq!(parameters.fields("t", Some(&wrong)), Err(WrongArgument), "{wrong}");
        }
    }

    #[test]
    fn sec_484_tools_whose_marks_are_wrong_are_dropped() {
        let text = |mark: Value| json!({ "a": { "type": "string", "x-mcp-header": mark } });
        assert!(listed(text(json!("Region")), json!({})).0);
        for mark in [
            json!(""),
            json!("a b"),
            json!("a\r\nX: y"),
            json!("a\n"),
            json!("a:"),
            json!("é"),
            json!("Authorization"),
            json!("COOKIE"),
            json!(1),
            json!(["a"]),
            json!(null),
        ] {
            dropped(text(mark), json!({}));
        }
        for kind in [json!("number"), json!("object"), json!(["string", "null"]), json!(null)] {
            dropped(json!({ "a": { "type": kind, "x-mcp-header": "a" } }), json!({}));
        }
        dropped(json!({ "a": { "x-mcp-header": "a" } }), json!({}));
        let twice = json!({
            "a": { "type": "string", "x-mcp-header": "Same" },
            "b": { "type": "string", "x-mcp-header": "sAME" },
        });
        dropped(twice, json!({}));
    }

    #[test]
    fn sec_484_marks_in_other_places_than_properties() {
        let inner = json!({ "type": "string", "x-mcp-header": "a" });
        dropped(json!({ "a": { "type": "array", "items": inner } }), json!({}));
        for further in [
            json!({ "x-mcp-header": "whole" }),
            json!({ "oneOf": [{ "properties": { "a": inner } }] }),
            json!({ "$defs": { "x": inner } }),
            json!({ "$defs": { "x-mcp-header": inner } }),
            json!({ "additionalProperties": inner }),
            json!({ "if": { "properties": { "a": inner } } }),
        ] {
            dropped(json!({}), further);
        }
        for harmless in [
            json!({ "default": inner }),
            json!({ "$defs": { "x-mcp-header": { "type": "string" } } }),
            json!({ "not": { "properties": { "x-mcp-header": { "type": "string" } } } }),
        ] {
            assert!(listed(json!({}), harmless.clone()).0, "{harmless}");
        }
    }

    #[test]
    fn a_later_list_takes_the_place_of_an_earlier_one() {
        let (_, parameters) =
            listed(json!({ "a": { "type": "string", "x-mcp-header": "a" } }), json!({}));
        let arguments = json!({ "a": "x" });
        assert_eq!(parameters.fields("t", Some(&arguments)).unwrap().len(), 1);
        parameters.learn(&mut json!({ "tools": [{ "name": "t", "inputSchema": {} }] }));
        assert_eq!(parameters.fields("t", Some(&arguments)), Ok(HeaderMap::new()));
    }
}
