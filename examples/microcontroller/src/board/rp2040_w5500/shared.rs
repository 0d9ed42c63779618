//! What is on the board once, and used from anywhere.

use core::cell::RefCell;

use critical_section::Mutex;

/// A device that is there when the board has started.
pub(super) struct Shared<T>(Mutex<RefCell<Option<T>>>);

impl<T> Shared<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(RefCell::new(None)))
    }

    /// Makes the device available.
    pub(super) fn put(&self, device: T) {
        critical_section::with(|cs| {
            if let Ok(mut slot) = self.0.borrow(cs).try_borrow_mut() {
                *slot = Some(device);
            }
        });
    }

    /// Takes the device, to use it for long; it is given back with [`put`](Self::put).
    pub(super) fn take(&self) -> Option<T> {
        critical_section::with(|cs| self.0.borrow(cs).try_borrow_mut().ok()?.take())
    }

    /// Uses the device, with interrupts held back. `None` when it is not there, or in use by what was
    /// interrupted by a defect.
    pub(super) fn with<R>(&self, operation: impl FnOnce(&mut T) -> R) -> Option<R> {
        critical_section::with(|cs| {
            self.0.borrow(cs).try_borrow_mut().ok()?.as_mut().map(operation)
        })
    }
}
