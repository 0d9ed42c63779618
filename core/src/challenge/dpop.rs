//! Challenges of a server that takes proofs (RFC 9449 §7.1, §7.2, §9).
//!
//! What went wrong stands in the challenge of the scheme that was used; a server that takes both schemes
//! names the other in a line of its own (RS-34).

use super::{Challenge, Reason, Refusal};
use crate::{
    dpop::{Nonce, ProofError},
    error::ErrorCode,
};

/// The algorithms of [`ALGORITHMS`](crate::dpop::ALGORITHMS) as a parameter.
pub(super) const ALGS: &str = "algs=\"ES256 EdDSA RS256\"";
const OTHER: &str = "DPoP algs=\"ES256 EdDSA RS256\"";

/// What a server that takes proofs says of them in its challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Whether bearer tokens are refused.
    pub required: bool,
    /// Whether the request used the scheme `DPoP`.
    pub used: bool,
    /// A nonce for the next proof.
    pub nonce: Option<Nonce>,
}

impl<'c> Challenge<'c> {
    /// The challenge of a server that takes proofs.
    pub const fn with_offer(self, offer: Option<Offer>) -> Self {
        Self { offer, ..self }
    }

    pub(super) const fn is_dpop(&self) -> bool {
        match self.offer {
            // Who asks without credentials is told what there is to use.
            Some(offer) => {
                offer.used || (offer.required && matches!(self.reason, Reason::NoCredentials))
            }
            None => false,
        }
    }

    /// The scheme that the challenge is about.
    pub(super) const fn scheme(&self) -> &'static str {
        if self.is_dpop() { "DPoP" } else { "Bearer" }
    }

    /// A second value of `WWW-Authenticate`, where there is another scheme to use.
    pub const fn other_scheme(&self) -> Option<&'static str> {
        match self.offer {
            Some(_) if !self.is_dpop() && self.status() == 401 => Some(OTHER),
            Some(_) | None => None,
        }
    }

    /// The value of `DPoP-Nonce`, where the server asks for nonces.
    pub const fn dpop_nonce(&self) -> Option<Nonce> {
        match self.offer {
            Some(offer) => offer.nonce,
            None => None,
        }
    }
}

pub(super) const fn refusal(error: ProofError) -> &'static Refusal {
    match error {
        ProofError::Nonce => &USE_NONCE,
        _ => &INVALID_PROOF,
    }
}

const USE_NONCE: Refusal =
    super::refusal!(UseDpopNonce, "use_dpop_nonce", "The proof needs a nonce of this server");
const INVALID_PROOF: Refusal = super::refusal!(
    InvalidDpopProof,
    "invalid_dpop_proof",
    "The DPoP proof is not valid for this request"
);
