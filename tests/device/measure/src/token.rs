//! Tokens of a wanted length, by the core itself.

use portcullis_core::{
    jwt::{HmacKey, KeyId, MintClaims, mint},
    limits,
    scope::ScopeSet,
    time::UnixTime,
};

pub(crate) const RESOURCE: &str = "https://dev.local/mcp";
pub(crate) const ISSUER: &str = "https://as.local";
pub(crate) const KEY: [u8; 32] = [0x4b; 32];
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
/// Longest text that a subject is made of.
static SUBJECT: [u8; limits::CLAIMS_LEN_MAX] = [b'0'; limits::CLAIMS_LEN_MAX];

/// An `Authorization` value with a token.
pub(crate) struct Credentials {
    value: [u8; SCHEME.len() + limits::TOKEN_LEN_MAX],
    len: usize,
}

const SCHEME: &[u8] = b"Bearer ";

impl Credentials {
    /// A good token of exactly `len` bytes, or of the greatest length that is minted: its subject is as long as that takes.
    pub(crate) fn new(len: Option<usize>) -> Result<Self, &'static str> {
        let (key, id) = (HmacKey::new(&KEY).map_err(|_| "no key")?, key_id()?);
        let mut value = [0; SCHEME.len() + limits::TOKEN_LEN_MAX];
        let (scheme, room) = value.split_at_mut(SCHEME.len());
        scheme.copy_from_slice(SCHEME);
        let (mut subject_len, mut token_len) = (1, 0);
        while len.is_none_or(|wanted| token_len < wanted) {
            let subject =
                SUBJECT.get(..subject_len).and_then(|text| core::str::from_utf8(text).ok());
            let Some(Ok(token)) = subject.map(|subject| mint(&claims(subject), &key, &id, room))
            else {
                break;
            };
            token_len = token.len();
            subject_len += if len.is_some() { 1 } else { 16 };
        }
        if len.is_some_and(|wanted| token_len != wanted) {
            return Err("no token has this length");
        }
        Ok(Self { value, len: SCHEME.len() + token_len })
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.value.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn token(&self) -> &[u8] {
        self.value.get(SCHEME.len()..self.len).unwrap_or_default()
    }

    /// Changes one character of the signature; it is still canonical base64url.
    pub(crate) fn make_wrong(&mut self, place: Place) -> Result<(), &'static str> {
        let at = match place {
            Place::First => self.len.checked_sub(SIGNATURE_TEXT_LEN),
            // The character before the last: the last one may only have two bits set.
            Place::Last => self.len.checked_sub(2),
        };
        let byte = at.and_then(|at| self.value.get_mut(at)).ok_or("no signature")?;
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        Ok(())
    }
}

/// Length of an HMAC-SHA-256 in base64url.
const SIGNATURE_TEXT_LEN: usize = 43;

/// Where a signature is wrong.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    First,
    Last,
}

fn claims(subject: &str) -> MintClaims<'_> {
    MintClaims {
        issuer: ISSUER,
        subject,
        client_id: "c1",
        audience: &[RESOURCE],
        scope: read_scope().unwrap_or_default(),
        id: "1",
        issued_at: NOW,
        expires_at: NOW.plus(600),
    }
}

pub(crate) fn read_scope() -> Result<ScopeSet<'static>, &'static str> {
    ScopeSet::parse("device:read").map_err(|_| "no scope")
}

pub(crate) fn key_id() -> Result<KeyId, &'static str> {
    KeyId::new("k1").map_err(|_| "no key id")
}
