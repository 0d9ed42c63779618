//! Which key signs when, from nothing but the times at which the keys were made: every process that reads
//! the same folder comes to the same answer, and a restart changes nothing.

use std::time::Duration;

/// How long a key signs, and how long the next one is published before it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// A key older than this gets a successor.
    pub(super) lifetime: Duration,
    /// A key is published for so long before it signs, so that every resource server has read it by
    /// then (AS-15).
    pub(super) publication: Duration,
    /// A key stays published for so long after its successor has begun to sign: until the last token
    /// that it can have signed is dead everywhere.
    pub(super) retirement: Duration,
}

impl Plan {
    /// When the key made at `made_at[at]` begins to sign, in seconds since 1970. The first one does so at
    /// once: there is nothing else to sign with.
    fn begins_at(self, made_at: &[u64], at: usize) -> Option<u64> {
        let made = *made_at.get(at)?;
        Some(if at == 0 { made } else { made.saturating_add(self.publication.as_secs()) })
    }

    /// The one of these keys, made in this order, that signs at `now`. `None` only without keys.
    pub(super) fn signing(self, made_at: &[u64], now: u64) -> Option<usize> {
        let begun = |at: &usize| self.begins_at(made_at, *at).is_some_and(|begins| begins <= now);
        // A clock that was set back has not reached the first one either.
        (0..made_at.len()).rev().find(begun).or((!made_at.is_empty()).then_some(0))
    }

    /// Whether a further key is to be made.
    pub(super) fn needs_successor(self, made_at: &[u64], now: u64) -> bool {
        made_at.last().is_none_or(|last| last.saturating_add(self.lifetime.as_secs()) <= now)
    }

    /// How many keys, from the first one on, have signed nothing that is still alive.
    pub(super) fn ended(self, made_at: &[u64], now: u64) -> usize {
        let over = |at: &usize| {
            let successor_begins = self.begins_at(made_at, at + 1);
            successor_begins
                .is_some_and(|begins| begins.saturating_add(self.retirement.as_secs()) <= now)
        };
        (0..made_at.len()).take_while(over).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        lifetime: Duration::from_secs(1_000),
        publication: Duration::from_secs(100),
        retirement: Duration::from_secs(50),
    };

    #[track_caller]
    fn check(made_at: &[u64], now: u64, signing: Option<usize>, successor: bool, ended: usize) {
        assert_eq!(PLAN.signing(made_at, now), signing, "{made_at:?} at {now}");
        assert_eq!(PLAN.needs_successor(made_at, now), successor, "{made_at:?} at {now}");
        assert_eq!(PLAN.ended(made_at, now), ended, "{made_at:?} at {now}");
    }

    #[test]
    fn as_15_published_first_and_kept_until_the_last_token_is_dead() {
        check(&[], 0, None, true, 0);
        check(&[10], 10, Some(0), false, 0);
        check(&[10], 1_009, Some(0), false, 0);
        check(&[10], 1_010, Some(0), true, 0);
        let two = &[10, 1_010];
        check(two, 1_010, Some(0), false, 0);
        check(two, 1_109, Some(0), false, 0);
        check(two, 1_110, Some(1), false, 0);
        check(two, 1_159, Some(1), false, 0);
        check(two, 1_160, Some(1), false, 1);
        check(two, 9_000, Some(1), true, 1);
    }

    #[test]
    fn several_at_once_and_clocks_that_jump() {
        // Rotated twice in a hurry: the one in between may have signed for a while.
        let three = &[10, 20, 30];
        check(three, 119, Some(0), false, 0);
        check(three, 125, Some(1), false, 0);
        check(three, 130, Some(2), false, 0);
        check(three, 170, Some(2), false, 1);
        check(three, 180, Some(2), false, 2);
        // Set back to before the first one, or far ahead.
        check(&[10, 20], 0, Some(0), false, 0);
        check(&[10, 20], u64::MAX, Some(1), true, 1);
    }
}
