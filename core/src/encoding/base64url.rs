//! Base64 (RFC 4648) in the two spellings the protocols use, canonical only.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_base64::Error;

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
    Ok(portcullis_base64::decode_url(text, out)?)
}

/// Decodes base64 with the standard alphabet and its padding (RFC 4648 §4), canonical only: what
/// stands in the sentinel `=?base64?…?=` of a mirrored header (TS-43).
pub fn decode_standard<'s>(
    text: &[u8],
    scratch: &mut Scratch<'s>,
) -> Result<&'s [u8], Base64UrlError> {
    let bytes = scratch.fill(|free| -> Result<usize, Base64UrlError> {
        Ok(portcullis_base64::decode_standard(text, free)?.len())
    })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    #[track_caller]
    fn check(text: &str, expected: Result<&[u8], Base64UrlError>) {
        let mut buffer = [0; 64];
        assert_eq!(decode(text.as_bytes(), &mut Scratch::new(&mut buffer)), expected, "{text}");
        assert_eq!(decode_into(text.as_bytes(), &mut [0; 64]), expected, "{text}");
    }

    #[track_caller]
    fn check_standard(text: &str, expected: Result<&[u8], Base64UrlError>) {
        let mut buffer = [0; 64];
        assert_eq!(decode_standard(text.as_bytes(), &mut Scratch::new(&mut buffer)), expected);
    }

    #[test]
    fn examples() {
        // RFC 4648 §10, RFC 7515 Appendix C.
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"foobar", "Zm9vYmFy"),
            (&[3, 236, 255, 224, 193], "A-z_4ME"),
        ] {
            check(text, Ok(bytes));
            assert_eq!(encode(bytes, &mut [0; 16]), Ok(text));
            assert_eq!(encoded_len(bytes.len()), Some(text.len()));
        }
        assert_eq!(encoded_len(usize::MAX), None);
    }

    #[test]
    fn sec_001_padding() {
        for text in ["Zg==", "Zg=", "Zm8=", "=", "====", "Zm9v=", "Zm9v====", "Z=m9"] {
            check(text, Err(Base64UrlError::Invalid));
        }
    }

    #[test]
    fn sec_002_bytes_outside_the_alphabet() {
        for position in 0..8 {
            for byte in 0..=u8::MAX {
                let mut text = *b"Zm9vYmFy";
                text[position] = byte;
                let accepted = decode_into(&text, &mut [0; 6]).is_ok();
                assert_eq!(accepted, ALPHABET.contains(&byte), "{byte} at {position}");
            }
        }
        for text in ["Zm9v ", " Zm9v", "Zm9v\n", "Zm9v\r\nYmFy", "Zm9v\0", "A+z/"] {
            check(text, Err(Base64UrlError::Invalid));
        }
    }

    #[test]
    fn sec_003_one_spelling_for_each_tail() {
        let mut spellings = 0;
        for a in ALPHABET {
            for b in ALPHABET {
                spellings += usize::from(is_the_spelling(&[*a, *b]));
                for c in ALPHABET {
                    spellings += usize::from(is_the_spelling(&[*a, *b, *c]));
                }
            }
        }
        assert_eq!(spellings, (1 << 8) + (1 << 16), "one for each tail of one or two bytes");
        check("Zgk", Ok(b"f\x09"));
        check("Zgl", Err(Base64UrlError::Invalid));
        check("Zh", Err(Base64UrlError::Invalid));
    }

    /// Whether a tail is accepted, alone and behind a whole block; then it must be what is written.
    fn is_the_spelling(tail: &[u8]) -> bool {
        let text = [b"Zm9v", tail].concat();
        let (mut out, mut again) = ([0; 6], [0; 8]);
        let alone = decode_into(tail, &mut [0; 6]).map(<[u8]>::len);
        match decode_into(&text, &mut out) {
            Ok(bytes) => {
                assert_eq!(alone, Ok(bytes.len() - 3));
                assert_eq!(encode(bytes, &mut again).unwrap().as_bytes(), text);
                true
            }
            Err(error) => {
                assert_eq!((alone, error), (Err(error), Base64UrlError::Invalid));
                false
            }
        }
    }

    #[test]
    fn sec_004_impossible_lengths() {
        for len in [1, 5, 9, 33] {
            let text: Vec<u8> = (0..len).map(|_| b'A').collect();
            assert_eq!(decode_into(&text, &mut [0; 64]), Err(Base64UrlError::Invalid));
        }
    }

    #[test]
    fn sec_011_room_is_too_small() {
        let text = b"Zm9vYmFyZm9vYg";
        for len in 0..=12 {
            let mut buffer = [b'!'; 16];
            let (room, behind) = buffer.split_at_mut(len);
            let expected = match len {
                10.. => Ok(&b"foobarfoob"[..]),
                _ => Err(Base64UrlError::BufferFull),
            };
            assert_eq!(decode_into(text, room), expected, "{len}");
            assert!(behind.iter().all(|&byte| byte == b'!'), "{len}");
        }
        let mut buffer = [0; 9];
        let mut scratch = Scratch::new(&mut buffer);
        assert_eq!(decode(text, &mut scratch), Err(Base64UrlError::BufferFull));
        assert_eq!(scratch.free_len(), 9, "nothing is taken");
        assert_eq!(decode(b"Zm9vYmFyZm9v", &mut scratch), Ok(&b"foobarfoo"[..]));
        assert_eq!(encode(b"foobar", &mut [0; 7]), Err(BufferFull));
        assert_eq!(encode(b"foobar", &mut [0; 8]), Ok("Zm9vYmFy"));
    }

    #[test]
    fn ts_43_standard_alphabet_with_padding() {
        check_standard("", Ok(b""));
        check_standard("SGVsbG8=", Ok(b"Hello"));
        check_standard("A+z/4ME=", Ok(&[3, 236, 255, 224, 193]));
        check_standard("Zg==", Ok(b"f"));
        for text in [
            "SGVsbG8", "SGVsbG9=", "Zg=", "Zg", "Zh==", "A-z_4ME=", "Zg==\n", "Zg==Zg==", "====",
            "Zm9v====",
        ] {
            check_standard(text, Err(Base64UrlError::Invalid));
        }
    }
}
