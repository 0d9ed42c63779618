//! The same documents through this reader and through serde_json (SEC-034).

use super::*;
use crate::encoding::vectors;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::format;

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Builder;
        impl<'de> Visitor<'de> for Builder {
            type Value = Tree;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Number(Some(value.into())))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Number(Some(value.into())))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Number(Number::from_f64(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::String(owned(value)))
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
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
                while let Some(member) = map.next_entry::<String, Tree>()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
        }
        deserializer.deserialize_any(Builder)
    }
}

/// Same value from both, or refused by both, but for the listed differences.
#[track_caller]
fn compare(document: &[u8]) -> bool {
    let shown = String::from_utf8_lossy(document);
    let ours = read(document, 64);
    let theirs: Result<Tree, _> = serde_json::from_slice(document);
    let skipped = skip(document, 64);
    let accepted = ours.is_ok();
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{shown}"),
        (Err(_), Err(_)) => {}
        // A number that no float can hold: we keep its text.
        (Ok(ours), Err(_)) => assert!(ours.any(&|tree| *tree == Tree::Number(None)), "{shown}"),
        (Err(JsonError::Duplicate), Ok(theirs)) => assert!(theirs.any(&has_duplicate), "{shown}"),
        (Err(JsonError::Depth), Ok(theirs)) => assert!(theirs.depth() > 64, "{shown}"),
        (Err(JsonError::Members), Ok(theirs)) => {
            assert!(theirs.any(&|tree| matches!(tree, Tree::Object(m) if m.len() > 64)), "{shown}");
        }
        (Err(error), Ok(_)) => panic!("{error:?} only for us: {shown}"),
    }
    // Passing over a value is as strict as reading it, except for duplicates and members.
    match read(document, 64) {
        Err(JsonError::Duplicate | JsonError::Members) => {}
        expected => assert_eq!(skipped, expected.map(|_| ()), "{shown}"),
    }
    accepted
}

fn has_duplicate(tree: &Tree) -> bool {
    let Tree::Object(members) = tree else { return false };
    members.iter().enumerate().any(|(i, member)| members[..i].iter().any(|m| m.0 == member.0))
}

/// Documents of the public parsing test suite, with what is expected of each.
fn suite() -> Vec<(String, String, Vec<u8>)> {
    let Some(suite) = vectors::read("JSONTestSuite/test_parsing.json") else { return Vec::new() };
    let field = |test: &serde_json::Value, name| owned(test[name].as_str().unwrap());
    let tests = suite.as_array().unwrap().iter().map(|test| {
        let encoded = field(test, "b64");
        let mut buffer = vec![0; encoded.len()];
        let mut scratch = Scratch::new(&mut buffer);
        let document =
            crate::encoding::base64url::decode_standard(encoded.as_bytes(), &mut scratch).unwrap();
        (field(test, "name"), field(test, "expect"), document.to_vec())
    });
    let tests: Vec<_> = tests.collect();
    assert!(tests.len() > 200, "the suite is empty");
    tests
}

#[test]
fn public_suite_is_answered_as_expected() {
    for (name, expect, document) in suite() {
        let outcome = read(&document, 64);
        match expect.as_str() {
            // Free to go either way, but both readers go the same.
            "i" => {}
            "y" => assert!(outcome.is_ok(), "{name}: {outcome:?}"),
            _ => assert!(outcome.is_err(), "{name}"),
        }
        compare(&document);
    }
}

#[test]
fn sec_034_every_cut_and_every_changed_byte_of_the_public_suite() {
    let interesting = b"\"\\{}[],:0-+.eE/u \t\n\0\x1f\x7f\x80\xc0\xffdD8tn";
    for (_, _, document) in suite().iter().filter(|test| test.2.len() <= 64) {
        for position in 0..document.len() {
            compare(&document[..position]);
            let mut changed = document.clone();
            for &byte in interesting {
                changed[position] = byte;
                compare(&changed);
            }
        }
    }
}

#[test]
fn sec_034_every_short_document_of_the_tokens() {
    let tokens =
        ["{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u0061\"", "0", "-", ".", "e", " ", "null"];
    let (mut documents, mut accepted) = (vec![String::new()], 0_usize);
    for _ in 0..5 {
        let longer = |document: &String| {
            let document = document.clone();
            tokens.iter().map(move |token| format!("{document}{token}")).collect::<Vec<_>>()
        };
        documents = documents.iter().flat_map(longer).collect();
        // What cannot become a document any more need not grow.
        documents.retain(|document| {
            accepted += usize::from(compare(document.as_bytes()));
            !matches!(read(document.as_bytes(), 64), Err(JsonError::Trailing | JsonError::Depth))
        });
    }
    assert!(accepted > 100, "{accepted}");
}

/// A document with random blanks and spellings.
fn document() -> impl Strategy<Value = String> {
    let blank = || prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\t\r\n")];
    let character = prop_oneof![
        "[a-c ]",
        "\\\\[\"\\\\/bfnrt]",
        "\\\\u00[0-7][0-9a-fA-F]",
        "\\\\u[0-9a-cA-C][0-9a-f]{3}",
        "\\\\u[dD][89abAB][0-9a-f]{2}\\\\u[dD][c-fC-F][0-9A-F]{2}",
        "[\u{80}-\u{10ffff}]",
    ];
    let string =
        proptest::collection::vec(character, 0..4).prop_map(|c| format!("\"{}\"", c.concat()));
    let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?";
    let word = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(owned);
    let leaf = prop_oneof![string.clone(), number, word];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let item = (blank(), inner.clone(), blank()).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
        let member = (blank(), string.clone(), blank(), item.clone())
            .prop_map(|(a, name, b, value)| format!("{a}{name}{b}:{value}"));
        prop_oneof![
            proptest::collection::vec(item, 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec(member, 0..5).prop_map(|m| format!("{{{}}}", m.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn sec_034_documents_that_are_well_formed(document in document()) {
        compare(document.as_bytes());
    }

    #[test]
    fn sec_034_documents_with_a_changed_byte(
        document in document(), position: prop::sample::Index, byte: u8, insert: bool,
    ) {
        let mut document = document.into_bytes();
        let position = position.index(document.len());
        if insert {
            document.insert(position, byte);
        } else {
            document[position] = byte;
        }
        compare(&document);
    }

    #[test]
    fn sec_034_texts_of_json_characters(document in "[\\[\\]{},:\"\\\\u0-9eE.+\\- a\u{e9}\n]{0,24}") {
        compare(document.as_bytes());
    }

    #[test]
    fn sec_026_any_bytes(document in proptest::collection::vec(any::<u8>(), 0..24)) {
        compare(&document);
        compare(&[b"[\"", &document[..], b"\"]"].concat());
    }
}
