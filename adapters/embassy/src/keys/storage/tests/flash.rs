//! NOR flash whose power can be cut at every step, in every way that is known to happen.

use std::{vec, vec::Vec};

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// What is left of the step during which the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tear {
    /// The step did not begin.
    Before,
    /// Of a word, the first half is written; of a page, the first half is erased.
    FirstHalf,
    /// The second half.
    SecondHalf,
    /// Any bits.
    Scattered,
    /// All but the first and the last byte.
    Inside,
    /// Nothing but the first and the last byte.
    Ends,
}

impl Tear {
    pub(super) const ALL: [Self; 6] = [
        Self::Before,
        Self::FirstHalf,
        Self::SecondHalf,
        Self::Scattered,
        Self::Inside,
        Self::Ends,
    ];

    /// The bits of byte `at` of `len` for which the step was done.
    fn done(self, at: usize, len: usize, random: &mut Random) -> u8 {
        let is_end = at < 8.min(len / 4) || at >= len - 8.min(len / 4);
        let is_done = match self {
            Self::Before => false,
            Self::FirstHalf => at < len / 2,
            Self::SecondHalf => at >= len / 2,
            Self::Scattered => return u8::try_from(random.below(256)).unwrap(),
            Self::Inside => !is_end,
            Self::Ends => is_end,
        };
        if is_done { 0xff } else { 0 }
    }
}

/// What writing over a word that is not erased does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// An error, as where words carry check bits.
    Refused,
    /// What was 0 stays 0, and nobody is told.
    And,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlashError {
    NoPower,
    NotErased,
    Kind(NorFlashErrorKind),
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NoPower | Self::NotErased => NorFlashErrorKind::Other,
            Self::Kind(kind) => *kind,
        }
    }
}

/// Flash with words of `WORD` and pages of `PAGE` bytes.
#[derive(Clone, Debug)]
pub(super) struct Flash<const WORD: usize, const PAGE: usize> {
    pub(super) bytes: Vec<u8>,
    pub(super) overwrite: Overwrite,
    cut: Option<(usize, Tear)>,
    pub(super) steps: usize,
    pub(super) erases: usize,
    has_power: bool,
    random: Random,
}

impl<const WORD: usize, const PAGE: usize> Flash<WORD, PAGE> {
    pub(super) fn new(pages: usize, overwrite: Overwrite) -> Self {
        Self {
            bytes: vec![0xff; pages * PAGE],
            overwrite,
            cut: None,
            steps: 0,
            erases: 0,
            has_power: true,
            random: Random(1),
        }
    }

    /// Cuts the power at a step from now: 0 is the next word or page.
    pub(super) fn cut_at(&mut self, step: usize, tear: Tear, seed: u64) {
        self.steps = 0;
        self.cut = Some((step, tear));
        self.random = Random(seed);
    }

    /// Whether the power went.
    pub(super) fn restart(&mut self) -> bool {
        self.cut = None;
        !core::mem::replace(&mut self.has_power, true)
    }

    fn check(&self, offset: u32, len: usize, unit: usize) -> Result<usize, FlashError> {
        let offset = usize::try_from(offset).unwrap();
        if !self.has_power {
            Err(FlashError::NoPower)
        } else if offset + len > self.bytes.len() {
            Err(FlashError::Kind(NorFlashErrorKind::OutOfBounds))
        } else if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            Err(FlashError::Kind(NorFlashErrorKind::NotAligned))
        } else {
            Ok(offset)
        }
    }

    /// Does one step on some bytes, or a part of it.
    fn step(
        &mut self,
        at: usize,
        len: usize,
        change: impl Fn(usize, u8) -> u8,
    ) -> Result<(), FlashError> {
        let tear = self.cut.filter(|(step, _)| *step == self.steps).map(|(_, tear)| tear);
        self.steps += 1;
        for index in 0..len {
            let before = self.bytes[at + index];
            let after = change(index, before);
            let done = tear.map_or(0xff, |tear| tear.done(index, len, &mut self.random));
            self.bytes[at + index] = (before & !done) | (after & done);
        }
        self.has_power = tear.is_none();
        if self.has_power { Ok(()) } else { Err(FlashError::NoPower) }
    }
}

impl<const WORD: usize, const PAGE: usize> ErrorType for Flash<WORD, PAGE> {
    type Error = FlashError;
}

impl<const WORD: usize, const PAGE: usize> ReadNorFlash for Flash<WORD, PAGE> {
    const READ_SIZE: usize = WORD;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let offset = self.check(offset, bytes.len(), WORD)?;
        bytes.copy_from_slice(&self.bytes[offset..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WORD: usize, const PAGE: usize> NorFlash for Flash<WORD, PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let len = usize::try_from(to.checked_sub(from).unwrap()).unwrap();
        let from = self.check(from, len, PAGE)?;
        for page in (from..from + len).step_by(PAGE) {
            self.erases += 1;
            self.step(page, PAGE, |_, _| 0xff)?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        // As some drivers do, which hand the buffer to a peripheral.
        assert!(bytes.as_ptr().addr().is_multiple_of(4) || WORD == 1, "the buffer is not aligned");
        let offset = self.check(offset, bytes.len(), WORD)?;
        for (at, word) in (offset..).step_by(WORD).zip(bytes.chunks(WORD)) {
            let is_erased = self.bytes[at..][..WORD].iter().all(|byte| *byte == 0xff);
            if self.overwrite == Overwrite::Refused && !is_erased {
                return Err(FlashError::NotErased);
            }
            self.step(at, WORD, |index, before| before & word[index])?;
        }
        Ok(())
    }
}

/// Numbers that look random, the same in every run.
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
