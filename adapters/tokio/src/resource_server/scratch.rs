//! Buffers for the core's decoded values, used again instead of allocated for each request.

use std::{
    ops::DerefMut,
    sync::{Mutex, PoisonError},
};

use portcullis_core::limits;

/// Enough for every decision on a head, and for the names that a body spells with escapes.
const SCRATCH_LEN: usize = limits::SCRATCH_LEN + 4 * 1024;
/// Most buffers kept; when more requests are under way, theirs are freed after use.
const KEPT_MAX: usize = 256;

/// Buffers that no request uses now. The core reads no byte of one that it did not write before.
#[derive(Default)]
pub(super) struct Buffers(Mutex<Vec<Box<[u8]>>>);

/// A buffer that goes back when it is dropped, whether its request came to an end or was given up.
pub(super) struct Lent<'p> {
    from: &'p Buffers,
    buffer: Box<[u8]>,
}

impl Buffers {
    pub(super) fn lend(&self) -> Lent<'_> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = kept.unwrap_or_else(|| vec![0; SCRATCH_LEN].into_boxed_slice());
        Lent { from: self, buffer }
    }
}

impl Lent<'_> {
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        self.buffer.deref_mut()
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut kept = self.from.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_and_no_more_than_enough_are_kept() {
        let buffers = Buffers::default();
        buffers.lend().bytes()[0] = 7;
        assert_eq!(buffers.0.lock().unwrap().len(), 1);
        let mut lent: Vec<_> = (0..=KEPT_MAX).map(|_| buffers.lend()).collect();
        assert_eq!((lent[0].bytes()[0], lent[0].bytes().len()), (7, SCRATCH_LEN));
        assert_eq!(buffers.0.lock().unwrap().len(), 0);
        drop(lent);
        assert_eq!(buffers.0.lock().unwrap().len(), KEPT_MAX);
    }
}
