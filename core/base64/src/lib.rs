//! Base64 (RFC 4648) by `base64ct`, as functions that are compiled here.
//!
//! `base64ct` is generic over its alphabet, so that its code is made by whoever calls it, with the caller's
//! optimisation level. It is the largest part of a decision about a token, and takes less than half the
//! instructions when compiled for speed. A firmware that is compiled for size asks for that with
//!
//! ```toml
//! [profile.release.package.portcullis-base64]
//! opt-level = 3
//! ```
//!
//! for 1 KiB of flash. Whoever decodes uses `portcullis_core::encoding::base64url`.
#![no_std]
#![forbid(unsafe_code)]

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};

pub use base64ct::Error;

/// Decodes base64url without padding (RFC 4648 §5) to the front of `out`; canonical spellings only.
pub fn decode_url<'o>(text: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Error> {
    Base64UrlUnpadded::decode(text, out)
}

/// Decodes base64 with the standard alphabet and its padding (RFC 4648 §4) to the front of `out`; canonical
/// spellings only.
pub fn decode_standard<'o>(text: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Error> {
    Base64::decode(text, out)
}
