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
use portcullis_core::jwt::KeyId;
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
    /// Makes the key to come the current one, now and after a restart.
    pub(crate) async fn rotate(&self) -> Result<Option<KeyId>, StorageError<FlashError>> {
        let _turn = self.turn.lock().await;
        self.done.reset();
        self.wanted.signal(());
        self.done.wait().await?;
        Ok(self.ring.current_id())
    }
}

/// What is known when the flash was read.
type Opened = (Option<&'static DeviceKeys>, DeviceClock);
static OPENED: Signal<CriticalSectionRawMutex, Opened> = Signal::new();

/// Starts the task, which takes over the provisioned keys; halts with the reason when it cannot.
pub(crate) async fn start(
    spawner: Spawner,
    flash: Flash,
    resource: &'static str,
    version: u32,
    keys: Option<Keys>,
) -> Opened {
    board::spawn(spawner, keep(flash, resource, version, keys));
    OPENED.wait().await
}

#[embassy_executor::task]
async fn keep(flash: Flash, resource: &'static str, version: u32, keys: Option<Keys>) {
    match run(flash, resource, version, keys).await {
        Err(error) => board::halt(format_args!("the keys cannot be used: {error}")),
    }
}

async fn run(
    flash: Flash,
    resource: &str,
    version: u32,
    keys: Option<Keys>,
) -> Result<core::convert::Infallible, StorageError<FlashError>> {
    static KEYS: StaticCell<DeviceKeys> = StaticCell::new();
    let mut store = KeyStore::open(flash, Flash::RANGE, &Binding::new(resource))?;
    let keys = match keys {
        None => None,
        Some(Keys { current, next }) => {
            // Those of the same version may have been rotated since.
            let stored = store.provision(version, current, next).await?.into_stored();
            let ring = LiveKeyRing::new(stored.ring()?);
            let (turn, wanted, done) = (Mutex::new(()), Signal::new(), Signal::new());
            Some(&*KEYS.init(DeviceKeys { ring, turn, wanted, done }))
        }
    };
    // Only time servers are not believed about the past: a calendar of the board is.
    let mark = if cfg!(feature = "sntp") { store.time_mark().await? } else { None };
    let clock = time::clock(mark);
    OPENED.signal((keys, clock));
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
