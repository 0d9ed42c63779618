//! What makes one device out of the image that all of them share: who it is, whom it trusts, and its
//! keys. Nothing of it is compiled in.
//!
//! ```json
//! {
//!   "resource": "https://thermometer.example/mcp",
//!   "issuer": "https://login.example",
//!   "keys": [{ "kid": "2026-01", "key": "base64url, without padding" }]
//! }
//! ```
//!
//! A second entry in `keys` is the key to come, while keys are changed.

use portcullis_core::{
    encoding::{
        base64url,
        json::{JsonError, JsonStr, Reader},
        scratch::{BufferFull, Scratch},
    },
    jwt::{HmacKey, KeyError, KeyId, KeyRing},
    limits::{HMAC_KEY_LEN_MAX, IDENTIFIER_LEN_MAX, KEY_ID_LEN_MAX},
};
use zeroize::Zeroizing;

/// Longest document in bytes: each text at its longest, every character of a URL escaped once over.
pub const DOCUMENT_LEN_MAX: usize = 2048;
/// Deepest nesting: the object, the list of keys, a key.
const DEPTH_MAX: u8 = 3;
/// Most members of the document, and of one key.
const MEMBERS_MAX: usize = 3;

/// The identity of one device, checked for form; whether the URLs may be used is for
/// [`ResourceServer::new`](portcullis_core::resource_server::ResourceServer::new) to say.
#[derive(Debug)]
pub struct Provisioning<'m> {
    /// The URL of the device's MCP endpoint, as clients use it.
    pub resource: &'m str,
    /// The authorization server whose tokens it accepts.
    pub issuer: &'m str,
    /// The keys those tokens are signed with.
    pub keys: KeyRing,
}

impl<'m> Provisioning<'m> {
    /// Reads the document. What is kept is copied to `memory`, so that the document, which holds
    /// keys, can be wiped.
    pub fn read(document: &[u8], memory: &mut Scratch<'m>) -> Result<Self, ProvisioningError> {
        let mut reader = Reader::new(document, DEPTH_MAX)?;
        let mut members = reader.object_bounded::<MEMBERS_MAX>()?;
        let (mut resource, mut issuer, mut keys) = (None, None, None);
        while let Some(name) = members.next(&mut reader)? {
            match name.plain() {
                Some("resource") => resource = Some(copy(reader.string()?, memory)?),
                Some("issuer") => issuer = Some(copy(reader.string()?, memory)?),
                Some("keys") => keys = Some(read_keys(&mut reader)?),
                _ => return Err(ProvisioningError::UnknownMember),
            }
        }
        reader.end()?;
        Ok(Self {
            resource: resource.ok_or(ProvisioningError::Missing("resource"))?,
            issuer: issuer.ok_or(ProvisioningError::Missing("issuer"))?,
            keys: keys.ok_or(ProvisioningError::Missing("keys"))?,
        })
    }
}

/// Why a device cannot be what the document says. No variant carries any of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProvisioningError {
    /// Not acceptable JSON, or a member of another type.
    Json(JsonError),
    /// A member is not there.
    Missing(&'static str),
    /// A member that means nothing here, perhaps a misspelt one.
    UnknownMember,
    /// A text is too long.
    TooLong,
    /// A key that is not base64url without padding.
    KeyEncoding,
    /// A key or its id cannot be used, or there are too many.
    Key(KeyError),
}

impl core::fmt::Display for ProvisioningError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Missing(name) => write!(f, "`{name}` is missing"),
            Self::UnknownMember => f.write_str("a member has an unknown name"),
            Self::TooLong => f.write_str("a text is too long"),
            Self::KeyEncoding => f.write_str("a key is not base64url without padding"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ProvisioningError {}

impl From<JsonError> for ProvisioningError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<BufferFull> for ProvisioningError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::TooLong
    }
}

impl From<KeyError> for ProvisioningError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

fn copy<'m>(text: JsonStr<'_>, memory: &mut Scratch<'m>) -> Result<&'m str, ProvisioningError> {
    let mut buffer = [0; IDENTIFIER_LEN_MAX];
    let text = unescape(text, &mut buffer)?;
    let copied = memory.take(text.len())?;
    copied.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    // A copy of a text is one.
    core::str::from_utf8(copied).map_err(|_| ProvisioningError::Json(JsonError::Utf8))
}

/// Texts are short: one without escapes that is longer than the buffer is refused as well.
fn unescape<'b>(text: JsonStr<'b>, buffer: &'b mut [u8]) -> Result<&'b str, ProvisioningError> {
    let len_max = buffer.len();
    match text.read(&mut Scratch::new(buffer)) {
        Ok(text) if text.len() <= len_max => Ok(text),
        Ok(_) | Err(JsonError::BufferFull) => Err(ProvisioningError::TooLong),
        Err(error) => Err(error.into()),
    }
}

fn read_keys(reader: &mut Reader<'_>) -> Result<KeyRing, ProvisioningError> {
    let mut elements = reader.array()?;
    let mut ring: Option<KeyRing> = None;
    while elements.next(reader)? {
        let (id, key) = read_key(reader)?;
        match &mut ring {
            None => ring = Some(KeyRing::new(id, key)),
            Some(ring) => ring.add_next(id, key)?,
        }
    }
    ring.ok_or(ProvisioningError::Missing("keys"))
}

fn read_key(reader: &mut Reader<'_>) -> Result<(KeyId, HmacKey), ProvisioningError> {
    let mut members = reader.object_bounded::<MEMBERS_MAX>()?;
    let (mut id, mut key) = (None, None);
    while let Some(name) = members.next(reader)? {
        let text = reader.string()?;
        match name.plain() {
            Some("kid") => id = Some(KeyId::new(unescape(text, &mut [0; KEY_ID_LEN_MAX])?)?),
            Some("key") => {
                let text = text.plain().ok_or(ProvisioningError::KeyEncoding)?;
                let mut bytes = Zeroizing::new([0; HMAC_KEY_LEN_MAX]);
                let bytes = base64url::decode_into(text.as_bytes(), bytes.as_mut())
                    .map_err(|_| ProvisioningError::KeyEncoding)?;
                key = Some(HmacKey::new(bytes)?);
            }
            _ => return Err(ProvisioningError::UnknownMember),
        }
    }
    let id = id.ok_or(ProvisioningError::Missing("kid"))?;
    Ok((id, key.ok_or(ProvisioningError::Missing("key"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::{
        jwt::{MintClaims, mint},
        scope::ScopeSet,
        time::UnixTime,
    };
    use std::{format, string::String};

    /// 32 bytes of 0x01 and of 0x02.
    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    const NEXT_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

    fn document(keys: &str) -> String {
        format!(
            r#"{{"resource":"https://device.example/mcp","issuer":"https://as.example","keys":{keys}}}"#
        )
    }

    fn key(id: &str, key: &str) -> String {
        format!(r#"{{"kid":"{id}","key":"{key}"}}"#)
    }

    #[track_caller]
    fn check(document: &str, expected: Result<(), ProvisioningError>) {
        let mut memory = [0; 1024];
        let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory));
        assert_eq!(read.map(drop), expected, "{document}");
    }

    #[test]
    fn a_device_learns_who_it_is() {
        let mut memory = [0; 64];
        let document = document(&format!("[{},{}]", key("a", KEY), key("b", NEXT_KEY)));
        let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory)).unwrap();
        assert_eq!(read.resource, "https://device.example/mcp");
        assert_eq!(read.issuer, "https://as.example");
        assert_eq!(read.keys.current_id().as_str(), "a");
        assert_eq!(read.keys.next_id().map(KeyId::as_str), Some("b"));
        assert_eq!(token_by(read.keys.current()), token_by(&HmacKey::new(&[1; 32]).unwrap()));
    }

    /// A token that depends on the key alone.
    fn token_by(key: &HmacKey) -> String {
        let claims = MintClaims {
            issuer: "https://as.example",
            audience: &["https://device.example/mcp"],
            subject: "subject",
            client_id: "client",
            scope: ScopeSet::EMPTY,
            issued_at: UnixTime::from_secs(1),
            expires_at: UnixTime::from_secs(2),
            id: "id",
        };
        let id = KeyId::new("a").unwrap();
        mint(&claims, key, &id, &mut [0; 1024]).unwrap().into()
    }

    #[test]
    fn escapes_are_read() {
        let mut memory = [0; 64];
        let document =
            document(&format!("[{}]", key(r"\u0061", KEY))).replace("https://as", r"https:\/\/as");
        let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory)).unwrap();
        assert_eq!((read.issuer, read.keys.current_id().as_str()), ("https://as.example", "a"));
    }

    #[test]
    fn every_member_is_needed_and_known() {
        let good = document(&format!("[{}]", key("a", KEY)));
        check(&good, Ok(()));
        for name in ["resource", "issuer", "keys", "kid", "key"] {
            let renamed = good.replace(&format!("\"{name}\":"), "\"other\":");
            check(&renamed, Err(ProvisioningError::UnknownMember));
        }
        check("{}", Err(ProvisioningError::Missing("resource")));
        check(r#"{"resource":"r"}"#, Err(ProvisioningError::Missing("issuer")));
        check(r#"{"resource":"r","issuer":"i"}"#, Err(ProvisioningError::Missing("keys")));
        check(&document("[]"), Err(ProvisioningError::Missing("keys")));
        check(&document("[{}]"), Err(ProvisioningError::Missing("kid")));
        check(&document(r#"[{"kid":"a"}]"#), Err(ProvisioningError::Missing("key")));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let good = document(&format!("[{}]", key("a", KEY)));
        check(&format!("{good}\n"), Ok(()));
        check(&format!("{good}x"), Err(ProvisioningError::Json(JsonError::Trailing)));
        check("", Err(ProvisioningError::Json(JsonError::Syntax)));
        check("[]", Err(ProvisioningError::Json(JsonError::Type)));
        check(&document("{}"), Err(ProvisioningError::Json(JsonError::Type)));
        check(&good.replace("\"https://as.example\"", "1"), Err(JsonError::Type.into()));
        let twice = good.replace("{\"resource\"", "{\"issuer\":\"i\",\"resource\"");
        check(&twice, Err(JsonError::Duplicate.into()));
    }

    #[test]
    fn keys_are_whole_and_few() {
        let (a, b, c) = (key("a", KEY), key("b", NEXT_KEY), key("c", KEY));
        check(&document(&format!("[{a},{b}]")), Ok(()));
        check(&document(&format!("[{a},{b},{c}]")), Err(ProvisioningError::Key(KeyError::Ring)));
        check(&document(&format!("[{a},{a}]")), Err(KeyError::DuplicateKeyId.into()));
        check(&document(&format!("[{}]", key("", KEY))), Err(KeyError::KeyId.into()));
        for bad in [&format!("{KEY}="), "AQ+B", &"A".repeat(100)] {
            check(&document(&format!("[{}]", key("a", bad))), Err(ProvisioningError::KeyEncoding));
        }
        let mut memory = [0; 64];
        let short = document(&format!("[{}]", key("a", "AQEB")));
        let read = Provisioning::read(short.as_bytes(), &mut Scratch::new(&mut memory));
        assert!(matches!(read, Err(ProvisioningError::Key(_))));
    }

    #[test]
    fn texts_have_a_longest_length() {
        let with_issuer = |len: usize| {
            document(&format!("[{}]", key("a", KEY)))
                .replace("https://as.example", &"i".repeat(len))
        };
        check(&with_issuer(IDENTIFIER_LEN_MAX - 1), Ok(()));
        check(&with_issuer(IDENTIFIER_LEN_MAX), Ok(()));
        check(&with_issuer(IDENTIFIER_LEN_MAX + 1), Err(ProvisioningError::TooLong));
        let with_id = |len: usize| document(&format!("[{}]", key(&"k".repeat(len), KEY)));
        check(&with_id(KEY_ID_LEN_MAX), Ok(()));
        check(&with_id(KEY_ID_LEN_MAX + 1), Err(ProvisioningError::TooLong));
    }

    #[test]
    fn sec_320_debug_shows_no_key() {
        let mut memory = [0; 64];
        let document = document(&format!("[{}]", key("a", KEY)));
        let read = Provisioning::read(document.as_bytes(), &mut Scratch::new(&mut memory)).unwrap();
        let shown = format!("{read:?}");
        assert!(
            shown.contains("device.example") && !shown.contains("AQEB") && !shown.contains("[1")
        );
    }
}
