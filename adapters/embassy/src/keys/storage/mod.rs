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
        let mut state = State::UNREAD;
        self.run(Request::Read, &mut state).await?;
        Ok(state.stored)
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
        let mut state = State::UNREAD;
        let request = Request::Provision { version, current: &current, next: next.as_ref() };
        self.run(request, &mut state).await?;
        match (state.stored, state.changed) {
            (Some(stored), Some(_)) => Ok(Provisioned::Stored(stored)),
            (Some(stored), None) => Ok(Provisioned::Kept(stored)),
            (None, _) => Err(StorageError::NotProvisioned),
        }
    }

    /// Stores the key to come, and then lets it verify.
    pub async fn add_next<M: RawMutex>(
        &mut self,
        next: Key,
        live: &LiveKeyRing<M>,
    ) -> Result<(), StorageError<F::Error>> {
        let mut state = State::UNREAD;
        self.run(Request::AddNext(&next), &mut state).await?;
        state.go_live(live)
    }

    /// Makes the next key the current one: first in the flash, and when it is there, in the ring.
    ///
    /// After an error the ring is as it was. From success on the old key verifies nothing, also after a
    /// restart.
    pub async fn rotate<M: RawMutex>(
        &mut self,
        live: &LiveKeyRing<M>,
    ) -> Result<(), StorageError<F::Error>> {
        let mut state = State::UNREAD;
        self.run(Request::Rotate, &mut state).await?;
        state.go_live(live)
    }

    /// Stores a time that is surely past, as the floor for the next start (SEC-501).
    ///
    /// A time that is not later than the stored one changes nothing.
    pub async fn mark_time(&mut self, time: UnixTime) -> Result<(), StorageError<F::Error>> {
        let mut state = State::UNREAD;
        self.run(Request::Mark(time), &mut state).await
    }

    /// The latest time that was marked.
    pub async fn time_mark(&mut self) -> Result<Option<UnixTime>, StorageError<F::Error>> {
        let mut state = State::UNREAD;
        self.run(Request::Read, &mut state).await?;
        Ok(state.mark.map(|mark| mark.time))
    }

    /// Erases everything: for a device whose stored keys are refused, by somebody who is to provision it anew.
    ///
    /// It forgets which provisionings are old, and the time. Cut short, it has to be done again.
    pub async fn erase(&mut self) -> Result<(), StorageError<F::Error>> {
        self.copies.erase().await
    }

    /// Does all that is asked of the store: one way through it, which is in the image once.
    ///
    /// Reads into `state`, where keys are not moved about.
    async fn run(
        &mut self,
        request: Request<'_>,
        state: &mut State,
    ) -> Result<(), StorageError<F::Error>> {
        let mut buffers = Buffers::new();
        self.read(state, &mut buffers).await?;
        request.apply(state)?;
        if let Some(content) = state.content() {
            let kind = content.kind();
            self.copies.encode(&content, &mut buffers)?;
            self.copies.write(kind, &mut buffers).await?;
            self.complete(&mut buffers).await?;
        }
        Ok(())
    }

    /// Reads both records, makes their copies equal, and checks that they belong together.
    async fn read(
        &mut self,
        state: &mut State,
        buffers: &mut Buffers,
    ) -> Result<(), StorageError<F::Error>> {
        if self.copies.read(Kind::Mark, buffers).await? {
            let mark = self.opened(Kind::Mark, buffers)?.mark();
            state.mark = Some(mark.ok_or(StorageError::Damaged)?);
        }
        if self.copies.read(Kind::Keys, buffers).await? {
            let stored = self.opened(Kind::Keys, buffers)?.keys();
            state.stored = Some(stored.ok_or(StorageError::Damaged)?);
        }
        self.complete(buffers).await?;
        let least = state.mark.map_or(0, |mark| mark.sequence).max(self.sequence_min);
        if state.sequence() < least {
            return Err(StorageError::RolledBack);
        }
        Ok(())
    }

    /// Gives a log that had to be erased the rest of what the other one has.
    async fn complete(&mut self, buffers: &mut Buffers) -> Result<(), StorageError<F::Error>> {
        if self.copies.take_erased() {
            for kind in Kind::ALL {
                self.copies.read(kind, buffers).await?;
            }
        }
        Ok(())
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

/// What is asked of the store.
enum Request<'r> {
    Read,
    Provision { version: u32, current: &'r Key, next: Option<&'r Key> },
    AddNext(&'r Key),
    Rotate,
    Mark(UnixTime),
}

/// What is stored, or to be stored.
struct State {
    stored: Option<Stored>,
    mark: Option<Mark>,
    changed: Option<Kind>,
}

impl State {
    const UNREAD: Self = Self { stored: None, mark: None, changed: None };

    fn sequence(&self) -> u64 {
        self.stored.as_ref().map_or(0, |stored| stored.sequence)
    }

    /// What is to be written.
    fn content(&self) -> Option<Content<'_>> {
        match self.changed? {
            Kind::Keys => self.stored.as_ref().map(Content::Keys),
            Kind::Mark => self.mark.map(Content::Mark),
        }
    }

    /// Lets the stored keys verify.
    fn go_live<M: RawMutex, E>(self, live: &LiveKeyRing<M>) -> Result<(), StorageError<E>> {
        let stored = self.stored.ok_or(StorageError::NotProvisioned)?;
        Ok(live.replace(stored.ring()?)?)
    }
}

impl Request<'_> {
    /// Makes of the state what is stored after it; keys are refused as
    /// [`KeyRing`](portcullis_core::jwt::KeyRing) refuses them.
    fn apply<E>(self, state: &mut State) -> Result<(), StorageError<E>> {
        // Nobody gets to the last number.
        let sequence = state.sequence().checked_add(1).ok_or(StorageError::RolledBack)?;
        match self {
            Self::Read => return Ok(()),
            Self::Mark(time) => {
                if state.mark.is_none_or(|mark| mark.time < time) {
                    state.mark = Some(Mark { time, sequence: state.sequence() });
                    state.changed = Some(Kind::Mark);
                }
                return Ok(());
            }
            Self::Provision { version, current, next } => {
                let before = state.stored.as_ref().map(|stored| stored.version);
                if before.is_some_and(|before| version < before) {
                    return Err(StorageError::Version);
                }
                if before == Some(version) {
                    return Ok(());
                }
                let (current, next) = (current.clone(), next.cloned());
                state.stored = Some(Stored { sequence, version, current, next });
            }
            Self::AddNext(next) => {
                let stored = state.stored.as_mut().ok_or(StorageError::NotProvisioned)?;
                if stored.next.is_some() {
                    return Err(KeyError::Ring.into());
                }
                stored.next = Some(next.clone());
                stored.sequence = sequence;
            }
            Self::Rotate => {
                let stored = state.stored.as_mut().ok_or(StorageError::NotProvisioned)?;
                stored.current = stored.next.take().ok_or(KeyError::Ring)?;
                stored.sequence = sequence;
            }
        }
        if state.stored.as_ref().is_some_and(Stored::has_twins) {
            return Err(KeyError::DuplicateKeyId.into());
        }
        state.changed = Some(Kind::Keys);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
