//! What must not work, and what still works afterwards.

use portcullis_embassy::Deadlines;

use crate::harness::{Device, modern, post, statuses, token};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn honest() -> String {
    modern(&token("device:read"), "tools/list", "")
}

/// The same request with other framing; the body begins behind the first empty line.
fn framed(fields: &str, body: &str) -> String {
    let honest = honest();
    let (head, _) = honest.split_once("\r\n\r\n").unwrap();
    let (head, _) = head.rsplit_once("\r\nContent-Length:").unwrap();
    format!("{head}\r\n{fields}\r\n{body}")
}

fn body() -> String {
    honest().split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// One refusal with this status, then the end: a request behind it is never answered (INV-7).
#[track_caller]
fn refused(request: &str, status: u16) {
    let bytes = [request, &honest()].concat();
    assert_eq!(Device::new().statuses(bytes.as_bytes()), (vec![status], true), "{request}");
}

#[track_caller]
fn accepted(request: &str) {
    let bytes = [request, &honest()].concat();
    assert_eq!(Device::new().statuses(bytes.as_bytes()), (vec![200, 200], false), "{request}");
}

#[test]
fn sec_400_two_kinds_of_framing() {
    let (body, len) = (body(), body().len());
    let chunked = format!("{len:x}\r\n{body}\r\n0\r\n\r\n");
    accepted(&framed(&format!("Content-Length: {len}\r\n"), &body));
    accepted(&framed(CHUNKED, &chunked));
    refused(&framed(&format!("{CHUNKED}Content-Length: {}\r\n", chunked.len()), &chunked), 400);
    refused(&framed(&format!("Content-Length: {len}\r\n{CHUNKED}"), &body), 400);
}

#[test]
fn sec_401_lengths() {
    let (body, len) = (body(), body().len());
    let twice = format!("Content-Length: {len}\r\n").repeat(2);
    refused(&framed(&twice, &body), 400);
    for value in [format!("+{len}"), format!("{len}, {len}"), format!("0{len}"), "x".into()] {
        refused(&framed(&format!("Content-Length: {value}\r\n"), &body), 400);
    }
}

#[test]
fn sec_402_transfer_encodings() {
    for value in ["gzip, chunked", "identity", "chunked, chunked", "xchunked"] {
        refused(&framed(&format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n"), 400);
    }
    refused(&framed(CHUNKED, "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"), 400);
}

#[test]
fn sec_406_chunks() {
    let (body, len) = (body(), body().len());
    accepted(&framed(
        CHUNKED,
        &format!("1;x\r\n{{\r\n{:x}\r\n{}\r\n0\r\na: b\r\n\r\n", len - 1, &body[1..]),
    ));
    for size in ["+1", "0x1", " 1", "", "-1", "g", "00000000000000001"] {
        refused(&framed(CHUNKED, &format!("{size}\r\n{{\r\n0\r\n\r\n")), 400);
    }
    refused(&framed(CHUNKED, &format!("{len:x}\n{body}\r\n0\r\n\r\n")), 400);
    refused(&framed(CHUNKED, &format!("{len:x}\r\n{body}X\r\n0\r\n\r\n")), 400);
}

#[test]
fn lim_10_bodies() {
    let padded = |len: usize| {
        let body = body();
        let blanks = " ".repeat(len - body.len());
        framed(&format!("Content-Length: {len}\r\n"), &format!("{body}{blanks}"))
    };
    accepted(&padded(4095));
    accepted(&padded(4096));
    refused(&padded(4097), 413);
    // SEC-443: from the number, before any byte of it; without end, at the limit.
    refused(&framed("Content-Length: 4294967296\r\n", ""), 413);
    refused(&framed("Content-Length: 18446744073709551615\r\n", ""), 413);
    let endless = "100\r\n".to_owned() + &" ".repeat(256) + "\r\n";
    refused(&framed(CHUNKED, &endless.repeat(17)), 413);
}

#[test]
fn lim_1_to_3_heads() {
    let with = |fields: &str| honest().replace("Host:", &format!("{fields}Host:"));
    accepted(&with("X: y\r\n"));
    refused(&honest().replace("/mcp", &format!("/mcp?{}", "x".repeat(1024))), 414);
    refused(&with(&format!("X: {}\r\n", "y".repeat(6 * 1024))), 431);
    refused(&with(&"X: y\r\n".repeat(24)), 431);
    refused(&with(&"X: y\r\n".repeat(10_000)), 431);
}

#[test]
fn sec_404_heads_that_are_no_heads() {
    for head in [
        honest().replace("\r\nHost", "\nHost"),
        honest().replace("Host: ", "Host : "),
        honest().replace("\r\nAccept", "\r\n Accept"),
        honest().replace("HTTP/1.1", "HTTP/2.0"),
        "\0\u{1}garbage\r\n\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
    ] {
        refused(&head, 400);
    }
}

#[test]
fn sec_414_a_body_is_never_read_as_a_request() {
    let smuggled = honest();
    let length = format!("Content-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    let get = format!("GET /mcp HTTP/1.1\r\nHost: device.example.com\r\n{length}");
    let bytes = [get, honest()].concat();
    assert_eq!(Device::new().statuses(bytes.as_bytes()), (vec![405, 200], false));
    let unauthenticated = post("bad", "", &smuggled);
    let bytes = [unauthenticated, honest()].concat();
    assert_eq!(Device::new().statuses(bytes.as_bytes()), (vec![401, 200], false));
    let large = post("bad", "", &" ".repeat(5000));
    assert_eq!(Device::new().statuses(large.as_bytes()), (vec![401], true));
}

#[test]
fn sec_415_an_invalid_request_behind_a_valid_one() {
    let bytes = [&honest()[..], "GARBAGE\r\n\r\n", &honest()].concat();
    assert_eq!(Device::new().statuses(bytes.as_bytes()), (vec![200, 400], true));
}

#[test]
fn sec_416_every_way_to_split_a_request() {
    let chunked = framed(CHUNKED, &format!("{:x}\r\n{}\r\n0\r\n\r\n", body().len(), body()));
    let bytes = [honest(), chunked, honest()].concat();
    let whole = Device::new().talk(bytes.as_bytes());
    assert_eq!(statuses(&whole.0), [200, 200, 200]);
    for segment_len in [1, 2, 3, 7, 64, 127, 128, 129, 500] {
        let device = Device { segment_len, ..Device::new() };
        assert_eq!(device.talk(bytes.as_bytes()), whole, "{segment_len}");
    }
}

#[test]
fn sec_417_expectations() {
    let expecting = honest().replace("Content-Length", "Expect: 100-continue\r\nContent-Length");
    assert_eq!(Device::new().statuses(expecting.as_bytes()), (vec![100, 200], false));
    let unauthenticated = expecting.replace("Bearer ", "Bearer x");
    assert_eq!(Device::new().statuses(unauthenticated.as_bytes()), (vec![401], true));
    refused(&expecting.replace("100-continue", "200-ok"), 417);
}

#[test]
fn a_connection_that_the_peer_ends() {
    let request = honest().replace("Host:", "Connection: close\r\nHost:");
    let (answer, closed) = Device::new().talk([request, honest()].concat().as_bytes());
    assert_eq!((statuses(&answer), closed), (vec![200], true));
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    refused(&honest().replace("HTTP/1.1", "HTTP/1.0"), 200);
}

#[test]
fn sec_440_slow_peers() {
    let quick = Deadlines { head_millis: 5, body_millis: 5, idle_millis: 5 };
    let device = Device { deadlines: quick, ..Device::new() };
    assert_eq!(device.statuses(b""), (vec![], true), "idle");
    assert_eq!(device.statuses(b"POST /mcp HTTP/1.1\r\n"), (vec![408], true), "head");
    let request = honest();
    let unfinished = &request[..request.len() - 1];
    assert_eq!(device.statuses(unfinished.as_bytes()), (vec![408], true), "body");
    let chunks = framed(CHUNKED, "1\r\n{\r\n");
    assert_eq!(device.statuses(chunks.as_bytes()), (vec![408], true), "chunks");
    // The usual deadlines wait for the rest; the peer's end is then what breaks it off.
    assert_eq!(Device::new().statuses(unfinished.as_bytes()), (vec![400], false));
}

#[test]
fn sec_025_nesting() {
    let nested = |depth: usize| {
        let arguments = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let params = format!(r#""name":"read_temperature","arguments":{{"a":{arguments}}}"#);
        Device::new().call("device:read", "tools/call", &params)
    };
    // The message, its params and the arguments are three levels.
    let (status, answer) = nested(13);
    assert_eq!((status, &answer["result"]["isError"]), (200, &true.into()), "an unknown argument");
    let (status, answer) = nested(14);
    assert_eq!((status, &answer["error"]["code"]), (400, &(-32700).into()));
}
