//! Points in time as the tokens state them: whole seconds since 1970-01-01T00:00:00Z.

/// Seconds since the Unix epoch, leap seconds not counted (`NumericDate`, RFC 7519 §2).
///
/// Holds no fraction: a `NumericDate` with a fraction is refused where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time `secs` seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// This time and `secs` more; stops at the end of the range instead of wrapping (SEC-093).
    #[must_use]
    pub const fn plus(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs))
    }

    /// Seconds from `earlier` to this time, zero when `earlier` is not earlier.
    pub const fn secs_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// An allowance for clocks that disagree, at most [`LEEWAY_SECS_MAX`] seconds (SEC-097).
///
/// [`LEEWAY_SECS_MAX`]: crate::limits::LEEWAY_SECS_MAX
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeway(u16);

impl Leeway {
    /// LIM-19's default: 60 seconds.
    pub const DEFAULT: Self = Self(crate::limits::LEEWAY_SECS_DEFAULT);

    /// `secs` seconds; `None` when that is more than [`crate::limits::LEEWAY_SECS_MAX`].
    pub const fn from_secs(secs: u16) -> Option<Self> {
        if secs > crate::limits::LEEWAY_SECS_MAX { None } else { Some(Self(secs)) }
    }

    /// The allowance in seconds.
    pub fn as_secs(self) -> u64 {
        u64::from(self.0)
    }
}

impl Default for Leeway {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_093_plus_never_wraps() {
        assert_eq!(UnixTime::from_secs(u64::MAX).plus(60).as_secs(), u64::MAX);
        assert_eq!(UnixTime::from_secs(1).plus(60).as_secs(), 61);
    }

    #[test]
    fn sec_097_leeway_is_bounded() {
        assert!(Leeway::from_secs(300).is_some());
        assert!(Leeway::from_secs(301).is_none());
    }

    #[test]
    fn seconds_since_stop_at_zero() {
        let (early, late) = (UnixTime::from_secs(10), UnixTime::from_secs(15));
        assert_eq!(late.secs_since(early), 5);
        assert_eq!(early.secs_since(late), 0);
    }
}
