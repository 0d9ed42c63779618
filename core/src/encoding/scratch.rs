//! The caller's buffer, handed out piece by piece.

/// A buffer had too little room; nothing was written behind its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferFull;

impl core::fmt::Display for BufferFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("buffer too small")
    }
}

impl core::error::Error for BufferFull {}

/// Memory lent by the caller for decoded values, taken from the front.
///
/// A piece lives as long as the buffer, so that views may borrow it; nothing is ever given back.
pub struct Scratch<'s> {
    free: &'s mut [u8],
}

impl<'s> Scratch<'s> {
    /// All of `buffer` is free.
    pub const fn new(buffer: &'s mut [u8]) -> Self {
        Self { free: buffer }
    }

    /// Bytes that are still free.
    pub const fn free_len(&self) -> usize {
        self.free.len()
    }

    /// Takes `len` bytes, whatever they contain.
    pub fn take(&mut self, len: usize) -> Result<&'s mut [u8], BufferFull> {
        if len > self.free.len() {
            return Err(BufferFull);
        }
        let free = core::mem::take(&mut self.free);
        let (piece, rest) = free.split_at_mut_checked(len).ok_or(BufferFull)?;
        self.free = rest;
        Ok(piece)
    }

    /// Takes as many bytes as `text` has, and copies it there.
    pub fn copy(&mut self, text: &str) -> Result<&'s str, BufferFull> {
        let copied = self.take(text.len())?;
        // A zip cannot panic where `copy_from_slice` compares lengths.
        copied.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        core::str::from_utf8(copied).map_err(|_| BufferFull)
    }

    /// Lends all free bytes to `fill` and keeps as many as it says it wrote.
    ///
    /// After an error, and when `fill` claims more than there was, no byte is taken.
    pub fn fill<E: From<BufferFull>>(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<&'s mut [u8], E> {
        let free = core::mem::take(&mut self.free);
        let written = match fill(free) {
            Ok(written) if written <= free.len() => written,
            Ok(_) => {
                self.free = free;
                return Err(BufferFull.into());
            }
            Err(error) => {
                self.free = free;
                return Err(error);
            }
        };
        let (piece, rest) = free.split_at_mut_checked(written).ok_or(BufferFull)?;
        self.free = rest;
        Ok(piece)
    }
}

impl core::fmt::Debug for Scratch<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scratch").field("free", &self.free.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap_and_end_with_the_buffer() {
        let mut buffer = [0; 4];
        let mut scratch = Scratch::new(&mut buffer);
        let first = scratch.take(3).unwrap();
        first.fill(1);
        assert_eq!(scratch.free_len(), 1);
        assert_eq!(scratch.take(1).unwrap(), &[0]);
        assert_eq!(scratch.take(1), Err(BufferFull));
        assert_eq!(first, &[1, 1, 1]);
    }

    #[test]
    fn a_text_is_copied_whole_or_not_at_all() {
        let mut buffer = [0; 4];
        let mut scratch = Scratch::new(&mut buffer);
        assert_eq!(scratch.copy("\u{e9}"), Ok("\u{e9}"));
        assert_eq!(scratch.copy("abc"), Err(BufferFull));
        assert_eq!(scratch.copy("ab"), Ok("ab"));
        assert_eq!(scratch.copy(""), Ok(""));
    }

    #[test]
    fn a_failed_fill_takes_nothing() {
        let mut buffer = [0; 4];
        let mut scratch = Scratch::new(&mut buffer);
        assert_eq!(scratch.fill(|_| Err(BufferFull)), Err(BufferFull));
        assert_eq!(scratch.fill(|_| Ok::<_, BufferFull>(5)), Err(BufferFull));
        assert_eq!(scratch.free_len(), 4);
        assert_eq!(scratch.fill(|_| Ok::<_, BufferFull>(4)).unwrap().len(), 4);
    }
}
