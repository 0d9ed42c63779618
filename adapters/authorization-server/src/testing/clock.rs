//! A clock that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_core::time::UnixTime;
use portcullis_tokio::resource_server::Clock as ResourceServerClock;

use crate::clock::{Clock, unix_secs};

/// A clock that stands still until it is told to go on. Clones are the same clock.
///
/// An authorization server reads it as its [`Clock`], a protected server as the clock of its
/// [`ProtectLayer`](portcullis_tokio::resource_server::ProtectLayer), so that both agree on what has
/// expired. It is no clock for deadlines of requests, which pass in real time.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// A clock that shows the present: what is valid by it is valid by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        Self::at(unix_secs(SystemTime::now()).unwrap_or_default())
    }

    /// A clock that shows so many seconds since 1970.
    #[must_use]
    pub fn at(secs: u64) -> Self {
        Self(Arc::new(AtomicU64::new(secs)))
    }

    /// Lets so many seconds pass.
    pub fn advance(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn secs(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl From<&TestClock> for Clock {
    fn from(clock: &TestClock) -> Self {
        let clock = clock.clone();
        Self::from_fn(move || UNIX_EPOCH + Duration::from_secs(clock.secs()))
    }
}

impl ResourceServerClock for TestClock {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(self.secs()))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.secs())
    }
}
