//! The reader accepts what serde_json accepts, except for what it refuses by rule, and reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::{
        json::{JsonError, Kind, Reader},
        scratch::Scratch,
    },
    limits::{BODY_DEPTH_MAX_DESKTOP, MEMBERS_MAX},
};
use portcullis_fuzz::json::Tree;

const DEPTH_MAX: u8 = BODY_DEPTH_MAX_DESKTOP;

fuzz_target!(|data: &[u8]| {
    let theirs = Tree::by_serde(data);
    // serde_json converts numbers and has a range for them; the reader keeps their text.
    if matches!(&theirs, Err(message) if message.starts_with("number out of range")) {
        return;
    }
    match (read(data), &theirs) {
        (Ok(ours), theirs) => assert_eq!(Ok(&ours), theirs.as_ref()),
        (Err(error), Ok(tree)) => assert!(is_by_rule(error, tree), "{error:?} on {tree:?}"),
        (Err(_), Err(_)) => {}
    }
    match (skip(data), &theirs) {
        (Ok(raw), theirs) => {
            assert!(theirs.is_ok());
            assert_eq!(raw.trim_matches([' ', '\t', '\r', '\n']), raw, "only the value's own text");
        }
        (Err(error), Ok(tree)) => {
            assert!(
                error == JsonError::Depth && tree.depth() > usize::from(DEPTH_MAX),
                "{error:?}"
            );
        }
        (Err(_), Err(_)) => {}
    }
});

fn is_by_rule(error: JsonError, tree: &Tree) -> bool {
    match error {
        JsonError::Depth => tree.depth() > usize::from(DEPTH_MAX),
        JsonError::Duplicate => tree.has_duplicate(),
        JsonError::Members => tree.any_object(&|members| members.len() > MEMBERS_MAX),
        _ => false,
    }
}

fn skip(data: &[u8]) -> Result<&str, JsonError> {
    let mut reader = Reader::new(data, DEPTH_MAX)?;
    let raw = reader.raw()?;
    reader.end()?;
    Ok(raw)
}

fn read(data: &[u8]) -> Result<Tree, JsonError> {
    let mut reader = Reader::new(data, DEPTH_MAX)?;
    let tree = value(&mut reader)?;
    reader.end()?;
    Ok(tree)
}

fn value(reader: &mut Reader<'_>) -> Result<Tree, JsonError> {
    Ok(match reader.peek()? {
        Kind::Null => reader.null().map(|()| Tree::Null)?,
        Kind::Bool => Tree::Bool(reader.boolean()?),
        Kind::Number => Tree::Number(reader.number()?.parse().expect("checked text of a number")),
        Kind::String => {
            let string = reader.string()?;
            let mut buffer = vec![0; string.raw().len()];
            let text = string.read(&mut Scratch::new(&mut buffer))?.to_owned();
            assert!(string.eq_str(&text));
            assert!(string.chars().eq(text.chars()));
            Tree::String(text)
        }
        Kind::Array => {
            let mut elements = reader.array()?;
            let mut values = Vec::new();
            while elements.next(reader)? {
                values.push(value(reader)?);
            }
            Tree::Array(values)
        }
        Kind::Object => {
            let mut members = reader.object()?;
            let mut values = Vec::new();
            while let Some(name) = members.next(reader)? {
                values.push((name.chars().collect(), value(reader)?));
            }
            Tree::Object(values)
        }
    })
}
