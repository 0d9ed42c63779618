//! Heads, from both sides of every rule.

use super::*;
use std::{format, string::String, vec, vec::Vec};

const LIMITS: HeadLimits =
    HeadLimits { request_line_len_max: 64, section_len_max: 128, fields_max: 4 };

/// A head that was read, and what is left behind it.
struct Read {
    method: String,
    target: String,
    host: String,
    left: Vec<u8>,
}

fn read(bytes: &[u8], room: usize) -> Result<Read, HeadError> {
    let mut buffer = vec![0; room];
    let mut incoming = Incoming::new(LIMITS, &mut buffer);
    let len = bytes.iter().position(|byte| incoming.accept(*byte));
    let received = if len.is_some() { Ok(()) } else { Err(LinkError::Closed) };
    let Head { request, .. } = incoming.end::<4>(received)?;
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Read {
        method: request.method.into(),
        target: format!("{}{query}", request.path),
        host: format!("{:?}", request.host),
        left: bytes.iter().skip(len.unwrap() + 1).copied().collect(),
    })
}

#[track_caller]
fn bad(head: &str, expected: HeadError) {
    bad_bytes(head.as_bytes(), expected);
}

#[track_caller]
fn bad_bytes(head: &[u8], expected: HeadError) {
    let got = read(head, 512);
    assert_eq!(got.err(), Some(expected), "{:?}", String::from_utf8_lossy(head));
}

#[test]
fn a_head_and_nothing_behind_it() {
    let bytes = b"POST /mcp?a HTTP/1.1\r\nHost:  \xa0h\x85\t\r\nEmpty:\r\n\r\nGET / HTTP/1.1\r\n";
    let Read { method, target, host, left } = read(bytes, 512).unwrap();
    assert_eq!((method.as_str(), target.as_str()), ("POST", "/mcp?a"));
    // SEC-405: bytes beyond ASCII are opaque, and no blanks.
    assert_eq!(host, "One(3 bytes)");
    assert_eq!(left, b"GET / HTTP/1.1\r\n");
    for method in ["post", "FROBNICATE", "a!#$%&'*+-.^_`|~9"] {
        let head = format!("{method} / HTTP/1.0\r\n\r\n");
        assert_eq!(read(head.as_bytes(), 512).unwrap().method, method, "as it was spelled");
    }
}

#[test]
fn sec_120_every_line_of_a_name_is_kept() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n";
    assert_eq!(read(bytes, 512).unwrap().host, "Repeated");
}

#[test]
fn sec_403_names() {
    for name in ["Host ", " Host", "", "Ho st", "Ho(st", "Ho\0st", "Ho\tst", "H\u{f6}st", "\u{7f}"]
    {
        bad(&format!("GET / HTTP/1.1\r\n{name}: x\r\n\r\n"), HeadError::Malformed);
    }
}

#[test]
fn sec_404_lines() {
    for head in [
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n",
        "GET / HTTP/1.1\r\nA\r\n\r\n",
        "GET / HTTP/1.1\nA: b\n\n\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\n\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\n",
        "GET / HTTP/1.1\r\nA: b\r\n\rX\r\n",
        "GET / HTTP/1.1\r\nA: b\rc: d\r\n\r\n",
        "GET / HTTP/1.1\rA: b\r\n\r\n",
    ] {
        bad(head, HeadError::Malformed);
    }
}

#[test]
fn sec_405_control_characters_in_values() {
    for byte in (0..0x20_u8).filter(|byte| *byte != b'\t').chain([0x7f]) {
        let head = [b"GET / HTTP/1.1\r\nA: b", &[byte][..], b"c\r\n\r\n"].concat();
        bad_bytes(&head, HeadError::Malformed);
    }
    assert!(read(b"GET / HTTP/1.1\r\nA: b\tc\r\n\r\n", 512).is_ok());
}

#[test]
fn sec_410_request_lines() {
    for line in [
        "GET /\tHTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /",
        "GET",
        "",
        "GET  HTTP/1.1",
        "/ HTTP/1.1",
        "GET / HTTP/1.32",
        "GET / HTTP/01.1",
        "GET / HTTP/2.0",
        "GET / HTTP/257.1",
        "GET / http/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/0.9",
        "GET / HTTPS/1.1",
        "GET / x HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        bad(&format!("{line}\r\nA: b\r\n\r\n"), HeadError::Malformed);
    }
}

#[test]
fn sec_411_methods() {
    for method in ["G(T", "G\0T", "GET:", "\u{e9}", "G\u{7f}T", "\"GET\""] {
        bad(&format!("{method} / HTTP/1.1\r\n\r\n"), HeadError::Malformed);
    }
}

#[test]
fn sec_412_targets() {
    for target in ["/\u{e9}", "/\u{7f}", "/a b", "/\u{1}"] {
        bad(&format!("GET {target} HTTP/1.1\r\n\r\n"), HeadError::Malformed);
    }
}

#[test]
fn lim_1_request_line() {
    let head = |len: usize| {
        let rest = len - "GET / HTTP/1.1\r\n".len();
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(rest))
    };
    assert!(read(head(63).as_bytes(), 512).is_ok());
    assert!(read(head(64).as_bytes(), 512).is_ok());
    bad(&head(65), HeadError::RequestLine);
    // Refused at the limit, whatever would follow.
    bad(&format!("GET /{}", "a".repeat(60)), HeadError::RequestLine);
}

#[test]
fn lim_2_header_section() {
    let head = |len: usize| {
        let rest = len - "A: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(rest))
    };
    assert!(read(head(127).as_bytes(), 512).is_ok());
    assert!(read(head(128).as_bytes(), 512).is_ok());
    bad(&head(129), HeadError::Section);
    // A smaller buffer is a smaller limit.
    let bytes = head(100);
    assert!(read(bytes.as_bytes(), bytes.len()).is_ok());
    assert_eq!(read(bytes.as_bytes(), bytes.len() - 1).err(), Some(HeadError::Section));
}

#[test]
fn lim_3_header_fields() {
    let head = |fields: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(fields));
    assert!(read(head(3).as_bytes(), 512).is_ok());
    assert!(read(head(4).as_bytes(), 512).is_ok());
    bad(&head(5), HeadError::Section);
}

#[test]
fn a_head_that_breaks_off() {
    let whole = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
    for len in 0..whole.len() {
        assert_eq!(read(&whole[..len], 512).err(), Some(HeadError::Closed), "{len}");
    }
    assert!(read(whole, 512).is_ok());
}

#[test]
fn sec_400_framing_that_is_not_known() {
    let head = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    bad(head, HeadError::Framing(FramingError::Both));
}

#[test]
fn every_fault_has_its_status() {
    let statuses = [
        HeadError::Framing(FramingError::Both),
        HeadError::Framing(FramingError::Expectation),
        HeadError::Malformed,
        HeadError::RequestLine,
        HeadError::Section,
        HeadError::Deadline,
        HeadError::Closed,
    ]
    .map(HeadError::status);
    assert_eq!(statuses, [Some(400), Some(417), Some(400), Some(414), Some(431), Some(408), None]);
}
