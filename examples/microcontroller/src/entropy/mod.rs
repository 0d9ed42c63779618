//! Random bytes out of a weak physical source: its samples are tested while they are taken, and
//! hashed to bytes that have more of it in them than they are long.
//!
//! The tests are those of NIST SP 800-90B, section 4.4, with the assumption that a sample, one byte, is
//! worth half a bit. They find a source that has stopped, or has locked to the processor's clock. They
//! cannot tell a good source from a good imitation.

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// Samples that half a bit of entropy each is assumed of: two of them for a bit.
const SAMPLES_PER_BIT: usize = 2;
/// Samples that are tested and thrown away before any is used (SP 800-90B, section 4.3, item 10).
const START_UP_SAMPLES: usize = 1024;
/// Bytes that one hash gives.
const BLOCK_LEN: usize = 32;
/// Samples for one block: 64 bits more than come out (SP 800-90B, section 3.1.5.1.2).
const BLOCK_SAMPLES: usize = (8 * BLOCK_LEN + 64) * SAMPLES_PER_BIT;

/// Most equal samples in a row. One more happens by chance once in 2^30 samples (section 4.4.1).
const REPETITIONS_MAX: u8 = 60;
/// The distances at which samples are compared: a source with a period as short repeats itself.
const LAGS: usize = 16;
/// Samples in a window of the adaptive proportion test.
const WINDOW_LEN: u16 = 512;
/// Most samples of a window that equal its first. One more happens by chance once in 2^30 windows
/// (section 4.4.2).
const PROPORTION_MAX: u16 = 421;

/// Fills the bytes with what nobody can guess; `sample` reads the source once.
///
/// Every call begins with the start-up test: nothing is kept between calls, and a source that
/// recovers is used again. On an error the bytes are all zero.
///
/// # Errors
///
/// [`Stuck`] when the source does not behave as a random one.
pub fn fill(bytes: &mut [u8], mut sample: impl FnMut() -> u8) -> Result<(), Stuck> {
    let filled = try_fill(bytes, &mut sample);
    if filled.is_err() {
        bytes.zeroize();
    }
    filled
}

fn try_fill(bytes: &mut [u8], sample: &mut impl FnMut() -> u8) -> Result<(), Stuck> {
    let mut health = Health::new();
    for _ in 0..START_UP_SAMPLES {
        health.test(sample())?;
    }
    for part in bytes.chunks_mut(BLOCK_LEN) {
        let mut hash = Sha256::new();
        for _ in 0..BLOCK_SAMPLES {
            let sample = sample();
            health.test(sample)?;
            hash.update([sample]);
        }
        let mut block: [u8; BLOCK_LEN] = hash.finalize().into();
        part.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        block.zeroize();
    }
    Ok(())
}

/// The source of randomness gives the same again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck;

impl Stuck {
    /// The same in words.
    pub const fn as_str(self) -> &'static str {
        "the source of randomness is stuck"
    }
}

impl core::fmt::Display for Stuck {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for Stuck {}

/// The continuous tests.
struct Health {
    /// The samples before, the latest at `next - 1`.
    before: [Option<u8>; LAGS],
    next: usize,
    /// How often in a row a sample equalled the one so far before it: at index 0 the one just before.
    repetitions: [u8; LAGS],
    /// The first sample of the window.
    first: u8,
    /// How many samples of the window equal the first, itself included.
    proportion: u16,
    /// How many samples the window has yet to see.
    remaining: u16,
}

impl Health {
    fn new() -> Self {
        Self {
            before: [None; LAGS],
            next: 0,
            repetitions: [1; LAGS],
            first: 0,
            proportion: 0,
            remaining: 0,
        }
    }

    fn test(&mut self, sample: u8) -> Result<(), Stuck> {
        self.repetition(sample)?;
        self.adaptive_proportion(sample)
    }

    /// The repetition count test, at every lag: at the first it is that of section 4.4.1.
    fn repetition(&mut self, sample: u8) -> Result<(), Stuck> {
        let latest_first = (0..LAGS).map(|lag| (self.next + LAGS - 1 - lag) % LAGS);
        for (repetitions, at) in self.repetitions.iter_mut().zip(latest_first) {
            *repetitions = if self.before[at] == Some(sample) { *repetitions + 1 } else { 1 };
            if *repetitions > REPETITIONS_MAX {
                return Err(Stuck);
            }
        }
        self.before[self.next] = Some(sample);
        self.next = (self.next + 1) % LAGS;
        Ok(())
    }

    /// Section 4.4.2.
    fn adaptive_proportion(&mut self, sample: u8) -> Result<(), Stuck> {
        if self.remaining == 0 {
            (self.first, self.proportion, self.remaining) = (sample, 1, WINDOW_LEN - 1);
            return Ok(());
        }
        self.remaining -= 1;
        self.proportion += u16::from(sample == self.first);
        if self.proportion > PROPORTION_MAX { Err(Stuck) } else { Ok(()) }
    }
}
