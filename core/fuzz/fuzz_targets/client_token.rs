//! Tokens are taken only from an answer that says the same to another parser; the request is the one of
//! RFC 6749 §4.1.3 with the resource, to the issuer's own endpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    client::{Callback, Machine, Output, TokenRequest},
    encoding::scratch::Scratch,
};
use portcullis_fuzz::{site, split_line};

// First line: the status, `4` for 400, `5` for 503, else 200; then the body.
fuzz_target!(|data: &[u8]| {
    let (status, body) = split_line(data);
    let status = match status {
        b"4" => 400,
        b"5" => 503,
        _ => 200,
    };
    let mut buffer = vec![0; 16 * 1024 + body.len() * 3];
    let mut scratch = Scratch::new(&mut buffer);
    let mut authorization = site::authorization(false, &mut scratch);
    let query = format!("code=a%2Bb&state={}", site::state_of(&authorization));
    let Callback::Granted(grant) = authorization.handle_callback(&query, &mut scratch) else {
        panic!("an honest callback")
    };
    let mut request = TokenRequest::code(grant, None, &mut scratch).expect("room for it");
    let Output::Fetch(sent) = request.poll() else { panic!("not asked yet") };
    assert_eq!(sent.url, "https://as.example/token");
    let pairs: Vec<_> = form_urlencoded::parse(sent.body).into_owned().collect();
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "a+b"),
        ("redirect_uri", site::REDIRECT),
        ("resource", site::SERVER),
        ("client_id", "c1"),
    ] {
        let values: Vec<_> = pairs.iter().filter(|(known, _)| known == name).collect();
        assert!(matches!(values.as_slice(), [(_, sent)] if sent == value), "{name}");
    }
    site::answer(&mut request, status, body, &mut scratch);
    assert!(matches!(request.poll(), Output::Done));
    let debug = format!("{request:?}");
    let Ok(tokens) = request.finish() else { return };
    assert_eq!(status, 200);
    site::are_of(&tokens, body, true);
    let secret = tokens.access_token().expose();
    assert!(secret.len() < 8 || !debug.contains(secret), "a secret in {debug}");
});
