//! What is known of an issuer's keys, and until when that counts.

use std::{sync::Arc, time::Duration};

use super::{JwksSettings, SettingsError};
use crate::public_keys::PublicKeys;

/// When keys are asked for, all counted on a clock that never goes back.
pub(super) struct Schedule {
    /// Between two requests, whatever the first one led to.
    interval: Duration,
    /// Keys that were asked for so long ago are not used before they were asked for again.
    refresh: Duration,
    /// Keys that were read so long ago are not used at all.
    stale: Duration,
}

impl Schedule {
    pub(super) fn new(settings: &JwksSettings) -> Result<Self, SettingsError> {
        if settings.interval_secs_min == 0 {
            return Err(SettingsError::Limit("interval_secs_min"));
        }
        if settings.refresh_secs < settings.interval_secs_min {
            return Err(SettingsError::Limit("refresh_secs"));
        }
        if settings.stale_secs_max < settings.refresh_secs {
            return Err(SettingsError::Limit("stale_secs_max"));
        }
        Ok(Self {
            interval: Duration::from_secs(settings.interval_secs_min),
            refresh: Duration::from_secs(settings.refresh_secs),
            stale: Duration::from_secs(settings.stale_secs_max),
        })
    }
}

/// The last set that could be read, and the last time it was asked for.
#[derive(Default)]
pub(super) struct Known {
    keys: Option<Arc<PublicKeys>>,
    /// When those were asked for that are here.
    read_at: Duration,
    /// The last request, and the last one that has ended.
    asked_at: Option<Duration>,
    ended_at: Duration,
    /// The last request has no answer that can be used, or none yet.
    unanswered: bool,
}

impl Known {
    /// The keys, unless they are too old to be used as they are.
    pub(super) fn usable(&self, schedule: &Schedule, now: Duration) -> Option<Arc<PublicKeys>> {
        let stale = now.saturating_sub(self.read_at) >= schedule.stale;
        let due = now.saturating_sub(self.ended_at) >= schedule.refresh;
        self.keys.clone().filter(|_| !stale && !due)
    }

    /// Whether a key that is not here may be among the issuer's by now.
    pub(super) fn may_lack(&self, schedule: &Schedule, now: Duration) -> bool {
        self.unanswered || self.may_ask(schedule, now)
    }

    /// Whether the keys may be asked for (SEC-110).
    pub(super) fn may_ask(&self, schedule: &Schedule, now: Duration) -> bool {
        self.asked_since(schedule.interval, now)
    }

    /// Whether the keys should be asked for before a request needs it.
    pub(super) fn is_due_ahead(&self, schedule: &Schedule, now: Duration) -> bool {
        let ahead = if self.unanswered { schedule.interval } else { schedule.refresh / 2 };
        self.keys.is_some() && self.asked_since(ahead.max(schedule.interval), now)
    }

    pub(super) fn ask(&mut self, now: Duration) {
        self.asked_at = Some(now);
        self.unanswered = true;
    }

    /// The request of `asked_at` has ended, with keys or in vain.
    pub(super) fn end(&mut self, keys: Option<PublicKeys>, asked_at: Duration) {
        self.ended_at = asked_at;
        if let Some(keys) = keys {
            self.keys = Some(Arc::new(keys));
            self.read_at = asked_at;
            self.unanswered = false;
        }
    }

    fn asked_since(&self, time: Duration, now: Duration) -> bool {
        self.asked_at.is_none_or(|asked_at| now.saturating_sub(asked_at) >= time)
    }
}
