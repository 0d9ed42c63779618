//! An answer makes a token active only if another parser reads the same facts in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::scratch::Scratch,
    introspection::{Introspected, parse, write_request},
    message::{Field, IncomingResponse},
    token::Binding,
};
use portcullis_fuzz::{json::Tree, split_line, token::ISSUER};

// First line: the status' last two digits, a blank, the content type; then the body.
fuzz_target!(|data: &[u8]| {
    let (line, body) = split_line(data);
    let (status, content_type) = line.split_at(line.len().min(3));
    let status = 200 + u16::from(!status.starts_with(b"00 "));
    // A field's value never has blanks at its ends.
    let content_type = content_type.trim_ascii();
    let response = IncomingResponse { status, content_type: Field::One(content_type), body };
    let mut buffer = vec![0; body.len()];
    match parse(&response, ISSUER, &mut Scratch::new(&mut buffer)) {
        Ok(Introspected::Active(facts)) => {
            let Some(tree) = Tree::accepted(body) else { return };
            let is = |name: &str, value: Option<&str>| {
                assert_eq!(tree.text_member(name), value, "{name}");
            };
            assert_eq!(status, 200);
            assert!(content_type.to_ascii_lowercase().starts_with(b"application/json"));
            assert_eq!(tree.member("active"), Some(&Tree::Bool(true)));
            is("sub", facts.subject);
            is("client_id", facts.client_id);
            is("jti", facts.id);
            is("iss", tree.member("iss").map(|_| facts.issuer));
            assert!(tree.member("iss").is_some() || facts.issuer == ISSUER);
            assert_eq!(tree.text_member("scope").unwrap_or_default(), facts.scope.as_str());
            assert_eq!(tree.member("exp"), Some(&Tree::Number(facts.expires_at.as_secs() as f64)));
            let audience =
                tree.member("aud").map(|aud| aud.texts().or(aud.text().map(|aud| vec![aud])));
            assert_eq!(audience.flatten().unwrap_or_default(), facts.audience.as_slice());
            assert!(tree.member("cnf").is_none() || facts.binding != Binding::Bearer);
        }
        Ok(Introspected::Inactive) => {
            let Some(tree) = Tree::accepted(body) else { return };
            assert_eq!(tree.member("active"), Some(&Tree::Bool(false)));
        }
        Err(_) => {}
    }
    request(body);
});

fn request(data: &[u8]) {
    let Ok(token) = portcullis_core::bearer::BearerToken::new(data) else { return };
    let mut out = vec![0; data.len() * 3 + 64];
    let written = write_request(token, &mut out).expect("room for it");
    let pairs: Vec<_> = form_urlencoded::parse(written.as_bytes()).collect();
    assert_eq!(pairs[0], ("token".into(), token.expose().into()));
    assert_eq!(pairs[1], ("token_type_hint".into(), "access_token".into()));
    assert_eq!(pairs.len(), 2);
}
