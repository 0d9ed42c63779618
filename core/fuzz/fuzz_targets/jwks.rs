//! A key that is used is what another parser reads in the document, is for one algorithm, has a name of its
//! own, and comes back from what is written.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    encoding::scratch::Scratch,
    jwk::{KeySet, PublicKey, Published, thumbprint, write_set},
};
use portcullis_fuzz::json::Tree;

const KEYS_MAX: usize = 4;

fuzz_target!(|document: &[u8]| {
    let mut buffer = vec![0; document.len() * 2];
    let parsed = KeySet::<KEYS_MAX>::parse(document, &mut Scratch::new(&mut buffer));
    let Ok(set) = parsed else { return };
    let (used, skipped) = (set.keys().count(), set.skipped().count());
    assert!(used + skipped <= KEYS_MAX);
    assert!(set.beyond() == 0 || used + skipped == KEYS_MAX);
    let Some(tree) = Tree::accepted(document) else { return };
    let Some(Tree::Array(elements)) = tree.member("keys") else { panic!("a set has keys") };
    assert_eq!(elements.len(), used + skipped + set.beyond());
    // Skipped ones leave gaps, and the order stays.
    let mut elements = elements.iter().take(KEYS_MAX);
    for (id, key) in set.keys() {
        let is_it = |element: &&Tree| says(element, id, &key);
        assert!(elements.find(is_it).is_some(), "{id:?} {key:?}");
        assert!(id.is_none() || set.keys().filter(|(other, _)| *other == id).count() == 1);
    }
    written_again(&set);
});

/// Whether an element of `keys`, as another parser reads it, is this key and permits its use.
fn says(element: &Tree, id: Option<&str>, key: &PublicKey<'_>) -> bool {
    let (kind, curve, numbers) = match key {
        PublicKey::P256 { x, y, .. } => {
            ("EC", Some("P-256"), vec![("x", x.as_slice()), ("y", y.as_slice())])
        }
        PublicKey::Ed25519 { x, .. } => ("OKP", Some("Ed25519"), vec![("x", x.as_slice())]),
        PublicKey::Rsa { n, e, .. } => ("RSA", None, vec![("n", *n), ("e", *e)]),
    };
    let permits = |name: &str, value: &str| {
        element.member(name).is_none_or(|member| member.text() == Some(value))
    };
    element.text_member("kty") == Some(kind)
        && curve.is_none_or(|curve| element.text_member("crv") == Some(curve))
        && numbers.iter().all(|(name, bytes)| {
            element.text_member(name) == Some(URL_SAFE_NO_PAD.encode(bytes).as_str())
        })
        && element.text_member("kid") == id
        && permits("use", "sig")
        && permits("alg", key.algorithm().as_str())
        && element
            .member("key_ops")
            .is_none_or(|list| list.texts().is_some_and(|list| list.contains(&"verify")))
        && ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .iter()
            .all(|secret| element.member(secret).is_none())
}

fn written_again(set: &KeySet<'_, KEYS_MAX>) {
    let mut named = Vec::new();
    for (_, key) in set.keys() {
        let id = thumbprint(&key).expect("every key has one");
        if named.iter().all(|(other, _)| *other != id) {
            named.push((id, key));
        }
    }
    let published: Vec<_> = named.iter().map(|(id, key)| Published { id, key: *key }).collect();
    let mut out = vec![0; 8192];
    let written = write_set(&published, &mut out).expect("room for it").to_owned();
    let mut buffer = vec![0; written.len() * 2];
    let again = KeySet::<KEYS_MAX>::parse(written.as_bytes(), &mut Scratch::new(&mut buffer))
        .expect("a set");
    let expected: Vec<_> = named.iter().map(|(id, key)| (Some(id.as_str()), *key)).collect();
    assert_eq!(again.keys().collect::<Vec<_>>(), expected);
}
