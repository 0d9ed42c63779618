//! Chunks, read strictly (RFC 9112 §7.1).

/// Most bytes of one chunk's extension, which is passed over (SEC-408).
const EXTENSION_LEN_MAX: u16 = 64;
/// Most bytes of all trailer lines, which are passed over (SEC-409).
const TRAILER_LEN_MAX: u16 = 512;
/// Most digits of a chunk's size: more than any body that is accepted needs.
const SIZE_DIGITS_MAX: u8 = 8;

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    place: Place,
    /// Bytes of trailers so far.
    trailer_len: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Size { size: u32, digits: u8 },
    Extension { size: u32, len: u16 },
    SizeEnd { size: u32 },
    Data { left: u32 },
    DataCr,
    DataLf,
    TrailerLine { is_empty: bool },
    TrailerEnd { is_empty: bool },
}

/// What a byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A byte of the body.
    Data,
    /// Framing.
    Framing,
    /// The last byte of the framing.
    End,
}

/// A byte that cannot stand where it does (SEC-406 … 409).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkError;

impl Chunks {
    /// In front of the first chunk.
    pub(crate) const fn new() -> Self {
        Self { place: Place::Size { size: 0, digits: 0 }, trailer_len: 0 }
    }

    /// Takes the next byte.
    pub(crate) fn accept(&mut self, byte: u8) -> Result<Step, ChunkError> {
        let next = match (self.place, byte) {
            (Place::Size { size, digits: 1.. }, b'\r') => Place::SizeEnd { size },
            (Place::Size { size, digits: 1.. }, b';') => Place::Extension { size, len: 0 },
            (Place::Size { size, digits }, _) => sized(size, digits, byte)?,
            (Place::Extension { size, .. }, b'\r') => Place::SizeEnd { size },
            (Place::Extension { size, len }, b'\t' | b' '..=b'~') if len < EXTENSION_LEN_MAX => {
                Place::Extension { size, len: len.saturating_add(1) }
            }
            (Place::SizeEnd { size: 0 }, b'\n') => Place::TrailerLine { is_empty: true },
            (Place::SizeEnd { size }, b'\n') => Place::Data { left: size },
            (Place::Data { left }, _) => {
                self.place = match left {
                    0 | 1 => Place::DataCr,
                    _ => Place::Data { left: left.saturating_sub(1) },
                };
                return Ok(Step::Data);
            }
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Size { size: 0, digits: 0 },
            (Place::TrailerLine { is_empty }, b'\r') => Place::TrailerEnd { is_empty },
            (Place::TrailerLine { .. }, b'\t' | b' '..=b'~' | 0x80..)
                if self.trailer_len < TRAILER_LEN_MAX =>
            {
                self.trailer_len = self.trailer_len.saturating_add(1);
                Place::TrailerLine { is_empty: false }
            }
            (Place::TrailerEnd { is_empty: true }, b'\n') => return Ok(Step::End),
            (Place::TrailerEnd { is_empty: false }, b'\n') => Place::TrailerLine { is_empty: true },
            _ => return Err(ChunkError),
        };
        self.place = next;
        Ok(Step::Framing)
    }
}

fn sized(size: u32, digits: u8, byte: u8) -> Result<Place, ChunkError> {
    let digit = char::from(byte).to_digit(16).ok_or(ChunkError)?;
    if digits >= SIZE_DIGITS_MAX {
        return Err(ChunkError);
    }
    // At most eight digits fill the 32 bits.
    Ok(Place::Size { size: size.wrapping_shl(4) | digit, digits: digits.saturating_add(1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::String, vec::Vec};

    /// The body, and how many bytes it took; `None` when it never ends.
    fn read(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ChunkError> {
        let (mut chunks, mut body) = (Chunks::new(), Vec::new());
        for (index, byte) in bytes.iter().enumerate() {
            match chunks.accept(*byte)? {
                Step::Data => body.push(*byte),
                Step::Framing => {}
                Step::End => return Ok(Some((body, index + 1))),
            }
        }
        Ok(None)
    }

    #[track_caller]
    fn good(text: &str, expected: &str) {
        let all = (expected.as_bytes().to_vec(), text.len());
        // A request behind is not touched.
        let bytes = [text.as_bytes(), b"GET"].concat();
        assert_eq!(read(&bytes), Ok(Some(all)), "{text:?}");
    }

    #[track_caller]
    fn bad(text: &str) {
        assert_eq!(read(text.as_bytes()), Err(ChunkError), "{text:?}");
    }

    #[test]
    fn chunks_are_joined() {
        good("0\r\n\r\n", "");
        good("3\r\nabc\r\n0\r\n\r\n", "abc");
        good("1\r\na\r\n0000000b\r\nbcdefghijkl\r\n000\r\n\r\n", "abcdefghijkl");
        // What looks like an end inside of a chunk is none.
        good("A\r\n\r\n0\r\n\r\nabc\r\n0\r\n\r\n", "\r\n0\r\n\r\nabc");
    }

    #[test]
    fn sec_406_sizes() {
        for size in
            ["", "0x3", "+3", "-3", "3_", "_3", " 3", "3 ", "3g", "\t3", "00000000000000003"]
        {
            bad(&std::format!("{size}\r\nabc\r\n0\r\n\r\n"));
        }
        bad("000000003\r\nabc");
        assert_eq!(read(b"ffffffff\r\nabc"), Ok(None));
        bad("100000000\r\nabc");
    }

    #[test]
    fn sec_407_ends_of_lines() {
        bad("3\nabc\r\n0\r\n\r\n");
        bad("3\rXabc\r\n0\r\n\r\n");
        bad("3\r\nabcd\r\n0\r\n\r\n");
        bad("3\r\nabc\n0\r\n\r\n");
        bad("3\r\nabc\r\n\r\n0\r\n\r\n");
        bad("\r\n0\r\n\r\n");
        bad("0\r\n\n");
        for len in 0.."3\r\nabc\r\n0\r\n\r\n".len() {
            assert_eq!(read(&b"3\r\nabc\r\n0\r\n\r\n"[..len]), Ok(None), "{len}");
        }
    }

    #[test]
    fn sec_408_extensions_are_bounded_and_no_framing() {
        good("3;a=\"b\"\r\nabc\r\n0;x\r\n\r\n", "abc");
        bad("3;a=\"\n\"\r\nabc\r\n0\r\n\r\n");
        bad("3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n");
        bad("3;a\rb\r\nabc\r\n0\r\n\r\n");
        bad("3\r;a\r\nabc\r\n0\r\n\r\n");
        let extension = |len: u16| std::format!("0;{}\r\n\r\n", "x".repeat(usize::from(len)));
        good(&extension(EXTENSION_LEN_MAX - 1), "");
        good(&extension(EXTENSION_LEN_MAX), "");
        bad(&extension(EXTENSION_LEN_MAX + 1));
    }

    #[test]
    fn sec_409_trailers_are_bounded_and_dropped() {
        good("1\r\na\r\n0\r\nAuthorization: Bearer x\r\nContent-Length: 9\r\n\r\n", "a");
        bad("0\r\na: b\nc: d\r\n\r\n");
        bad("0\r\na: \0\r\n\r\n");
        let trailers = |len: u16| {
            let lines: String = (0..len / 2).map(|_| "a:\r\n").collect();
            std::format!("0\r\n{lines}{}\r\n\r\n", "b".repeat(usize::from(len % 2)))
        };
        good(&trailers(TRAILER_LEN_MAX).replace("\r\n\r\n\r\n", "\r\n\r\n"), "");
        bad(&trailers(TRAILER_LEN_MAX + 1));
    }
}
