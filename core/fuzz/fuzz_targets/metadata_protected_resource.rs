//! What is parsed is what another parser reads; written again it is the same document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::scratch::Scratch,
    metadata::{
        protected_resource::{BearerMethods, ProtectedResource},
        well_known,
    },
};
use portcullis_fuzz::{json::Tree, split_line};
use url::Url;

// First line: the URL of a server; then the document.
fuzz_target!(|data: &[u8]| {
    let (server, document) = split_line(data);
    let Ok(server) = core::str::from_utf8(server) else { return };
    if let Ok(candidates) = well_known::prm_candidates(server) {
        assert!(candidates.count() <= 3);
    }
    let mut buffer = vec![0; document.len() * 2];
    let Ok(parsed) = ProtectedResource::parse(document, &mut Scratch::new(&mut buffer)) else {
        return;
    };
    let Some(tree) = Tree::accepted(document) else { return };
    assert_eq!(tree.text_member("resource"), Some(parsed.resource));
    assert_eq!(tree.text_member("resource_name"), parsed.resource_name);
    let servers = tree.member("authorization_servers").and_then(Tree::texts).expect("required");
    assert!(!parsed.authorization_servers.is_empty());
    assert!(parsed.authorization_servers.iter().all(|server| servers.contains(server)));
    assert_eq!(parsed.authorization_servers.first(), servers.first());

    let mut out = vec![0; document.len() * 6 + 256];
    let written = parsed.write(&mut out).expect("room for it").to_owned();
    assert!(!written.contains(['<', '>', '&']), "safe in a page: {written}");
    let mut buffer = vec![0; written.len() * 2];
    let again = ProtectedResource::parse(written.as_bytes(), &mut Scratch::new(&mut buffer));
    // That there is no way to send a token is never written: no server of ours is so.
    if parsed.bearer_methods_supported != BearerMethods::WithoutHeader {
        assert_eq!(again.as_ref(), Ok(&parsed));
    }

    if parsed.matches(server) {
        if let (Ok(resource), Ok(server)) = (Url::parse(parsed.resource), Url::parse(server)) {
            assert_eq!(resource.origin(), server.origin());
            let prefix = resource.path().trim_end_matches('/');
            assert!(server.path().starts_with(prefix));
        }
    }
    assert!(!parsed.matches_exactly(server) || parsed.resource == server);
});
