//! A scope value is accepted exactly where the grammar has one; sets compare as sets.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use portcullis_core::{limits::SCOPE_TOKENS_MAX, scope::ScopeSet};
use portcullis_fuzz::lines;

fuzz_target!(|data: &[u8]| {
    let Some([one, other]) = lines(data) else { return };
    assert_eq!(ScopeSet::parse(one).is_ok(), is_scope(one));
    let (Ok(one), Ok(other)) = (ScopeSet::parse(one), ScopeSet::parse(other)) else { return };
    let set = |scope: ScopeSet<'_>| -> BTreeSet<String> {
        scope.as_str().split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect()
    };
    let (ones, others) = (set(one), set(other));
    assert_eq!(one.is_empty(), ones.is_empty());
    for token in ones.union(&others) {
        assert_eq!(one.contains(token), ones.contains(token));
        assert_eq!(other.contains(token), others.contains(token));
    }
});

/// RFC 6749 §3.3, read once more.
fn is_scope(text: &str) -> bool {
    let tokens: Vec<_> = text.split(' ').collect();
    let permitted = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    text.is_empty()
        || tokens.len() <= SCOPE_TOKENS_MAX
            && tokens.iter().all(|token| !token.is_empty() && token.chars().all(permitted))
}
