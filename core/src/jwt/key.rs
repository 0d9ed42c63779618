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
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
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
