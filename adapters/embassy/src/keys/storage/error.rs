//! Why keys cannot be had from the flash, or put there.

use core::fmt;

use portcullis_core::jwt::KeyError;

/// Why nothing is read or written. The device stays closed and reports it (SEC-509).
///
/// `E` is the error of the flash. No variant carries anything of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError<E> {
    /// The flash failed. What was to be written is there or not; [`load`](super::KeyStore::load) tells.
    Flash(E),
    /// The range is not four pages or more of the flash, an even number, each of at least
    /// [`PAGE_LEN_MIN`](super::PAGE_LEN_MIN) bytes.
    Range,
    /// No sound copy of a record is left, or the two do not belong together.
    Damaged,
    /// The record is sound, and for another resource: flash of another device.
    Foreign,
    /// The record was written by firmware that knows another format.
    Format,
    /// The keys are older than they can be: older than the time mark beside them, or than the board's counter.
    RolledBack,
    /// A provisioning that is older than the one that is stored: a replay (SEC-510).
    Version,
    /// There are no keys to change.
    NotProvisioned,
    /// The key cannot be used, or has no place in the ring.
    Key(KeyError),
}

impl<E> From<KeyError> for StorageError<E> {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl<E: fmt::Debug> fmt::Display for StorageError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flash(error) => return write!(f, "flash failed: {error:?}"),
            Self::Range => "range of the flash has too few or too small pages",
            Self::Damaged => "stored keys are damaged",
            Self::Foreign => "stored keys belong to another resource",
            Self::Format => "stored keys are in another format",
            Self::RolledBack => "stored keys are older than they can be",
            Self::Version => "provisioning is older than the stored one",
            Self::NotProvisioned => "no keys are stored",
            Self::Key(error) => return error.fmt(f),
        })
    }
}

impl<E: fmt::Debug> core::error::Error for StorageError<E> {}
