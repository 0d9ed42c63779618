//! Proofs that whoever sends a token has the key it is bound to (DPoP, RFC 9449).
//!
//! A proof is a JWT in the field `DPoP`, made for one request and signed by a key that it brings along.
//! The key proves nothing by itself: what counts is that the token names it (`cnf.jkt`, DP-09).
//!
//! | Check of RFC 9449 §4.3 | Where |
//! | --- | --- |
//! | one field, well-formed, all claims | [`UnverifiedProof::parse`], [`VerifiedProof::check`] |
//! | `typ`, `alg` of a public key, `jwk` without a secret | `header` |
//! | signature by the key of the header | [`UnverifiedProof::verify`] |
//! | `htm`, `htu`, `ath`, time | [`VerifiedProof::check`] |
//! | nonce, where the server asks for one (§9) | [`Nonces`] |
//! | used once (§11.1) | [`Replays`], the host's memory |
//! | the token is bound to the key | [`Expectations`](crate::token::Expectations) |
//!
//! A proof is never an access token, and the other way round: each `typ` is refused by the other's
//! reader (RS-68).

mod header;
mod nonce;
mod proof;
mod target;

use core::{fmt, marker::PhantomData};

pub use nonce::{Nonce, Nonces};
pub use proof::{Proof, Request, UnverifiedProof, VerifiedProof};
pub use target::same_path;

use crate::{
    jwk::{JwkError, Mismatch, PublicKey, VerifyingKey},
    time::UnixTime,
};

/// The algorithms of proofs that are taken: those of the public keys there are (DP-09).
pub const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

/// How a resource server takes proofs.
#[derive(Clone, Copy)]
pub struct Acceptance<'c> {
    /// Refuse every token that is not bound to a key.
    pub required: bool,
    /// The arithmetic of public keys.
    pub signatures: &'c dyn ProofSignatures,
    /// Ask for nonces of this server (RFC 9449 §9).
    pub nonces: Option<&'c Nonces>,
    /// The memory of proofs that were used; without one, a proof can be used again for as long as its
    /// time is near enough (DP-10).
    pub replays: Option<&'c dyn Replays>,
}

impl fmt::Debug for Acceptance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptance")
            .field("required", &self.required)
            .field("nonces", &self.nonces.is_some())
            .field("replays", &self.replays.is_some())
            .finish_non_exhaustive()
    }
}

/// Verifies with keys that proofs bring along.
pub trait ProofSignatures: Sync {
    /// Checks a signature over `message`, which has the length that the key's signatures have.
    fn verify(&self, key: &PublicKey<'_>, message: &[u8], signature: &[u8])
    -> Result<(), Mismatch>;
}

/// [`ProofSignatures`] by the arithmetic of `K`, loaded for each proof anew: a client has a key of its own.
pub struct Arithmetic<K>(PhantomData<fn() -> K>);

impl<K> Arithmetic<K> {
    /// There is only one.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K> Default for Arithmetic<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: VerifyingKey> ProofSignatures for Arithmetic<K> {
    fn verify(
        &self,
        key: &PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Mismatch> {
        K::load(key).ok_or(Mismatch)?.verify(message, signature)
    }
}

/// The host's memory of proofs that were used. Asked only about proofs that came with a good token, so
/// that nobody without one can fill it (SEC-115).
pub trait Replays: Sync {
    /// Remembers a proof until [`Proof::until`], after which its time refuses it.
    ///
    /// # Errors
    /// It was used before, or there is no room: what may still be used again is never forgotten.
    fn remember(&self, proof: &Proof, now: UnixTime) -> Result<(), ReplayError>;
}

/// Why a proof is not remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It was used before.
    Repeated,
    /// There is no room for it now.
    Full,
}

/// Why a proof is not accepted; for logs. On the wire all but [`Nonce`](Self::Nonce) are one
/// `invalid_dpop_proof`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// A token of the scheme `DPoP` came without a proof.
    Missing,
    /// Several `DPoP` fields, equal or not.
    Repeated,
    /// The proof, or a part of it, is over its limit.
    TooLong,
    /// Not a JWS in compact form with a readable header and claims set.
    Malformed,
    /// `typ` is not `dpop+jwt`.
    Type,
    /// `alg` is symmetric, `none`, unknown, or not that of the key.
    Algorithm,
    /// A header parameter that must be understood or must not occur (`crit`, `b64`, `zip`, `enc`).
    Header,
    /// The header has no key, or one that is not used, such as a private one.
    Key(Option<JwkError>),
    /// The signature is not by the key.
    Signature,
    /// A claim is missing or has the wrong type.
    Claim,
    /// Made for another method (`htm`).
    Method,
    /// Made for another resource (`htu`), or with a query or fragment in it.
    Target,
    /// Made too long ago, or in the future (`iat`, and `exp` or `nbf` where they are there).
    Time,
    /// Made for another token (`ath`).
    Token,
    /// Without a nonce of this server, or with one that has ended.
    Nonce,
    /// Used before.
    Replayed,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "proof missing",
            Self::Repeated => "more than one DPoP field",
            Self::TooLong => "proof too long",
            Self::Malformed => "proof malformed",
            Self::Type => "not a proof",
            Self::Algorithm => "algorithm of the proof not allowed",
            Self::Header => "header parameter of the proof not supported",
            Self::Key(None) => "no key in the proof",
            Self::Key(Some(error)) => return write!(f, "key of the proof: {error}"),
            Self::Signature => "signature of the proof does not verify",
            Self::Claim => "claim of the proof missing or of the wrong type",
            Self::Method => "proof for another method",
            Self::Target => "proof for another resource",
            Self::Time => "proof too old or from the future",
            Self::Token => "proof for another token",
            Self::Nonce => "proof without a nonce of this server",
            Self::Replayed => "proof used before",
        })
    }
}

impl core::error::Error for ProofError {}

#[cfg(test)]
mod tests;
