//! Text written piece by piece into the caller's buffer.

use super::scratch::{BufferFull, Scratch};

/// Keeps in `scratch` the text that `write` writes piece by piece; after an error nothing is kept.
pub fn write_in<'s, E: From<BufferFull>>(
    scratch: &mut Scratch<'s>,
    write: impl FnOnce(&mut TextWriter<'_>) -> Result<(), E>,
) -> Result<&'s str, E> {
    let written = scratch.fill(|free| {
        let mut text = TextWriter::new(free);
        write(&mut text)?;
        Ok::<usize, E>(text.len())
    })?;
    // Only whole `str`s were written, so the check cannot fail.
    core::str::from_utf8(written).map_err(|_| BufferFull.into())
}

/// A text that grows in a borrowed buffer.
///
/// A piece that does not fit empties the text and closes the writer: every later piece is refused
/// too, so that a text cut short can never be taken for a whole one (SEC-036).
pub struct TextWriter<'b> {
    buffer: &'b mut [u8],
    len: usize,
    full: bool,
}

impl<'b> TextWriter<'b> {
    /// An empty text that may grow to the length of `buffer`.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, full: false }
    }

    /// Appends `piece`, all of it or nothing.
    pub fn push(&mut self, piece: &str) -> Result<(), BufferFull> {
        let end = self.len.checked_add(piece.len());
        let room = end.and_then(|end| self.buffer.get_mut(self.len..end));
        match room {
            Some(room) if !self.full => {
                // A zip cannot panic where `copy_from_slice` compares lengths.
                for (to, from) in room.iter_mut().zip(piece.bytes()) {
                    *to = from;
                }
                self.len = self.len.saturating_add(piece.len());
                Ok(())
            }
            _ => {
                self.full = true;
                self.len = 0;
                Err(BufferFull)
            }
        }
    }

    /// Appends one character.
    pub fn push_char(&mut self, character: char) -> Result<(), BufferFull> {
        self.push(character.encode_utf8(&mut [0; 4]))
    }

    /// Appends the character whose code is `byte`: of an ASCII byte, the byte itself.
    pub fn push_byte(&mut self, byte: u8) -> Result<(), BufferFull> {
        self.push_char(char::from(byte))
    }

    /// Bytes written so far; 0 after a piece did not fit.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written, or a piece did not fit.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The text, which lives as long as the buffer; empty after a piece did not fit.
    pub fn finish(self) -> &'b str {
        let written = self.buffer.get(..self.len).unwrap_or_default();
        // Only whole `str`s were written, so the check cannot fail.
        core::str::from_utf8(written).unwrap_or_default()
    }
}

impl core::fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, piece: &str) -> core::fmt::Result {
        self.push(piece).map_err(|BufferFull| core::fmt::Error)
    }
}

impl core::fmt::Debug for TextWriter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // What is written may be a secret.
        f.debug_struct("TextWriter").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    #[test]
    fn pieces_follow_each_other() {
        let mut buffer = [0; 9];
        let mut text = TextWriter::new(&mut buffer);
        assert!(text.is_empty());
        text.push("a=").unwrap();
        text.push_byte(b'b').unwrap();
        text.push_char('€').unwrap();
        write!(text, "{}", 123).unwrap();
        assert_eq!(text.len(), 9);
        assert_eq!(text.finish(), "a=b€123");
    }

    #[test]
    fn sec_036_a_text_cut_short_is_never_seen() {
        for len in 0..5 {
            let mut buffer = [b'!'; 8];
            let (room, behind) = buffer.split_at_mut(len);
            let mut text = TextWriter::new(room);
            let outcome = ["ab", "c", "de"].iter().try_for_each(|piece| text.push(piece));
            assert_eq!(outcome, Err(BufferFull));
            assert_eq!(text.push(""), Err(BufferFull), "closed for good");
            assert_eq!(text.push("a"), Err(BufferFull), "closed for good");
            assert_eq!((text.len(), text.finish()), (0, ""));
            assert!(behind.iter().all(|&byte| byte == b'!'));
        }
        let mut buffer = [0; 5];
        let mut text = TextWriter::new(&mut buffer);
        assert!(["ab", "c", "de"].iter().all(|piece| text.push(piece).is_ok()));
        assert_eq!(text.finish(), "abcde");
    }

    #[test]
    fn a_byte_beyond_ascii_stays_a_character() {
        let mut buffer = [0; 2];
        let mut text = TextWriter::new(&mut buffer);
        text.push_byte(0xe9).unwrap();
        assert_eq!(text.finish(), "é");
    }
}
