//! What is remembered, for how long, and what is decided anew all the same (RS-83).

use portcullis_embassy::introspection::IntrospectionSettings;

use crate::{
    device::{NOW, PLAIN, ask, ask_at, pause, plain_client, resource_server, run, settings},
    peer::{Act, Peer, active, active_until, inactive, json},
};

#[test]
fn lim_18_answers_are_remembered() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        for _ in 0..3 {
            assert_eq!(ask(&client, "one").await, 200);
            assert_eq!(ask(&client, "nobody").await, 401);
        }
        assert_eq!(peer.requests().len(), 2);
        assert_eq!(ask(&client, "two").await, 200);
        assert_eq!((peer.requests().len(), peer.connections()), (3, 1));
        // SEC-368: a flood of random tokens leaves the active one alone.
        for n in 0..20 {
            assert_eq!(ask(&client, &format!("no{n}")).await, 401);
        }
        assert_eq!(peer.requests().len(), 23);
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(peer.requests().len(), 23);
    });
}

#[test]
fn sec_363_decided_anew_for_each_request() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(ask_at(&client, resource_server("device:write"), "one", Some(NOW)).await, 403);
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(peer.requests().len(), 1);
    });
}

#[test]
fn sec_366_a_remembered_token_ends() {
    let peer = Peer::start();
    peer.then(vec![Act::Say(json(&active_until("x", NOW + 600)))]);
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        let server = resource_server("device:read");
        assert_eq!(ask_at(&client, server, "one", Some(NOW)).await, 200);
        // The clock is set on: what is remembered is not used past `exp` (and leeway), and set back neither.
        assert_eq!(ask_at(&client, server, "one", Some(NOW + 659)).await, 200);
        assert_eq!(ask_at(&client, server, "one", Some(NOW + 660)).await, 401);
        assert_eq!(ask_at(&client, server, "one", Some(NOW)).await, 200);
        assert_eq!(peer.requests().len(), 1);
    });
}

#[test]
fn sec_366_lives_are_bounded() {
    let peer = Peer::start();
    let lives = IntrospectionSettings { active_secs_max: 2, inactive_secs_max: 2, ..settings() };
    let client = plain_client(peer.address(), lives);
    run(&client, &mut PLAIN.clone(), async {
        for count in [2, 4] {
            for _ in 0..2 {
                assert_eq!(ask(&client, "one").await, 200);
                assert_eq!(ask(&client, "nobody").await, 401);
            }
            assert_eq!(peer.requests().len(), count);
            pause(2_100).await;
        }
    });
}

#[test]
fn sec_366_never_longer_than_the_token() {
    let peer = Peer::start();
    peer.then(vec![
        Act::Say(json(&active_until("x", NOW + 2))),
        Act::Say(inactive()),
        Act::Say(json(&active_until("x", NOW))),
        Act::Say(inactive()),
    ]);
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(peer.requests().len(), 1);
        pause(2_100).await;
        assert_eq!(ask(&client, "one").await, 401, "asked again, and revoked meanwhile");
        // At `exp`, within leeway: it may come in once, but there is nothing left to remember it for.
        assert_eq!(ask(&client, "two").await, 200);
        assert_eq!(ask(&client, "two").await, 401);
        assert_eq!(peer.requests().len(), 4);
    });
}

#[test]
fn nothing_is_remembered_where_it_is_not_wanted() {
    let peer = Peer::start();
    let never = IntrospectionSettings { active_secs_max: 0, inactive_secs_max: 0, ..settings() };
    let client = plain_client(peer.address(), never);
    run(&client, &mut PLAIN.clone(), async {
        for count in 1..4 {
            assert_eq!(ask(&client, "one").await, 200);
            assert_eq!(ask(&client, "nobody").await, 401);
            assert_eq!(peer.requests().len(), 2 * count);
        }
        assert_eq!(peer.connections(), 1);
    });
}

#[test]
fn a_long_answer_is_used_and_not_remembered() {
    let peer = Peer::start();
    let long = || Act::Say(json(&format!("{}{}", active("x"), " ".repeat(512))));
    peer.then(vec![long(), long()]);
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(peer.requests().len(), 2);
    });
}
