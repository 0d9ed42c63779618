//! A key as it is stored.

use core::fmt;

use portcullis_core::{
    jwt::{HmacKey, KeyError, KeyId, KeyRing},
    limits::HMAC_KEY_LEN_MAX,
};
use zeroize::Zeroizing;

/// A key of HS256 with its id. Its bytes are wiped when it goes, and never shown.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    bytes: Zeroizing<[u8; HMAC_KEY_LEN_MAX]>,
    len: usize,
}

impl Key {
    /// Takes 32 to 64 bytes, which must come from a random source and not from a person.
    pub fn new(id: KeyId, bytes: &[u8]) -> Result<Self, KeyError> {
        HmacKey::new(bytes)?;
        let mut key = Self { id, bytes: Zeroizing::new([0; HMAC_KEY_LEN_MAX]), len: bytes.len() };
        key.bytes.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(key)
    }

    /// The `kid` of tokens that are signed with it.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key to verify with.
    pub fn hmac_key(&self) -> Result<HmacKey, KeyError> {
        HmacKey::new(self.bytes())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys that are stored, all of which change together.
#[derive(Debug)]
pub struct Stored {
    pub(super) sequence: u64,
    pub(super) version: u32,
    pub(super) current: Key,
    pub(super) next: Option<Key>,
}

impl Stored {
    /// Which change of the keys this is: it rises by one with each of them, and never falls.
    ///
    /// A board with a counter that cannot be turned back keeps it there, and gives it to
    /// [`Binding::sequence_min`](super::Binding::sequence_min) when it starts.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Which provisioning the keys came from, or from which they were rotated on.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The key that tokens are signed with.
    pub const fn current(&self) -> &Key {
        &self.current
    }

    /// The key to come, while keys are changed.
    pub const fn next(&self) -> Option<&Key> {
        self.next.as_ref()
    }

    /// Whether the two keys have one name (SEC-078).
    pub(super) fn has_twins(&self) -> bool {
        self.next.as_ref().is_some_and(|next| next.id == self.current.id)
    }

    /// The ring that verifies with these keys.
    pub fn ring(&self) -> Result<KeyRing, KeyError> {
        let ring = KeyRing::new(self.current.id.clone(), self.current.hmac_key()?);
        match &self.next {
            None => Ok(ring),
            Some(next) => ring.with_next(next.id.clone(), next.hmac_key()?),
        }
    }
}
