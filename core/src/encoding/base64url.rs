//! Base64 (RFC 4648) in the two spellings the protocols use, canonical only.

use base64ct::{Base64, Base64UrlUnpadded, Encoding, Error};

use super::scratch::{BufferFull, Scratch};

/// Why a text was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base64UrlError {
    /// A byte outside the alphabet, an impossible length, wrong padding, or a second spelling.
    Invalid,
    /// No room for the decoded bytes.
    BufferFull,
}

impl core::fmt::Display for Base64UrlError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Invalid => "not canonical base64",
            Self::BufferFull => "no room for decoded base64",
        })
    }
}

impl core::error::Error for Base64UrlError {}

impl From<BufferFull> for Base64UrlError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

impl From<Error> for Base64UrlError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidLength => Self::BufferFull,
            Error::InvalidEncoding => Self::Invalid,
        }
    }
}

/// Decodes base64url without padding (RFC 4648 §5, RFC 7515 §2) into `scratch`.
///
/// Every byte string has exactly one spelling that is accepted: no padding, blanks or line breaks,
/// no bits left over that are not zero (SEC-001 to SEC-004). The empty text is the empty string.
pub fn decode<'s>(text: &[u8], scratch: &mut Scratch<'s>) -> Result<&'s [u8], Base64UrlError> {
    let bytes = scratch.fill(|free| decode_into(text, free).map(<[u8]>::len))?;
    Ok(bytes)
}

/// Decodes as [`decode`] does, to the front of `out` (SEC-011).
pub fn decode_into<'o>(text: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Base64UrlError> {
    Ok(Base64UrlUnpadded::decode(text, out)?)
}

/// Decodes base64 with the standard alphabet and its padding (RFC 4648 §4), canonical only: what
/// stands in the sentinel `=?base64?…?=` of a mirrored header (TS-43).
pub fn decode_standard<'s>(
    text: &[u8],
    scratch: &mut Scratch<'s>,
) -> Result<&'s [u8], Base64UrlError> {
    let bytes = scratch
        .fill(|free| -> Result<usize, Base64UrlError> { Ok(Base64::decode(text, free)?.len()) })?;
    Ok(bytes)
}

/// Encodes as base64url without padding (RFC 4648 §5) to the front of `out`.
pub fn encode<'o>(bytes: &[u8], out: &'o mut [u8]) -> Result<&'o str, BufferFull> {
    Base64UrlUnpadded::encode(bytes, out).map_err(|_| BufferFull)
}

/// Length of the encoding of `len` bytes, `None` beyond all memory.
pub const fn encoded_len(len: usize) -> Option<usize> {
    match len.checked_mul(4) {
        Some(len) => Some(len.div_ceil(3)),
        None => None,
    }
}
