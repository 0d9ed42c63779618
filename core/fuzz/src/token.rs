//! Tokens put together and signed by code that is not the core's.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::jwt::{HmacKey, KeyId, KeyRing};

/// The resource that good tokens are for.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";
/// The issuer of good tokens.
pub const ISSUER: &str = "https://as.example.com";
/// The key's identifier.
pub const KEY_ID: &str = "k1";
/// The time at which good tokens are good.
pub const NOW: u64 = 1_800_000_000;

const KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

/// A key ring with the one key.
pub fn key_ring() -> KeyRing {
    KeyRing::new(KeyId::new(KEY_ID).expect("a plain id"), HmacKey::new(&KEY).expect("a long key"))
}

/// A token with this header and payload under a good signature.
pub fn sign(header: &[u8], payload: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&KEY).expect("any length");
    mac.update(input.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{input}.{signature}")
}

/// The compact serialization of these parts, signed by `sign`.
pub fn encode(header: &[u8], payload: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// The header of a good token.
pub const HEADER: &[u8] = br#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#;
