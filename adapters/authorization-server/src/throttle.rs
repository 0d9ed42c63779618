//! Counting attempts by whoever makes them.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::ConnectInfo;
use http::Extensions;

/// Keys remembered at once; past it, ended windows go, then the oldest (constant memory).
const KEYS_MAX: usize = 10_000;
/// Longest window: whoever guesses in the name of a user locks that user out for no longer.
const WINDOW_MAX: Duration = Duration::from_secs(15 * 60);
/// After this time without an attempt windows are short again.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// Who is at the other end of the connection, as far as limits care: an IPv4 address, or the /64
/// of an IPv6 one, since a single host owns all of it (SEC-211). Forwarded headers are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    /// The peer of a request. Behind a service that does not say who is calling, all are one peer.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Self::from(address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
    }

    /// Stands for all of them, where they are counted together.
    pub(crate) const fn everybody() -> Self {
        Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::from(u64::MAX) << 64)))
            }
            v4 => v4,
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// At most so many attempts for each key in one window of time. A window that was used up is followed by
/// one of twice its length (LIM-20), until nobody has tried for a while.
pub(crate) struct Throttle {
    attempts_max: u32,
    window: Duration,
    windows: Mutex<HashMap<String, Window>>,
}

struct Window {
    started: SystemTime,
    attempts: u32,
    doublings: u32,
}

impl Throttle {
    pub(crate) fn new(attempts_max: u32, window: Duration) -> Self {
        Self { attempts_max, window, windows: Mutex::new(HashMap::new()) }
    }

    /// Whether `key` has used up its window.
    pub(crate) fn is_exhausted(&self, key: &str, now: SystemTime) -> bool {
        self.lock()
            .get(key)
            .is_some_and(|window| self.is_open(window, now) && window.attempts >= self.attempts_max)
    }

    /// How long until `key` may try again; nothing if it may now.
    pub(crate) fn wait(&self, key: &str, now: SystemTime) -> Duration {
        let windows = self.lock();
        let Some(window) = windows.get(key) else { return Duration::ZERO };
        if window.attempts < self.attempts_max {
            return Duration::ZERO;
        }
        let age = now.duration_since(window.started).unwrap_or_default();
        self.length(window).saturating_sub(age)
    }

    /// Counts one attempt of `key`.
    pub(crate) fn count(&self, key: &str, now: SystemTime) {
        let mut windows = self.lock();
        let window = self.window_of(&mut windows, key, now);
        window.attempts = window.attempts.saturating_add(1);
    }

    /// Counts one attempt unless the window is used up, in one step: of attempts made at once, too,
    /// no more than allowed come through.
    pub(crate) fn admit(&self, key: &str, now: SystemTime) -> bool {
        let mut windows = self.lock();
        let window = self.window_of(&mut windows, key, now);
        let admitted = window.attempts < self.attempts_max;
        window.attempts = window.attempts.saturating_add(u32::from(admitted));
        admitted
    }

    /// Takes back an attempt that was admitted and is not to count.
    pub(crate) fn give_back(&self, key: &str) {
        if let Some(window) = self.lock().get_mut(key) {
            window.attempts = window.attempts.saturating_sub(1);
        }
    }

    /// The window of `key` that is open now.
    fn window_of<'w>(
        &self,
        windows: &'w mut HashMap<String, Window>,
        key: &str,
        now: SystemTime,
    ) -> &'w mut Window {
        if windows.len() >= KEYS_MAX && !windows.contains_key(key) {
            self.make_room(windows, now);
        }
        let first = Window { started: now, attempts: 0, doublings: 0 };
        let window = windows.entry(key.to_owned()).or_insert(first);
        if !self.is_open(window, now) {
            let doublings = match self.is_remembered(window, now) {
                true if window.attempts >= self.attempts_max => window.doublings.saturating_add(1),
                true => window.doublings,
                false => 0,
            };
            *window = Window { started: now, attempts: 0, doublings };
        }
        window
    }

    fn length(&self, window: &Window) -> Duration {
        let factor = 1_u32.checked_shl(window.doublings).unwrap_or(u32::MAX);
        self.window.saturating_mul(factor).min(WINDOW_MAX.max(self.window))
    }

    fn is_open(&self, window: &Window, now: SystemTime) -> bool {
        now.duration_since(window.started).is_ok_and(|age| age < self.length(window))
    }

    /// Whether the length of the next window depends on this one.
    fn is_remembered(&self, window: &Window, now: SystemTime) -> bool {
        let until = self.length(window).saturating_add(QUIET);
        now.duration_since(window.started).is_ok_and(|age| age < until)
    }

    fn make_room(&self, windows: &mut HashMap<String, Window>, now: SystemTime) {
        windows.retain(|_, window| {
            let counts = window.doublings > 0 || window.attempts >= self.attempts_max;
            self.is_open(window, now) || (counts && self.is_remembered(window, now))
        });
        if windows.len() >= KEYS_MAX {
            let oldest = windows.iter().min_by_key(|(_, window)| window.started);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                windows.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lim_20_attempts_in_a_window() {
        let throttle = Throttle::new(2, Duration::from_secs(60));
        let start = SystemTime::UNIX_EPOCH;
        let at = |secs: u64| start + Duration::from_secs(secs);
        assert!(throttle.admit("a", at(0)));
        assert!(throttle.admit("a", at(1)));
        assert!(!throttle.admit("a", at(59)));
        assert_eq!(throttle.wait("a", at(59)), Duration::from_secs(1));
        assert_eq!(throttle.wait("b", at(59)), Duration::ZERO);
        assert!(throttle.admit("b", at(59)));
        assert!(throttle.admit("a", at(60)));
        assert_eq!(throttle.wait("a", at(60)), Duration::ZERO);
    }

    /// Fills the window that opens at `at_secs`; gives the seconds until the next attempt is admitted.
    fn fill(throttle: &Throttle, at_secs: u64) -> u64 {
        let at = |secs: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        while throttle.admit("a", at(at_secs)) {}
        let told = throttle.wait("a", at(at_secs)).as_secs();
        let waited = (0..).find(|wait| !throttle.is_exhausted("a", at(at_secs + wait))).unwrap();
        assert_eq!(told, waited);
        waited
    }

    #[test]
    fn lim_20_the_delay_doubles_up_to_its_limit() {
        let throttle = Throttle::new(2, Duration::from_secs(60));
        let mut at_secs = 0;
        for expected in [60, 120, 240, 480, 900, 900] {
            let delay = fill(&throttle, at_secs);
            assert_eq!(delay, expected);
            at_secs += delay;
        }
        // A window that is not used up neither doubles the delay nor ends it.
        assert!(throttle.admit("a", SystemTime::UNIX_EPOCH + Duration::from_secs(at_secs)));
        assert_eq!(fill(&throttle, at_secs + 900), 900);
        // After an hour without an attempt it starts anew.
        assert_eq!(fill(&throttle, at_secs + 900 + 900 + 3_600), 60);
        assert!(throttle.admit("b", SystemTime::UNIX_EPOCH), "another key");
    }

    #[test]
    fn an_attempt_given_back_does_not_count() {
        let throttle = Throttle::new(1, Duration::from_secs(60));
        let now = SystemTime::UNIX_EPOCH;
        throttle.give_back("a");
        assert!(throttle.admit("a", now));
        assert!(!throttle.admit("a", now));
        throttle.give_back("a");
        assert!(throttle.admit("a", now));
        assert!(throttle.is_exhausted("a", now));
    }

    #[test]
    fn keys_are_bounded() {
        let throttle = Throttle::new(1, Duration::from_secs(60));
        for key in 0..KEYS_MAX + 5 {
            throttle.count(&key.to_string(), SystemTime::UNIX_EPOCH);
        }
        assert_eq!(throttle.lock().len(), KEYS_MAX);
    }

    #[test]
    fn sec_211_ipv6_counts_by_64() {
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}
