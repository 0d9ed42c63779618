//! The keys a resource server holds for its issuer.

use core::fmt;

use super::{Header, HmacKey, KeyError, KeyId, SignatureVerifier};
use crate::token::TokenError;

/// One or two HS256 keys, each with its id: the current one and, while keys are changed, the next.
///
/// Both verify. To change keys without a gap (SEC-507): give every resource server the next key with
/// [`with_next`](Self::with_next) or [`add_next`](Self::add_next); let the authorization server sign
/// with it; when the last token under the current key has expired, [`rotate`](Self::rotate). From that
/// moment the old key is wiped and verifies nothing. A device that slept through it needs only the
/// next key to be let in again.
pub struct KeyRing {
    current: Named,
    next: Option<Named>,
}

struct Named {
    id: KeyId,
    key: HmacKey,
}

impl KeyRing {
    /// A ring with one key.
    pub const fn new(id: KeyId, key: HmacKey) -> Self {
        Self { current: Named { id, key }, next: None }
    }

    /// The ring with a second key that verifies too; see [`add_next`](Self::add_next).
    pub fn with_next(mut self, id: KeyId, key: HmacKey) -> Result<Self, KeyError> {
        self.add_next(id, key)?;
        Ok(self)
    }

    /// Adds the key to come. Refused when its id is taken, or when there is one already.
    pub fn add_next(&mut self, id: KeyId, key: HmacKey) -> Result<(), KeyError> {
        if id == self.current.id || self.next.as_ref().is_some_and(|next| next.id == id) {
            return Err(KeyError::DuplicateKeyId);
        }
        if self.next.is_some() {
            return Err(KeyError::Ring);
        }
        self.next = Some(Named { id, key });
        Ok(())
    }

    /// Makes the next key the current one and wipes the old one. Without a next key nothing changes.
    pub fn rotate(&mut self) -> Result<(), KeyError> {
        self.current = self.next.take().ok_or(KeyError::Ring)?;
        Ok(())
    }

    /// The id of the current key.
    pub const fn current_id(&self) -> &KeyId {
        &self.current.id
    }

    /// The current key: the one to sign with.
    pub const fn current(&self) -> &HmacKey {
        &self.current.key
    }

    /// The id of the key to come, if there is one.
    pub fn next_id(&self) -> Option<&KeyId> {
        self.next.as_ref().map(|next| &next.id)
    }

    /// The key that a header asks for.
    ///
    /// A `kid` is compared byte for byte with the known ids. Without `kid` there must be exactly one
    /// key (SEC-077): trying several would accept what neither side meant.
    fn find(&self, id: Option<&str>) -> Option<&HmacKey> {
        let named = match (id, &self.next) {
            (Some(id), _) if id == self.current.id.as_str() => &self.current,
            (Some(id), Some(next)) if id == next.id.as_str() => next,
            (None, None) => &self.current,
            (Some(_), _) | (None, Some(_)) => return None,
        };
        Some(&named.key)
    }
}

impl SignatureVerifier for KeyRing {
    #[inline]
    fn verify(
        &self,
        header: &Header<'_>,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let key = self.find(header.key_id()).ok_or(TokenError::Key)?;
        // RFC 8725 §3.1: the key says which algorithm it is for, the header may only agree.
        if header.algorithm() != HmacKey::ALGORITHM {
            return Err(TokenError::Algorithm);
        }
        key.verify(signing_input, signature)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("current", &self.current.id)
            .field("next", &self.next_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn id(text: &str) -> KeyId {
        KeyId::new(text).unwrap()
    }

    fn key(byte: u8) -> HmacKey {
        HmacKey::new(&[byte; 32]).unwrap()
    }

    /// Whether the ring knows `wanted` and verifies with it what the key of `byte` signed.
    #[track_caller]
    fn check(ring: &KeyRing, wanted: Option<&str>, byte: u8, expected: bool) {
        let mac = key(byte).sign(b"message");
        let accepted = ring.find(wanted).is_some_and(|key| key.verify(b"message", &mac).is_ok());
        assert_eq!(accepted, expected, "{wanted:?} {byte}");
    }

    #[test]
    fn sec_507_keys_change_without_a_gap() {
        let mut ring = KeyRing::new(id("old"), key(1));
        check(&ring, Some("old"), 1, true);
        check(&ring, Some("new"), 2, false);

        ring.add_next(id("new"), key(2)).unwrap();
        assert_eq!((ring.current_id(), ring.next_id()), (&id("old"), Some(&id("new"))));
        check(&ring, Some("old"), 1, true);
        check(&ring, Some("new"), 2, true);
        // Each id stands for its own key only.
        check(&ring, Some("old"), 2, false);
        check(&ring, Some("new"), 1, false);

        ring.rotate().unwrap();
        assert_eq!((ring.current_id(), ring.next_id()), (&id("new"), None));
        check(&ring, Some("old"), 1, false);
        check(&ring, Some("new"), 2, true);

        // Asked again without a next key, nothing is lost.
        assert_eq!(ring.rotate(), Err(KeyError::Ring));
        check(&ring, Some("new"), 2, true);
    }

    #[test]
    fn sec_507_there_are_at_most_two_keys() {
        let mut ring = KeyRing::new(id("a"), key(1)).with_next(id("b"), key(2)).unwrap();
        assert_eq!(ring.add_next(id("c"), key(3)), Err(KeyError::Ring));
        check(&ring, Some("a"), 1, true);
        check(&ring, Some("b"), 2, true);
        check(&ring, Some("c"), 3, false);
    }

    #[test]
    fn sec_077_without_an_id_there_must_be_one_key() {
        let mut ring = KeyRing::new(id("a"), key(1));
        check(&ring, None, 1, true);
        check(&ring, Some(""), 1, false);
        ring.add_next(id("b"), key(2)).unwrap();
        check(&ring, None, 1, false);
        check(&ring, None, 2, false);
    }

    #[test]
    fn sec_078_two_keys_never_have_one_id() {
        let mut ring = KeyRing::new(id("a"), key(1));
        assert_eq!(ring.add_next(id("a"), key(2)), Err(KeyError::DuplicateKeyId));
        check(&ring, Some("a"), 1, true);
        check(&ring, Some("a"), 2, false);
        ring.add_next(id("b"), key(2)).unwrap();
        assert_eq!(ring.add_next(id("b"), key(3)), Err(KeyError::DuplicateKeyId));
        check(&ring, Some("b"), 2, true);
    }

    #[test]
    fn sec_320_debug_shows_ids_only() {
        let ring = KeyRing::new(id("a"), key(1)).with_next(id("b"), key(2)).unwrap();
        let shown = format!("{ring:?}");
        assert!(shown.contains("\"a\"") && shown.contains("\"b\""), "{shown}");
        assert!(!shown.to_lowercase().contains("hmac"), "{shown}");
    }
}
