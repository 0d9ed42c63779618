//! Keys for HS256 and their names.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use super::Algorithm;
use crate::{
    limits::{HMAC_KEY_LEN_MAX, HMAC_KEY_LEN_MIN, KEY_ID_LEN_MAX},
    token::TokenError,
};

/// Why a key, its name, or a place for it in the ring is refused. All of it is configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Shorter than [`HMAC_KEY_LEN_MIN`] bytes (RFC 7518 §3.2).
    TooShort,
    /// Longer than [`HMAC_KEY_LEN_MAX`] bytes.
    TooLong,
    /// Nothing but zero bytes: memory that nobody filled in.
    AllZero,
    /// A key id that is empty, longer than [`KEY_ID_LEN_MAX`], or has an unsuitable character.
    KeyId,
    /// The ring has a key of this id already (SEC-078).
    DuplicateKeyId,
    /// The ring has no room, or no next key to turn to.
    Ring,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "key is too short",
            Self::TooLong => "key is too long",
            Self::AllZero => "key is all zero",
            Self::KeyId => "key id is empty, too long, or has an unsuitable character",
            Self::DuplicateKeyId => "two keys have the same key id",
            Self::Ring => "key ring is full or has no next key",
        })
    }
}

impl core::error::Error for KeyError {}

/// The name of a key (`kid`, RFC 7515 §4.1.4): an exact text, never a path or a query (RS-67).
///
/// Printable ASCII without blank, quote and backslash, so that it reads the same in a JSON header,
/// a configuration file and a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(heapless::String<KEY_ID_LEN_MAX>);

impl KeyId {
    /// Checks a configured key id.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let suitable = |byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.is_empty() || !text.bytes().all(suitable) {
            return Err(KeyError::KeyId);
        }
        heapless::String::try_from(text).map(Self).map_err(|_| KeyError::KeyId)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key for HS256 (RFC 7518 §3.2) and for nothing else.
///
/// Holds the two hash states that HMAC starts from, computed once, and not the key: each token costs
/// only the blocks of its own text. The states are as good as the key, so they are never shown, never
/// compared, and wiped on drop.
pub struct HmacKey {
    states: Hmac<Sha256>,
}

impl HmacKey {
    /// The algorithm that this key alone is for (SEC-072).
    pub const ALGORITHM: Algorithm = Algorithm::Hs256;

    /// Takes 32 to 64 bytes, which must come from a random source and not from a person.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        check_key_bytes(bytes)?;
        Self::unchecked(bytes)
    }

    /// A key of any length and content; HMAC itself has no bounds.
    pub(super) fn unchecked(bytes: &[u8]) -> Result<Self, KeyError> {
        let states = Hmac::new_from_slice(bytes).map_err(|_| KeyError::TooLong)?;
        Ok(Self { states })
    }

    /// Computes the MAC of `message`.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; 32] {
        self.states.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Checks that `mac` is the whole MAC of `message`, in constant time (SEC-105).
    #[inline]
    pub(super) fn verify(&self, message: &[u8], mac: &[u8]) -> Result<(), TokenError> {
        let computed = self.states.clone().chain_update(message);
        computed.verify_slice(mac).map_err(|_| TokenError::Signature)
    }

    /// Begins to check a MAC.
    pub(super) fn begin(&self) -> MacCheck {
        MacCheck { states: self.states.clone() }
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// A MAC that is about to be checked with a copy of the key's states: the key may be gone by then.
///
/// As secret as the key; wiped on drop.
#[must_use = "nothing is checked yet"]
pub struct MacCheck {
    states: Hmac<Sha256>,
}

impl MacCheck {
    /// Checks that `mac` is the whole MAC of `message`, in constant time (SEC-105).
    pub fn finish(self, message: &[u8], mac: &[u8]) -> Result<(), TokenError> {
        let computed = self.states.chain_update(message);
        computed.verify_slice(mac).map_err(|_| TokenError::Signature)
    }
}

impl fmt::Debug for MacCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacCheck(..)")
    }
}

/// Refuses what cannot be a random key of the right size (SEC-074).
pub(super) fn check_key_bytes(bytes: &[u8]) -> Result<(), KeyError> {
    if bytes.len() < HMAC_KEY_LEN_MIN {
        return Err(KeyError::TooShort);
    }
    if bytes.len() > HMAC_KEY_LEN_MAX {
        return Err(KeyError::TooLong);
    }
    // Every byte is looked at: how long this takes says nothing about the key.
    if bytes.iter().fold(0, |seen, byte| seen | byte).ct_eq(&0).into() {
        return Err(KeyError::AllZero);
    }
    Ok(())
}

/// SEC-324: both states and the block buffer wipe themselves (features `zeroize` of `hmac` and `sha2`).
impl ZeroizeOnDrop for HmacKey {}
/// As for the key.
impl ZeroizeOnDrop for MacCheck {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[track_caller]
    fn check_key(bytes: &[u8], expected: Option<KeyError>) {
        assert_eq!(HmacKey::new(bytes).err(), expected, "{}", bytes.len());
    }

    #[track_caller]
    fn check_id(text: &str, accepted: bool) {
        assert_eq!(KeyId::new(text).is_ok(), accepted, "{text:?}");
    }

    #[test]
    fn sec_074_a_key_has_32_to_64_bytes_that_are_not_all_zero() {
        for len in [32, 33, 63, 64] {
            check_key(&[1; 64][..len], None);
            check_key(&[0; 64][..len], Some(KeyError::AllZero));
        }
        for len in [0, 1, 31] {
            check_key(&[1; 31][..len], Some(KeyError::TooShort));
        }
        check_key(&[1; 65], Some(KeyError::TooLong));
        let mut nearly = [0; 32];
        nearly[31] = 1;
        check_key(&nearly, None);
    }

    #[test]
    fn sec_077_configured_key_ids() {
        for text in ["k", "2027-01", "urn:x/y?z#0", &"k".repeat(KEY_ID_LEN_MAX - 1)] {
            check_id(text, true);
        }
        check_id(&"k".repeat(KEY_ID_LEN_MAX), true);
        check_id(&"k".repeat(KEY_ID_LEN_MAX + 1), false);
        for text in ["", " ", "a b", "a\"", "a\\", "a\0", "a\n", "a\u{7f}", "\u{e9}"] {
            check_id(text, false);
        }
    }

    #[test]
    fn a_key_signs_and_verifies_again_and_again() {
        let (key, other) = (HmacKey::new(&[1; 32]).unwrap(), HmacKey::new(&[2; 32]).unwrap());
        let first = key.sign(b"message");
        assert_eq!(key.sign(b"message"), first);
        for (key, message, expected) in [
            (&key, b"message", Ok(())),
            (&key, b"message", Ok(())),
            (&key, b"messagf", Err(TokenError::Signature)),
            (&other, b"message", Err(TokenError::Signature)),
        ] {
            assert_eq!(key.verify(message, &first), expected);
            assert_eq!(key.begin().finish(message, &first), expected);
        }
    }

    #[test]
    fn sec_320_debug_shows_nothing() {
        let key = HmacKey::new(b"hush, it is a secret of 32 bytes").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.begin()), "HmacKey(..) MacCheck(..)");
    }

    #[test]
    fn sec_324_what_a_key_holds_is_wiped() {
        // Reading freed memory needs `unsafe`; that the parts wipe themselves is a matter of types.
        const fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<HmacKey>();
        is_wiped::<MacCheck>();
        is_wiped::<sha2::block_api::Sha256VarCore>();
        is_wiped::<hmac::digest::block_api::Buffer<sha2::block_api::Sha256VarCore>>();
        assert!(core::mem::needs_drop::<HmacKey>() && core::mem::needs_drop::<MacCheck>());
    }
}
