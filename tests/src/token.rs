//! Access tokens as data: right in everything, but for what a case wants to be wrong.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use crate::{server, template::seconds};

/// How a token differs from one that is right in everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Recipe {
    /// Header parameters instead of, or beside, the usual ones.
    header: toml::Table,
    /// The same as raw JSON.
    header_raw: BTreeMap<String, String>,
    /// Header parameters to leave out.
    header_without: Vec<String>,
    /// Raw text before the closing brace of the header.
    header_append: String,
    /// The whole header.
    header_text: Option<String>,
    /// Pad the header to this many bytes.
    header_len: Option<usize>,
    /// Add parameters until there are so many.
    header_members: usize,
    /// Claims instead of, or beside, the usual ones; `now+60` stands for a number.
    claims: toml::Table,
    /// The same as raw JSON.
    raw: BTreeMap<String, String>,
    /// Claims to leave out.
    without: Vec<String>,
    /// Raw text before the closing brace of the claims set.
    append: String,
    /// The whole claims set.
    payload: Option<String>,
    /// Pad the claims set to this many bytes.
    claims_len: Option<usize>,
    /// Add claims until there are so many.
    members: usize,
    /// So many scopes, `user` being the first.
    scopes: usize,
    /// So many audiences, the own one being the first.
    audiences: usize,
    /// Which key signs; that of `kid` unless given.
    key: Option<String>,
    /// The signature segment as text, unsigned when empty.
    signature: Option<String>,
    /// What to do with the finished token.
    change: Option<Change>,
    /// Not made at all, but this text, in which `{name}` and its segments stand for other tokens.
    text: Option<String>,
}

/// A change of a finished token.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    /// Another first bit of the header.
    FlipHeader,
    /// Another bit in the middle of the payload.
    FlipPayload,
    /// Another first bit of the signature.
    FlipSignature,
    /// Another spelling of the same signature.
    TrailingBits,
    /// Without the last character.
    Cut,
}

/// All tokens by name.
#[derive(Clone, Debug, Default)]
pub struct Tokens(BTreeMap<String, String>);

impl Tokens {
    /// Makes them as `tokens.toml` says.
    pub fn from_toml(text: &str) -> Self {
        let recipes: BTreeMap<String, Recipe> = toml::from_str(text).unwrap();
        let mut tokens = Self::default();
        for (name, recipe) in recipes.iter().filter(|(_, recipe)| recipe.text.is_none()) {
            tokens.0.insert(name.clone(), recipe.make());
        }
        for (name, recipe) in &recipes {
            let Some(text) = &recipe.text else { continue };
            let token = crate::template::Template::new(BTreeMap::new(), tokens.clone());
            let token = token.fill_text(text, name);
            tokens.0.insert(name.clone(), token);
        }
        tokens
    }

    /// A token, or `name.header`, `name.payload`, `name.signature`.
    pub fn part(&self, name: &str) -> Option<&str> {
        if let Some(token) = self.0.get(name) {
            return Some(token);
        }
        let (name, part) = name.rsplit_once('.')?;
        let index = ["header", "payload", "signature"].iter().position(|own| *own == part)?;
        self.0.get(name)?.split('.').nth(index)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, token)| (name.as_str(), token.as_str()))
    }
}

impl Recipe {
    fn make(&self) -> String {
        let header = self.header_text.clone().unwrap_or_else(|| self.header());
        let payload = self.payload.clone().unwrap_or_else(|| self.claims());
        let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        let input = format!("{}.{}", encode(&header), encode(&payload));
        let signature = match &self.signature {
            Some(text) => text.clone(),
            None => {
                let kid = self.header.get("kid").and_then(toml::Value::as_str).unwrap_or("k1");
                sign(self.key.as_deref().unwrap_or(kid), &input)
            }
        };
        changed(format!("{input}.{signature}"), self.change)
    }

    fn header(&self) -> String {
        let mut members = Members::default();
        members.set("typ", "\"at+jwt\"");
        members.set("alg", "\"HS256\"");
        members.set("kid", "\"k1\"");
        members.apply(&self.header, &self.header_raw, &self.header_without);
        members.fill_up(self.header_members);
        members.text(&self.header_append, self.header_len)
    }

    fn claims(&self) -> String {
        let mut members = Members::default();
        members.set("iss", &format!("\"{}\"", server::ISSUER));
        members.set("aud", &format!("\"{}\"", server::RESOURCE));
        members.set("sub", "\"alice\"");
        members.set("client_id", "\"client-1\"");
        members.set("scope", "\"user\"");
        members.set("iat", &(server::NOW - 5).to_string());
        members.set("exp", &(server::NOW + 600).to_string());
        members.set("jti", "\"jti-1\"");
        if self.scopes > 0 {
            let more = (1..self.scopes).map(|n| format!(" s{n}")).collect::<String>();
            members.set("scope", &format!("\"user{more}\""));
        }
        if self.audiences > 0 {
            let more =
                (1..self.audiences).map(|n| format!(",\"https://r{n}\"")).collect::<String>();
            members.set("aud", &format!("[\"{}\"{more}]", server::RESOURCE));
        }
        members.apply(&self.claims, &self.raw, &self.without);
        members.fill_up(self.members);
        members.text(&self.append, self.claims_len)
    }
}

/// Names and values of a JSON object in order, values as JSON.
#[derive(Default)]
struct Members(Vec<(String, String)>);

impl Members {
    fn set(&mut self, name: &str, json: &str) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, value)) => json.clone_into(value),
            None => self.0.push((name.to_owned(), json.to_owned())),
        }
    }

    fn apply(&mut self, values: &toml::Table, raw: &BTreeMap<String, String>, without: &[String]) {
        for (name, value) in values {
            let secs = value.as_str().and_then(seconds).map(|secs| secs.to_string());
            self.set(name, &secs.unwrap_or_else(|| serde_json::to_string(value).unwrap()));
        }
        for (name, json) in raw {
            self.set(name, json);
        }
        self.0.retain(|(name, _)| !without.contains(name));
    }

    fn fill_up(&mut self, count: usize) {
        for n in self.0.len()..count {
            self.0.push((format!("x{n}"), "0".to_owned()));
        }
    }

    fn text(&self, append: &str, len: Option<usize>) -> String {
        let members = self.0.iter().map(|(name, json)| format!("\"{name}\":{json}"));
        let mut text = format!("{{{}{append}", members.collect::<Vec<_>>().join(","));
        if let Some(len) = len {
            let start = ",\"pad\":\"";
            let room = len.checked_sub(text.len() + start.len() + 2).unwrap();
            text = format!("{text}{start}{}\"", "p".repeat(room));
            assert_eq!(text.len() + 1, len);
        }
        text + "}"
    }
}

/// HS256, by a key that has this name, or by the text of one that is no secret at all.
fn sign(key: &str, input: &str) -> String {
    let key = match key {
        "empty" => Vec::new(),
        "zero" => vec![0; 32],
        "public" => {
            b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n".to_vec()
        }
        name => server::secret_bytes(name).to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(input.as_bytes());
    Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes())
}

fn changed(token: String, change: Option<Change>) -> String {
    let Some(change) = change else { return token };
    let mut bytes = token.into_bytes();
    let dots: Vec<_> =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at).collect();
    let at = match change {
        Change::Cut => {
            bytes.pop();
            return String::from_utf8(bytes).unwrap();
        }
        Change::FlipHeader => 0,
        Change::FlipPayload => dots[0].midpoint(dots[1]),
        Change::FlipSignature => dots[1] + 1,
        Change::TrailingBits => bytes.len() - 1,
    };
    // The last of 43 characters carries 4 bits of 6: its neighbour in the alphabet means the same.
    bytes[at] = match (change, bytes[at]) {
        (Change::TrailingBits, byte) => byte + 1,
        (_, b'A') => b'Q',
        (_, _) => b'A',
    };
    String::from_utf8(bytes).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(recipe: &str, part: &str, expected: &str) {
        let tokens = Tokens::from_toml(&format!("good = {{}}\nt = {{ {recipe} }}"));
        let segment = tokens.part(&format!("t.{part}")).unwrap();
        let decoded = Base64UrlUnpadded::decode_vec(segment).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), expected);
    }

    #[test]
    fn what_a_recipe_changes() {
        check("", "header", r#"{"typ":"at+jwt","alg":"HS256","kid":"k1"}"#);
        check(
            "header.alg = 'none', header_without = ['kid'], header_append = ',\"a\":1'",
            "header",
            r#"{"typ":"at+jwt","alg":"none","a":1}"#,
        );
        check(
            "without = ['iss', 'aud', 'sub', 'client_id', 'jti', 'scope'], raw.exp = '1e3'",
            "payload",
            r#"{"iat":1799999995,"exp":1e3}"#,
        );
        check("payload = '[]'", "payload", "[]");
        check(
            "claims.exp = 'now-1', without = ['iss', 'aud', 'sub', 'client_id', 'jti', 'scope', 'iat']",
            "payload",
            r#"{"exp":1799999999}"#,
        );
    }

    #[test]
    fn texts_are_made_of_other_tokens() {
        let tokens = Tokens::from_toml("good = {}\nt = { text = '{good.header}.x' }");
        let header = tokens.part("good.header").unwrap();
        assert_eq!(tokens.part("t").unwrap(), format!("{header}.x"));
    }

    #[test]
    fn trailing_bits_are_another_spelling_of_the_same_signature() {
        let tokens = Tokens::from_toml("good = {}\nt = { change = 'trailing-bits' }");
        let (good, other) = (tokens.part("good").unwrap(), tokens.part("t").unwrap());
        assert_ne!(good, other);
        assert_eq!(good[..good.len() - 1], other[..other.len() - 1]);
        let value = |byte: u8| b"AEIMQUYcgkosw048".contains(&byte);
        assert!(value(*good.as_bytes().last().unwrap()));
        assert!(!value(*other.as_bytes().last().unwrap()));
    }
}
