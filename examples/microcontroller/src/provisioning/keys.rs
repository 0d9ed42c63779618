//! The keys of a provisioning.

use core::fmt;

use portcullis_core::{
    encoding::{base64url, json::Reader},
    jwt::{HmacKey, KeyError, KeyId, KeyRing},
    limits::{HMAC_KEY_LEN_MAX, KEY_ID_LEN_MAX},
};
use zeroize::Zeroizing;

use super::{MEMBERS_MAX, ProvisioningError, unescape};

/// The key that tokens are signed with and, while keys are changed, the key to come.
#[derive(Debug)]
pub struct Keys {
    /// The current key.
    pub current: Key,
    /// The key to come.
    pub next: Option<Key>,
}

/// A key of HS256 with its id. Its bytes are wiped when it goes, and never shown.
pub struct Key {
    /// The `kid` of tokens that are signed with it.
    pub id: KeyId,
    bytes: Zeroizing<heapless::Vec<u8, HMAC_KEY_LEN_MAX>>,
}

impl Keys {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ProvisioningError> {
        let mut elements = reader.array()?;
        let (mut current, mut next) = (None, None);
        while elements.next(reader)? {
            let key = Key::read(reader)?;
            match (&current, &next) {
                (None, _) => current = Some(key),
                (Some(_), None) => next = Some(key),
                (Some(_), Some(_)) => return Err(KeyError::Ring.into()),
            }
        }
        let current = current.ok_or(ProvisioningError::Missing("keys"))?;
        let keys = Self { current, next };
        // What a ring refuses is refused here.
        keys.ring()?;
        Ok(keys)
    }

    /// The ring that verifies with these keys.
    pub fn ring(&self) -> Result<KeyRing, KeyError> {
        let ring = KeyRing::new(self.current.id.clone(), self.current.key()?);
        match &self.next {
            None => Ok(ring),
            Some(next) => ring.with_next(next.id.clone(), next.key()?),
        }
    }
}

impl Key {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProvisioningError> {
        let mut members = reader.object_bounded::<MEMBERS_MAX>()?;
        let (mut id, mut bytes) = (None, None);
        while let Some(name) = members.next(reader)? {
            let text = reader.string()?;
            match name.plain() {
                Some("kid") => id = Some(KeyId::new(unescape(text, &mut [0; KEY_ID_LEN_MAX])?)?),
                Some("key") => {
                    let text = text.plain().ok_or(ProvisioningError::Encoding)?;
                    let mut buffer = Zeroizing::new([0; HMAC_KEY_LEN_MAX]);
                    let decoded = base64url::decode_into(text.as_bytes(), buffer.as_mut())
                        .map_err(|_| ProvisioningError::Encoding)?;
                    bytes = heapless::Vec::from_slice(decoded).ok().map(Zeroizing::new);
                }
                _ => return Err(ProvisioningError::UnknownMember),
            }
        }
        let id = id.ok_or(ProvisioningError::Missing("kid"))?;
        Ok(Self { id, bytes: bytes.ok_or(ProvisioningError::Missing("key"))? })
    }

    /// The bytes, for a place where keys are kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key to verify and to sign with.
    pub fn key(&self) -> Result<HmacKey, KeyError> {
        HmacKey::new(&self.bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
