//! The time as far as it is known: a state machine without I/O. Time since the start comes in as an argument.
//!
//! Three points carry it, each a pair of time since the start and time of day:
//!
//! - the *anchor*: where the time was last set for sure, by a trusted source or by two servers that agree.
//!   How far one server may move the time is measured from here, so that many small moves come no further
//!   than one (SEC-502);
//! - the *estimate*: the anchor, or what one server made of it within that bound;
//! - the latest time that was *shown*: what is shown next is never earlier.

use core::net::IpAddr;

use portcullis_core::time::UnixTime;

use super::{Outcome, Refusal, TimeSettings};

/// The most that a server's time may be uncertain, in milliseconds: half of the way there and back.
pub const UNCERTAINTY_MILLIS_MAX: u32 = 5_000;

/// What a reading may be off before drift adds to it, in milliseconds: sources that tell whole seconds.
const SLACK_MILLIS: u64 = 1_000;
/// How long a server's word can be the second proof for another's, in milliseconds.
const WITNESS_MILLIS_MAX: u64 = 5 * 60 * 1_000;
/// How many servers' words are kept.
const WITNESSES_MAX: usize = 4;

/// What a server said without proof of who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// Who said it. Two ports of one address are one server.
    pub server: IpAddr,
    /// Milliseconds since the Unix epoch.
    pub unix_millis: u64,
    /// How much earlier or later it can be, in milliseconds: half of the way there and back.
    pub uncertainty_millis: u32,
}

/// A time that is surely past: stored, it is a floor for the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeMark(UnixTime);

impl TimeMark {
    /// What to store.
    pub const fn unix_time(self) -> UnixTime {
        self.0
    }
}

/// A time of day, and when it was so. Both in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    uptime: u64,
    unix: u64,
}

impl Point {
    /// The time of day at another moment, by this device's own clock.
    const fn at(self, uptime: u64) -> u64 {
        self.unix.saturating_add(uptime.saturating_sub(self.uptime))
    }
}

#[derive(Clone, Copy, Debug)]
struct Known {
    anchor: Point,
    estimate: Point,
    trusted: bool,
    /// Since when the time is without a step.
    stepped_at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Witness {
    server: IpAddr,
    said: Point,
    uncertainty: u64,
}

/// The time as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    settings: TimeSettings,
    floor_millis: u64,
    ceiling_millis: u64,
    known: Option<Known>,
    shown_millis: u64,
    witnesses: [Option<Witness>; WITNESSES_MAX],
}

impl Timeline {
    pub(super) const fn new(floor: UnixTime, settings: TimeSettings) -> Self {
        let floor_millis = millis(floor.as_secs());
        Self {
            settings,
            floor_millis,
            ceiling_millis: floor_millis.saturating_add(millis(settings.horizon_secs)),
            known: None,
            shown_millis: 0,
            witnesses: [None; WITNESSES_MAX],
        }
    }

    /// No time is earlier than this one.
    pub(super) const fn floor(&self) -> UnixTime {
        UnixTime::from_secs(self.floor_millis / 1_000)
    }

    /// The time to show; never earlier than the one before, or than the floor.
    pub(super) fn unix_time(&mut self, uptime: u64) -> Option<UnixTime> {
        let known = self.held_over(uptime)?;
        let now = known.estimate.at(uptime).max(self.floor_millis).max(self.shown_millis);
        self.shown_millis = now;
        Some(UnixTime::from_secs(now / 1_000))
    }

    /// A source that cannot be forged told the time.
    pub(super) fn offer_trusted(&mut self, time: UnixTime, uptime: u64) -> Outcome {
        let said = Point { uptime, unix: millis(time.as_secs()) };
        if let Err(refusal) = self.plausible(said.unix, 0) {
            return Outcome::Refused(refusal);
        }
        self.set(said, true)
    }

    /// A server told the time that could be anybody.
    pub(super) fn offer_server(&mut self, told: ServerTime, uptime: u64) -> Outcome {
        if told.uncertainty_millis > UNCERTAINTY_MILLIS_MAX {
            return Outcome::Refused(Refusal::Uncertain);
        }
        let witness = Witness {
            server: told.server.to_canonical(),
            said: Point { uptime, unix: told.unix_millis },
            uncertainty: u64::from(told.uncertainty_millis),
        };
        if let Err(refusal) = self.plausible(witness.said.unix, witness.uncertainty) {
            return Outcome::Refused(refusal);
        }
        let agreed = self.is_agreed(witness);
        self.remember(witness);
        self.weigh(witness.said, agreed)
    }

    /// What a server's time changes, by itself or with another server that agrees.
    fn weigh(&mut self, said: Point, agreed: bool) -> Outcome {
        let Some(known) = self.known else {
            return if agreed { self.set(said, false) } else { Outcome::Held };
        };
        let expected = known.anchor.at(said.uptime);
        let drift = self.drift(known.anchor, said.uptime);
        let alone = drift.min(millis(self.settings.correction_secs_max));
        let is_small = said.unix.abs_diff(expected) <= alone;
        let is_lapsed = self.is_lapsed(known, said.uptime);
        if known.trusted && !is_lapsed {
            return if is_small {
                self.correct(known, said)
            } else {
                Outcome::Refused(Refusal::AgainstTrusted)
            };
        }
        match (agreed, is_small) {
            (true, _) if said.unix.saturating_add(drift) < expected => {
                Outcome::Refused(Refusal::Backwards)
            }
            (true, _) => self.set(said, false),
            (false, true) if !is_lapsed => self.correct(known, said),
            (false, _) => Outcome::Held,
        }
    }

    /// The time is `said`, for sure.
    fn set(&mut self, said: Point, trusted: bool) -> Outcome {
        let stepped_at = match self.known {
            Some(known) if self.is_drift(known.anchor, said) => known.stepped_at,
            Some(_) | None => said.uptime,
        };
        self.known = Some(Known { anchor: said, estimate: said, trusted, stepped_at });
        Outcome::Set
    }

    /// The time is `said`, by one server's word.
    const fn correct(&mut self, known: Known, said: Point) -> Outcome {
        self.known = Some(Known { estimate: said, ..known });
        Outcome::Corrected
    }

    /// A time to store, when it is late enough after the one before.
    ///
    /// Not soon after a step: what somebody pretends for a short while must not stay as a floor.
    pub(super) fn due_mark(&self, uptime: u64) -> Option<TimeMark> {
        let known = self.held_over(uptime)?;
        let interval = millis(self.settings.mark_secs);
        if uptime.saturating_sub(known.stepped_at) < interval {
            return None;
        }
        let uncertain = u64::from(UNCERTAINTY_MILLIS_MAX)
            .saturating_mul(2)
            .saturating_add(u64::from(self.settings.agreement_millis))
            .saturating_add(self.drift(known.anchor, uptime));
        let surely_past = known.anchor.at(uptime).saturating_sub(uncertain);
        let is_due = surely_past >= self.floor_millis.saturating_add(interval);
        is_due.then(|| TimeMark(UnixTime::from_secs(surely_past / 1_000)))
    }

    /// The mark is stored: the floor of the next start is the floor from now on.
    pub(super) const fn mark_stored(&mut self, TimeMark(time): TimeMark) {
        let stored = millis(time.as_secs());
        if stored > self.floor_millis {
            self.floor_millis = stored;
        }
    }

    const fn plausible(&self, unix: u64, uncertainty: u64) -> Result<(), Refusal> {
        if unix.saturating_add(uncertainty) < self.floor_millis {
            Err(Refusal::BelowFloor)
        } else if unix > self.ceiling_millis {
            Err(Refusal::BeyondHorizon)
        } else {
            Ok(())
        }
    }

    /// Whether another server said the same not long ago.
    fn is_agreed(&self, one: Witness) -> bool {
        self.witnesses.iter().flatten().any(|other| {
            let age = one.said.uptime.saturating_sub(other.said.uptime);
            let tolerance = u64::from(self.settings.agreement_millis)
                .saturating_add(one.uncertainty)
                .saturating_add(other.uncertainty);
            other.server != one.server
                && age <= WITNESS_MILLIS_MAX
                && other.said.at(one.said.uptime).abs_diff(one.said.unix) <= tolerance
        })
    }

    /// Keeps a server's last word: in its own place, in a free one, or in the oldest one's.
    fn remember(&mut self, witness: Witness) {
        let place = self.witnesses.iter_mut().min_by_key(|place| match place {
            Some(it) if it.server == witness.server => (0_u8, 0),
            None => (1, 0),
            Some(it) => (2, it.said.uptime),
        });
        if let Some(place) = place {
            *place = Some(witness);
        }
    }

    fn held_over(&self, uptime: u64) -> Option<Known> {
        self.known.filter(|known| !self.is_lapsed(*known, uptime))
    }

    /// Whether the time was set for sure too long ago.
    const fn is_lapsed(&self, known: Known, uptime: u64) -> bool {
        match self.settings.holdover_secs {
            Some(holdover) => uptime.saturating_sub(known.anchor.uptime) > millis(holdover),
            None => false,
        }
    }

    /// How far this device's clock may be off, when it was right at the anchor.
    fn drift(&self, anchor: Point, uptime: u64) -> u64 {
        let elapsed = uptime.saturating_sub(anchor.uptime);
        let drifted = elapsed.saturating_mul(u64::from(self.settings.drift_ppm)) / 1_000_000;
        drifted.saturating_add(SLACK_MILLIS)
    }

    fn is_drift(&self, anchor: Point, said: Point) -> bool {
        said.unix.abs_diff(anchor.at(said.uptime)) <= self.drift(anchor, said.uptime)
    }
}

/// Seconds as milliseconds.
const fn millis(secs: u64) -> u64 {
    secs.saturating_mul(1_000)
}

#[cfg(test)]
mod tests;
