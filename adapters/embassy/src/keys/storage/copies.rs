//! Two copies of each record, in two logs of their own.
//!
//! One log survives a cut of power as long as an erase that was cut leaves the page's marks erased first. Real
//! flash promises nothing of a page whose erase was cut: any of its bits may be old. So nothing is ever
//! written to one log before the other one has everything, and a log that is not sound is erased and
//! written anew from the other.

use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use sequential_storage::{
    Error,
    cache::{Cache, Uncached},
    map::{MapConfig, MapStorage},
};
use zeroize::Zeroize;

use super::{
    PAGE_LEN_MIN, StorageError,
    record::{Content, HASH_LEN, Kind, RECORD_LEN_MAX, Seal, Unsound},
};

/// The longest record with its key in the log, rounded up to the longest word of a flash.
const ITEM_LEN_MAX: usize = (1 + RECORD_LEN_MAX).next_multiple_of(32);

/// Some flash is written from aligned memory only.
#[repr(align(4))]
struct Buffer([u8; ITEM_LEN_MAX]);

/// Memory for records; wiped on drop.
pub(super) struct Buffers {
    /// The record.
    record: Buffer,
    /// What was read last, and what the log works with.
    work: Buffer,
    /// Of the record.
    len: usize,
}

impl Buffers {
    pub(super) const fn new() -> Self {
        Self { record: Buffer([0; ITEM_LEN_MAX]), work: Buffer([0; ITEM_LEN_MAX]), len: 0 }
    }

    pub(super) fn record(&self) -> &[u8] {
        self.record.0.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.record.0.zeroize();
        self.work.0.zeroize();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    First,
    Second,
}

impl Log {
    const ALL: [Self; 2] = [Self::First, Self::Second];

    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// What becomes of a sound record that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It is in the buffer then.
    Keep,
    /// Nothing.
    Check,
}

/// What one log has of a record.
enum Found<E> {
    Nothing,
    Sound { rank: u64, mac: [u8; HASH_LEN] },
    Unsound(Unsound),
    Failed(E),
}

/// Why a log did not take a record.
enum NotWritten<E> {
    Flash(E),
    Log,
}

impl<E> From<NotWritten<E>> for StorageError<E> {
    fn from(error: NotWritten<E>) -> Self {
        match error {
            NotWritten::Flash(error) => Self::Flash(error),
            NotWritten::Log => Self::Damaged,
        }
    }
}

/// Both logs.
pub(super) struct Copies<F> {
    flash: F,
    first: Range<u32>,
    second: Range<u32>,
    seal: Seal,
    was_erased: bool,
}

impl<F: NorFlash> Copies<F> {
    pub(super) fn new(
        flash: F,
        range: Range<u32>,
        seal: Seal,
    ) -> Result<Self, StorageError<F::Error>> {
        let half = range.end.checked_sub(range.start).ok_or(StorageError::Range)? / 2;
        let middle = range.start.saturating_add(half);
        let (first, second) = (range.start..middle, middle..range.end);
        let is_log = |log: &Range<u32>| MapConfig::<F>::try_new(log.clone()).is_ok();
        let is_there = usize::try_from(range.end).is_ok_and(|end| end <= flash.capacity());
        if F::ERASE_SIZE < PAGE_LEN_MIN || !is_there || !is_log(&first) || !is_log(&second) {
            return Err(StorageError::Range);
        }
        Ok(Self { flash, first, second, seal, was_erased: false })
    }

    #[cfg(test)]
    pub(super) fn into_flash(self) -> F {
        self.flash
    }

    pub(super) const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Reads the newer copy of a record into the buffer, and makes the other one like it.
    ///
    /// What was read once is in both logs: it is not lost again by a fault of one.
    pub(super) async fn read(
        &mut self,
        kind: Kind,
        buffers: &mut Buffers,
    ) -> Result<bool, StorageError<F::Error>> {
        let first = self.look(Log::First, kind, buffers, Look::Keep).await;
        let second = self.look(Log::Second, kind, buffers, Look::Keep).await;
        match newer(first, second)? {
            Newer::Nothing => return Ok(false),
            Newer::NothingIn(log) => {
                // What lies in one log only was never stored for sure, if this log is whole: it has the other
                // record, which mends the damaged one.
                let other = self.look(log, kind.other(), buffers, Look::Check).await;
                let is_whole = matches!(other, Found::Sound { .. });
                return if is_whole { Ok(false) } else { Err(StorageError::Damaged) };
            }
            Newer::Same => {}
            Newer::In(log) => {
                self.look(log, kind, buffers, Look::Keep).await;
                self.put_surely(log.other(), kind, buffers).await?;
            }
        }
        Ok(true)
    }

    /// Puts a record into the buffer, to be written.
    pub(super) fn encode(
        &self,
        content: &Content<'_>,
        buffers: &mut Buffers,
    ) -> Result<(), StorageError<F::Error>> {
        let room = buffers.record.0.get_mut(..RECORD_LEN_MAX).unwrap_or_default();
        buffers.len = self.seal.write(content, room).map_err(|_| StorageError::Damaged)?;
        Ok(())
    }

    /// Writes the record in the buffer to both logs, one after the other.
    ///
    /// Both have to be sound: read all kinds before.
    pub(super) async fn write(
        &mut self,
        kind: Kind,
        buffers: &mut Buffers,
    ) -> Result<(), StorageError<F::Error>> {
        for log in Log::ALL {
            self.put_surely(log, kind, buffers).await?;
        }
        Ok(())
    }

    /// Whether a log was erased since the last question: then it lacks what was not written since, and all
    /// kinds are to be read once more.
    pub(super) const fn take_erased(&mut self) -> bool {
        core::mem::replace(&mut self.was_erased, false)
    }

    /// Erases both logs.
    pub(super) async fn erase(&mut self) -> Result<(), StorageError<F::Error>> {
        for log in Log::ALL {
            self.erase_log(log).await?;
        }
        Ok(())
    }

    /// Looks at what a log has.
    async fn look(
        &mut self,
        log: Log,
        kind: Kind,
        buffers: &mut Buffers,
        look: Look,
    ) -> Found<F::Error> {
        let range = self.range(log);
        let Ok(mut map) = map(&mut self.flash, range) else {
            return Found::Unsound(Unsound::Damaged);
        };
        let bytes = match map.fetch_item::<&[u8]>(&mut buffers.work.0, &kind.number()).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Found::Nothing,
            Err(Error::Storage { value }) => return Found::Failed(value),
            Err(_) => return Found::Unsound(Unsound::Damaged),
        };
        match self.seal.open(kind, bytes) {
            Ok(sound) => {
                if look == Look::Keep {
                    buffers.record.0.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                    buffers.len = bytes.len();
                }
                Found::Sound { rank: sound.rank, mac: *sound.mac }
            }
            Err(unsound) => Found::Unsound(unsound),
        }
    }

    /// Writes the record in the buffer to a log, and reads it back.
    async fn put(
        &mut self,
        log: Log,
        kind: Kind,
        buffers: &mut Buffers,
    ) -> Result<(), NotWritten<F::Error>> {
        let range = self.range(log);
        let mut map = map(&mut self.flash, range).map_err(|_| NotWritten::Log)?;
        let Buffers { record, work, len } = buffers;
        let record = record.0.get(..*len).unwrap_or_default();
        map.store_item(&mut work.0, &kind.number(), &record).await.map_err(not_written)?;
        match map.fetch_item::<&[u8]>(&mut work.0, &kind.number()).await.map_err(not_written)? {
            Some(bytes) if bytes == record => Ok(()),
            Some(_) | None => Err(NotWritten::Log),
        }
    }

    /// Writes the record in the buffer to a log. When the log does not take it, it is erased: all of it is in
    /// the other one.
    async fn put_surely(
        &mut self,
        log: Log,
        kind: Kind,
        buffers: &mut Buffers,
    ) -> Result<(), StorageError<F::Error>> {
        if self.put(log, kind, buffers).await.is_ok() {
            return Ok(());
        }
        for kind in Kind::ALL {
            match self.look(log.other(), kind, buffers, Look::Check).await {
                Found::Nothing | Found::Sound { .. } => {}
                Found::Unsound(unsound) => return Err(unsound.into()),
                Found::Failed(error) => return Err(StorageError::Flash(error)),
            }
        }
        self.erase_log(log).await?;
        self.was_erased = true;
        Ok(self.put(log, kind, buffers).await?)
    }

    async fn erase_log(&mut self, log: Log) -> Result<(), StorageError<F::Error>> {
        let range = self.range(log);
        self.flash.erase(range.start, range.end).await.map_err(StorageError::Flash)
    }

    const fn range(&self, log: Log) -> Range<u32> {
        let range = match log {
            Log::First => &self.first,
            Log::Second => &self.second,
        };
        range.start..range.end
    }
}

enum Newer {
    Nothing,
    /// Not in this log, and the other one cannot be read.
    NothingIn(Log),
    Same,
    In(Log),
}

/// Which log has the newer copy.
fn newer<E>(first: Found<E>, second: Found<E>) -> Result<Newer, StorageError<E>> {
    use Found::{Failed, Nothing, Sound};
    match (first, second) {
        // Sound and not ours, in either log, is nothing that a cut of power leaves.
        (Found::Unsound(unsound @ (Unsound::Foreign | Unsound::Format)), _)
        | (_, Found::Unsound(unsound @ (Unsound::Foreign | Unsound::Format))) => {
            Err(unsound.into())
        }
        (Sound { rank, mac }, Sound { rank: other, mac: other_mac }) if rank == other => {
            if mac == other_mac { Ok(Newer::Same) } else { Err(StorageError::Damaged) }
        }
        (Sound { rank, .. }, Sound { rank: other, .. }) if rank < other => {
            Ok(Newer::In(Log::Second))
        }
        (Sound { .. }, _) => Ok(Newer::In(Log::First)),
        (_, Sound { .. }) => Ok(Newer::In(Log::Second)),
        (Nothing, Nothing) => Ok(Newer::Nothing),
        (Failed(error), _) | (_, Failed(error)) => Err(StorageError::Flash(error)),
        (Found::Unsound(Unsound::Damaged), Nothing) => Ok(Newer::NothingIn(Log::Second)),
        (Nothing, Found::Unsound(Unsound::Damaged)) => Ok(Newer::NothingIn(Log::First)),
        (Found::Unsound(Unsound::Damaged), Found::Unsound(Unsound::Damaged)) => {
            Err(StorageError::Damaged)
        }
    }
}

impl<E> From<Unsound> for StorageError<E> {
    fn from(unsound: Unsound) -> Self {
        match unsound {
            Unsound::Damaged => Self::Damaged,
            Unsound::Foreign => Self::Foreign,
            Unsound::Format => Self::Format,
        }
    }
}

type Map<'f, F> = MapStorage<u8, &'f mut F, Cache<Uncached, Uncached, Uncached, u8>>;

fn map<F: NorFlash>(
    flash: &mut F,
    range: Range<u32>,
) -> Result<Map<'_, F>, StorageError<F::Error>> {
    let config = MapConfig::try_new(range).map_err(|_| StorageError::Range)?;
    Ok(MapStorage::new(flash, config, Cache::new_uncached()))
}

fn not_written<E>(error: Error<E>) -> NotWritten<E> {
    match error {
        Error::Storage { value } => NotWritten::Flash(value),
        _ => NotWritten::Log,
    }
}
