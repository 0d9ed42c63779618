//! However a connection's bytes are cut, the device gives the same answers, each with the length it says; a head
//! that two readers could take differently is refused, and what is served stands in the bytes.
#![no_main]

use std::{
    cell::RefCell,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{ErrorType, Read, Write};
use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::scratch::Scratch,
    jwt::{HmacKey, KeyId, KeyRing, MintClaims, mint},
    resource_server::{Configuration, ResourceServer, TrustedIssuer, Verification},
    scope::ScopeSet,
    time::UnixTime,
};
use portcullis_embassy::{Clock, Memory, Reply, Request, Server, Service};
use portcullis_fuzz::token;

/// More than this is only slow: a connection ends at the first body beyond its limit.
const INPUT_LEN_MAX: usize = 64 * 1024;

// The first byte: how long the pieces are; then the bytes, in which `$` stands for a good token.
fuzz_target!(|data: &[u8]| {
    let Some((piece_len, data)) = data.split_first() else { return };
    let token = good_token();
    let mut input = Vec::new();
    for byte in data {
        match byte {
            b'$' => input.extend_from_slice(token.as_bytes()),
            byte => input.push(*byte),
        }
    }
    if input.len() > INPUT_LEN_MAX {
        return;
    }
    let whole = talk(&input, usize::MAX);
    assert_eq!(whole, talk(&input, usize::from(*piece_len).max(1)), "cut another way");
    let (answers, bodies) = whole;
    let statuses = statuses(&answers, contains(&input, b"HEAD"));
    assert!(!statuses.contains(&101), "nothing is switched to");
    head_of_the_first(&input, &statuses, &bodies);
    // Chunks are joined; every other body is a part of what came.
    if !contains(&input.to_ascii_lowercase(), b"chunked") {
        assert!(bodies.iter().all(|body| contains(&input, body)));
    }
    assert!(bodies.iter().map(Vec::len).sum::<usize>() <= input.len());
});

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// The statuses of all answers, which follow each other without a gap.
fn statuses(answers: &[u8], some_are_without_body: bool) -> Vec<u16> {
    let (mut rest, mut statuses) = (answers, Vec::new());
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = core::str::from_utf8(&rest[..end]).expect("text");
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3));
        statuses.push(status.and_then(|status| status.parse().ok()).expect("a status"));
        let length = fields.split("\r\n").filter(|field| !field.is_empty()).find_map(|field| {
            let (name, value) = field.split_once(':').expect("a field");
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().expect("a length"))
        });
        rest = &rest[end + 4..];
        if some_are_without_body {
            rest = &rest
                [rest.windows(9).position(|nine| nine == b"HTTP/1.1 ").unwrap_or(rest.len())..];
        } else {
            rest = &rest[length.unwrap_or(0)..];
        }
    }
    statuses
}

/// What another reader sees in the first head, where it makes a request one that must not be served.
fn head_of_the_first(input: &[u8], statuses: &[u16], bodies: &[Vec<u8>]) {
    let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
        return assert!(bodies.is_empty(), "served without a whole head");
    };
    let head = &input[..end];
    let lines: Vec<_> = head.split(|byte| *byte == b'\n').collect();
    let (last, inner) = lines.split_last().expect("at least one");
    let is_clean =
        |line: &[u8]| line.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    // SEC-404, SEC-405: a line ends by CR LF, and no other control character stands anywhere.
    let lines_are_clean =
        is_clean(last) && inner.iter().all(|line| line.strip_suffix(b"\r").is_some_and(is_clean));
    let line = String::from_utf8_lossy(lines[0]);
    let target = line.split(' ').nth(1).unwrap_or_default().to_ascii_lowercase();
    // SEC-412: a path, or the absolute form. What stands behind a path is never looked at.
    let path = target.split('?').next().unwrap_or_default();
    let is_target = ["/", "http://", "https://"].iter().any(|start| target.starts_with(start))
        && !path.contains(['#', '\\'])
        && target.is_ascii();
    let values = |wanted: &str| -> Vec<&[u8]> {
        let fields = lines.iter().skip(1).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        });
        let named = fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        named.map(|(_, value)| value).collect()
    };
    // SEC-413: one host, and the device's own; the metadata is for everybody.
    let hosts = values("host");
    let is_host = !line.starts_with("POST ")
        || matches!(hosts.as_slice(), [host] if host.eq_ignore_ascii_case(b"mcp.example.com")
            || host.eq_ignore_ascii_case(b"mcp.example.com:443"));
    // SEC-400 to SEC-402: one way to know where the body ends.
    let (lengths, encodings) = (values("content-length"), values("transfer-encoding"));
    let is_framed = lengths.len() + encodings.len() <= 1;
    if !(lines_are_clean && is_target && is_host && is_framed) {
        assert!(statuses.first().is_none_or(|status| *status >= 400), "{statuses:?}");
    }
}

struct Hands;

impl Clock for Hands {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(token::NOW))
    }
}

/// Keeps the bodies that it is given.
struct Keeper<'k>(&'k RefCell<Vec<Vec<u8>>>);

impl Service for Keeper<'_> {
    async fn answer<'s>(&'s self, request: Request<'_, 's>, _: &mut Scratch<'s>) -> Reply<'s> {
        self.0.borrow_mut().push(request.body.to_vec());
        Reply::Accepted
    }
}

/// A connection in memory, whose bytes come in pieces.
struct Wire<'w> {
    input: &'w [u8],
    piece_len: usize,
    output: Vec<u8>,
}

impl ErrorType for Wire<'_> {
    type Error = core::convert::Infallible;
}

impl Read for Wire<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let len = self.piece_len.min(buffer.len()).min(self.input.len());
        let (piece, rest) = self.input.split_at(len);
        buffer[..len].copy_from_slice(piece);
        self.input = rest;
        Ok(len)
    }
}

impl Write for Wire<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

fn good_token() -> String {
    let claims = MintClaims {
        issuer: token::ISSUER,
        audience: &[token::RESOURCE],
        subject: "u1",
        client_id: "c1",
        scope: ScopeSet::EMPTY,
        issued_at: UnixTime::from_secs(token::NOW),
        expires_at: UnixTime::from_secs(token::NOW + 600),
        id: "t1",
    };
    let (key, id) = key();
    mint(&claims, &key, &id, &mut [0; 1024]).expect("a token").to_owned()
}

fn key() -> (HmacKey, KeyId) {
    (HmacKey::new(&[7; 32]).expect("a long key"), KeyId::new(token::KEY_ID).expect("a plain id"))
}

/// Everything that the device answers to these bytes, and the bodies that it serves.
fn talk(input: &[u8], piece_len: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (key, id) = key();
    let ring = KeyRing::new(id, key);
    let verification = Verification::Offline(&ring);
    let issuers = [TrustedIssuer { identifier: token::ISSUER, verification }];
    let configuration = Configuration::new(token::RESOURCE, &issuers);
    let mut memory = [0; 1024];
    let resource_server = ResourceServer::new(configuration, &mut Scratch::new(&mut memory));
    let resource_server = resource_server.expect("sound");
    let bodies = RefCell::default();
    let server = Server::new(&resource_server, Keeper(&bodies), Hands);
    let mut memory = Box::new(<Memory>::new());
    let mut wire = Wire { input, piece_len, output: Vec::new() };
    {
        let mut serve = pin!(server.serve(&mut wire, &mut memory));
        let polled = serve.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(())), "waits, with all bytes there");
    }
    (wire.output, bodies.into_inner())
}
