//! The target signs its own input by a hash: a proof that passes says what another reader finds in it, and
//! is for this request; with one bit changed it does not pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{
    dpop::{Nonces, Proof, ProofError, ProofSignatures, Request, UnverifiedProof, same_path},
    encoding::{scratch::Scratch, uri::Uri},
    jwk::{Mismatch, PublicKey},
    limits::{PROOF_AGE_SECS_MAX, PROOF_LEN_MAX},
    message::Field,
    time::UnixTime,
};
use portcullis_fuzz::{json::Tree, split_line, token};
use sha2::{Digest, Sha256};

/// RFC 9449 §7.1: a token and its hash.
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const TOKEN_HASH: &str = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

/// What anybody can compute: a hash of the message, over and over.
struct Hashes;

fn hashed(message: &[u8], len: usize) -> Vec<u8> {
    Sha256::digest(message).iter().copied().cycle().take(len).collect()
}

impl ProofSignatures for Hashes {
    fn verify(
        &self,
        key: &PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Mismatch> {
        let is_it = signature == hashed(message, key.signature_len());
        if is_it { Ok(()) } else { Err(Mismatch) }
    }
}

// First line: the bit to change and the header; then the claims.
fuzz_target!(|data: &[u8]| {
    let (header, claims) = split_line(data);
    let (bit, header) = header.split_at(header.len().min(2));
    let bit = bit.iter().fold(0_usize, |bit, byte| bit << 8 | usize::from(*byte));
    let nonces = Nonces::new(&[7; 32]).expect("a long key");
    for len in [64, 256] {
        let proof = token::encode(header, claims, |input| hashed(input, len));
        if let Ok(passed) = judge(proof.as_bytes(), None) {
            says(header, claims, &passed);
            // No nonce of a stranger's making.
            assert_eq!(judge(proof.as_bytes(), Some(&nonces)), Err(ProofError::Nonce));
        }
        if !proof.is_empty() && proof.len() <= PROOF_LEN_MAX {
            let mut changed = proof.into_bytes();
            let at = bit / 8 % changed.len();
            changed[at] ^= 1 << (bit % 8);
            assert!(judge(&changed, None).is_err());
        }
    }
});

fn judge(proof: &[u8], nonces: Option<&Nonces>) -> Result<Proof, ProofError> {
    let mut buffer = vec![0; 4 * PROOF_LEN_MAX];
    let mut scratch = Scratch::new(&mut buffer);
    let now = UnixTime::from_secs(token::NOW);
    let request = Request { method: "POST", token: TOKEN, nonces, now };
    UnverifiedProof::parse(Field::One(proof), &mut scratch)?.verify(&Hashes)?.check(
        &request,
        is_here,
        &mut scratch,
    )
}

fn is_here(target: Uri<'_>) -> bool {
    target.host() == "mcp.example.com" && same_path(target.path(), "/mcp")
}

/// Whether another reader finds in the proof what it has to say.
fn says(header: &[u8], claims: &[u8], passed: &Proof) {
    let (Some(header), Some(claims)) = (Tree::accepted(header), Tree::accepted(claims)) else {
        return;
    };
    assert!(!header.has_duplicate() && !claims.has_duplicate());
    assert!(header.text_member("typ").is_some_and(|typ| typ.eq_ignore_ascii_case("dpop+jwt")));
    let algorithm = header.text_member("alg").expect("required");
    let key = header.member("jwk").expect("required");
    let kind = match algorithm {
        "ES256" => "EC",
        "EdDSA" => "OKP",
        "RS256" => "RSA",
        other => panic!("{other}"),
    };
    assert_eq!(key.text_member("kty"), Some(kind));
    assert!(["d", "k", "p", "q"].iter().all(|secret| key.member(secret).is_none()));
    assert_eq!(claims.text_member("htm"), Some("POST"));
    assert_eq!(claims.text_member("ath"), Some(TOKEN_HASH));
    assert!(claims.text_member("jti").is_some_and(|id| !id.is_empty()));
    let target = claims.text_member("htu").expect("required");
    assert!(!target.contains(['?', '#']), "{target}");
    let url = url::Url::parse(target).expect("a URL to others too");
    assert_eq!((url.host_str(), url.username()), (Some("mcp.example.com"), ""));
    let Some(Tree::Number(made)) = claims.member("iat") else { panic!("required") };
    assert!((made - token::NOW as f64).abs() <= PROOF_AGE_SECS_MAX as f64);
    assert_eq!(passed.until().as_secs() as f64, made + PROOF_AGE_SECS_MAX as f64 + 1.0);
}
