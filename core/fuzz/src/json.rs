//! JSON as serde_json reads it, with repeated names kept.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A whole document.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads a document with serde_json, `Err` with its message.
    pub fn by_serde(document: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(document).map_err(|error| error.to_string())
    }

    /// Reads a document that the core accepted, so that it must be JSON. `None` when it has a number
    /// that no float holds: JSON too, but not for serde_json.
    #[track_caller]
    pub fn accepted(document: &[u8]) -> Option<Self> {
        match Self::by_serde(document) {
            Ok(tree) => Some(tree),
            Err(error) if error.starts_with("number out of range") => None,
            Err(error) => panic!("accepted, but not JSON: {error}"),
        }
    }

    /// The deepest nesting; a scalar is 0.
    pub fn depth(&self) -> usize {
        let deepest = match self {
            Self::Array(elements) => elements.iter().map(Self::depth).max(),
            Self::Object(members) => members.iter().map(|(_, value)| value.depth()).max(),
            _ => return 0,
        };
        1 + deepest.unwrap_or(0)
    }

    /// Whether `found` holds for this object or one inside of it.
    pub fn any_object(&self, found: &impl Fn(&[(String, Self)]) -> bool) -> bool {
        match self {
            Self::Array(elements) => elements.iter().any(|element| element.any_object(found)),
            Self::Object(members) => {
                found(members) || members.iter().any(|(_, value)| value.any_object(found))
            }
            _ => false,
        }
    }

    /// Whether some object names a member twice.
    pub fn has_duplicate(&self) -> bool {
        self.any_object(&|members| {
            members
                .iter()
                .enumerate()
                .any(|(at, (name, _))| members[..at].iter().any(|(n, _)| n == name))
        })
    }

    /// The member of an object; the last one where several have the name.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string member.
    pub fn text_member(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Self::text)
    }

    /// The texts of an array of strings.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Array(elements) => elements.iter().map(Self::text).collect(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::String(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Tree::Array(elements))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}
