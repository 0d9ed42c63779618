//! Who has to go, and who may come.

use std::{future::Future as _, pin::pin, task::Waker};

use super::*;

const LIMITS: ListenerLimits = ListenerLimits {
    connections: 3,
    connections_per_peer: 2,
    header_time: std::time::Duration::from_secs(10),
    write_time: std::time::Duration::from_secs(30),
    shutdown_time: std::time::Duration::from_secs(5),
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Connections of these peers, all of which have a part of a request.
fn working(open: &Connections, peers: &[&str]) -> Vec<Place> {
    let enter = |peer: &&str| {
        let place = open.enter(address(peer), &LIMITS).expect("there is room");
        place.connection().work();
        place
    };
    peers.iter().map(enter).collect()
}

/// Whether it was told to end, which can be asked once.
fn was_told(place: &Place) -> bool {
    let mut context = std::task::Context::from_waker(Waker::noop());
    pin!(place.connection().told_to_end()).poll(&mut context).is_ready()
}

#[test]
fn sec_211_a_network_of_addresses_is_one_peer() {
    let open = Connections::default();
    let places = working(&open, &["2001:db8::1", "2001:db8::ffff:2"]);
    assert!(open.enter(address("2001:db8::3"), &LIMITS).is_none());
    let other = working(&open, &["2001:db8:0:1::1"]);
    assert!(open.enter(address("192.0.2.1"), &LIMITS).is_none(), "all places are taken");
    drop(places);
    assert!(open.enter(address("2001:db8::3"), &LIMITS).is_some());
    drop(other);
    assert_eq!(peer_of(address("::ffff:192.0.2.1")), address("192.0.2.1"));
}

#[test]
fn sec_441_of_a_peer_at_its_limit_the_one_that_waits_longest_makes_room() {
    let open = Connections::default();
    let other = open.enter(address("192.0.2.2"), &LIMITS).unwrap();
    let places = working(&open, &["192.0.2.1", "192.0.2.1"]);
    places[1].connection().wait();
    places[0].connection().wait();
    let third = open.enter(address("192.0.2.1"), &LIMITS);
    assert!(third.is_some(), "within all limits, since one of the peer leaves");
    assert_eq!([&other, &places[0], &places[1]].map(was_told), [false, false, true]);
}

#[test]
fn sec_441_when_all_places_are_taken_the_one_that_waits_longest_makes_room() {
    let open = Connections::default();
    let places = working(&open, &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert!(open.enter(address("192.0.2.4"), &LIMITS).is_none(), "nobody waits");
    for place in [&places[2], &places[0]] {
        place.connection().wait();
    }
    let fourth = open.enter(address("192.0.2.4"), &LIMITS).unwrap();
    assert_eq!([&places[0], &places[1], &places[2]].map(was_told), [false, false, true]);
    fourth.connection().work();
    let fifth = open.enter(address("192.0.2.5"), &LIMITS).unwrap();
    assert!(was_told(&places[0]), "nobody is told twice: the next one is");
    fifth.connection().work();
    assert!(open.enter(address("192.0.2.6"), &LIMITS).is_none(), "and then nobody waits");
}

#[test]
fn lim_15_who_gets_a_request_while_it_is_told_to_end_still_counts() {
    let open = Connections::default();
    let places = working(&open, &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    places[0].connection().wait();
    let fourth = open.enter(address("192.0.2.4"), &LIMITS).unwrap();
    fourth.connection().work();
    places[0].connection().work();
    let refused = open.enter(address("192.0.2.5"), &LIMITS);
    assert!(refused.is_none(), "as many as may be stay, and one more");
    drop(places);
    assert!(open.enter(address("192.0.2.5"), &LIMITS).is_some());
}

#[test]
fn a_connection_works_until_its_answers_have_ended() {
    let open = Connections::default();
    let only = ListenerLimits { connections: 1, ..LIMITS };
    let place = open.enter(address("192.0.2.1"), &only).unwrap();
    let connection = place.connection();
    connection.work();
    let calls = [connection.call(), connection.call()];
    for call in calls {
        connection.wait();
        assert!(open.enter(address("192.0.2.2"), &only).is_none());
        drop(call);
    }
    assert!(open.enter(address("192.0.2.2"), &only).is_none(), "not before it reads again");
    connection.wait();
    assert!(open.enter(address("192.0.2.2"), &only).is_some());
}
