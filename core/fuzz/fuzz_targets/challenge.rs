//! A challenge that we write is read back as what it says; what a stranger wrote is read alike twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    challenge::{
        Challenge, Reason, is_quotable,
        parse::{CHALLENGES_MAX, Challenges, PARAMS_MAX, ParsedChallenge, bearer},
    },
    encoding::scratch::Scratch,
    scope::{RequiredScopes, ScopeSet},
    token::TokenError,
};
use portcullis_fuzz::lines;

fuzz_target!(|data: &[u8]| {
    written_then_parsed(data);
    parsed_then_written(data);
});

fn written_then_parsed(data: &[u8]) {
    let Some([url, scope]) = lines(data) else { return };
    let Ok(scope) = ScopeSet::parse(scope) else { return };
    // A blank may be quoted, but no configured URL has one.
    if url.contains(' ') {
        return;
    }
    for reason in [Reason::NoCredentials, Reason::Token(TokenError::Expired), Reason::Scope] {
        let challenge = Challenge::new(reason, url, RequiredScopes::base(scope));
        let Some(value) = challenge.www_authenticate() else { continue };
        let value = value.to_string();
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{value}");
        let mut buffer = vec![0; value.len()];
        let read = bearer([value.as_bytes()], &mut Scratch::new(&mut buffer))
            .expect("room for it")
            .expect("a Bearer challenge");
        assert_eq!(read.error, challenge.error().map(|error| error.as_str()));
        assert_eq!(read.error_description, challenge.description());
        // A repeated scope token is said once.
        let said = read.scope.unwrap_or(ScopeSet::EMPTY);
        assert!(
            scope
                .as_str()
                .split(' ')
                .filter(|token| !token.is_empty())
                .all(|token| said.contains(token))
        );
        assert_eq!(read.scope.is_none(), scope.is_empty());
        assert_eq!(read.resource_metadata, is_quotable(url).then_some(url));
    }
}

fn parsed_then_written(data: &[u8]) {
    let header: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let parsed: Vec<_> = Challenges::parse(header.iter().copied()).collect();
    assert!(parsed.len() <= CHALLENGES_MAX);
    for challenge in &parsed {
        assert!(challenge.params().count() <= PARAMS_MAX);
        let Some(value) = spell(challenge) else { continue };
        let again: Vec<_> = Challenges::parse([value.as_slice()]).collect();
        assert_eq!(again.len(), 1, "{}", String::from_utf8_lossy(&value));
        assert_eq!(spell(&again[0]), Some(value));
    }
    let mut buffer = vec![0; data.len()];
    let found = bearer(header, &mut Scratch::new(&mut buffer)).expect("room for it");
    assert!(
        found.is_none()
            || parsed.iter().any(|challenge| challenge.is("bearer") || challenge.is("dpop"))
    );
}

/// The challenge with every value quoted; `None` when a value has a byte that cannot be quoted.
fn spell(challenge: &ParsedChallenge<'_>) -> Option<Vec<u8>> {
    let mut value = challenge.scheme().as_bytes().to_vec();
    if let Some(token68) = challenge.token68() {
        value.push(b' ');
        value.extend(token68.as_bytes());
        return Some(value);
    }
    let mut separator = " ";
    for param in challenge.params() {
        value.extend(separator.as_bytes());
        value.extend(param.name.as_bytes());
        value.extend(b"=\"");
        for byte in param.value.bytes() {
            if matches!(byte, b'"' | b'\\') {
                value.push(b'\\');
            }
            value.push(byte);
        }
        value.push(b'"');
        separator = ", ";
    }
    Some(value)
}
