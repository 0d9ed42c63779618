//! The time, as one value that is handed in.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the system's monotonic clock is counted from.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Where the server reads the time. Everything that expires asks the same clock, the protocol
/// engine included, so that a test can move all of it at once.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    monotonic: Monotonic,
}

#[derive(Clone)]
enum Monotonic {
    System,
    /// There is no other: what `now` says.
    Now,
    Other(Arc<dyn Fn() -> Duration + Send + Sync>),
}

impl Clock {
    /// The clock of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self { now: Arc::new(SystemTime::now), monotonic: Monotonic::System }
    }

    /// A clock that answers whatever `now` answers.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), monotonic: Monotonic::Now }
    }

    /// The same with a second hand that counts the time that passes, and never goes back whatever the
    /// first one does: budgets fill by it (SEC-565). Without it they fill by the first.
    #[must_use]
    pub fn with_monotonic(self, monotonic: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { monotonic: Monotonic::Other(Arc::new(monotonic)), ..self }
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.now)()
    }

    /// Time since some fixed moment, which setting the system's clock does not change.
    pub(crate) fn monotonic(&self) -> Duration {
        match &self.monotonic {
            Monotonic::System => STARTED.elapsed(),
            Monotonic::Now => self.now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Monotonic::Other(monotonic) => monotonic(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock(..)")
    }
}

impl oauth_as::Clock for Clock {
    fn now(&self) -> SystemTime {
        Clock::now(self)
    }
}

/// Whole seconds since 1970; `None` for an instant before it, which no token can name.
pub(crate) fn unix_secs(instant: SystemTime) -> Option<u64> {
    instant.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}
