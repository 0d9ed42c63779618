//! The time, as one value that is handed in.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the server reads the time. Everything that expires asks the same clock, the protocol
/// engine included, so that a test can move all of it at once.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The clock of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that answers whatever `now` answers.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
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
