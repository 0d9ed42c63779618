//! Keys that survive a restart, and a cut of power at any moment. (Feature `storage`.)

mod copies;
mod error;
mod key;
mod record;

use core::{fmt, ops::Range};

use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_storage_async::nor_flash::NorFlash;
use portcullis_core::{jwt::KeyError, time::UnixTime};

use self::{
    copies::{Buffers, Copies},
    record::{Content, Kind, Mark, Seal},
};
use super::LiveKeyRing;
pub use error::StorageError;
pub use key::{Key, Stored};

/// Smallest page of a flash in bytes: what both records take twice must fit into one.
pub const PAGE_LEN_MIN: usize = 1024;

/// What stored keys are tied to. Keys that are tied to something else are refused (SEC-509).
#[derive(Clone, Copy)]
pub struct Binding<'b> {
    /// The resource identifier of this device, which no other device has.
    pub resource: &'b str,
    /// A secret of the board that is not in this flash: fuses, or a key of its security module. With it, nobody
    /// who can write to the flash can make a record. Without it, a record is only protected from accidents.
    pub secret: Option<&'b [u8; 32]>,
    /// The lowest [`Stored::sequence`] that is not a rollback: from a counter of the board that cannot be turned
    /// back, and to which the sequence is written after each change. 0 where there is none: then an old image
    /// of the whole flash is taken for the present one.
    pub sequence_min: u64,
}

impl<'b> Binding<'b> {
    /// For a board without secret and counter.
    pub const fn new(resource: &'b str) -> Self {
        Self { resource, secret: None, sequence_min: 0 }
    }
}

impl fmt::Debug for Binding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("resource", &self.resource)
            .field("secret", &self.secret.is_some())
            .field("sequence_min", &self.sequence_min)
            .finish()
    }
}

/// What became of a provisioning.
#[derive(Debug)]
pub enum Provisioned {
    /// It is stored.
    Stored(Stored),
    /// It was stored before. These are the keys now, which may have been changed since.
    Kept(Stored),
}

impl Provisioned {
    /// The keys, either way.
    pub fn into_stored(self) -> Stored {
        match self {
            Self::Stored(stored) | Self::Kept(stored) => stored,
        }
    }
}

/// The keys of a device and the last time it knew, in flash.
///
/// Every operation reads what is there, so that a future that is dropped half-way is a cut of power and no
/// more. After an error of the flash, what was to be written is stored or not; [`load`](Self::load) tells.
pub struct KeyStore<F> {
    copies: Copies<F>,
    sequence_min: u64,
}

impl<F: NorFlash> KeyStore<F> {
    /// Takes a range of the flash: an even number of pages, at least four, that nobody else uses.
    ///
    /// Nothing is read yet.
    pub fn open(
        flash: F,
        range: Range<u32>,
        binding: &Binding<'_>,
    ) -> Result<Self, StorageError<F::Error>> {
        let copies = Copies::new(flash, range, Seal::new(binding)?)?;
        Ok(Self { copies, sequence_min: binding.sequence_min })
    }

    /// The stored keys; `None` when there never were any.
    pub async fn load(&mut self) -> Result<Option<Stored>, StorageError<F::Error>> {
        Ok(self.read(&mut Buffers::new()).await?.0)
    }

    /// Stores the keys of a provisioning, and no next key but its.
    ///
    /// A higher `version` than the stored one replaces everything. An equal one is the same provisioning again, at
    /// every start perhaps: what is stored is kept. A lower one is refused (SEC-510).
    pub async fn provision(
        &mut self,
        version: u32,
        current: Key,
        next: Option<Key>,
    ) -> Result<Provisioned, StorageError<F::Error>> {
        let mut buffers = Buffers::new();
        let before = match self.read(&mut buffers).await?.0 {
            Some(stored) if version < stored.version => return Err(StorageError::Version),
            Some(stored) if version == stored.version => return Ok(Provisioned::Kept(stored)),
            Some(stored) => stored.sequence,
            None => 0,
        };
        let stored = Stored { sequence: after(before)?, version, current, next };
        stored.ring()?;
        self.copies.write(Content::Keys(&stored), &mut buffers).await?;
        Ok(Provisioned::Stored(stored))
    }

    /// Stores the key to come, and then lets it verify.
    pub async fn add_next<M: RawMutex>(
        &mut self,
        next: Key,
        live: &LiveKeyRing<M>,
    ) -> Result<(), StorageError<F::Error>> {
        self.change(live, Change::AddNext(next)).await
    }

    /// Makes the next key the current one: first in the flash, and when it is there, in the ring.
    ///
    /// After an error the ring is as it was. From success on the old key verifies nothing, also after a
    /// restart.
    pub async fn rotate<M: RawMutex>(
        &mut self,
        live: &LiveKeyRing<M>,
    ) -> Result<(), StorageError<F::Error>> {
        self.change(live, Change::Rotate).await
    }

    async fn change<M: RawMutex>(
        &mut self,
        live: &LiveKeyRing<M>,
        change: Change,
    ) -> Result<(), StorageError<F::Error>> {
        let ring = self.write_change(change).await?.ring()?;
        Ok(live.replace(ring)?)
    }

    async fn write_change(&mut self, change: Change) -> Result<Stored, StorageError<F::Error>> {
        let mut buffers = Buffers::new();
        let stored = self.read(&mut buffers).await?.0.ok_or(StorageError::NotProvisioned)?;
        let stored = change.of(stored)?;
        self.copies.write(Content::Keys(&stored), &mut buffers).await?;
        Ok(stored)
    }

    /// Stores a time that is surely past, as the floor for the next start (SEC-501).
    ///
    /// A time that is not later than the stored one changes nothing.
    pub async fn mark_time(&mut self, time: UnixTime) -> Result<(), StorageError<F::Error>> {
        let mut buffers = Buffers::new();
        let (stored, mark) = self.read(&mut buffers).await?;
        if mark.is_some_and(|mark| mark.time >= time) {
            return Ok(());
        }
        let sequence = stored.map_or(0, |stored| stored.sequence);
        self.copies.write(Content::Mark(Mark { time, sequence }), &mut buffers).await
    }

    /// The latest time that was marked.
    pub async fn time_mark(&mut self) -> Result<Option<UnixTime>, StorageError<F::Error>> {
        let (_, mark) = self.read(&mut Buffers::new()).await?;
        Ok(mark.map(|mark| mark.time))
    }

    /// Erases everything: for a device whose stored keys are refused, by somebody who is to provision it anew.
    ///
    /// It forgets which provisionings are old, and the time. Cut short, it has to be done again.
    pub async fn erase(&mut self) -> Result<(), StorageError<F::Error>> {
        self.copies.erase().await
    }

    /// Reads both records, makes their copies equal, and checks that they belong together.
    async fn read(
        &mut self,
        buffers: &mut Buffers,
    ) -> Result<(Option<Stored>, Option<Mark>), StorageError<F::Error>> {
        let mark = match self.copies.read(Kind::Mark, buffers).await? {
            true => Some(self.opened(Kind::Mark, buffers)?.mark().ok_or(StorageError::Damaged)?),
            false => None,
        };
        let stored = match self.copies.read(Kind::Keys, buffers).await? {
            true => Some(self.opened(Kind::Keys, buffers)?.keys().ok_or(StorageError::Damaged)?),
            false => None,
        };
        let sequence = stored.as_ref().map_or(0, |stored| stored.sequence);
        let least = mark.map_or(0, |mark| mark.sequence).max(self.sequence_min);
        if sequence < least {
            return Err(StorageError::RolledBack);
        }
        Ok((stored, mark))
    }

    fn opened<'r>(
        &self,
        kind: Kind,
        buffers: &'r Buffers,
    ) -> Result<record::Sound<'r>, StorageError<F::Error>> {
        Ok(self.copies.seal().open(kind, buffers.record())?)
    }
}

impl<F> fmt::Debug for KeyStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore").finish_non_exhaustive()
    }
}

enum Change {
    AddNext(Key),
    Rotate,
}

impl Change {
    /// The keys after it; refused as [`KeyRing`](portcullis_core::jwt::KeyRing) refuses it.
    fn of(self, stored: Stored) -> Result<Stored, KeyError> {
        let sequence = after(stored.sequence)?;
        match self {
            Self::AddNext(next) => {
                stored.ring()?.add_next(next.id().clone(), next.hmac_key()?)?;
                Ok(Stored { sequence, next: Some(next), ..stored })
            }
            Self::Rotate => {
                let current = stored.next.ok_or(KeyError::Ring)?;
                Ok(Stored { sequence, current, next: None, version: stored.version })
            }
        }
    }
}

/// The sequence after this one. Nobody gets to the last one; there is none after it.
fn after(sequence: u64) -> Result<u64, KeyError> {
    sequence.checked_add(1).ok_or(KeyError::Ring)
}

#[cfg(test)]
mod tests;
