//! What is told about a tool.

use crate::{
    encoding::json::{JsonError, Kind, Reader},
    limits,
};

/// A tool as `tools/list` shows it (TS-74).
#[derive(Clone, Copy, Debug)]
pub struct Tool<'c> {
    /// Its name, by which it is called and by which scopes are asked for it.
    pub name: &'c str,
    /// What a model is told about it.
    pub description: &'c str,
    /// The JSON Schema of its arguments: a text that is an object with `"type":"object"`.
    pub input_schema: &'c str,
}

/// The schema of a tool without arguments (TS-74).
const NO_ARGUMENTS: &str = r#"{"type":"object","additionalProperties":false}"#;

/// The tools of a server, numbered from 0 without a gap.
pub trait Tools {
    /// The tool with this number.
    fn tool(&self, index: usize) -> Option<Tool<'_>>;

    /// Whether every tool can be served as it is described.
    fn check(&self) -> Result<(), ToolsError> {
        let all = || (0..).map_while(|index| self.tool(index));
        for (index, tool) in all().enumerate() {
            tool.check()?;
            if all().take(index).any(|earlier| earlier.name == tool.name) {
                return Err(ToolsError::Repeated);
            }
        }
        Ok(())
    }
}

impl Tools for [Tool<'_>] {
    fn tool(&self, index: usize) -> Option<Tool<'_>> {
        self.get(index).copied()
    }
}

impl<const N: usize> Tools for [Tool<'_>; N] {
    fn tool(&self, index: usize) -> Option<Tool<'_>> {
        self.get(index).copied()
    }
}

/// Longest name of a tool (TS-74).
const NAME_LEN_MAX: usize = 128;

impl<'c> Tool<'c> {
    /// A tool without arguments.
    pub const fn new(name: &'c str, description: &'c str) -> Self {
        Self { name, description, input_schema: NO_ARGUMENTS }
    }

    /// The tool with arguments of this JSON Schema.
    pub const fn with_arguments(self, input_schema: &'c str) -> Self {
        Self { input_schema, ..self }
    }

    fn check(self) -> Result<(), ToolsError> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !(1..=NAME_LEN_MAX).contains(&self.name.len()) || !self.name.bytes().all(is_part) {
            return Err(ToolsError::Name);
        }
        match is_object_schema(self.input_schema) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(ToolsError::Schema),
        }
    }
}

/// Whether a schema is an object that is for objects. What else it says is not looked into.
fn is_object_schema(schema: &str) -> Result<bool, JsonError> {
    let mut reader = Reader::new(schema.as_bytes(), limits::BODY_DEPTH_MAX)?;
    let mut members = reader.object()?;
    let mut is_for_objects = false;
    while let Some(name) = members.next(&mut reader)? {
        if name.eq_str("type") && reader.peek()? == Kind::String {
            is_for_objects = reader.string()?.eq_str("object");
        } else {
            reader.skip()?;
        }
    }
    reader.end()?;
    Ok(is_for_objects)
}

/// Why a tool cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolsError {
    /// The name is empty, too long, or has other characters than letters, digits and `_.-`.
    Name,
    /// Two tools have the same name.
    Repeated,
    /// The schema is not JSON, or not one of an object.
    Schema,
}

impl core::fmt::Display for ToolsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Name => "a tool's name is malformed",
            Self::Repeated => "two tools have the same name",
            Self::Schema => "a tool's input schema is not a schema of an object",
        })
    }
}

impl core::error::Error for ToolsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, schema: &str, expected: Result<(), ToolsError>) {
        let tool = Tool::new(name, "").with_arguments(schema);
        assert_eq!([tool].check(), expected, "{name} {schema}");
    }

    #[test]
    fn ts_74_names() {
        let longest = "n".repeat(NAME_LEN_MAX + 1);
        for name in ["a", "read_temperature", "A.b-9", &longest[1..], &longest[2..]] {
            check(name, NO_ARGUMENTS, Ok(()));
        }
        for name in ["", "a b", "a\"", "é", &longest] {
            check(name, NO_ARGUMENTS, Err(ToolsError::Name));
        }
        let twice = [Tool::new("a", ""), Tool::new("b", ""), Tool::new("a", "")];
        assert_eq!(twice.check(), Err(ToolsError::Repeated));
        assert_eq!(twice[1..].check(), Ok(()));
    }

    #[test]
    fn ts_74_schemas() {
        check("a", r#"{"type":"object","properties":{"on":{"type":"boolean"}}}"#, Ok(()));
        for schema in ["", "{}", "[]", "true", r#"{"type":"string"}"#, r#"{"type":["object"]}"#] {
            check("a", schema, Err(ToolsError::Schema));
        }
        check("a", r#"{"type":"object","type":"object"}"#, Err(ToolsError::Schema));
        check("a", r#"{"type":"object"} "#, Ok(()));
        check("a", r#"{"type":"object"}}"#, Err(ToolsError::Schema));
    }
}
