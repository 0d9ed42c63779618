//! The ring: which key a header gets. The arithmetic here is a toy that shows which key was asked: a
//! signature is the key's first byte over and over.

use super::*;
use crate::{
    jwt::{SignatureVerifier, UnverifiedJwt},
    token::TokenError,
};

struct Toy(u8);

impl VerifyingKey for Toy {
    /// A key that begins with a zero is "off the curve".
    fn load(key: &PublicKey<'_>) -> Option<Self> {
        let first = match key {
            PublicKey::P256 { x, .. } | PublicKey::Ed25519 { x } => x[0],
            PublicKey::Rsa { n, .. } => n[0],
        };
        (first != 0).then_some(Self(first))
    }

    fn verify(&self, _message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        if signature.iter().all(|byte| *byte == self.0) { Ok(()) } else { Err(Mismatch) }
    }
}

type Ring = PublicKeyRing<Toy, 3>;

const P256: ([u8; 32], [u8; 32]) = ([7; 32], [7; 32]);

fn p256() -> PublicKey<'static> {
    PublicKey::p256(&P256.0, &P256.1).unwrap()
}

fn ed25519() -> PublicKey<'static> {
    PublicKey::ed25519(&[9; 32]).unwrap()
}

fn rsa(modulus: &[u8]) -> PublicKey<'_> {
    PublicKey::rsa(modulus, &[3]).unwrap()
}

fn verdict(ring: &Ring, header: &str, signature: &[u8]) -> Result<(), TokenError> {
    let token = format!("{}.{}.{}", base64(header.as_bytes()), base64(b"{}"), base64(signature));
    let mut buffer = [0; 2048];
    let jwt = UnverifiedJwt::parse(&token, &mut Scratch::new(&mut buffer))?;
    jwt.verify(ring as &dyn SignatureVerifier).map(|_| ())
}

#[track_caller]
fn check(
    ring: &Ring,
    algorithm: &str,
    id: Option<&str>,
    key: u8,
    expected: Result<(), TokenError>,
) {
    let id = id.map(|id| format!(",\"kid\":\"{id}\"")).unwrap_or_default();
    let header = format!("{{\"alg\":\"{algorithm}\",\"typ\":\"at+jwt\"{id}}}");
    let len = if algorithm == "RS256" { 256 } else { 64 };
    assert_eq!(verdict(ring, &header, &vec![key; len]), expected, "{header}");
}

#[test]
fn rs_61_sec_073_the_key_decides_the_algorithm() {
    let modulus = [0x81; 256];
    let mut ring = Ring::new();
    assert!(ring.is_empty());
    ring.add(Some("e"), &p256()).unwrap();
    ring.add(Some("d"), &ed25519()).unwrap();
    ring.add(Some("r"), &rsa(&modulus)).unwrap();
    let own = [("ES256", "e", 7), ("EdDSA", "d", 9), ("RS256", "r", 0x81)];
    for (algorithm, id, key) in own {
        check(&ring, algorithm, Some(id), key, Ok(()));
        check(&ring, algorithm, Some(id), key ^ 1, Err(TokenError::Signature));
        for (other, ..) in own.iter().filter(|(other, ..)| *other != algorithm) {
            check(&ring, other, Some(id), key, Err(TokenError::Algorithm));
        }
        check(&ring, algorithm, Some("x"), key, Err(TokenError::Key));
        // SEC-072: whatever the MAC is made with, no key here is one for HS256.
        check(&ring, "HS256", Some(id), key, Err(TokenError::Algorithm));
        check(&ring, "HS256", Some("x"), key, Err(TokenError::Algorithm));
        check(&ring, "HS256", None, key, Err(TokenError::Algorithm));
    }
}

#[test]
fn sec_077_without_kid_only_where_one_key_fits() {
    let mut ring = Ring::new();
    ring.add(None, &p256()).unwrap();
    check(&ring, "ES256", None, 7, Ok(()));
    check(&ring, "EdDSA", None, 7, Err(TokenError::Key));
    check(&ring, "ES256", Some("x"), 7, Err(TokenError::Key));
    ring.add(Some("d"), &ed25519()).unwrap();
    check(&ring, "ES256", None, 7, Ok(()));
    check(&ring, "EdDSA", None, 9, Ok(()));
    ring.add(Some("e"), &p256()).unwrap();
    check(&ring, "ES256", None, 7, Err(TokenError::Key));
    check(&ring, "ES256", Some("e"), 7, Ok(()));
}

#[test]
fn sec_103_sec_105_signatures_of_another_length() {
    let modulus = [0x81; 384];
    let mut ring = Ring::new();
    ring.add(Some("e"), &p256()).unwrap();
    ring.add(Some("r"), &rsa(&modulus)).unwrap();
    for (algorithm, id, key, own) in [("ES256", "e", 7, 64), ("RS256", "r", 0x81, 384)] {
        let header = format!("{{\"alg\":\"{algorithm}\",\"typ\":\"at+jwt\",\"kid\":\"{id}\"}}");
        for len in [1, 32, 63, 64, 65, 71, 256, 383, 384, 385, 512] {
            let expected = if len == own { Ok(()) } else { Err(TokenError::Signature) };
            assert_eq!(verdict(&ring, &header, &vec![key; len]), expected, "{algorithm} {len}");
        }
        assert_eq!(verdict(&ring, &header, &vec![key; 513]), Err(TokenError::TooLong));
    }
}

#[test]
fn sec_078_sec_104_what_is_not_added() {
    let mut ring = Ring::new();
    ring.add(Some("a"), &p256()).unwrap();
    assert_eq!(ring.add(Some("a"), &ed25519()), Err(JwkError::DuplicateKeyId));
    assert_eq!(ring.add(Some("a b"), &ed25519()), Err(JwkError::KeyId));
    let off_curve = [0; 32];
    let off_curve = PublicKey::p256(&off_curve, &off_curve).unwrap();
    assert_eq!(ring.add(Some("z"), &off_curve), Err(JwkError::Value));
    ring.add(None, &ed25519()).unwrap();
    ring.add(None, &ed25519()).unwrap();
    assert_eq!(ring.add(Some("b"), &p256()), Err(JwkError::Full));
    assert_eq!(ring.key_ids().count(), 1);
    check(&ring, "ES256", Some("a"), 7, Ok(()));
    check(&ring, "ES256", Some("z"), 0, Err(TokenError::Key));
}
