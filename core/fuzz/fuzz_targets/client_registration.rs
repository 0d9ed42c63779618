//! A registration gives a client only if the answer, as another parser reads it, is one to our request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    client::{Machine, Output, Registration},
    encoding::scratch::Scratch,
    time::UnixTime,
};
use portcullis_fuzz::{json::Tree, site, split_line};

// First line: the status, `1` for 201, `4` for 400, `5` for 503; then the body.
fuzz_target!(|data: &[u8]| {
    let (status, body) = split_line(data);
    let status = match status {
        b"4" => 400,
        b"5" => 503,
        _ => 201,
    };
    let mut buffer = vec![0; 16 * 1024 + body.len() * 3];
    let mut scratch = Scratch::new(&mut buffer);
    let discovered = site::discovered(true, &mut scratch);
    let now = Some(UnixTime::from_secs(1_800_000_000));
    let mut registration =
        Registration::new(&discovered, &site::stranger(), now, &mut scratch).expect("a way");
    let Output::Fetch(request) = registration.poll() else { panic!("nobody knows us") };
    let asked = Tree::by_serde(request.body).expect("a request is JSON");
    assert_eq!(asked.member("redirect_uris").and_then(Tree::texts), Some(vec![site::REDIRECT]));
    assert_eq!(request.url, "https://as.example/register");
    site::answer(&mut registration, status, body, &mut scratch);
    assert!(matches!(registration.poll(), Output::Done));
    let Ok(client) = registration.finish() else { return };
    assert_eq!(status, 201);
    let Some(answer) = Tree::accepted(body) else { return };
    assert_eq!(answer.text_member("client_id"), Some(client.id()));
    assert!(!client.id().is_empty() && client.id().is_ascii());
    assert_eq!(client.issuer(), site::ISSUER);
    if let Some(uris) = answer.member("redirect_uris") {
        assert!(uris.texts().is_some_and(|uris| uris.contains(&site::REDIRECT)));
    }
});
