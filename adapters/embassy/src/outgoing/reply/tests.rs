use super::*;
use embassy_futures::block_on;
use portcullis_core::limits;
use std::{format, string::String, vec, vec::Vec};

/// Bytes that come in pieces, and then the end.
struct Wire<'b> {
    bytes: &'b [u8],
    piece_len: usize,
    taken: usize,
}

impl embedded_io_async::ErrorType for Wire<'_> {
    type Error = core::convert::Infallible;
}

impl Read for Wire<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let len = buffer.len().min(self.piece_len).min(self.bytes.len() - self.taken);
        buffer[..len].copy_from_slice(&self.bytes[self.taken..self.taken + len]);
        self.taken += len;
        Ok(len)
    }
}

/// The answer, its body, and how many bytes were taken.
fn read_in(
    bytes: &[u8],
    room: usize,
    piece_len: usize,
) -> (Result<(Reply, Vec<u8>), ReplyError>, usize) {
    let mut wire = Wire { bytes, piece_len, taken: 0 };
    // Behind the room nothing may change.
    let mut memory = vec![0xa5; room + 8];
    let reply = block_on(receive(&mut wire, &mut memory[..room], ROOM, |_, _| {}));
    assert!(memory[room..].iter().all(|byte| *byte == 0xa5));
    (reply.map(|reply| (reply, memory[..reply.body_len].to_vec())), wire.taken)
}

const ROOM: usize = limits::METADATA_LEN_MAX;

#[track_caller]
fn good(text: &str, status: u16, body: &str) -> Reply {
    // An answer behind is not touched, and however the bytes come, the answer is the same.
    let bytes = [text.as_bytes(), b"HTTP/1.1 200 OK\r\n"].concat();
    let (reply, taken) = read_in(&bytes, ROOM, usize::MAX);
    assert_eq!(taken, text.len(), "{text:?}");
    for piece_len in [1, 2, 7] {
        assert_eq!(read_in(&bytes, ROOM, piece_len), (reply.clone(), taken), "{text:?}");
    }
    let (reply, read) = reply.unwrap_or_else(|error| panic!("{error:?}: {text:?}"));
    assert_eq!((reply.status, read.as_slice()), (status, body.as_bytes()), "{text:?}");
    // Cut anywhere it is no answer.
    for len in 0..text.len() {
        let expected = if len == 0 { ReplyError::Nothing } else { ReplyError::Broken };
        assert_eq!(read_in(&bytes[..len], ROOM, usize::MAX).0, Err(expected), "{len} of {text:?}");
    }
    reply
}

#[track_caller]
fn bad(text: &str, expected: ReplyError) {
    assert_eq!(read_in(text.as_bytes(), ROOM, usize::MAX).0, Err(expected), "{text:?}");
}

fn with(fields: &str, rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{rest}")
}

const JSON: &str = "Content-Type: application/json\r\n";
const LENGTH: &str = "Content-Length: 2\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const CHUNKS: &str = "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";

#[test]
fn an_answer_by_length_and_by_chunks() {
    for (fields, rest) in [(LENGTH, "{}"), (CHUNKED, CHUNKS), ("content-length:2\r\n", "{}")] {
        let reply = good(&with(&format!("{JSON}{fields}"), rest), 200, "{}");
        assert!(reply.is_json && reply.keeps_open);
        let reply =
            good(&with(&format!("{fields}connection: keep-alive, Close\r\n"), rest), 200, "{}");
        assert!(!reply.is_json && !reply.keeps_open);
    }
    let reply = good(
        "HTTP/1.0 200\r\nContent-Length: 2\r\nContent-Encoding: identity\r\n\r\n{}",
        200,
        "{}",
    );
    assert!(!reply.keeps_open);
    good("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
    good("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503, "");
}

#[test]
fn a_repeated_content_type_is_none() {
    let fields = format!("{JSON}{JSON}{LENGTH}");
    assert!(!good(&with(&fields, "{}"), 200, "{}").is_json);
    let fields = format!("Content-Type: application/json;charset=utf-8\r\n{LENGTH}");
    assert!(good(&with(&fields, "{}"), 200, "{}").is_json);
    let fields = format!("Content-Type: text/html\r\n{LENGTH}");
    assert!(!good(&with(&fields, "{}"), 200, "{}").is_json);
}

#[test]
fn sec_420_ends_that_are_not_known_for_sure() {
    for fields in [
        // Up to the end of the connection: it may have been cut.
        "",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 02\r\n",
        "Content-Length: \r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Encoding: gzip\r\nContent-Length: 2\r\n",
    ] {
        bad(&with(fields, "{}"), ReplyError::Malformed);
    }
    bad(
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        ReplyError::Malformed,
    );
}

#[test]
fn sec_420_bad_chunks() {
    for chunks in
        ["x\r\n", "2\n{}", "2\r\n{}x", "+2\r\n{}\r\n", "2 \r\n{}\r\n", "\r\n", "100000000\r\n"]
    {
        bad(&with(CHUNKED, chunks), ReplyError::Malformed);
    }
}

#[test]
fn sec_419_statuses_without_a_body() {
    for status in [204, 205, 304] {
        for fields in [LENGTH, CHUNKED] {
            bad(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n{{}}"), ReplyError::Malformed);
        }
    }
}

#[test]
fn sec_420_interim_answers_are_bounded() {
    let interim = |count: usize| "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".repeat(count);
    let last = with(LENGTH, "{}");
    good(&last, 200, "{}");
    let read = |count| read_in(format!("{}{last}", interim(count)).as_bytes(), ROOM, 5).0;
    assert_eq!(read(INTERIM_MAX - 1).unwrap().1, b"{}");
    assert_eq!(read(INTERIM_MAX).unwrap().1, b"{}");
    assert_eq!(read(INTERIM_MAX + 1), Err(ReplyError::TooLong));
    bad("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", ReplyError::Malformed);
    bad(&format!("HTTP/1.1 100 Continue\r\n{LENGTH}\r\n{{}}"), ReplyError::Malformed);
}

#[test]
fn sec_420_heads_that_are_no_http() {
    for head in [
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "<html>\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\rX",
        "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n Content-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        bad(head, ReplyError::Malformed);
    }
}

#[test]
fn sec_420_heads_are_bounded() {
    let head = |len: usize| with(&format!("A: {}\r\n{LENGTH}", "a".repeat(len)), "{}");
    let fixed = head(0).len() - 2;
    good_len(&head(ROOM - fixed - 1));
    good_len(&head(ROOM - fixed));
    bad(&head(ROOM - fixed + 1), ReplyError::TooLong);
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(100_000));
    let (reply, taken) = read_in(endless.as_bytes(), ROOM, usize::MAX);
    assert_eq!((reply, taken), (Err(ReplyError::TooLong), ROOM));
    let fields = |count: usize| with(&format!("{LENGTH}{}", "A: b\r\n".repeat(count - 1)), "{}");
    good_len(&fields(FIELDS_MAX - 1));
    good_len(&fields(FIELDS_MAX));
    bad(&fields(FIELDS_MAX + 1), ReplyError::TooLong);
}

#[track_caller]
fn good_len(text: &str) {
    assert!(read_in(text.as_bytes(), ROOM, usize::MAX).0.is_ok());
}

#[test]
fn lim_11_bodies_on_both_sides_of_the_limit() {
    let by_length = |len: usize| with(&format!("Content-Length: {len}\r\n"), &"x".repeat(len));
    let by_chunks = |len: usize| {
        let chunks: String = (0..len).map(|_| "1;ext\r\nx\r\n").collect();
        with(CHUNKED, &format!("{chunks}0\r\n\r\n"))
    };
    for text in [by_length, by_chunks as fn(usize) -> String] {
        for len in [ROOM - 1, ROOM] {
            let (_, body) = read_in(text(len).as_bytes(), ROOM, usize::MAX).0.unwrap();
            assert_eq!(body.len(), len);
            // Larger memory does not move the limit, smaller memory does.
            let (_, body) = read_in(text(len).as_bytes(), 2 * ROOM, usize::MAX).0.unwrap();
            assert_eq!(body.len(), len);
            assert_eq!(read_in(text(len).as_bytes(), len - 1, 64).0, Err(ReplyError::TooLong));
        }
        for room in [ROOM, 2 * ROOM] {
            let read = read_in(text(ROOM + 1).as_bytes(), room, usize::MAX).0;
            assert_eq!(read, Err(ReplyError::TooLong));
        }
    }
    // SEC-443: refused from the number.
    for len in ["4294967296", "18446744073709551615"] {
        bad(&with(&format!("Content-Length: {len}\r\n"), ""), ReplyError::TooLong);
    }
}

/// Answers with bytes changed, left out and put in: never a panic, never a byte too far, and what is accepted is
/// accepted in pieces too.
#[test]
fn sec_522_whatever_comes_is_read_within_bounds() {
    let seeds = [
        with(&format!("{JSON}{LENGTH}"), "{}"),
        with(&format!("{JSON}{CHUNKED}"), CHUNKS),
        format!(
            "HTTP/1.1 100 Continue\r\n\r\n{}",
            with(CHUNKED, "3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n")
        ),
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".into(),
    ];
    const ALPHABET: &[u8] = b"\r\n\0 :;,0123456789afAFx{}HTP/.-\x80\xff";
    let mut state = 0x5eed_u64;
    let mut random = move |below: usize| {
        // Xorshift: the same cases each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut accepted = 0;
    for round in 0..40_000 {
        let mut bytes = seeds[round % seeds.len()].clone().into_bytes();
        for _ in 0..=random(3) {
            let place = random(bytes.len().max(1));
            match random(4) {
                0 if !bytes.is_empty() => bytes[place] = ALPHABET[random(ALPHABET.len())],
                1 => bytes.insert(place, ALPHABET[random(ALPHABET.len())]),
                2 if !bytes.is_empty() => bytes.truncate(bytes.len().min(place + 1)),
                _ => drop(bytes.drain(place.min(bytes.len())..bytes.len().min(place + 2))),
            }
        }
        let room = 1 + random(300);
        let (reply, taken) = read_in(&bytes, room, usize::MAX);
        assert!(taken <= bytes.len());
        assert_eq!(read_in(&bytes, room, 1 + random(9)), (reply.clone(), taken));
        if let Ok((reply, body)) = reply {
            accepted += 1;
            assert!((200..1000).contains(&reply.status) && body.len() <= room);
        }
    }
    assert!(accepted > 1_000, "the cases are not all refused: {accepted}");
}
