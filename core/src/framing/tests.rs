use std::{format, string::String, vec::Vec};

use super::*;

const POST: &str = "POST /mcp HTTP/1.1\r\nHost: a\r\n";
const CHUNKS: &str = "POST /mcp HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\n\r\n";

/// Reads in one piece and byte by byte, which must be the same.
fn read(text: &[u8]) -> Result<(), (usize, Part)> {
    let whole = Framing::new().accept(text).map_err(|wrong| (wrong.at, wrong.part));
    let mut framing = Framing::new();
    let split = text.iter().enumerate().try_for_each(|(index, byte)| {
        framing.accept(&[*byte]).map_err(|wrong| {
            assert_eq!(wrong.at, 0);
            (index, wrong.part)
        })
    });
    assert_eq!(whole, split, "SEC-416: {:?}", String::from_utf8_lossy(text));
    if let Err((_, part)) = split {
        let again = framing.accept(GET.as_bytes());
        assert_eq!(again, Err(Violation { at: 0, part }), "nothing behind a violation is in order");
    }
    whole
}

/// In order, and whole: what follows it is the next request.
#[track_caller]
fn good(text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    assert_eq!(read(text), Ok(()), "{:?}", String::from_utf8_lossy(text));
    let mut framing = Framing::new();
    let ends = |byte: &u8| framing.accept(&[*byte]).map(|()| framing.is_at_start());
    let ends: Result<Vec<_>, _> = text.iter().map(ends).collect();
    assert_eq!(ends.unwrap().last(), Some(&true), "{:?}", String::from_utf8_lossy(text));
}

#[track_caller]
fn bad(text: impl AsRef<[u8]>, part: Part) {
    let text = text.as_ref();
    let found = read(text).map_err(|(_, part)| part);
    assert_eq!(found, Err(part), "{:?}", String::from_utf8_lossy(text));
}

fn framed(fields: &str, body: &str) -> String {
    format!("{POST}{fields}\r\n{body}")
}

#[test]
fn sec_400_both_kinds_of_framing() {
    good(framed("Content-Length: 3\r\n", "abc"));
    good(framed("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"));
    good(framed("", ""));
    bad(framed("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "abc"), Part::Head);
    bad(framed("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"), Part::Head);
}

#[test]
fn sec_401_only_one_plain_decimal_is_a_length() {
    for value in ["3", " \t3\t ", "3 "] {
        good(framed(&format!("CONTENT-length:{value}\r\n"), "abc"));
    }
    good(framed("Content-Length: 0\r\n", ""));
    assert_eq!(read(framed("Content-Length: 18446744073709551615\r\n", "abc").as_bytes()), Ok(()));
    for value in [
        "",
        " ",
        "+3",
        "-3",
        "0x3",
        "3_0",
        "3 x",
        "3, 3",
        "3,3",
        "03",
        "00",
        "3.0",
        "1e1",
        "3 3",
        "\"3\"",
        "18446744073709551616",
        "99999999999999999999",
        "3\u{b}",
    ] {
        bad(framed(&format!("Content-Length: {value}\r\n"), "abc"), Part::Head);
    }
    for second in ["3", "4"] {
        let lines = format!("Content-Length: 3\r\nX: y\r\ncontent-length: {second}\r\n");
        bad(framed(&lines, "abc"), Part::Head);
    }
    // Other names are other fields, however they begin or end.
    for name in ["Content-Lengt", "Content-Length-", "Content_Length", "X-Content-Length"] {
        good(framed(&format!("{name}: 3, 4\r\nContent-Length: 0\r\n"), ""));
    }
}

#[test]
fn sec_402_only_one_chunked_is_a_transfer_encoding() {
    let last = "0\r\n\r\n";
    for value in ["chunked", "CHUNKED", " \tChunked\t "] {
        good(framed(&format!("transfer-ENCODING:{value}\r\n"), last));
        let text = framed(&format!("Transfer-Encoding: {value}\r\n"), last);
        bad(text.replace("HTTP/1.1", "HTTP/1.0"), Part::Head);
    }
    for value in [
        "xchunked",
        "chunked, chunked",
        ",chunked",
        "chunked,",
        "chunked, identity",
        "identity",
        "gzip, chunked",
        "",
        "chun\tked",
        "\u{b}chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked x",
    ] {
        bad(framed(&format!("Transfer-Encoding: {value}\r\n"), last), Part::Head);
    }
    bad(framed(&"Transfer-Encoding: chunked\r\n".repeat(2), last), Part::Head);
    for name in ["Transfer-Encodin", "Transfer-Encodings", "Transfer_Encoding"] {
        good(framed(&format!("{name}: gzip\r\n"), ""));
    }
}

#[test]
fn sec_403_to_sec_405_lines() {
    for line in ["X:", "X: ", "X:\ty", "!#$%&'*+-.^_`|~: y", "X: \u{e9}\u{a0}"] {
        good(framed(&format!("{line}\r\n"), ""));
    }
    for line in [
        "X : y",
        " X: y",
        "\tX: y",
        ": y",
        "X\u{1}: y",
        "X(: y",
        "X\0: y",
        "X\u{e9}: y",
        "X",
        "X: y\r\n z",
        "X: y\0",
        "X: \u{7f}",
        "X: y\rZ: w",
        "X: y\nZ: w",
        "X: y\r",
        "X: y\n\nZ: w",
    ] {
        bad(framed(&format!("{line}\r\n"), ""), Part::Head);
    }
    bad(POST.replace("\r\n", "\n"), Part::Head);
    bad(format!("{POST}\r\r\n"), Part::Head);
    bad(format!("{POST}\rX"), Part::Head);
    bad(format!("\r\n{GET}"), Part::Head);
}

#[test]
fn sec_410_sec_412_request_lines() {
    good("GET / HTTP/1.0\r\n\r\n");
    for line in [
        "",
        "GET /",
        "GET / HTTP/1.2",
        "GET / HTTP/1.32",
        "GET / HTTP/01.1",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1",
        "GET\t/ HTTP/1.1",
        "GET /#x HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        bad(format!("{line}\r\n\r\n"), Part::Head);
    }
}

#[test]
fn sec_406_to_sec_409_chunks() {
    let long = |len: u16| "x".repeat(usize::from(len));
    for body in [
        "0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "A\r\n\r\n0\r\n\r\nabc\r\n0000000a\r\n0123456789\r\n000\r\n\r\n",
        "3;a=\"b\"\r\nabc\r\n0;x\r\n\r\n",
        "0\r\nAuthorization: Bearer x\r\nContent-Length: 9\r\n\r\n",
        &format!("0;{}\r\n\r\n", long(EXTENSION_LEN_MAX)),
        &format!("0\r\n{}\r\n\r\n", long(TRAILER_LEN_MAX)),
    ] {
        good(format!("{CHUNKS}{body}"));
    }
    for body in [
        "\r\nabc",
        "0x3\r\n",
        "+3\r\n",
        "-3\r\n",
        "3_\r\n",
        " 3\r\n",
        "3 \r\n",
        "3g\r\n",
        "\t3\r\n",
        ";\r\n",
        "000000003\r\n",
        "100000000\r\n",
        "3\nabc",
        "3\rXabc",
        "3\r\nabcd\r\n",
        "3\r\nabc\n0",
        "3\r\nabc\r\n\r\n0\r\n\r\n",
        "0\r\n\n",
        "3;a=\"\n\"\r\n",
        "3;a=\"\r\n\"\r\nabc",
        "3;a\rb\r\n",
        "3\r;a\r\n",
        "3;\0\r\n",
        "0\r\na: b\nc: d\r\n",
        "0\r\na: \0\r\n",
        "0\r\na: b\r\r\n",
        &format!("0;{}", long(EXTENSION_LEN_MAX + 1)),
        &format!("0\r\n{}", long(TRAILER_LEN_MAX + 1)),
        &format!("0\r\n{}x", format!("{}\r\n", long(TRAILER_LEN_MAX / 2)).repeat(2)),
    ] {
        bad(format!("{CHUNKS}{body}"), Part::Body);
    }
}

#[test]
fn sec_414_sec_415_bodies_are_no_requests_and_what_follows_is_read_anew() {
    let hidden = "GET / HTTP/9\r\n\r\n\0";
    good(framed(&format!("Content-Length: {}\r\n", hidden.len()), hidden));
    good(framed(
        "Transfer-Encoding: chunked\r\n",
        &format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()),
    ));
    bad(framed("Content-Length: 0\r\n", hidden), Part::Head);
    // What one head says is not said of the next one.
    let first = framed("Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
    good(format!("{first}{}{first}", framed("Content-Length: 3\r\n", "abc")));
    let pieces: Vec<_> = [GET.as_bytes(), b"GARBAGE\r\n\r\n"].concat();
    assert_eq!(read(&pieces), Err((GET.len() + "GARBAGE".len(), Part::Head)));
}
