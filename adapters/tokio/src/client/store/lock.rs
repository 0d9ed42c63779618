//! A lock between processes: the operating system's, on an empty file beside the records.

use std::{
    any::Any,
    fmt,
    fs::{File, TryLockError},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::StoreError;

/// How long a lock is waited for: longer than a refresh takes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// The right to change the record of one server, until it is dropped.
#[must_use = "what is not kept is given back at once"]
pub struct StoreLock {
    _held: Box<dyn Any + Send + Sync>,
}

impl StoreLock {
    /// Holds whatever gives the lock back when it is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Box::new(held) }
    }

    /// Locks a file, which the operating system unlocks if this process dies.
    pub(super) fn of(file: File, path: &Path) -> Result<Self, StoreError> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self::new(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(StoreError::Busy),
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::Io(path.to_owned(), error));
                }
            }
        }
    }
}

impl fmt::Debug for StoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreLock(..)")
    }
}
