//! Requests that are in order end where httparse, which hyper reads them with, has them end, and what
//! frames them is said once; however the bytes are cut, the same is read.
#![no_main]

use httparse::Status::Complete;
use libfuzzer_sys::fuzz_target;
use portcullis_core::framing::Framing;

fuzz_target!(|data: &[u8]| {
    let (mut framing, mut start) = (Framing::new(), 0);
    let mut verdict = Ok(());
    for (index, byte) in data.iter().enumerate() {
        verdict = framing.accept(&[*byte]).map_err(|wrong| (index, wrong.part));
        if verdict.is_err() {
            break;
        }
        if framing.is_at_start() {
            ended(&data[start..=index]);
            start = index + 1;
        }
    }
    let cut = data.last().map_or(0, |last| usize::from(*last) % data.len());
    let (first, second) = data.split_at(cut);
    let mut framing = Framing::new();
    let first = framing.accept(first).map_err(|wrong| (wrong.at, wrong.part));
    let behind = |()| framing.accept(second).map_err(|wrong| (cut + wrong.at, wrong.part));
    assert_eq!(verdict, first.and_then(behind));
});

/// One whole request. What httparse refuses goes nowhere.
fn ended(request: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut head = httparse::Request::new(&mut fields);
    let Ok(parsed) = head.parse(request) else { return };
    let Complete(len) = parsed else { panic!("it goes on") };
    let values = |name: &str| -> Vec<&[u8]> {
        let own = head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        own.map(|field| field.value).collect()
    };
    let body = &request[len..];
    match (values("content-length").as_slice(), values("transfer-encoding").as_slice()) {
        ([], []) => assert!(body.is_empty()),
        ([len], []) => {
            let len = std::str::from_utf8(len).expect("digits");
            assert_eq!(len.parse(), Ok(body.len()));
            assert_eq!(len, body.len().to_string());
        }
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && head.version == Some(1));
            chunked(body);
        }
        several => panic!("{several:?}"),
    }
}

fn chunked(mut body: &[u8]) {
    loop {
        let Ok(Complete((start, size))) = httparse::parse_chunk_size(body) else {
            panic!("no chunk: {body:?}")
        };
        body = &body[start..];
        if size == 0 {
            break;
        }
        let (data, rest) = body.split_at(usize::try_from(size).expect("a size"));
        assert_eq!(data.len() as u64, size);
        body = rest.strip_prefix(b"\r\n").expect("the end of a chunk");
    }
    let mut trailers = [httparse::EMPTY_HEADER; 256];
    if let Ok(parsed) = httparse::parse_headers(body, &mut trailers) {
        assert!(matches!(parsed, Complete((len, _)) if len == body.len()), "{body:?}");
    }
}
