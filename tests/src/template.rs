//! Placeholders in the texts of scenarios.
//!
//! | Placeholder | Becomes |
//! | --- | --- |
//! | `{name}` | the snippet of that name, itself filled in, or the token of that name |
//! | `{name.header}`, `{name.payload}`, `{name.signature}` | one segment of a token |
//! | `{opaque}` | an opaque token that no other case has |
//! | `{now}`, `{now+60}`, `{now-60}` | seconds |
//! | `{x00}` | the byte with this hexadecimal value |
//! | `{64*text}` | the text so many times |
//!
//! Anything else between braces is left as it is, as JSON is full of them; a misspelt name is not.

use std::{cell::RefCell, collections::BTreeMap};

use base64ct::{Base64UrlUnpadded, Encoding as _};

use crate::{
    server::{NOW, secret_bytes},
    token::Tokens,
};

/// Deepest nesting of snippets.
const DEPTH_MAX: usize = 8;

/// Fills in placeholders.
pub struct Template {
    snippets: BTreeMap<String, String>,
    tokens: Tokens,
    opaque: RefCell<Vec<String>>,
}

impl Template {
    /// With these snippets and tokens.
    pub const fn new(snippets: BTreeMap<String, String>, tokens: Tokens) -> Self {
        Self { snippets, tokens, opaque: RefCell::new(Vec::new()) }
    }

    /// The bytes of a text of the case named `case`.
    pub fn fill(&self, text: &str, case: &str) -> Vec<u8> {
        let mut out = Vec::new();
        self.fill_into(text, case, DEPTH_MAX, &mut out);
        out
    }

    /// The same where only text makes sense.
    pub fn fill_text(&self, text: &str, case: &str) -> String {
        String::from_utf8(self.fill(text, case)).unwrap()
    }

    /// Every opaque token that was filled in so far.
    pub fn opaque_tokens(&self) -> Vec<String> {
        self.opaque.borrow().clone()
    }

    /// All tokens by name.
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    fn fill_into(&self, text: &str, case: &str, depth: usize, out: &mut Vec<u8>) {
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            out.extend_from_slice(before.as_bytes());
            let end = from[1..].find(['{', '}']).map(|end| end + 1);
            let inside = end.filter(|end| from[*end..].starts_with('}')).map(|end| &from[1..end]);
            match inside {
                Some(inside) if self.put(inside, case, depth, out) => {
                    rest = &from[inside.len() + 2..];
                }
                _ => {
                    out.push(b'{');
                    rest = &from[1..];
                }
            }
        }
        out.extend_from_slice(rest.as_bytes());
    }

    /// Puts what a placeholder stands for; false when it is none.
    fn put(&self, inside: &str, case: &str, depth: usize, out: &mut Vec<u8>) -> bool {
        if let Some((times, text)) = inside.split_once('*')
            && let Ok(times) = times.parse()
        {
            out.extend_from_slice(text.repeat(times).as_bytes());
        } else if inside == "opaque" {
            out.extend_from_slice(self.opaque_token(case).as_bytes());
        } else if let Some(secs) = seconds(inside) {
            out.extend_from_slice(secs.to_string().as_bytes());
        } else if let Some(byte) = inside.strip_prefix('x').and_then(hex_byte) {
            out.push(byte);
        } else if let Some(snippet) = self.snippets.get(inside) {
            assert!(depth > 0, "{inside}: snippets go round in a circle");
            self.fill_into(snippet, case, depth - 1, out);
        } else if let Some(token) = self.tokens.part(inside) {
            out.extend_from_slice(token.as_bytes());
        } else {
            assert!(!is_name(inside), "{case}: there is neither snippet nor token {{{inside}}}");
            return false;
        }
        true
    }

    fn opaque_token(&self, case: &str) -> String {
        let token = Base64UrlUnpadded::encode_string(&secret_bytes(case));
        self.opaque.borrow_mut().push(token.clone());
        token
    }
}

/// `now`, and so many seconds before or after.
pub fn seconds(text: &str) -> Option<u64> {
    let offset = text.strip_prefix("now")?;
    if offset.is_empty() {
        return Some(NOW);
    }
    let (sign, secs) = offset.split_at_checked(1)?;
    let secs: u64 = secs.parse().ok()?;
    match sign {
        "+" => NOW.checked_add(secs),
        "-" => NOW.checked_sub(secs),
        _ => None,
    }
}

fn hex_byte(text: &str) -> Option<u8> {
    (text.len() == 2).then(|| u8::from_str_radix(text, 16).ok())?
}

/// Whether braces around this can only be meant as a placeholder.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[u8]) {
        let snippets = [("a", "<{b}>"), ("b", "x{now+1}")];
        let snippets = snippets.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let template = Template::new(BTreeMap::from(snippets), Tokens::default());
        assert_eq!(template.fill(text, "case"), expected);
    }

    #[test]
    fn placeholders() {
        check("{a}{a}", b"<x1800000001><x1800000001>");
        check("{x00}{xff}", b"\0\xff");
        check("{3*ab}", b"ababab");
        check("{now-1}", b"1799999999");
    }

    #[test]
    fn json_is_left_alone() {
        let json = r#"{"a":{},"b":{"c":[{"d":1}]}} {"#;
        check(json, json.as_bytes());
    }

    #[test]
    #[should_panic(expected = "neither snippet nor token")]
    fn a_misspelt_name_is_found() {
        check("{no_such}", b"");
    }
}
