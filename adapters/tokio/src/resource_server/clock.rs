//! The two clocks a resource server needs: what time it is, and how much time has passed.

use std::time::{Duration, Instant, SystemTime};

use portcullis_core::time::UnixTime;

/// Where [`Protect`](super::Protect) reads the time; tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// The time of day, against which a token's `exp` is compared; `None` when it is not known.
    ///
    /// Without it nobody is admitted: an unknown time never means an unchecked `exp` (SEC-500).
    fn unix_time(&self) -> Option<UnixTime>;

    /// Time since a fixed moment of this process. Never goes back, whatever happens to the time of
    /// day: the life of a cache entry is counted on it (SEC-366, SEC-565).
    fn monotonic(&self) -> Duration;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The monotonic clock starts at zero now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_time(&self) -> Option<UnixTime> {
        unix_time(SystemTime::now())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A time before 1970 is a clock that nobody has set.
fn unix_time(time: SystemTime) -> Option<UnixTime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_500_a_clock_before_1970_is_no_clock() {
        let epoch = SystemTime::UNIX_EPOCH;
        let second = Duration::from_secs(1);
        assert_eq!(unix_time(epoch + second), Some(UnixTime::from_secs(1)));
        assert_eq!(unix_time(epoch), Some(UnixTime::from_secs(0)));
        assert_eq!(unix_time(epoch - second), None);
    }

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let clock = SystemClock::new();
        let (first, second) = (clock.monotonic(), clock.monotonic());
        assert!(first <= second);
        assert!(clock.unix_time().is_some());
    }
}
