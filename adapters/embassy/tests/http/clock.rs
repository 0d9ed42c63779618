//! Tokens against the clocks of a device.

use std::time::Duration;

use portcullis_core::time::UnixTime;
use portcullis_embassy::{
    Clock,
    clock::{Outcome, Refusal, Rtc, RtcClock, ServerTime, TimeKeeper, TimeSettings, follow},
};

use crate::harness::{Device, NOW, modern, statuses, token};

const FLOOR: UnixTime = UnixTime::from_secs(NOW - 24 * 60 * 60);
/// The harness's tokens end so long after `NOW`, and began at `NOW`.
const LIFE: u64 = 600;

/// A chip that tells one time only.
struct Chip(Option<u64>);

impl Rtc for Chip {
    fn unix_time(&self) -> Option<UnixTime> {
        self.0.map(UnixTime::from_secs)
    }
}

fn listing() -> String {
    modern(&token("device:read"), "tools/list", "")
}

fn keeper() -> &'static TimeKeeper {
    Box::leak(Box::new(TimeKeeper::new(FLOOR, TimeSettings::DEFAULT)))
}

fn said(server: u8, secs: u64) -> ServerTime {
    let unix_millis = secs * 1_000;
    ServerTime { server: [192, 0, 2, server].into(), unix_millis, uncertainty_millis: 10 }
}

#[test]
fn sec_500_a_device_lets_in_once_two_servers_agree() {
    let keeper = keeper();
    let device = Device { clock: keeper, ..Device::new() };
    let refused = |why: &str| {
        let (answer, _) = device.talk(listing().as_bytes());
        assert_eq!(statuses(&answer), [503], "{why}");
        assert!(answer.contains("\r\nretry-after: "), "{answer}");
    };
    refused("nobody said anything");
    assert_eq!(keeper.offer_server(said(1, NOW)), Outcome::Held);
    refused("one server is not enough");
    assert_eq!(keeper.offer_server(said(2, NOW + 60)), Outcome::Held);
    refused("two that differ are not enough");
    assert_eq!(keeper.offer_server(said(3, NOW)), Outcome::Set);
    assert_eq!(device.statuses(listing().as_bytes()).0, [200]);
}

#[test]
fn sec_500_a_device_lets_in_once_its_chip_tells_the_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let check = |chip: Chip, outcome: Option<Outcome>, status| {
        let keeper = keeper();
        let mut reports = Vec::new();
        let following = async {
            let report = |it| reports.push(it);
            tokio::time::timeout(Duration::from_millis(20), follow(chip, keeper, report)).await
        };
        assert!(runtime.block_on(following).is_err(), "it goes on for ever");
        assert_eq!(reports, [outcome]);
        let device = Device { clock: keeper, ..Device::new() };
        assert_eq!(device.statuses(listing().as_bytes()).0, [status]);
    };
    check(Chip(Some(NOW)), Some(Outcome::Set), 200);
    check(Chip(None), None, 503);
    check(Chip(Some(0)), Some(Outcome::Refused(Refusal::BelowFloor)), 503);
}

#[test]
fn sec_501_a_time_below_the_floor_lets_nobody_in() {
    // The token is live at that time: without the floor it would be let in again after its end.
    let floor = UnixTime::from_secs(NOW + LIFE + 60);
    let check = |clock: &'static dyn Clock, expected| {
        let device = Device { clock, ..Device::new() };
        assert_eq!(device.statuses(listing().as_bytes()).0, [expected]);
    };
    let keeper: &TimeKeeper = Box::leak(Box::new(TimeKeeper::new(floor, TimeSettings::DEFAULT)));
    assert!(matches!(keeper.offer_trusted(UnixTime::from_secs(NOW)), Outcome::Refused(_)));
    check(keeper, 503);
    check(Box::leak(Box::new(RtcClock::new(Chip(Some(NOW)), floor))), 503);
    check(Box::leak(Box::new(RtcClock::new(Chip(None), FLOOR))), 503);
    check(Box::leak(Box::new(RtcClock::new(Chip(Some(NOW)), FLOOR))), 200);
}

#[test]
fn sec_502_a_server_alone_does_not_end_a_tokens_life() {
    let keeper = keeper();
    assert_eq!(keeper.offer_trusted(UnixTime::from_secs(NOW)), Outcome::Set);
    let device = Device { clock: keeper, ..Device::new() };
    for ahead in [LIFE + 61, 24 * 60 * 60] {
        assert!(matches!(keeper.offer_server(said(1, NOW + ahead)), Outcome::Refused(_)));
        assert_eq!(device.statuses(listing().as_bytes()).0, [200], "{ahead}");
    }
    assert_eq!(keeper.offer_trusted(UnixTime::from_secs(NOW + LIFE + 61)), Outcome::Set);
    assert_eq!(device.statuses(listing().as_bytes()).0, [401]);
}

#[test]
fn sec_566_clocks_that_differ_by_the_leeway() {
    let check = |time: u64, expected| {
        let clock = Box::leak(Box::new(RtcClock::new(Chip(Some(time)), FLOOR)));
        let device = Device { clock, ..Device::new() };
        assert_eq!(device.statuses(listing().as_bytes()).0, [expected], "{time}");
    };
    // LIM-19: the device is ahead, and the token's end is passed by just under a minute; or it is behind, and
    // the token's beginning is a minute away.
    check(NOW + LIFE + 59, 200);
    check(NOW + LIFE + 60, 401);
    check(NOW + LIFE + 61, 401);
    check(NOW - 59, 200);
    check(NOW - 60, 200);
    check(NOW - 61, 401);
}
