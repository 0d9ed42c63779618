//! The keys that a device checks tokens with.

use std::fmt;

use portcullis_core::{
    encoding::base64url,
    jwt::{HmacKey, KeyError, KeyId, KeyRing, MasterKey, derive_key_bytes},
    limits::HMAC_KEY_LEN_MAX,
};
use zeroize::Zeroizing;

/// A key of HS256 with its id, as bytes that can be written down. Wiped when it goes, never shown.
#[derive(Clone)]
pub(crate) struct Key {
    id: KeyId,
    bytes: Zeroizing<Vec<u8>>,
}

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyTextError {
    /// Not base64url without padding, or too long.
    Encoding,
    /// Key or id cannot be used.
    Key(KeyError),
}

impl fmt::Display for KeyTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => f.write_str(
                "a key is 32 to 64 bytes as base64url without padding, and nothing else",
            ),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl From<KeyError> for KeyTextError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl Key {
    /// The key of one resource: what an authorization server with this master key signs with.
    pub(crate) fn derive(master: &[u8; 32], resource: &str, id: &str) -> Result<Self, KeyError> {
        let (master, id) = (MasterKey::new(master)?, KeyId::new(id)?);
        let bytes = derive_key_bytes(&master, resource, &id)?;
        Ok(Self { id, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// Reads base64url without padding.
    pub(crate) fn from_text(id: &str, text: &str) -> Result<Self, KeyTextError> {
        let id = KeyId::new(id)?;
        let mut bytes = Zeroizing::new([0; HMAC_KEY_LEN_MAX]);
        let bytes = base64url::decode_into(text.as_bytes(), bytes.as_mut_slice())
            .map_err(|_| KeyTextError::Encoding)?;
        let key = Self { id, bytes: Zeroizing::new(bytes.to_vec()) };
        key.hmac()?;
        Ok(key)
    }

    /// The `kid`.
    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key as base64url without padding.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        base64url_text(&self.bytes)
    }

    /// The key to sign and verify with.
    pub(crate) fn hmac(&self) -> Result<HmacKey, KeyError> {
        HmacKey::new(&self.bytes)
    }
}

/// The key that tokens are signed with and, while keys are changed, the key to come.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) current: Key,
    pub(crate) next: Option<Key>,
}

impl Keys {
    /// The ring that verifies with these keys.
    pub(crate) fn ring(&self) -> Result<KeyRing, KeyError> {
        let ring = KeyRing::new(self.current.id.clone(), self.current.hmac()?);
        match &self.next {
            None => Ok(ring),
            Some(next) => ring.with_next(next.id.clone(), next.hmac()?),
        }
    }

    /// The key of this id, alone.
    pub(crate) fn only(self, id: &str) -> Option<Self> {
        let both = [Some(self.current), self.next];
        let named = both.into_iter().flatten().find(|key| key.id.as_str() == id)?;
        Some(Self { current: named, next: None })
    }
}

/// Any bytes as base64url without padding.
pub(crate) fn base64url_text(bytes: &[u8]) -> Zeroizing<String> {
    let len = base64url::encoded_len(bytes.len()).unwrap_or_default();
    let mut room = Zeroizing::new(vec![0; len]);
    // There is just enough room.
    let text = base64url::encode(bytes, &mut room).unwrap_or_default();
    Zeroizing::new(text.to_owned())
}
