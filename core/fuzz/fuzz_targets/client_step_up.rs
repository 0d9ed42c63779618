//! A refusal leads to few new requests, and the scopes that are asked for then never become fewer: what was
//! asked for before, or granted where nothing was, what the challenge names, and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    challenge::parse::bearer,
    client::{Attempts, KnownScopes, Reaction, StepUpError, step_up},
    encoding::scratch::Scratch,
    limits::SCOPE_TOKENS_MAX,
    scope::ScopeSet,
};
use portcullis_fuzz::lines;

// Scopes that were asked for, granted and denied; statuses, of which only the first digit of each; the field.
fuzz_target!(|data: &[u8]| {
    let Some([asked, granted, denied, statuses, field]) = lines::<5>(data) else { return };
    let parse = |text| ScopeSet::parse(text).unwrap_or(ScopeSet::EMPTY);
    let known = KnownScopes { asked: parse(asked), granted: parse(granted), denied: parse(denied) };
    let mut buffer = vec![0; 4096 + data.len() * 4];
    let mut scratch = Scratch::new(&mut buffer);
    let challenge = bearer([field.as_bytes()], &mut scratch).expect("room for it");
    let named = challenge.as_ref().and_then(|challenge| challenge.scope);

    let mut attempts = Attempts::default();
    let mut made = [0; 3];
    for status in statuses.bytes() {
        let (status, refreshable) = match status {
            b'1' => (401, true),
            b'2' => (401, false),
            b'3' => (403, true),
            _ => (200, true),
        };
        let kind = match attempts.react(status, challenge.as_ref(), refreshable) {
            Reaction::Refresh => 0,
            Reaction::Authorize => 1,
            Reaction::StepUp => {
                let error = challenge.as_ref().and_then(|challenge| challenge.error);
                assert_eq!((status, error), (403, Some("insufficient_scope")));
                assert!(named.is_some_and(|named| !named.is_empty()));
                2
            }
            Reaction::Deliver | Reaction::GiveUp => continue,
        };
        made[kind] += 1;
        assert!(made[kind] <= 1, "{statuses}");
    }
    if let Some(named) = named {
        union(&known, named, &mut scratch);
    }
});

fn union(known: &KnownScopes<'_>, named: ScopeSet<'_>, scratch: &mut Scratch<'_>) {
    let before = if known.asked.is_empty() { known.granted } else { known.asked };
    let added: Vec<_> = named.iter().filter(|scope| !before.contains(scope)).collect();
    match step_up(known, named, scratch) {
        Ok(union) => {
            assert!(before.iter().chain(named.iter()).all(|scope| union.contains(scope)));
            assert!(union.iter().all(|it| before.contains(it) || named.contains(it)));
            assert!(union.as_str().starts_with(before.as_str()));
            assert!(named.iter().any(|scope| !known.granted.contains(scope)));
            assert!(!named.iter().any(|scope| known.denied.contains(scope)));
        }
        Err(StepUpError::Granted) => {
            assert!(named.iter().all(|scope| known.granted.contains(scope)));
        }
        Err(StepUpError::Denied) => {
            assert!(named.iter().any(|scope| known.denied.contains(scope)));
        }
        Err(StepUpError::TooMany) => {
            assert!(before.iter().count() + added.len() > SCOPE_TOKENS_MAX);
        }
        Err(error) => panic!("{error}"),
    }
}
