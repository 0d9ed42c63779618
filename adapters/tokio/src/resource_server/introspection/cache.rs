//! Answers remembered for a short while, in two places with bounds of their own.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Known, key::Digest};

/// How long answers may be used again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lives {
    /// A positive one, if the token does not end earlier (RS-83).
    pub(super) active: Duration,
    /// A definite negative one.
    pub(super) inactive: Duration,
}

/// Positive and negative answers apart: a flood of bad tokens pushes out no good one (SEC-367, SEC-368).
///
/// Time is that of the monotonic clock, so that setting the time of day revives nothing (SEC-366).
pub(super) struct Cache {
    lives: Lives,
    places: Mutex<Places>,
}

struct Places {
    active: Place,
    inactive: Place,
}

impl Cache {
    /// With room for so many answers of each kind (LIM-18).
    pub(super) fn new(lives: Lives, active_max: usize, inactive_max: usize) -> Self {
        let places = Places { active: Place::new(active_max), inactive: Place::new(inactive_max) };
        Self { lives, places: Mutex::new(places) }
    }

    /// The answer that may still be used at `now`, if there is one.
    pub(super) fn find(&self, digest: &Digest, now: Duration) -> Option<Known> {
        let places = self.lock();
        let entry = places.active.find(digest, now).or_else(|| places.inactive.find(digest, now));
        entry.map(|entry| entry.known.clone())
    }

    /// Remembers an answer whose question was asked at `asked_at`; `left` is how long its token lives.
    ///
    /// The life counts from the question, not from the answer: what the server knew may be that old.
    /// An older question never replaces the answer of a newer one (SEC-370).
    pub(super) fn insert(
        &self,
        digest: Digest,
        known: Known,
        left: Option<Duration>,
        asked_at: Duration,
    ) {
        let is_active = known.is_some();
        let longest = if is_active { self.lives.active } else { self.lives.inactive };
        let life = left.map_or(longest, |left| left.min(longest));
        let places = &mut *self.lock();
        if [&places.active, &places.inactive].iter().any(|place| place.is_newer(&digest, asked_at))
        {
            return;
        }
        let (place, other) = if is_active {
            (&mut places.active, &mut places.inactive)
        } else {
            (&mut places.inactive, &mut places.active)
        };
        other.entries.remove(&digest);
        let ends_at = asked_at.saturating_add(life);
        place.insert(digest, Entry { known, asked_at, ends_at });
    }

    /// Each change is complete before a panic could happen, so that a poisoned lock holds whole data.
    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry {
    known: Known,
    asked_at: Duration,
    ends_at: Duration,
}

/// A bounded map; when full, the entry that came first goes, which is about the one that ends first.
struct Place {
    entries: HashMap<Digest, Entry>,
    /// What came when; an entry inserted again stands here twice, and only its last line counts.
    order: VecDeque<(Digest, Duration)>,
    entries_max: usize,
}

impl Place {
    fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), entries_max }
    }

    /// Dead at `ends_at` itself, as a token is at `exp`.
    fn find(&self, digest: &Digest, now: Duration) -> Option<&Entry> {
        self.entries.get(digest).filter(|entry| now < entry.ends_at)
    }

    fn is_newer(&self, digest: &Digest, asked_at: Duration) -> bool {
        self.entries.get(digest).is_some_and(|entry| entry.asked_at > asked_at)
    }

    fn insert(&mut self, digest: Digest, entry: Entry) {
        if self.entries_max == 0 {
            return;
        }
        self.order.push_back((digest, entry.asked_at));
        self.entries.insert(digest, entry);
        // Lines of entries that were replaced or removed count too: memory is bounded by the lines.
        while self.order.len() > self.entries_max {
            let Some((first, asked_at)) = self.order.pop_front() else { break };
            if self.entries.get(&first).is_some_and(|entry| entry.asked_at == asked_at) {
                self.entries.remove(&first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::time::UnixTime;

    use super::*;
    use crate::resource_server::Facts;

    const LIVES: Lives =
        Lives { active: Duration::from_secs(10), inactive: Duration::from_secs(2) };

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn active() -> Known {
        Some(Arc::new(Facts::new("i", "r", UnixTime::from_secs(0))))
    }

    fn digest(n: u8) -> Digest {
        [n; 32]
    }

    #[track_caller]
    fn check(cache: &Cache, n: u8, now: u64, expected: Option<Known>) {
        assert_eq!(cache.find(&digest(n), at(now)), expected);
    }

    #[test]
    fn sec_366_life_is_the_shorter_of_exp_and_ceiling() {
        let cache = Cache::new(LIVES, 4, 4);
        cache.insert(digest(1), active(), Some(at(100)), at(5));
        check(&cache, 1, 14, Some(active()));
        check(&cache, 1, 15, None);
        cache.insert(digest(2), active(), Some(at(3)), at(5));
        check(&cache, 2, 7, Some(active()));
        check(&cache, 2, 8, None);
        cache.insert(digest(3), active(), Some(at(0)), at(5));
        check(&cache, 3, 5, None);
    }

    #[test]
    fn sec_367_negative_answers_live_apart_and_shorter() {
        let cache = Cache::new(LIVES, 4, 2);
        cache.insert(digest(1), active(), Some(at(100)), at(0));
        for n in 10..20 {
            cache.insert(digest(n), None, None, at(0));
        }
        check(&cache, 1, 1, Some(active()));
        check(&cache, 19, 1, Some(None));
        check(&cache, 18, 1, Some(None));
        check(&cache, 17, 1, None);
        check(&cache, 19, 2, None);
    }

    #[test]
    fn sec_370_an_older_question_never_wins() {
        let cache = Cache::new(LIVES, 4, 4);
        cache.insert(digest(1), None, None, at(3));
        cache.insert(digest(1), active(), Some(at(100)), at(2));
        check(&cache, 1, 4, Some(None));
        cache.insert(digest(1), active(), Some(at(100)), at(4));
        check(&cache, 1, 4, Some(active()));
        cache.insert(digest(1), None, None, at(5));
        check(&cache, 1, 6, Some(None));
    }

    #[test]
    fn lim_18_the_first_goes_when_full() {
        let cache = Cache::new(LIVES, 3, 3);
        for n in 1..=3 {
            cache.insert(digest(n), active(), Some(at(100)), at(0));
        }
        check(&cache, 1, 1, Some(active()));
        cache.insert(digest(4), active(), Some(at(100)), at(0));
        check(&cache, 1, 1, None);
        check(&cache, 4, 1, Some(active()));
        // Renewing one entry for ever keeps the memory bounded too.
        for n in 1..100 {
            cache.insert(digest(4), active(), Some(at(100)), at(n));
        }
        let places = cache.lock();
        assert!(places.active.order.len() <= 3 && places.active.entries.len() <= 3);
    }

    #[test]
    fn no_room_or_no_life_remembers_nothing() {
        let cache = Cache::new(LIVES, 0, 0);
        cache.insert(digest(1), active(), Some(at(100)), at(0));
        check(&cache, 1, 0, None);
        let cache = Cache::new(Lives { active: at(0), inactive: at(0) }, 4, 4);
        cache.insert(digest(1), active(), Some(at(100)), at(0));
        check(&cache, 1, 0, None);
    }
}
