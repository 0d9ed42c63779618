//! Proof key for code exchange, method `S256` (RFC 7636).

use sha2::{Digest, Sha256};

use super::random_text::{LEN, RandomText};
use crate::encoding::{base64url, scratch::BufferFull};

/// The verifier of one authorization request, and the challenge made from it (CL-40).
///
/// `plain` is not offered: RFC 7636 §4.2 allows it only to those who cannot hash.
#[derive(Debug)]
pub struct Pkce {
    verifier: RandomText,
    challenge: [u8; LEN],
}

impl Pkce {
    /// `code_challenge_method` on the wire.
    pub const METHOD: &'static str = "S256";

    /// Makes a pair from 32 octets of the caller's random source, never used before (RFC 7636 §4.1).
    pub fn new(octets: &[u8; 32]) -> Result<Self, BufferFull> {
        let verifier = RandomText::new(octets)?;
        let mut challenge = [0; LEN];
        base64url::encode(&Sha256::digest(verifier.expose()), &mut challenge)?;
        Ok(Self { verifier, challenge })
    }

    /// `code_challenge`: BASE64URL(SHA-256(verifier)) (RFC 7636 §4.2); public.
    pub fn challenge(&self) -> &str {
        // Base64url is ASCII, so the check cannot fail.
        core::str::from_utf8(&self.challenge).unwrap_or_default()
    }

    /// `code_verifier`: only for the token request.
    pub const fn verifier(&self) -> &RandomText {
        &self.verifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    const OCTETS: [u8; 32] = [
        116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37,
        77, 105, 214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
    ];

    #[test]
    fn rfc_7636_b_and_its_flipped_twin() {
        let pkce = Pkce::new(&OCTETS).unwrap();
        assert_eq!(pkce.verifier().expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pkce.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");

        let mut flipped = OCTETS;
        flipped[31] ^= 1;
        let twin = Pkce::new(&flipped).unwrap();
        assert_ne!(twin.verifier().expose(), pkce.verifier().expose());
        assert_ne!(twin.challenge(), pkce.challenge());
    }

    #[test]
    fn shared_vectors() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/rfc/pkce.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            std::println!("skipped: {path} is not there");
            return;
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut octets = [0; 32];
        for vector in vectors.as_array().unwrap() {
            let verifier = vector["verifier"].as_str().unwrap();
            base64url::decode_into(verifier.as_bytes(), &mut octets).unwrap();
            let pkce = Pkce::new(&octets).unwrap();
            assert_eq!(pkce.verifier().expose(), verifier);
            assert_eq!(pkce.challenge(), vector["challenge_s256"].as_str().unwrap());
        }
    }

    #[test]
    fn sec_482_debug_hides_the_verifier() {
        let pkce = Pkce::new(&OCTETS).unwrap();
        assert!(!format!("{pkce:?}").contains("dBjft"));
    }
}
