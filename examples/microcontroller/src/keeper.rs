//! The task that keeps what must survive a restart: keys and, where it is asked for over the network, the time.
//!
//! It alone touches the flash, so that the memory that this takes exists once.

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, mutex::Mutex, signal::Signal};
use embassy_time::{Duration, Timer};
use microcontroller::{
    board::{self, Flash, FlashError},
    provisioning::Keys,
};
use portcullis_core::jwt::{KeyError, KeyId, KeyRing};
use portcullis_embassy::keys::{
    LiveKeyRing,
    storage::{Binding, KeyStore, StorageError},
};
use static_cell::StaticCell;

use crate::time::{self, DeviceClock};

/// How often is looked whether the time is to be stored, in seconds.
const LOOK_SECS: u64 = 60;

/// The keys of the device: those it verifies with, and the way to the task that keeps them.
pub(crate) struct DeviceKeys {
    pub(crate) ring: LiveKeyRing,
    turn: Mutex<CriticalSectionRawMutex, ()>,
    wanted: Signal<CriticalSectionRawMutex, ()>,
    done: Signal<CriticalSectionRawMutex, Result<(), StorageError<FlashError>>>,
}

impl DeviceKeys {
    /// The keys of a provisioning, so that a server can be made with them. The stored ones take their place
    /// before anybody is served.
    pub(crate) fn provisioned(keys: &Keys) -> Result<&'static Self, KeyError> {
        static KEYS: StaticCell<DeviceKeys> = StaticCell::new();
        let ring = KeyRing::new(keys.current.id().clone(), keys.current.hmac_key()?);
        let (turn, wanted, done) = (Mutex::new(()), Signal::new(), Signal::new());
        Ok(KEYS.init(Self { ring: LiveKeyRing::new(ring), turn, wanted, done }))
    }

    /// Makes the key to come the current one, now and after a restart.
    pub(crate) async fn rotate(&self) -> Result<Option<KeyId>, StorageError<FlashError>> {
        let _turn = self.turn.lock().await;
        self.done.reset();
        self.wanted.signal(());
        self.done.wait().await?;
        Ok(self.ring.current_id())
    }
}

/// What of a provisioning the flash takes over.
pub(crate) struct ToStore {
    /// What the stored keys are tied to.
    pub(crate) resource: &'static str,
    /// Which provisioning it is.
    pub(crate) version: u32,
    /// Its keys, and where those that are stored go.
    pub(crate) keys: Option<(Keys, &'static DeviceKeys)>,
}

/// Told when the flash was read.
static OPENED: Signal<CriticalSectionRawMutex, DeviceClock> = Signal::new();

/// Starts the task, which takes over the provisioned keys; halts with the reason when it cannot.
///
/// Stored keys are tied to the resource for good, and no older provisioning is taken after this one: a server
/// that cannot be made is found before.
pub(crate) async fn start(spawner: Spawner, flash: Flash, to_store: ToStore) -> DeviceClock {
    board::spawn(spawner, keep(flash, to_store));
    OPENED.wait().await
}

#[embassy_executor::task]
async fn keep(flash: Flash, to_store: ToStore) {
    match run(flash, to_store).await {
        Err(error) => board::halt(format_args!("the keys cannot be used: {error}")),
    }
}

async fn run(
    flash: Flash,
    ToStore { resource, version, keys }: ToStore,
) -> Result<core::convert::Infallible, StorageError<FlashError>> {
    let mut store = KeyStore::open(flash, Flash::RANGE, &Binding::new(resource))?;
    let keys = match keys {
        None => None,
        Some((Keys { current, next }, keys)) => {
            // Those of the same version may have been rotated since.
            let stored = store.provision(version, current, next).await?.into_stored();
            keys.ring.replace(stored.ring()?)?;
            Some(keys)
        }
    };
    // Only time servers are not believed about the past: a calendar of the board is.
    let mark = if cfg!(feature = "sntp") { store.time_mark().await? } else { None };
    let clock = time::clock(mark);
    OPENED.signal(clock);
    loop {
        let look = Timer::after(Duration::from_secs(LOOK_SECS));
        let Some(keys) = keys else {
            look.await;
            mark_time(&mut store, clock).await;
            continue;
        };
        match select(keys.wanted.wait(), look).await {
            Either::First(()) => keys.done.signal(store.rotate(&keys.ring).await),
            Either::Second(()) => mark_time(&mut store, clock).await,
        }
    }
}

/// Stores what time it is at least, when that is due. A flash that refuses is tried again.
#[cfg(feature = "sntp")]
async fn mark_time(store: &mut KeyStore<Flash>, clock: DeviceClock) {
    if let Some(mark) = clock.due_mark() {
        match store.mark_time(mark.unix_time()).await {
            Ok(()) => clock.mark_stored(mark),
            Err(error) => board::log(format_args!("the time is not stored: {error}")),
        }
    }
}

/// The calendar needs no help.
#[cfg(not(feature = "sntp"))]
async fn mark_time(_: &mut KeyStore<Flash>, _: DeviceClock) {}
