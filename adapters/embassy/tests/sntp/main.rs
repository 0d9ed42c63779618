//! SNTP over loopback, against servers that answer well, badly and not at all.
#![cfg(feature = "sntp")]
#![forbid(unsafe_code)]

mod server;

use edge_nal_std::Stack;
use embassy_time::Duration;
use portcullis_core::time::UnixTime;
use portcullis_embassy::{
    Clock,
    clock::{
        Outcome::{self, Held, Set},
        Refusal, TimeKeeper, TimeSettings,
        sntp::{AskError, Report, Sntp, SntpSettings},
    },
};

use crate::server::{From, PACKET_LEN, Packet, Server, answer};

const FLOOR: u64 = 1_780_000_000;
const NOW: u64 = 1_800_000_000;

/// An answer on loopback takes less, by far.
const SETTINGS: SntpSettings = SntpSettings { answer_millis_max: 300, poll_secs: 3_600 };

type Client<'k, const N: usize> = Sntp<'k, Stack, fn() -> u64, N>;

fn entropy() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

fn keeper() -> TimeKeeper {
    TimeKeeper::new(UnixTime::from_secs(FLOOR), TimeSettings::DEFAULT)
}

fn client<'k, const N: usize>(keeper: &'k TimeKeeper, servers: [&Server; N]) -> Client<'k, N> {
    let servers = servers.map(|server| server.address);
    Sntp::new(keeper, Stack::new(), servers, entropy, SETTINGS)
}

/// One round: what came of each server, and the pause.
fn round<const N: usize>(client: &mut Client<'_, N>) -> (Vec<Result<Outcome, AskError>>, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut results = Vec::new();
    let pause = runtime.block_on(client.round(|report: Report| results.push(report.result)));
    (results, pause)
}

/// What one round brings, and whether the time is known then.
fn once<const N: usize>(servers: [&Server; N]) -> (Vec<Result<Outcome, AskError>>, bool) {
    let keeper = keeper();
    let (results, _) = round(&mut client(&keeper, servers));
    (results, keeper.unix_time().is_some())
}

#[test]
fn sec_500_two_servers_that_agree_tell_the_time() {
    let (one, two) = (Server::honest(1, NOW), Server::honest(2, NOW));
    let keeper = keeper();
    let (results, pause) = round(&mut client(&keeper, [&one, &two]));
    assert_eq!(results, [Ok(Held), Ok(Set)]);
    let time = keeper.unix_time().expect("it was set").as_secs();
    assert!((NOW..NOW + 2).contains(&time), "{time}");
    assert!((3_600..=3_600 * 9 / 8).contains(&pause.as_secs()), "{pause}");
}

#[test]
fn rounds_go_on_for_ever() {
    let (one, two) = (Server::honest(1, NOW), Server::honest(2, NOW));
    let keeper = keeper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut reports = 0;
    let running = client(&keeper, [&one, &two]).run(|_| reports += 1);
    let over = async { tokio::time::timeout(std::time::Duration::from_millis(500), running).await };
    assert!(runtime.block_on(over).is_err());
    assert_eq!(reports, 2, "one round, and a pause");
    assert!(keeper.unix_time().is_some());
}

#[test]
fn sec_502_servers_that_do_not_agree_tell_nothing() {
    let honest = Server::honest(1, NOW);
    for (off, expected) in [(1, Set), (4, Held), (3_600, Held), (366 * 24 * 3_600, Held)] {
        let other = Server::honest(2, NOW + off);
        assert_eq!(once([&honest, &other]), (vec![Ok(Held), Ok(expected)], expected == Set));
    }
    // Two ports of one address are one server.
    let twin = Server::honest(1, NOW);
    assert_eq!(once([&honest, &twin]), (vec![Ok(Held), Ok(Held)], false));
}

#[test]
fn sec_501_servers_below_the_floor_are_refused() {
    let (one, two) = (Server::honest(1, FLOOR - 60), Server::honest(2, FLOOR - 60));
    let below = Ok(Outcome::Refused(Refusal::BelowFloor));
    assert_eq!(once([&one, &two]), (vec![below, below], false));
}

#[test]
fn sec_501_answers_that_are_not_as_they_must_be() {
    let check = |change: fn(&mut Packet), expected| {
        let (bad, honest) = (Server::telling(1, NOW, change), Server::honest(2, NOW));
        let (results, is_known) = once([&bad, &honest]);
        assert_eq!(results, [expected, Ok(if expected == Ok(Held) { Set } else { Held })]);
        assert_eq!(is_known, expected == Ok(Held));
    };
    let malformed = Err(AskError::Malformed);
    let unsynchronized = Err(AskError::Unsynchronized);
    let nothing = Err(AskError::NoAnswer);
    check(|_| {}, Ok(Held));
    check(|it| it[0] = 0b00_011_100, Ok(Held)); // version 3 is served the same
    check(|it| it[31] ^= 1, nothing); // another question's origin
    check(|it| it[24..32].fill(0), nothing);
    check(|it| it[0] = 0b00_100_011, malformed); // a client
    check(|it| it[0] = 0b00_100_101, malformed); // a broadcast
    check(|it| it[0] = 0b00_000_100, malformed); // version 0
    check(|it| it[0] = 0b00_101_100, malformed); // version 5
    check(|it| it[40..48].fill(0), malformed); // no transmit time
    check(|it| it[0] = 0b11_100_100, unsynchronized); // leap indicator: alarm
    check(|it| it[1] = 15, Ok(Held));
    check(|it| it[1] = 16, unsynchronized); // stratum
    check(|it| it[4..8].copy_from_slice(&0x0002_fa00_u32.to_be_bytes()), Ok(Held));
    check(|it| it[4..8].copy_from_slice(&0x0003_0000_u32.to_be_bytes()), unsynchronized);
    check(|it| it[8..12].copy_from_slice(&[0xff; 4]), unsynchronized);
    check(|it| it[19] = it[19].wrapping_add(20), unsynchronized); // set after it was sent
}

#[test]
fn sec_501_datagrams_that_are_no_answers_are_passed_over() {
    let check = |forged: fn(&Packet) -> (From, Vec<u8>)| {
        let flood = |count: usize, ends_well: bool| {
            let script = move |question: &Packet| {
                let mut datagrams = vec![forged(question); count];
                if ends_well {
                    datagrams.push((From::Server, answer(question, NOW).to_vec()));
                }
                datagrams
            };
            once([&Server::new(1, script)])
        };
        // Alone they are nothing, before the answer they do not matter: up to 63 of them.
        assert_eq!(flood(1, false), (vec![Err(AskError::NoAnswer)], false));
        assert_eq!(flood(1, true), (vec![Ok(Held)], false));
        assert_eq!(flood(63, true), (vec![Ok(Held)], false));
        assert_eq!(flood(64, true), (vec![Err(AskError::NoAnswer)], false));
    };
    check(|question| (From::OtherPort, answer(question, NOW).to_vec()));
    check(|question| (From::OtherAddress, answer(question, NOW).to_vec()));
    check(|question| (From::Server, answer(question, NOW)[..PACKET_LEN - 1].to_vec()));
    check(|_| (From::Server, Vec::new()));
    // Another question's origin: all that who cannot see the question can do.
    check(|question| (From::Server, answer(&question.map(|byte| !byte), NOW).to_vec()));
    check(|question| {
        let mut kiss = answer(&question.map(|byte| !byte), NOW);
        kiss[1] = 0;
        kiss[12..16].copy_from_slice(b"DENY");
        (From::Server, kiss.to_vec())
    });
}

#[test]
fn what_follows_the_header_is_not_read() {
    for len in [PACKET_LEN + 1, PACKET_LEN + 20, 96] {
        let long = Server::new(1, move |question| {
            let mut datagram = answer(question, NOW).to_vec();
            datagram.resize(len, 0xff);
            vec![(From::Server, datagram)]
        });
        assert_eq!(once([&long]), (vec![Ok(Held)], false), "{len}");
    }
}

#[test]
fn sec_501_a_question_tells_nothing_and_cannot_be_guessed() {
    let (one, two) = (Server::honest(1, NOW), Server::honest(2, NOW));
    let keeper = keeper();
    let mut client = client(&keeper, [&one, &two]);
    round(&mut client);
    round(&mut client);
    let questions = [one.questions(), two.questions()].concat();
    assert_eq!(questions.len(), 4);
    let mut origins: Vec<_> = questions.iter().map(|it| it[40..48].to_vec()).collect();
    for question in &questions {
        assert_eq!(question[0], 0b00_100_011, "version 4, client");
        assert_eq!(question[1..40], [0; 39]);
    }
    origins.sort();
    origins.dedup();
    assert_eq!(origins.len(), 4);
}

/// A server that sends a kiss of death, and how it is asked from then on.
fn kissed(code: &'static [u8; 4]) -> (Result<Outcome, AskError>, usize) {
    let kissing = Server::telling(1, NOW, move |packet| {
        packet[0] |= 0b11 << 6; // RFC 5905 §7.4: with the alarm of a clock that is not synchronized
        packet[1] = 0;
        packet[12..16].copy_from_slice(code);
    });
    let honest = Server::honest(2, NOW);
    let keeper = keeper();
    let mut client = client(&keeper, [&kissing, &honest]);
    let (results, _) = round(&mut client);
    assert_eq!(results[1], Ok(Held), "the others go on");
    round(&mut client);
    assert_eq!(honest.questions().len(), 2);
    assert_eq!(keeper.unix_time(), None);
    (results[0], kissing.questions().len())
}

#[test]
fn a_server_that_sends_a_kiss_of_death_is_left_alone() {
    assert_eq!(kissed(b"DENY"), (Err(AskError::Denied), 1));
    assert_eq!(kissed(b"RSTR"), (Err(AskError::Denied), 1));
    assert_eq!(kissed(b"RATE"), (Err(AskError::TooOften), 1));
    assert_eq!(kissed(b"INIT"), (Err(AskError::Unsynchronized), 2));
}

#[test]
fn sec_503_the_next_era_of_ntp() {
    // RFC 5905 §6: 32 bits of seconds since 1900 end on 2036-02-07.
    let era_1 = (1 << 32) - 2_208_988_800;
    for (floor, time) in [(NOW, era_1 - 1), (NOW, era_1 + 1), (era_1 + 1, era_1 + 86_400)] {
        let (one, two) = (Server::honest(1, time), Server::honest(2, time));
        let keeper = TimeKeeper::new(UnixTime::from_secs(floor), TimeSettings::DEFAULT);
        let (results, _) = round(&mut client(&keeper, [&one, &two]));
        assert_eq!(results, [Ok(Held), Ok(Set)]);
        let shown = keeper.unix_time().expect("it was set").as_secs();
        assert!((time..time + 2).contains(&shown), "{shown} for {time}");
    }
}

#[test]
fn pauses_grow_while_nobody_answers() {
    let (one, two) = (Server::silent(1), Server::silent(2));
    let keeper = keeper();
    let settings = SntpSettings { answer_millis_max: 20, ..SETTINGS };
    let servers = [one.address, two.address];
    let mut client: Client<'_, 2> = Sntp::new(&keeper, Stack::new(), servers, entropy, settings);
    let mut pause_is = |secs: u64| {
        let (results, pause) = round(&mut client);
        assert_eq!(results, [Err(AskError::NoAnswer); 2]);
        let range = secs * 1_000..=secs * 1_000 * 9 / 8;
        assert!(range.contains(&pause.as_millis()), "{pause} for {secs} s");
    };
    for secs in [16, 32, 64, 128, 256, 512, 1_024, 1_024, 1_024] {
        pause_is(secs);
    }
    // Once the time is known there is no hurry.
    assert_eq!(keeper.offer_trusted(UnixTime::from_secs(NOW)), Set);
    let mut again: Client<'_, 2> = Sntp::new(&keeper, Stack::new(), servers, entropy, settings);
    let (_, pause) = round(&mut again);
    assert!(pause.as_secs() >= 64, "{pause}");
}

#[test]
fn sec_502_servers_are_not_asked_more_often_than_each_minute() {
    let (one, two) = (Server::honest(1, NOW), Server::honest(2, NOW));
    let keeper = keeper();
    let settings = SntpSettings { poll_secs: 1, ..SETTINGS };
    let servers = [one.address, two.address];
    let mut client: Client<'_, 2> = Sntp::new(&keeper, Stack::new(), servers, entropy, settings);
    let (results, pause) = round(&mut client);
    assert_eq!(results, [Ok(Held), Ok(Set)]);
    assert!((64..=72).contains(&pause.as_secs()), "{pause}");
}

#[test]
fn reports_are_short_lines() {
    let server = "192.0.2.1:123".parse().unwrap();
    let line = |result| Report { server, result }.to_string();
    assert_eq!(line(Ok(Set)), "192.0.2.1:123: time set");
    assert_eq!(
        line(Ok(Outcome::Refused(Refusal::BelowFloor))),
        "192.0.2.1:123: refused: before the floor"
    );
    assert_eq!(line(Err(AskError::NoAnswer)), "192.0.2.1:123: no answer");
}
