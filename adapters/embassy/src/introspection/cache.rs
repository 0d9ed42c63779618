//! Answers remembered for a short while (RS-83), in two places with bounds of their own (LIM-18).
//!
//! What is remembered is the body of an answer. Each use of it goes through the core's check again, so that a
//! remembered token still expires and still lacks the scopes it lacks (SEC-363).

use embassy_time::Instant;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The name under which an answer is remembered.
pub(super) type Digest = [u8; 32];

/// HMAC-SHA-256 under a key that only this run of the device has, over endpoint, issuer and token.
///
/// Two endpoints or issuers never share an entry (SEC-364), and who reads the memory cannot test guesses of a token
/// against it (SEC-365).
pub(super) struct Names(Hmac<Sha256>);

impl Names {
    pub(super) fn new(key: &[u8; 32], endpoint: &str, issuer: &str) -> Self {
        // A block of the hash, as HMAC would fill a shorter key up.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        let mut mac = Hmac::new(&block.into());
        // Each part is preceded by its length, so that no two lists of parts make the same bytes.
        for part in [endpoint, issuer] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Self(mac)
    }

    pub(super) fn digest(&self, token: &str) -> Digest {
        self.0.clone().chain_update(token).finalize().into_bytes().into()
    }
}

/// When an answer may be used: from the question on, and not for ever.
#[derive(Clone, Copy)]
pub(super) struct Life {
    /// When the question was asked.
    pub(super) from: Instant,
    /// The first moment at which it may not be used any more.
    pub(super) until: Instant,
}

/// One place; all zeroes is an empty one.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    digest: Digest,
    life: Life,
    body_len: usize,
}

impl Entry {
    pub(super) const EMPTY: Self = Self {
        digest: [0; 32],
        life: Life { from: Instant::MIN, until: Instant::MIN },
        body_len: 0,
    };

    fn is_alive(&self, now: Instant) -> bool {
        // Time that goes backwards makes no life longer.
        self.life.from <= now && now < self.life.until
    }

    fn is(&self, digest: &Digest) -> bool {
        self.digest == *digest
    }
}

/// What is remembered of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered<'m> {
    /// An active answer.
    Active(&'m [u8]),
    /// `{"active":false}`.
    Inactive,
}

/// Active and inactive answers, in memory of the caller's.
pub(super) struct Cache<'m> {
    pub(super) active: &'m mut [Entry],
    pub(super) inactive: &'m mut [Entry],
    /// The bodies of the active answers, one behind the other.
    pub(super) bodies: &'m mut [u8],
    /// Room for one body.
    pub(super) body_len_max: usize,
}

impl Cache<'_> {
    /// What is remembered at `now`.
    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Option<Remembered<'_>> {
        let is_found = |entry: &&Entry| entry.is(digest) && entry.is_alive(now);
        if let Some((index, entry)) =
            (0..).zip(self.active.iter()).find(|(_, entry)| is_found(entry))
        {
            let start = self.body_len_max.checked_mul(index)?;
            let end = start.checked_add(entry.body_len)?;
            return self.bodies.get(start..end).map(Remembered::Active);
        }
        self.inactive.iter().find(is_found).map(|_| Remembered::Inactive)
    }

    /// Remembers an answer in place of whatever was known of the token (SEC-370: questions are asked one at a time).
    ///
    /// An active answer that is longer than the room for one is not remembered.
    pub(super) fn insert(&mut self, digest: &Digest, answer: Remembered<'_>, life: Life) {
        for entry in self.active.iter_mut().chain(self.inactive.iter_mut()) {
            if entry.is(digest) {
                *entry = Entry::EMPTY;
            }
        }
        // An inactive answer takes the place of an inactive one, so that a flood of random tokens leaves the honest ones
        // alone (SEC-368).
        let (places, body) = match answer {
            Remembered::Active(body) => (&mut *self.active, body),
            Remembered::Inactive => (&mut *self.inactive, [].as_slice()),
        };
        if body.len() > self.body_len_max {
            return;
        }
        let Some((index, place)) = oldest(places, life.from) else { return };
        *place = Entry { digest: *digest, life, body_len: body.len() };
        if let Some(start) = self.body_len_max.checked_mul(index) {
            let room = self.bodies.iter_mut().skip(start);
            for (to, from) in room.zip(body) {
                *to = *from;
            }
        }
    }
}

/// The place to use next: one that is dead at `now`, else the oldest.
fn oldest(places: &mut [Entry], now: Instant) -> Option<(usize, &mut Entry)> {
    let from = |entry: &Entry| (now < entry.life.until).then_some(entry.life.from);
    (0..).zip(places.iter_mut()).min_by_key(|(_, entry)| from(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY_LEN: usize = 4;
    const FOR_EVER: u64 = 1_000;

    struct Memory<const ACTIVE: usize, const INACTIVE: usize> {
        active: [Entry; ACTIVE],
        inactive: [Entry; INACTIVE],
        bodies: [[u8; BODY_LEN]; ACTIVE],
    }

    impl<const ACTIVE: usize, const INACTIVE: usize> Memory<ACTIVE, INACTIVE> {
        fn new() -> Self {
            Self {
                active: [Entry::EMPTY; ACTIVE],
                inactive: [Entry::EMPTY; INACTIVE],
                bodies: [[0; BODY_LEN]; ACTIVE],
            }
        }

        fn cache(&mut self) -> Cache<'_> {
            let Self { active, inactive, bodies } = self;
            Cache { active, inactive, bodies: bodies.as_flattened_mut(), body_len_max: BODY_LEN }
        }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    fn life(from: u64, until: u64) -> Life {
        Life { from: at(from), until: at(until) }
    }

    fn digest(n: u8) -> Digest {
        [n; 32]
    }

    fn body(n: u8) -> [u8; 2] {
        [n, n]
    }

    fn put(cache: &mut Cache<'_>, n: u8, from: u64) {
        cache.insert(&digest(n), Remembered::Active(&body(n)), life(from, FOR_EVER));
    }

    #[track_caller]
    fn is_active(cache: &Cache<'_>, n: u8, now: u64) {
        assert_eq!(cache.find(&digest(n), at(now)), Some(Remembered::Active(&body(n))), "{n}");
    }

    #[track_caller]
    fn is_unknown(cache: &Cache<'_>, n: u8, now: u64) {
        assert_eq!(cache.find(&digest(n), at(now)), None, "{n}");
    }

    #[test]
    fn nothing_is_known_at_first() {
        let mut memory = Memory::<2, 2>::new();
        let cache = memory.cache();
        for now in [0, 1, u64::from(u32::MAX)] {
            // The name that an empty place seems to have is none either.
            is_unknown(&cache, 0, now);
        }
    }

    #[test]
    fn sec_366_a_life_has_two_ends() {
        let mut memory = Memory::<2, 2>::new();
        let mut cache = memory.cache();
        cache.insert(&digest(1), Remembered::Active(&body(1)), life(5, 8));
        cache.insert(&digest(2), Remembered::Inactive, life(5, 8));
        // A counter that goes backwards finds nothing.
        is_unknown(&cache, 1, 4);
        is_unknown(&cache, 2, 4);
        is_active(&cache, 1, 5);
        is_active(&cache, 1, 7);
        assert_eq!(cache.find(&digest(2), at(7)), Some(Remembered::Inactive));
        is_unknown(&cache, 1, 8);
        is_unknown(&cache, 2, 8);
        cache.insert(&digest(1), Remembered::Active(&body(1)), life(5, 5));
        is_unknown(&cache, 1, 5);
    }

    #[test]
    fn lim_18_the_oldest_goes_when_full() {
        let mut memory = Memory::<3, 1>::new();
        let mut cache = memory.cache();
        for (n, from) in [(1, 2), (2, 1), (3, 3)] {
            put(&mut cache, n, from);
        }
        put(&mut cache, 4, 4);
        is_unknown(&cache, 2, 5);
        for n in [1, 3, 4] {
            is_active(&cache, n, 5);
        }
        // What is dead goes before what is old.
        cache.insert(&digest(3), Remembered::Active(&body(3)), life(5, 6));
        put(&mut cache, 5, 7);
        is_unknown(&cache, 3, 7);
        for n in [1, 4, 5] {
            is_active(&cache, n, 7);
        }
        // Renewing one entry pushes no other out.
        for from in 8..20 {
            put(&mut cache, 5, from);
        }
        for n in [1, 4, 5] {
            is_active(&cache, n, 20);
        }
    }

    #[test]
    fn sec_368_inactive_tokens_never_push_out_active_ones() {
        let mut memory = Memory::<2, 2>::new();
        let mut cache = memory.cache();
        put(&mut cache, 1, 0);
        put(&mut cache, 2, 0);
        for n in 10..=200 {
            cache.insert(&digest(n), Remembered::Inactive, life(u64::from(n), FOR_EVER));
        }
        is_active(&cache, 1, 250);
        is_active(&cache, 2, 250);
        for n in [199, 200] {
            assert_eq!(cache.find(&digest(n), at(250)), Some(Remembered::Inactive));
        }
        is_unknown(&cache, 198, 250);
    }

    #[test]
    fn the_last_answer_counts() {
        let mut memory = Memory::<2, 2>::new();
        let mut cache = memory.cache();
        put(&mut cache, 1, 0);
        cache.insert(&digest(1), Remembered::Inactive, life(1, FOR_EVER));
        assert_eq!(cache.find(&digest(1), at(2)), Some(Remembered::Inactive));
        put(&mut cache, 1, 2);
        is_active(&cache, 1, 3);
        // One that is too long is not remembered, and the one before it is not true any more.
        let long = [1; BODY_LEN + 1];
        cache.insert(&digest(1), Remembered::Active(&long), life(3, FOR_EVER));
        is_unknown(&cache, 1, 4);
        cache.insert(&digest(1), Remembered::Active(&long[1..]), life(3, FOR_EVER));
        assert_eq!(cache.find(&digest(1), at(4)), Some(Remembered::Active(&long[1..])));
    }

    #[test]
    fn no_room_remembers_nothing() {
        let mut memory = Memory::<0, 0>::new();
        let mut cache = memory.cache();
        put(&mut cache, 1, 0);
        cache.insert(&digest(2), Remembered::Inactive, life(0, FOR_EVER));
        is_unknown(&cache, 1, 1);
        is_unknown(&cache, 2, 1);
    }

    #[test]
    fn sec_364_endpoint_and_issuer_are_part_of_the_name() {
        let with = |endpoint, issuer| Names::new(&[7; 32], endpoint, issuer).digest("token");
        let own = with("e", "i");
        assert_eq!(own, with("e", "i"));
        for (endpoint, issuer) in [("E", "i"), ("e", "I"), ("ei", ""), ("", "ei")] {
            assert_ne!(own, with(endpoint, issuer), "{endpoint} {issuer}");
        }
    }

    #[test]
    fn sec_365_the_name_is_keyed() {
        let (one, two) = (Names::new(&[1; 32], "e", "i"), Names::new(&[2; 32], "e", "i"));
        assert_eq!(one.digest("a"), one.digest("a"));
        assert_ne!(one.digest("a"), one.digest("b"));
        assert_ne!(one.digest("a"), two.digest("a"));
    }
}
