//! Whatever the network answers: discovery ends, asks no URL that its policy forbids, and finds only a
//! pair of documents that name each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    client::{Discovery, Machine, Output, Preferences, UrlPolicy},
    encoding::scratch::Scratch,
    message::{Field, IncomingResponse},
};
use portcullis_fuzz::{json::Tree, split_line};
use url::Url;

const FETCHES_MAX: usize = 3 + 4 * 3;

// First line: the server's URL. Each further line is one answer: `0` for none, `4` for 404, `5` for 500,
// else 200 and the line is the body.
fuzz_target!(|data: &[u8]| {
    let (server, answers) = split_line(data);
    let Ok(server) = core::str::from_utf8(server) else { return };
    let policy = UrlPolicy::for_server(server);
    let preferences = Preferences { url_policy: policy, ..Preferences::default() };
    let mut buffer = vec![0; 64 * 1024];
    let mut scratch = Scratch::new(&mut buffer);
    let Ok(mut discovery) = Discovery::new(server, None, preferences, &mut scratch) else { return };
    let mut answers = answers.split(|byte| *byte == b'\n');
    let mut documents = Vec::new();
    let mut fetches = 0;
    while let Output::Fetch(request) = discovery.poll() {
        fetches += 1;
        assert!(fetches <= FETCHES_MAX, "endless");
        let url = Url::parse(request.url).expect("a URL that others read too");
        let loopback = url.scheme() == "http" && policy == UrlPolicy::HttpsOrLoopback;
        assert!(url.scheme() == "https" || loopback, "{url}");
        assert!(url.username().is_empty() && url.fragment().is_none(), "{url}");
        assert!(request.body.is_empty() && request.authorization.is_none());
        let (status, body) = match answers.next().unwrap_or(b"4") {
            b"0" => {
                let failure = portcullis_core::client::FetchFailure::TimedOut;
                discovery.handle_response(Err(failure), &mut scratch);
                continue;
            }
            b"4" => (404, &b"{}"[..]),
            b"5" => (500, &b"{}"[..]),
            body => (200, body),
        };
        documents.push(body);
        let content_type = Field::One(b"application/json");
        let response = IncomingResponse { status, content_type, body };
        discovery.handle_response(Ok(response), &mut scratch);
    }
    let Ok(found) = discovery.finish() else { return };
    let trees: Vec<_> =
        documents.iter().filter_map(|document| Tree::by_serde(document).ok()).collect();
    let resource = trees.iter().find(|tree| tree.text_member("resource") == Some(found.resource()));
    let listed = resource.and_then(|tree| tree.member("authorization_servers")?.texts());
    assert!(listed.is_some_and(|listed| listed.contains(&found.issuer())));
    let server_document = trees.last().expect("the last one was read");
    assert_eq!(server_document.text_member("issuer"), Some(found.issuer()));
    assert_eq!(server_document.text_member("token_endpoint"), Some(found.token_endpoint()));
    let methods = server_document.member("code_challenge_methods_supported").and_then(Tree::texts);
    assert!(methods.is_some_and(|methods| methods.contains(&"S256")));
    let (resource, server) = (Url::parse(found.resource()), Url::parse(server));
    assert_eq!(resource.map(|url| url.origin()), server.map(|url| url.origin()));
});
