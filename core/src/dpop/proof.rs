//! One proof: parsed, its signature checked, its claims compared with the request (RFC 9449 §4.3).

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Nonces, ProofError, ProofSignatures, header};
use crate::{
    encoding::{base64url, json::Reader, scratch::Scratch, uri::Uri},
    jwk::{PublicKey, Thumbprint},
    jwt::{Segments, decode},
    limits::{
        DOCUMENT_DEPTH_MAX, PROOF_AGE_SECS_MAX, PROOF_CLAIMS_LEN_MAX, PROOF_HEADER_LEN_MAX,
        PROOF_ID_LEN_MAX, PROOF_LEN_MAX, SIGNATURE_LEN_MAX,
    },
    message::Field,
    time::UnixTime,
    token::TokenError,
};

/// A proof in the right form, which nothing vouches for yet: its claims cannot be reached.
#[must_use = "a proof that is not verified proves nothing"]
pub struct UnverifiedProof<'s> {
    key: PublicKey<'s>,
    signing_input: &'s str,
    payload: &'s str,
    signature: &'s [u8],
}

/// A proof that was signed by the key in it. What it says is still to be compared.
#[must_use = "the claims of a verified proof must be checked"]
pub struct VerifiedProof<'s> {
    key: PublicKey<'s>,
    payload: &'s str,
}

/// What a proof has to be for.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// The method, as received (`htm`).
    pub method: &'r str,
    /// The access token beside the proof (`ath`).
    pub token: &'r str,
    /// The server's nonces, if it asks for one.
    pub nonces: Option<&'r Nonces>,
    /// The server's time.
    pub now: UnixTime,
}

/// A proof that passed: which key made it, and its name for the memory of used ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    key: Thumbprint,
    id: [u8; 32],
    until: UnixTime,
}

impl Proof {
    /// The key that the sender has.
    pub const fn key(&self) -> Thumbprint {
        self.key
    }

    /// SHA-256 of key and `jti` together: a client chooses its ids for itself, not for others.
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// The first second at which the proof's time refuses it.
    pub const fn until(&self) -> UnixTime {
        self.until
    }
}

impl<'s> UnverifiedProof<'s> {
    /// Takes apart the one `DPoP` field of a request (RFC 9449 §4.3, checks 1, 2, 4 to 7).
    ///
    /// # Errors
    /// There is not one field with a JWS of type `dpop+jwt` and a public key in its header.
    pub fn parse(field: Field<'s>, scratch: &mut Scratch<'s>) -> Result<Self, ProofError> {
        let proof = match field {
            Field::Absent => return Err(ProofError::Missing),
            Field::Repeated => return Err(ProofError::Repeated),
            Field::One(proof) if proof.len() > PROOF_LEN_MAX => return Err(ProofError::TooLong),
            Field::One(proof) => proof,
        };
        let proof = core::str::from_utf8(proof).map_err(|_| ProofError::Malformed)?;
        let Segments { header, payload, signature, signing_input } =
            Segments::of(proof).ok_or(ProofError::Malformed)?;
        let key = header::read(segment(header, PROOF_HEADER_LEN_MAX, scratch)?, scratch)?;
        let signature = segment(signature, SIGNATURE_LEN_MAX, scratch)?;
        Ok(Self { key, signing_input, payload, signature })
    }

    /// Checks the signature by the key that the proof brings along.
    pub fn verify(self, signatures: &dyn ProofSignatures) -> Result<VerifiedProof<'s>, ProofError> {
        if self.signature.len() != self.key.signature_len() {
            return Err(ProofError::Signature);
        }
        signatures
            .verify(&self.key, self.signing_input.as_bytes(), self.signature)
            .map_err(|_| ProofError::Signature)?;
        Ok(VerifiedProof { key: self.key, payload: self.payload })
    }
}

impl<'s> VerifiedProof<'s> {
    /// Compares the claims with the request (RFC 9449 §4.3, checks 3 and 8 to 12); `is_here` says
    /// whether `htu`, without query and fragment, is where the request was sent.
    ///
    /// The nonce comes last: only a proof that is good otherwise is worth a new one.
    pub fn check(
        self,
        request: &Request<'_>,
        is_here: impl FnOnce(Uri<'_>) -> bool,
        scratch: &mut Scratch<'s>,
    ) -> Result<Proof, ProofError> {
        let claims = Claims::read(segment(self.payload, PROOF_CLAIMS_LEN_MAX, scratch)?, scratch)?;
        let id = required(claims.id).filter(|id| id.len() <= PROOF_ID_LEN_MAX);
        let id = id.ok_or(ProofError::Claim)?;
        if required(claims.method).ok_or(ProofError::Claim)? != request.method {
            return Err(ProofError::Method);
        }
        let target = required(claims.target).ok_or(ProofError::Claim)?;
        let target = Uri::parse(target).map_err(|_| ProofError::Target)?;
        let is_plain =
            target.userinfo().is_none() && target.query().is_none() && target.fragment().is_none();
        if !is_plain || !is_here(target) {
            return Err(ProofError::Target);
        }
        let made = claims.issued_at.ok_or(ProofError::Claim)?;
        let until = made.plus(PROOF_AGE_SECS_MAX).plus(1);
        if made > request.now.plus(PROOF_AGE_SECS_MAX)
            || request.now >= until
            || claims.expires_at.is_some_and(|ends| request.now >= ends)
            || claims.not_before.is_some_and(|begins| begins > request.now.plus(PROOF_AGE_SECS_MAX))
        {
            return Err(ProofError::Time);
        }
        let token_hash = required(claims.token_hash).ok_or(ProofError::Claim)?;
        if !is_hash_of(token_hash, request.token) {
            return Err(ProofError::Token);
        }
        if let Some(nonces) = request.nonces {
            let is_fresh = claims.nonce.is_some_and(|nonce| nonces.accept(nonce, request.now));
            is_fresh.then_some(()).ok_or(ProofError::Nonce)?;
        }
        let key = Thumbprint::of(&self.key).ok_or(ProofError::Key(None))?;
        let id = Sha256::new().chain_update(key.as_bytes()).chain_update(id).finalize().into();
        Ok(Proof { key, id, until })
    }
}

impl fmt::Debug for UnverifiedProof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedProof(..)")
    }
}

impl fmt::Debug for VerifiedProof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedProof(..)")
    }
}

/// The claims that are looked at; others are passed over.
#[derive(Default)]
struct Claims<'s> {
    id: Option<&'s str>,
    method: Option<&'s str>,
    target: Option<&'s str>,
    token_hash: Option<&'s str>,
    nonce: Option<&'s str>,
    issued_at: Option<UnixTime>,
    expires_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
}

impl<'s> Claims<'s> {
    fn read(document: &'s [u8], scratch: &mut Scratch<'s>) -> Result<Self, ProofError> {
        let mut reader = Reader::new(document, DOCUMENT_DEPTH_MAX)?;
        let mut members = reader.object()?;
        let mut claims = Self::default();
        while let Some(name) = members.next(&mut reader)? {
            let text = match name.read(scratch)? {
                "jti" => &mut claims.id,
                "htm" => &mut claims.method,
                "htu" => &mut claims.target,
                "ath" => &mut claims.token_hash,
                "nonce" => &mut claims.nonce,
                other => {
                    let time = match other {
                        "iat" => &mut claims.issued_at,
                        // Not among a proof's claims, but whoever states an end means it.
                        "exp" => &mut claims.expires_at,
                        "nbf" => &mut claims.not_before,
                        _ => {
                            reader.skip()?;
                            continue;
                        }
                    };
                    *time = Some(UnixTime::from_secs(reader.unsigned()?));
                    continue;
                }
            };
            *text = Some(reader.string()?.read(scratch)?);
        }
        reader.end()?;
        Ok(claims)
    }
}

/// A claim that must be there and say something.
fn required(claim: Option<&str>) -> Option<&str> {
    claim.filter(|text| !text.is_empty())
}

/// Whether `text` is the base64url of the token's SHA-256 (RFC 9449 §4.2, `ath`).
fn is_hash_of(text: &str, token: &str) -> bool {
    let mut room = [0; 32];
    let hash = base64url::decode_into(text.as_bytes(), &mut room).unwrap_or_default();
    bool::from(hash.ct_eq(Sha256::digest(token).as_slice()))
}

/// Decodes one segment of at most `len_max` bytes.
fn segment<'s>(
    text: &str,
    len_max: usize,
    scratch: &mut Scratch<'s>,
) -> Result<&'s [u8], ProofError> {
    decode(text, len_max, scratch).map_err(|error| match error {
        TokenError::TooLong => ProofError::TooLong,
        _ => ProofError::Malformed,
    })
}
