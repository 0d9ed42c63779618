//! Whoever cannot be asked, or answers what cannot be read, is a 503 and not remembered (SEC-360, SEC-420, SEC-522).

use std::time::{Duration, Instant};

use portcullis_core::limits::METADATA_LEN_MAX;

use crate::{
    device::{
        NOW, PLAIN, ask, ask_at, impatient, pause, plain_client, resource_server, run, settings,
    },
    peer::{Act, Peer, active, inactive, json, with},
};

/// The token is asked about once, and once more when the peer is good again.
#[track_caller]
fn check(name: &str, act: Act, expected: u16) {
    let peer = Peer::start();
    peer.then(vec![act]);
    let client = plain_client(peer.address(), impatient());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "token").await, expected, "{name}");
        assert_eq!(peer.connections(), 1, "{name}: a fresh connection is not tried again");
        assert_eq!(ask(&client, "token").await, 200, "{name}: not remembered");
    });
}

#[test]
fn rs_80_an_honest_answer() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "a+b/c").await, 200);
        assert_eq!(ask(&client, "nobody").await, 401);
    });
    let requests = peer.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[0],
        format!(
            "POST /introspect HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic ZGV2aWNlOnMzY3JldA==\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\n\
             Content-Length: 44\r\n\r\ntoken=a%2Bb%2Fc&token_type_hint=access_token",
            peer.address()
        )
    );
}

#[test]
fn sec_360_whoever_refuses_is_a_503_and_is_not_remembered() {
    for status in
        ["401 Unauthorized", "403 Forbidden", "429 Slow Down", "500 Oops", "503 Busy", "201 Made"]
    {
        let body = active("x");
        let answer = with(status, "Content-Type: application/json\r\nRetry-After: 1\r\n", &body);
        check(status, Act::Say(answer), 503);
    }
    let elsewhere = Peer::start();
    for status in ["301 Moved", "302 Found", "307 Elsewhere", "308 Elsewhere"] {
        let fields = format!("Location: http://{}/introspect\r\n", elsewhere.address());
        check(status, Act::Say(with(status, &fields, "")), 503);
    }
    assert_eq!(elsewhere.connections(), 0, "credentials do not follow a redirect (SEC-371)");
}

#[test]
fn sec_360_whoever_breaks_off_is_a_503() {
    check("closes at once", Act::End, 503);
    check("closes before the answer", Act::Hear, 503);
    let whole = json(&active("x"));
    for len in [1, 20, whole.len() - 1] {
        check("cut", Act::SayAndEnd(whole[..len].to_owned()), 503);
    }
}

#[test]
fn sec_360_whoever_is_slow_is_a_503_at_the_deadline() {
    let whole = json(&active("x"));
    check("silent", Act::Mute, 503);
    check("stops half-way", Act::Say(whole[..whole.len() - 1].to_owned()), 503);
}

#[test]
fn sec_420_whatever_cannot_be_read_is_a_503() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let body = active("x");
    for (name, answer) in [
        (
            "both lengths",
            format!(
                "{head}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
                body.len()
            ),
        ),
        (
            "two lengths",
            format!("{head}Content-Length: 5\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        ),
        (
            "bad chunks",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n0x5\r\n{body}\r\n0\r\n\r\n"),
        ),
        ("no length", format!("{head}\r\n{body}")),
        (
            "204 with a body",
            format!("HTTP/1.1 204 No\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        ),
        ("interim without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)),
        ("head without end", format!("{head}{}", "A: b\r\n".repeat(5000))),
        ("garbage", "\0\u{1}\u{2}garbage\r\n\r\n".repeat(10)),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (
            "compressed",
            with("200 OK", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", &body),
        ),
        ("no type", with("200 OK", "", &body)),
        ("another type", with("200 OK", "Content-Type: text/html\r\n", &body)),
        ("two types", with("200 OK", &"Content-Type: application/json\r\n".repeat(2), &body)),
        ("too long", json(&format!("{body}{}", " ".repeat(METADATA_LEN_MAX)))),
        ("far too long", format!("{head}Content-Length: 4294967296\r\n\r\n{body}")),
    ] {
        check(name, Act::Say(answer), 503);
    }
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{body}\r\n0\r\nT: x\r\n\r\n",
        body.len()
    );
    check("good chunks", Act::Say(chunked), 200);
    let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{}", json(&body));
    check("one interim answer", Act::Say(interim), 200);
}

#[test]
fn sec_361_an_answer_that_does_not_say_active_is_a_401() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "{\"active\":1}",
        "{\"active\":\"true\"}",
        "{\"active\":true}",
        "<html>",
        "{\"active\":true,\"active\":false}",
    ] {
        check(body, Act::Say(json(body)), 401);
    }
}

#[test]
fn sec_362_an_active_answer_is_checked() {
    let good = active("x");
    for (from, to) in [
        ("device.example.com/mcp", "other.example.com/mcp"),
        ("as.example.com", "other.example.com"),
        ("\"Bearer\"", "\"DPoP\""),
        ("\"exp\"", "\"expiry\""),
    ] {
        let body = good.replacen(from, to, 1);
        assert_ne!(body, good);
        let peer = Peer::start();
        peer.then(vec![Act::Say(json(&body))]);
        let client = plain_client(peer.address(), settings());
        let status = run(&client, &mut PLAIN.clone(), ask(&client, "token"));
        assert_eq!(status, 401, "{to}");
    }
}

#[test]
fn sec_360_going_away_and_coming_back() {
    let address = Peer::start().stop();
    let client = plain_client(address, settings());
    run(&client, &mut PLAIN.clone(), async {
        for token in ["one", "two"] {
            let started = Instant::now();
            assert_eq!(ask(&client, token).await, 503);
            assert!(started.elapsed() < Duration::from_secs(4), "known at once");
        }
        let peer = Peer::again(address);
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(peer.connections(), 1);
    });
}

#[test]
fn sec_360_nothing_is_asked_unless_the_client_runs() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), impatient());
    let other = plain_client(peer.address(), settings());
    let status = run(&other, &mut PLAIN.clone(), ask(&client, "token"));
    assert_eq!((status, peer.connections()), (503, 0));
}

#[test]
fn sec_500_without_the_time_nothing_is_asked() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        let server = resource_server("device:read");
        assert_eq!(ask_at(&client, server, "token", None).await, 503);
        assert_eq!(peer.connections(), 0);
        assert_eq!(ask_at(&client, server, "token", Some(NOW)).await, 200);
    });
}

#[test]
fn a_token_that_does_not_fit_is_a_503_and_is_not_asked_about() {
    let peer = Peer::start();
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        // `token=...&token_type_hint=access_token`
        let longest = 1024 - 35;
        assert_eq!(ask(&client, &"t".repeat(longest + 1)).await, 503);
        assert_eq!(peer.connections(), 0);
        assert_eq!(ask(&client, &"t".repeat(longest)).await, 200);
    });
}

#[test]
fn a_kept_connection_that_was_closed_is_noticed() {
    let peer = Peer::start();
    // While nobody looks; and instead of reading the next question.
    peer.then(vec![Act::SayAndEnd(json(&active("x")))]);
    peer.then(vec![Act::Say(json(&active("x"))), Act::Hear]);
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "one").await, 200);
        pause(50).await;
        assert_eq!(ask(&client, "two").await, 200);
        assert_eq!(peer.connections(), 2);
        assert_eq!(ask(&client, "three").await, 200, "asked once more");
        assert_eq!(peer.connections(), 3);
        assert_eq!(peer.requests().len(), 4);
    });
}

#[test]
fn a_question_is_asked_twice_at_most() {
    let peer = Peer::start();
    peer.then(vec![Act::Say(json(&active("x"))), Act::Hear]);
    peer.then(vec![Act::Hear]);
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "one").await, 200);
        assert_eq!(ask(&client, "two").await, 503);
        assert_eq!((peer.connections(), peer.requests().len()), (2, 3));
        assert_eq!(ask(&client, "two").await, 200);
    });
}

#[test]
fn sec_419_bytes_that_nobody_asked_for_answer_no_question() {
    let peer = Peer::start();
    // The first question is answered twice; the second answer would be one to the second question.
    peer.then(vec![Act::Say(inactive() + &json(&active("mallory")))]);
    let client = plain_client(peer.address(), settings());
    run(&client, &mut PLAIN.clone(), async {
        assert_eq!(ask(&client, "nobody").await, 401);
        pause(50).await;
        assert_eq!(ask(&client, "none-either").await, 401);
        assert_eq!(peer.connections(), 2);
    });
}
