use std::vec::Vec;

use super::*;

const FLOOR: u64 = 1_780_000_000;
/// The time when the device starts.
const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 366 * DAY;

const BELOW_FLOOR: Outcome = Outcome::Refused(Refusal::BelowFloor);
const BEYOND_HORIZON: Outcome = Outcome::Refused(Refusal::BeyondHorizon);
const BACKWARDS: Outcome = Outcome::Refused(Refusal::Backwards);
const AGAINST_TRUSTED: Outcome = Outcome::Refused(Refusal::AgainstTrusted);
const UNCERTAIN: Outcome = Outcome::Refused(Refusal::Uncertain);

fn ip(server: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, server])
}

fn told(server: u8, unix_millis: u64) -> ServerTime {
    ServerTime { server: ip(server), unix_millis, uncertainty_millis: 50 }
}

/// One thing that happens, so many seconds after the start, and what must come of it.
enum Step {
    /// A server says so many seconds since the epoch.
    Server(u64, u8, u64, Outcome),
    /// A trusted source does.
    Trusted(u64, u64, Outcome),
    /// This is shown.
    Shows(u64, Option<u64>),
}
use Outcome::{Corrected, Held, Set};
use Step::{Server, Shows, Trusted};

#[track_caller]
fn check_with(settings: TimeSettings, steps: &[Step]) -> Timeline {
    let mut timeline = Timeline::new(UnixTime::from_secs(FLOOR), settings);
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Server(after, server, secs, expected) => {
                let outcome = timeline.offer_server(told(server, secs * 1_000), after * 1_000);
                assert_eq!(outcome, expected, "step {number}");
            }
            Trusted(after, secs, expected) => {
                let outcome = timeline.offer_trusted(UnixTime::from_secs(secs), after * 1_000);
                assert_eq!(outcome, expected, "step {number}");
            }
            Shows(after, expected) => {
                let shown = timeline.unix_time(after * 1_000).map(UnixTime::as_secs);
                assert_eq!(shown, expected, "step {number}");
            }
        }
    }
    timeline
}

#[track_caller]
fn check(steps: &[Step]) -> Timeline {
    check_with(TimeSettings::DEFAULT, steps)
}

#[test]
fn sec_500_the_time_is_not_known_before_a_source_is_believed() {
    check(&[Shows(0, None), Shows(DAY, None)]);
    check(&[Trusted(1, NOW, Set), Shows(1, Some(NOW)), Shows(11, Some(NOW + 10))]);
    check(&[Server(1, 1, NOW, Held), Shows(1, None), Shows(DAY, None)]);
    check(&[Server(1, 1, NOW, Held), Server(2, 2, NOW + 1, Set), Shows(2, Some(NOW + 1))]);
}

#[test]
fn sec_502_the_first_time_needs_two_servers_that_agree() {
    // The same server again, or under another port, is no second proof.
    check(&[Server(1, 1, NOW, Held), Server(2, 1, NOW + 1, Held), Shows(2, None)]);
    // Nor is one that says something else: 2 s and 2 × 50 ms may lie between them.
    check(&[Server(1, 1, NOW, Held), Server(1, 2, NOW + 2, Set)]);
    check(&[Server(1, 1, NOW, Held), Server(1, 2, NOW + 3, Held), Shows(1, None)]);
    check(&[Server(1, 1, NOW, Held), Server(1, 2, NOW - 3, Held), Shows(1, None)]);
    // Nor is one that came long ago.
    check(&[Server(0, 1, NOW, Held), Server(300, 2, NOW + 300, Set)]);
    check(&[Server(0, 1, NOW, Held), Server(301, 2, NOW + 301, Held), Shows(301, None)]);
    // A liar among three does not keep the others from agreeing, whenever it speaks.
    for liar in 0..3 {
        let mut said = [(1, NOW), (2, NOW), (3, NOW)];
        said[liar].1 = NOW + YEAR;
        let outcomes: Vec<_> = {
            let mut timeline = Timeline::new(UnixTime::from_secs(FLOOR), TimeSettings::DEFAULT);
            said.iter().map(|it| timeline.offer_server(told(it.0, it.1 * 1_000), 0)).collect()
        };
        assert_eq!(outcomes.iter().filter(|it| **it == Set).count(), 1, "{liar}: {outcomes:?}");
        assert_eq!(outcomes[liar], Held, "{liar}");
    }
}

#[test]
fn sec_502_one_address_is_one_server() {
    let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    let mut timeline = check(&[Server(0, 1, NOW, Held)]);
    let again = ServerTime { server: mapped, ..told(1, NOW * 1_000) };
    assert_eq!(timeline.offer_server(again, 0), Held);
    assert_eq!(timeline.offer_server(told(2, NOW * 1_000), 0), Set);
}

#[test]
fn sec_502_one_server_moves_the_time_by_what_drift_explains() {
    let set = |steps: Vec<Step>| {
        let mut all = std::vec![Server(0, 1, NOW, Held), Server(0, 2, NOW, Set)];
        all.extend(steps);
        check(&all)
    };
    // At once a second; after an hour 2.8 s; never more than a minute.
    set(std::vec![Server(1_000, 3, NOW + 1_001, Corrected), Shows(1_000, Some(NOW + 1_001))]);
    set(std::vec![Server(1_000, 3, NOW + 1_002, Held), Shows(1_000, Some(NOW + 1_000))]);
    set(std::vec![Server(1_000, 3, NOW + 998, Held), Shows(1_000, Some(NOW + 1_000))]);
    set(std::vec![Server(HOUR, 3, NOW + HOUR + 2, Corrected)]);
    set(std::vec![Server(HOUR, 3, NOW + HOUR + 3, Held), Shows(HOUR, Some(NOW + HOUR))]);
    set(std::vec![Server(6 * DAY, 3, NOW + 6 * DAY + 60, Corrected)]);
    set(std::vec![Server(6 * DAY, 3, NOW + 6 * DAY + 61, Held)]);
    // Far ahead it stays held, however often it is said; two move it.
    set(std::vec![
        Server(400, 3, NOW + YEAR, Held),
        Server(401, 3, NOW + YEAR, Held),
        Shows(401, Some(NOW + 401)),
        Server(402, 4, NOW + YEAR, Set),
        Shows(402, Some(NOW + YEAR)),
    ]);
}

#[test]
fn sec_502_small_moves_come_no_further_than_one() {
    let mut timeline = check(&[Server(0, 1, NOW, Held), Server(0, 2, NOW, Set)]);
    let mut corrected = 0;
    for secs in (320..6 * DAY).step_by(64) {
        // Always as much ahead of what is shown as one move may be.
        let shown = timeline.unix_time(secs * 1_000).unwrap().as_secs();
        for ahead in [60, 2, 1] {
            let outcome = timeline.offer_server(told(3, (shown + ahead) * 1_000), secs * 1_000);
            corrected += u32::from(outcome == Corrected);
        }
        let shown = timeline.unix_time(secs * 1_000).unwrap().as_secs();
        assert!(shown - (NOW + secs) <= 1 + secs / 2_000 && shown - (NOW + secs) <= 60, "{secs}");
    }
    assert!(corrected > 50, "the walker was let in at all: {corrected}");
}

#[test]
fn sec_501_nothing_sets_the_time_below_the_floor() {
    check(&[Trusted(0, FLOOR - 1, BELOW_FLOOR), Shows(0, None)]);
    check(&[Trusted(0, FLOOR, Set), Shows(0, Some(FLOOR))]);
    check(&[Trusted(0, 0, BELOW_FLOOR), Shows(0, None)]);
    check(&[
        Server(0, 1, FLOOR - 1, BELOW_FLOOR),
        Server(0, 2, FLOOR - 1, BELOW_FLOOR),
        Shows(0, None),
    ]);
    check(&[Server(0, 1, FLOOR, Held), Server(0, 2, FLOOR, Set), Shows(0, Some(FLOOR))]);
    // Below it by no more than is uncertain, the time is the floor.
    let mut timeline = check(&[]);
    let just_below = FLOOR * 1_000 - 50;
    assert_eq!(timeline.offer_server(told(1, just_below - 1), 0), BELOW_FLOOR);
    assert_eq!(timeline.offer_server(told(1, just_below), 0), Held);
    assert_eq!(timeline.offer_server(told(2, just_below), 0), Set);
    assert_eq!(timeline.unix_time(0), Some(UnixTime::from_secs(FLOOR)));
}

#[test]
fn sec_501_servers_do_not_set_the_time_back() {
    let before = || std::vec![Server(0, 1, NOW, Held), Server(0, 2, NOW, Set)];
    let back = |by: u64, expected| {
        let then = NOW + HOUR - by;
        let mut steps = before();
        let first = if expected == Set { Corrected } else { Held };
        steps.extend([Server(HOUR, 3, then, first), Server(HOUR, 4, then, expected)]);
        steps.extend([Shows(HOUR, Some(if expected == Set { then } else { NOW + HOUR }))]);
        check(&steps);
    };
    back(2, Set);
    back(3, BACKWARDS);
    back(HOUR, BACKWARDS);
    back(DAY, BACKWARDS);
}

#[test]
fn sec_501_what_is_shown_never_runs_backwards() {
    // Stands still until the time has come there; the sources are a trusted one, and one server.
    check(&[
        Trusted(0, NOW, Set),
        Shows(10, Some(NOW + 10)),
        Trusted(10, NOW, Set),
        Shows(10, Some(NOW + 10)),
        Shows(19, Some(NOW + 10)),
        Shows(21, Some(NOW + 11)),
    ]);
    check(&[
        Server(0, 1, NOW, Held),
        Server(0, 2, NOW, Set),
        Shows(400, Some(NOW + 400)),
        Server(400, 1, NOW + 399, Corrected),
        Shows(400, Some(NOW + 400)),
        Shows(402, Some(NOW + 401)),
    ]);
}

#[test]
fn sec_502_nothing_is_beyond_the_horizon() {
    let horizon = FLOOR + TimeSettings::DEFAULT.horizon_secs;
    check(&[Trusted(0, horizon, Set), Shows(0, Some(horizon))]);
    check(&[Trusted(0, horizon + 1, BEYOND_HORIZON), Shows(0, None)]);
    check(&[Trusted(0, u64::MAX, BEYOND_HORIZON), Shows(0, None)]);
    check(&[
        Server(0, 1, horizon + 1, BEYOND_HORIZON),
        Server(0, 2, horizon + 1, BEYOND_HORIZON),
        Shows(0, None),
    ]);
    check(&[Server(0, 1, horizon, Held), Server(0, 2, horizon, Set)]);
}

#[test]
fn sec_502_servers_do_not_overrule_a_trusted_source() {
    let far = |after: u64| NOW + after + YEAR;
    check(&[
        Trusted(0, NOW, Set),
        Server(9, 1, far(9), AGAINST_TRUSTED),
        Server(9, 2, far(9), AGAINST_TRUSTED),
        Server(9, 3, NOW - DAY, AGAINST_TRUSTED),
        Shows(9, Some(NOW + 9)),
        // Small ones are corrections, and the trusted source's bound stays where it was.
        Server(10, 1, NOW + 11, Corrected),
        Server(10, 2, NOW + 11, Corrected),
        Server(11, 1, NOW + 13, AGAINST_TRUSTED),
        Shows(11, Some(NOW + 12)),
    ]);
    // When it was not heard of for long, two servers are all there is.
    check(&[
        Trusted(0, NOW, Set),
        Server(8 * DAY, 1, far(8 * DAY), Held),
        Server(8 * DAY, 2, far(8 * DAY), Set),
    ]);
}

#[test]
fn sec_500_the_time_is_not_known_for_ever() {
    check(&[Trusted(0, NOW, Set), Shows(7 * DAY, Some(NOW + 7 * DAY)), Shows(7 * DAY + 1, None)]);
    // One server that answers does not stop it, nor sets the time again when it is over.
    let lapsed = 7 * DAY + 1;
    check(&[
        Server(0, 1, NOW, Held),
        Server(0, 2, NOW, Set),
        Server(6 * DAY, 1, NOW + 6 * DAY, Corrected),
        Shows(lapsed, None),
        Server(lapsed, 1, NOW + lapsed, Held),
        Shows(lapsed, None),
        Server(lapsed, 2, NOW + lapsed, Set),
        Shows(lapsed, Some(NOW + lapsed)),
    ]);
    let unlimited = TimeSettings { holdover_secs: None, ..TimeSettings::DEFAULT };
    check_with(unlimited, &[Trusted(0, NOW, Set), Shows(YEAR, Some(NOW + YEAR))]);
}

#[test]
fn sec_502_an_uncertain_time_proves_nothing() {
    let mut timeline = check(&[Server(0, 1, NOW, Held)]);
    let mut offer = |uncertainty_millis, unix_millis| {
        timeline.offer_server(ServerTime { uncertainty_millis, ..told(2, unix_millis) }, 0)
    };
    assert_eq!(offer(UNCERTAINTY_MILLIS_MAX + 1, NOW * 1_000), UNCERTAIN);
    assert_eq!(offer(1_000, NOW * 1_000 + 3_051), Held);
    assert_eq!(offer(1_000, NOW * 1_000 + 3_050), Set);
}

#[test]
fn sec_503_counters_and_dates_that_overflow_elsewhere() {
    // 2^31 s (2038), the NTP era's end (2036), 2^32 s (2106): the time goes on over each.
    for edge in [1 << 31, (1 << 32) - 2_208_988_800, 1 << 32] {
        let floor = UnixTime::from_secs(edge - DAY);
        let mut timeline = Timeline::new(floor, TimeSettings::DEFAULT);
        assert_eq!(timeline.offer_server(told(1, (edge - 2) * 1_000), 0), Held);
        assert_eq!(timeline.offer_server(told(2, (edge - 1) * 1_000), 1_000), Set);
        let shown = |secs| Some(UnixTime::from_secs(secs));
        assert_eq!(timeline.unix_time(1_000), shown(edge - 1));
        assert_eq!(timeline.unix_time(3_000), shown(edge + 1));
        assert_eq!(timeline.offer_server(told(1, (edge + 2) * 1_000), 4_000), Set);
    }
    // 32 bits of milliseconds since the start (49.7 days), of seconds, and the end of 64 bits.
    let unlimited = TimeSettings { holdover_secs: None, ..TimeSettings::DEFAULT };
    for start in [(1 << 32) - 1_000, (1_000 << 32) - 1_000] {
        let mut timeline = Timeline::new(UnixTime::from_secs(FLOOR), unlimited);
        assert_eq!(timeline.offer_trusted(UnixTime::from_secs(NOW), start), Set);
        assert_eq!(timeline.unix_time(start), Some(UnixTime::from_secs(NOW)));
        assert_eq!(timeline.unix_time(start + 2_000), Some(UnixTime::from_secs(NOW + 2)));
    }
    let mut timeline = Timeline::new(UnixTime::from_secs(FLOOR), TimeSettings::DEFAULT);
    assert_eq!(timeline.offer_server(told(1, u64::MAX), u64::MAX), BEYOND_HORIZON);
    assert_eq!(timeline.offer_trusted(UnixTime::from_secs(NOW), u64::MAX), Set);
    assert_eq!(timeline.unix_time(u64::MAX), Some(UnixTime::from_secs(NOW)));
    // A floor that nothing can be above lets nothing in.
    let mut timeline = Timeline::new(UnixTime::from_secs(u64::MAX), TimeSettings::DEFAULT);
    assert_eq!(timeline.offer_trusted(UnixTime::from_secs(NOW), 0), BELOW_FLOOR);
}

#[test]
fn sec_501_a_mark_is_due_each_hour_and_surely_past() {
    let mut timeline = check(&[Trusted(10, NOW, Set)]);
    let due = |timeline: &Timeline, secs: u64| timeline.due_mark(secs * 1_000);
    // Not before the time has been without a step for an hour.
    assert_eq!(due(&timeline, 10), None);
    assert_eq!(due(&timeline, HOUR + 9), None);
    let mark = due(&timeline, HOUR + 10).expect("an hour after the step");
    let earliest = NOW + HOUR - 15;
    assert!((earliest..NOW + HOUR - 14).contains(&mark.unix_time().as_secs()), "{mark:?}");
    // Due until it is stored, then an hour later again: a floor for everything.
    assert!(due(&timeline, HOUR + 20).is_some());
    timeline.mark_stored(mark);
    assert_eq!(timeline.floor(), mark.unix_time());
    assert_eq!(due(&timeline, 2 * HOUR), None);
    assert!(due(&timeline, 2 * HOUR + 20).is_some());
    let below = UnixTime::from_secs(mark.unix_time().as_secs() - 1);
    assert_eq!(timeline.offer_trusted(below, 2 * HOUR * 1_000), BELOW_FLOOR);
    // An older mark does not lower the floor.
    timeline.mark_stored(TimeMark(UnixTime::from_secs(FLOOR)));
    assert_eq!(timeline.floor(), mark.unix_time());
    // A time that is not known is no mark.
    assert_eq!(due(&check(&[]), DAY), None);
    assert_eq!(due(&check(&[Trusted(0, NOW, Set)]), 8 * DAY), None);
}

#[test]
fn sec_502_a_step_that_does_not_last_leaves_no_mark() {
    let far = NOW + YEAR;
    let steps = [
        Server(0, 1, NOW, Held),
        Server(0, 2, NOW, Set),
        Server(2 * HOUR, 3, far, Held),
        Server(2 * HOUR, 4, far, Set),
    ];
    let timeline = check(&steps);
    assert_eq!(timeline.due_mark((3 * HOUR - 1) * 1_000), None);
    assert!(timeline.due_mark(3 * HOUR * 1_000).is_some());
    assert!(check(&steps[..2]).due_mark((3 * HOUR - 1) * 1_000).is_some());
}

/// A small generator of numbers (xorshift64): the walk is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Two honest servers, a clock that drifts, and one server that says what it likes, for months.
#[test]
fn sec_502_one_liar_never_moves_the_time_beyond_the_bound() {
    for seed in 1..=40 {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut timeline = Timeline::new(UnixTime::from_secs(FLOOR), TimeSettings::DEFAULT);
        // Up to 100 ppm fast or slow.
        let rate = 999_900 + numbers.below(201);
        let (mut uptime, mut last, mut outcomes) = (0_u64, UnixTime::from_secs(0), [0_u32; 4]);
        for _ in 0..4_000 {
            uptime += 64_000 + numbers.below(HOUR * 1_000);
            let truth = NOW * 1_000 + uptime * 1_000_000 / rate;
            let shown = timeline.unix_time(uptime).map_or(truth, |it| it.as_secs() * 1_000);
            let outcome = match numbers.below(8) {
                0 | 1 => timeline.offer_server(told(1, truth + numbers.below(40)), uptime),
                2 => timeline.offer_server(told(2, truth - numbers.below(40)), uptime),
                3 => timeline.offer_server(told(3, shown + numbers.below(70_000)), uptime),
                4 => timeline.offer_server(told(3, shown - numbers.below(70_000)), uptime),
                5 => timeline.offer_server(told(3, truth + numbers.below(u64::MAX / 2)), uptime),
                6 => timeline.offer_server(told(3, numbers.below(truth)), uptime),
                // Both honest ones: agreed.
                _ => {
                    let _ = timeline.offer_server(told(1, truth), uptime);
                    timeline.offer_server(told(2, truth), uptime)
                }
            };
            outcomes[match outcome {
                Set => 0,
                Corrected => 1,
                Held => 2,
                Outcome::Refused(_) => 3,
            }] += 1;
            if let Some(mark) = timeline.due_mark(uptime) {
                assert!(mark.unix_time().as_secs() * 1_000 <= truth, "a mark is past");
                timeline.mark_stored(mark);
            }
            let Some(now) = timeline.unix_time(uptime) else { continue };
            assert!(now >= last, "never backwards");
            assert!(now >= timeline.floor(), "never below the floor");
            // The bound for one server, and what two that agree may differ by.
            let off = (now.as_secs() * 1_000).abs_diff(truth);
            assert!(off <= 60_000 + 2_100 + 1_000, "{off} ms off with seed {seed}");
            last = now;
        }
        assert!(outcomes.iter().all(|it| *it > 50), "each outcome is met: {outcomes:?}");
    }
}
