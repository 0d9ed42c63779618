//! Several connections of the server share one client.

use std::time::{Duration, Instant};

use portcullis_embassy::introspection::IntrospectionSettings;

use crate::{
    device::{PLAIN, ask, pause, plain_client, run, settings},
    peer::{Act, Peer, active, inactive, json},
};

#[test]
fn sec_369_one_question_for_one_token() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        let ask = || ask(&client, "one");
        let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
        assert_eq!([a, b, c, d], [200; 4]);
        assert_eq!(peer.requests().len(), 1);
    });
}

#[test]
fn one_after_the_other_over_one_connection() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        let (a, b, c, d) = tokio::join!(
            ask(&client, "one"),
            ask(&client, "nobody"),
            ask(&client, "three"),
            ask(&client, "nothing")
        );
        assert_eq!([a, b, c, d], [200, 401, 200, 401], "each has its own answer");
        assert_eq!((peer.requests().len(), peer.connections()), (4, 1));
    });
}

#[test]
fn sec_447_waiting_for_ones_turn_is_within_the_deadline() {
    let peer = Peer::start();
    for _ in 0..3 {
        peer.then(vec![Act::Mute]);
    }
    let short = IntrospectionSettings { deadline_millis: 2_000, ..settings() };
    let client = plain_client(peer.address(), short);
    run(&client, &mut PLAIN.clone(), async {
        let started = Instant::now();
        let (a, b, c) =
            tokio::join!(ask(&client, "one"), ask(&client, "two"), ask(&client, "three"));
        assert_eq!([a, b, c], [503; 3]);
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(2), "{took:?}");
        // What three would take one after the other.
        assert!(took < Duration::from_secs(3 * 2), "not one after the other: {took:?}");
        // All have the same deadline but for microseconds, in which a second one may have its turn.
        assert!(peer.connections() < 3, "who has no turn asks nothing");
    });
}

#[test]
fn an_answer_is_nobody_elses() {
    let peer = Peer::start();
    peer.then(vec![Act::SayLate(json(&active("x"))), Act::Say(inactive())]);
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        // Given up while its question is on its way.
        let asked = async {
            while peer.requests().is_empty() {
                pause(2).await;
            }
        };
        tokio::select! {
            status = ask(&client, "one") => panic!("answered with {status}"),
            () = asked => {}
        }
        assert_eq!(ask(&client, "two").await, 401, "the answer to the first question is active");
        assert_eq!(peer.requests().len(), 2);
    });
}

#[test]
fn an_idle_connection_is_closed() {
    let peer = Peer::start();
    let short = IntrospectionSettings { idle_millis: 2_000, ..settings() };
    let client = plain_client(peer.address(), short);
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(ask(&client, "two").await, 200);
        assert_eq!(peer.connections(), 1);
        pause(2_500).await;
        assert_eq!(ask(&client, "three").await, 200);
        assert_eq!(peer.connections(), 2);
    });
}
