//! Tests of the reader. `SEC` and `LIM` ids are those of the threat catalogue.

mod differential;
mod strict;

use super::*;
use crate::encoding::scratch::Scratch;
use serde_json::Number;
use std::{borrow::ToOwned, string::String, vec, vec::Vec};

/// A document as read value by value; members keep their order.
#[derive(Debug, PartialEq)]
enum Tree {
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    String(String),
    /// `None` where a floating point number would not do.
    Number(Option<Number>),
    Bool(bool),
    Null,
}

impl Tree {
    fn depth(&self) -> usize {
        match self {
            Self::Object(members) => 1 + members.iter().map(|m| m.1.depth()).max().unwrap_or(0),
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn any(&self, test: &impl Fn(&Tree) -> bool) -> bool {
        test(self)
            || match self {
                Self::Object(members) => members.iter().any(|member| member.1.any(test)),
                Self::Array(elements) => elements.iter().any(|element| element.any(test)),
                _ => false,
            }
    }
}

/// Reads a whole document through every part of the reader's interface.
fn read(document: &[u8], depth_max: u8) -> Result<Tree, JsonError> {
    let mut reader = Reader::new(document, depth_max)?;
    let tree = read_value(&mut reader)?;
    reader.end()?;
    Ok(tree)
}

fn read_value(reader: &mut Reader<'_>) -> Result<Tree, JsonError> {
    Ok(match reader.peek()? {
        Kind::Object => {
            let (mut members, mut tree) = (reader.object()?, Vec::new());
            while let Some(name) = members.next(reader)? {
                tree.push((text(name), read_value(reader)?));
            }
            Tree::Object(tree)
        }
        Kind::Array => {
            let (mut elements, mut tree) = (reader.array()?, Vec::new());
            while elements.next(reader)? {
                tree.push(read_value(reader)?);
            }
            Tree::Array(tree)
        }
        Kind::String => Tree::String(text(reader.string()?)),
        Kind::Number => Tree::Number(reader.number()?.parse().ok()),
        Kind::Bool => Tree::Bool(reader.boolean()?),
        Kind::Null => reader.null().map(|()| Tree::Null)?,
    })
}

/// The text of a string, which is the same in each way to look at it.
fn text(string: JsonStr<'_>) -> String {
    let text: String = string.chars().collect();
    let mut buffer = vec![0; text.len()];
    assert_eq!(string.read(&mut Scratch::new(&mut buffer)), Ok(&*text));
    assert!(string.eq_str(&text));
    assert!(!string.eq_str(&(text.clone() + "\0")));
    assert_eq!(string.plain().is_some(), !string.raw().contains('\\'));
    text
}

/// Passes over a whole document.
fn skip(document: &[u8], depth_max: u8) -> Result<(), JsonError> {
    let mut reader = Reader::new(document, depth_max)?;
    reader.skip()?;
    reader.end()
}

/// Reads and skips; both must come to the same result.
#[track_caller]
fn check(document: impl AsRef<[u8]>, expected: Result<(), JsonError>) {
    let document = document.as_ref();
    let shown = String::from_utf8_lossy(document).chars().take(80).collect::<String>();
    assert_eq!(read(document, 64).map(|_| ()), expected, "{shown}");
    assert_eq!(skip(document, 64), expected, "{shown}");
}

fn owned(text: &str) -> String {
    text.to_owned()
}
