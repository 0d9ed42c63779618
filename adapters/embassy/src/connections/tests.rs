//! Who has to go, and who may come.

use super::*;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::{sync::Arc, task::Wake, vec::Vec};

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn peer(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

/// Connections of these peers, all of them waiting, in this order.
fn waiting<'t>(shared: &'t dyn Shared, peers: &[u8]) -> Vec<Place<'t>> {
    let take = |number: &u8| {
        let place = Place::take(shared, peer(*number)).expect("there is room");
        // A clock of milliseconds tells them apart.
        std::thread::sleep(std::time::Duration::from_millis(2));
        place
    };
    peers.iter().map(take).collect()
}

fn ended(places: &[Place<'_>]) -> Vec<bool> {
    places.iter().map(|place| place.ending() != Ending::Usual).collect()
}

#[test]
fn lim_15_the_connections_of_one_peer() {
    let connections = Connections::<8>::new();
    let places = waiting(&connections, &[1, 1]);
    assert_eq!(ended(&places), [false, false]);
    places.iter().for_each(Place::work);
    assert!(Place::take(&connections, peer(1)).is_none(), "nobody waits who could go instead");
    let other = Place::take(&connections, peer(2));
    assert!(other.is_some(), "another peer is not meant");
    places[1].rest();
    let third = Place::take(&connections, peer(1));
    assert!(third.is_some(), "it comes in the place of the one that waits");
    assert_eq!(ended(&places), [false, true]);
    drop(places);
    assert!(Place::take(&connections, peer(1)).is_some());
}

#[test]
fn lim_15_other_limits_of_one_peer() {
    let connections = Connections::<4>::new().with_per_peer_max(3);
    let places = waiting(&connections, &[1, 1, 1]);
    assert_eq!(ended(&places), [false; 3]);
    places.iter().for_each(Place::work);
    assert!(Place::take(&connections, peer(1)).is_none());
}

#[test]
fn sec_211_a_network_is_one_peer() {
    let same =
        |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
    assert!(same("2001:db8::1", "2001:db8::ffff:0:0:1"));
    assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
    assert!(same("10.0.0.1", "::ffff:10.0.0.1"));
    assert!(!same("10.0.0.1", "10.0.0.2"));
}

#[test]
fn sec_441_the_last_free_task_frees_another_one() {
    let connections = Connections::<4>::new();
    let places = waiting(&connections, &[1, 2, 3]);
    places[0].work();
    assert_eq!(ended(&places), [false; 3]);
    let last = Place::take(&connections, peer(4)).unwrap();
    assert_eq!(ended(&places), [false, true, false], "the one that waits for the longest time");
    assert_eq!(places[1].ending(), Ending::Known, "without a request there is no answer to lose");
    assert_eq!(last.ending(), Ending::Usual);
    // One is about to go: that is enough.
    assert!(!last.is_last() && !places[0].is_last());
}

#[test]
fn sec_441_when_all_work_the_first_answer_is_the_last_one() {
    let connections = Connections::<3>::new();
    let places = waiting(&connections, &[1, 2]);
    places.iter().for_each(Place::work);
    let last = Place::take(&connections, peer(3)).unwrap();
    last.work();
    assert_eq!(ended(&places), [false, false]);
    assert!(places[1].is_last());
    assert_eq!(places[1].ending(), Ending::Hurried, "it has an answer");
    assert!(!places[0].is_last() && !last.is_last());
    assert!(places[1].is_last(), "and stays so");
}

#[test]
fn sec_441_what_waits_is_woken_and_told() {
    let connections = Connections::<2>::new();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let first = Place::take(&connections, peer(1)).unwrap();
    first.rest();
    assert!(!first.ends(&waker));
    let _second = Place::take(&connections, peer(2)).unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(first.ends(&waker));
    // A request that came at the same moment is answered, and the answer says that it is the last one.
    first.work();
    assert!(first.is_last());
}

#[test]
fn a_place_is_free_again_when_it_is_dropped() {
    let connections = Connections::<1>::new();
    for _ in 0..3 {
        let only = Place::take(&connections, peer(1)).unwrap();
        assert!(
            Place::take(&connections, peer(2)).is_none(),
            "there are no more tasks than places"
        );
        assert!(only.is_last());
    }
}
