//! Tokens that are bound to a key of the client (RFC 9449), where the settings offer them.
//!
//! The engine judges proofs: `typ`, algorithm, key, signature, `htm`, `htu`, `iat` within five minutes, and
//! that each `jti` of a key counts once, on all servers of one database. It has no nonces (RFC 9449 §8).
//!
//! Whoever sends a proof makes the server remember its `jti` for up to six minutes, and has proven nothing
//! yet but a key of its own making. So the proofs of a peer, and of all together, are counted first.

use http::{HeaderMap, StatusCode};
use oauth_as::dpop::DPOP_HEADER;
use oauth_as::{ErrorCode, ErrorResponse};

use crate::answers::{self, Response};
use crate::audit;
use crate::clock::Clock;
use crate::peer_rate::PeerRate;
use crate::server::Inner;
use crate::settings::{Dpop, Limits};
use crate::throttle::Peer;

/// How often proofs are looked at.
pub(crate) struct ProofRates {
    by_peer: Option<PeerRate>,
    in_all: Option<PeerRate>,
}

impl ProofRates {
    pub(crate) fn new(limits: &Limits, clock: &Clock) -> Self {
        Self {
            by_peer: PeerRate::per_minute(limits.dpop_proofs_per_peer_per_minute, clock),
            in_all: PeerRate::per_minute(limits.dpop_proofs_per_minute, clock),
        }
    }

    fn admit(&self, peer: Peer) -> bool {
        let admits = |rate: &Option<PeerRate>, peer| {
            rate.as_ref().is_none_or(|rate: &PeerRate| rate.admit(peer))
        };
        admits(&self.by_peer, peer) && admits(&self.in_all, Peer::everybody())
    }

    pub(crate) fn forget_idle(&self) {
        self.by_peer.iter().for_each(PeerRate::forget_idle);
    }
}

/// The proof that a request carries, if it is to be looked at; or the answer that refuses the request.
///
/// Where tokens are not bound, a proof is a header field like any other that nobody knows.
pub(crate) fn proof(
    server: &Inner,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Option<String>, Box<Response>> {
    if server.settings.dpop == Dpop::Off {
        return Ok(None);
    }
    let mut fields = headers.get_all(DPOP_HEADER).iter();
    let (proof, second) = (fields.next(), fields.next());
    let Some(proof) = proof else { return Ok(None) };
    let readable = proof.to_str().ok().filter(|_| second.is_none());
    let Some(proof) = readable else {
        let refused = ErrorResponse::new(ErrorCode::InvalidDpopProof)
            .with_description("one DPoP field with one proof is expected");
        return Err(Box::new(answers::error(&refused, false)));
    };
    if !server.proof_rates.admit(peer) {
        audit::limited("DPoP proofs", peer);
        let (status, error) = (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TemporarilyUnavailable);
        return Err(Box::new(answers::error_with_status(status, error, "too many proofs")));
    }
    Ok(Some(proof.to_owned()))
}
