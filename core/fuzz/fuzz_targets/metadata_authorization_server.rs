//! What is parsed is what another parser reads, and only the exact issuer validates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::{scratch::Scratch, text::TextWriter},
    metadata::{authorization_server::AuthorizationServer, well_known},
};
use portcullis_fuzz::{json::Tree, split_line};

// First line: an issuer; then the document.
fuzz_target!(|data: &[u8]| {
    let (issuer, document) = split_line(data);
    let Ok(issuer) = core::str::from_utf8(issuer) else { return };
    well_known_urls(issuer);
    let mut buffer = vec![0; document.len() * 2];
    let Ok(parsed) = AuthorizationServer::parse(document, &mut Scratch::new(&mut buffer)) else {
        return;
    };
    let Some(tree) = Tree::accepted(document) else { return };
    for (name, value) in [
        ("registration_endpoint", parsed.registration_endpoint),
        ("revocation_endpoint", parsed.revocation_endpoint),
        ("introspection_endpoint", parsed.introspection_endpoint),
        ("jwks_uri", parsed.jwks_uri),
    ] {
        assert_eq!(tree.text_member(name), value, "{name}");
    }
    assert_eq!(tree.text_member("issuer"), Some(parsed.issuer));
    let methods = tree.member("code_challenge_methods_supported");
    let methods = methods.map(|list| list.texts().expect("a list of strings")).unwrap_or_default();
    assert_eq!(parsed.code_challenge_methods_supported.contains("S256"), methods.contains(&"S256"));
    assert_eq!(parsed.code_challenge_methods_supported.is_empty(), methods.is_empty());
    for (name, value) in [
        ("client_id_metadata_document_supported", parsed.client_id_metadata_document_supported),
        (
            "authorization_response_iss_parameter_supported",
            parsed.authorization_response_iss_parameter_supported,
        ),
    ] {
        assert_eq!(tree.member(name).unwrap_or(&Tree::Bool(false)), &Tree::Bool(value), "{name}");
    }
    assert!(parsed.validate_issuer(issuer).is_err() || parsed.issuer == issuer);
});

/// Every place to look is on the issuer's own host.
fn well_known_urls(issuer: &str) {
    let Ok(candidates) = well_known::authorization_server_urls(issuer) else { return };
    let end = issuer.match_indices('/').nth(2).map_or(issuer.len(), |(at, _)| at);
    for candidate in candidates {
        let mut out = vec![0; issuer.len() + 64];
        let mut text = TextWriter::new(&mut out);
        candidate.write(&mut text).expect("room for it");
        let url = text.finish();
        assert_eq!(url.get(..end), issuer.get(..end), "{url}");
        assert!(url[end..].starts_with('/') && url.contains("/.well-known/"), "{url}");
    }
}
