//! Tokens that are bound to a key of the client (RFC 9449), where the settings offer them.
//!
//! The engine judges proofs: `typ`, algorithm, key, signature, `htm`, `htu`, `iat` within five minutes, and
//! that each `jti` of a key counts once, on all servers of one database. Here is what it does not know: nonces
//! (RFC 9449 §8), and clients that want bound tokens alone (§5.2).
//!
//! Whoever sends a proof makes the server remember its `jti` for up to six minutes, and has proven nothing
//! yet but a key of its own making. So the proofs of a peer, and of all together, are counted first.

use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use oauth_as::dpop::{DPOP_HEADER, MAX_PROOF_BYTES};
use oauth_as::{ErrorCode, ErrorResponse};
use portcullis_core::dpop::Nonces;
use portcullis_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::answers::{self, Response};
use crate::audit;
use crate::clock::unix_secs;
use crate::peer_rate::PeerRate;
use crate::secrets::derived_key;
use crate::server::Inner;
use crate::settings::{BOUND_ID_PREFIX, Dpop, Settings, SettingsError};
use crate::throttle::Peer;

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How often proofs are looked at, and the nonces that they need.
pub(crate) struct Proofs {
    by_peer: Option<PeerRate>,
    in_all: Option<PeerRate>,
    /// All processes with one master key take each other's.
    nonces: Option<Nonces>,
}

impl Proofs {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let (limits, clock) = (&settings.limits, &settings.clock);
        let key = derived_key(&settings.master_key, "portcullis dpop nonces");
        let key = key.map_err(|_| SettingsError::MasterKey)?;
        let nonces = Nonces::new(key.as_slice()).ok_or(SettingsError::MasterKey)?;
        Ok(Self {
            by_peer: PeerRate::per_minute(limits.dpop_proofs_per_peer_per_minute, clock),
            in_all: PeerRate::per_minute(limits.dpop_proofs_per_minute, clock),
            nonces: settings.dpop_nonces.then_some(nonces),
        })
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
        return Err(refused("one DPoP field with one proof is expected"));
    };
    if !server.proofs.admit(peer) {
        audit::limited("DPoP proofs", peer);
        let (status, error) = (StatusCode::TOO_MANY_REQUESTS, ErrorCode::TemporarilyUnavailable);
        return Err(Box::new(answers::error_with_status(status, error, "too many proofs")));
    }
    if let Some(nonces) = &server.proofs.nonces {
        let claims = claims_of(proof).ok_or_else(|| refused("the proof cannot be read"))?;
        let is_fresh = claims.nonce.is_some_and(|nonce| nonces.accept(&nonce, now(server)));
        if !is_fresh {
            return Err(Box::new(answers::json(StatusCode::BAD_REQUEST, &WantsNonce::default())));
        }
    }
    Ok(Some(proof.to_owned()))
}

/// As [`proof`], for a request for tokens of `client_id`: without one it is refused if the client is to get
/// bound tokens alone (DP-07).
///
/// That is so where tokens are not bound, too: a client that was promised them never gets others.
pub(crate) fn proof_for_tokens(
    server: &Inner,
    headers: &HeaderMap,
    peer: Peer,
    client_id: &str,
) -> Result<Option<String>, Box<Response>> {
    let proof = proof(server, headers, peer)?;
    if proof.is_none() && gets_bound_tokens_alone(server, client_id) {
        return Err(refused("this client gets tokens that are bound to its key, and no others"));
    }
    Ok(proof)
}

fn gets_bound_tokens_alone(server: &Inner, client_id: &str) -> bool {
    client_id.starts_with(BOUND_ID_PREFIX)
        || server.settings.bound_clients.iter().any(|bound| bound == client_id)
        || server.documents.gets_bound_tokens_alone(client_id)
}

/// An answer of an endpoint that takes proofs, with the nonce for the next one (RFC 9449 §8.2).
pub(crate) fn with_nonce(server: &Inner, mut response: Response) -> Response {
    let nonces = server.proofs.nonces.as_ref();
    let nonce = nonces.map(|nonces| nonces.issue(now(server)).to_string());
    if let Some(value) = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
        response.headers_mut().insert(NONCE, value);
    }
    response
}

/// Before 1970 no nonce is fresh for long.
fn now(server: &Inner) -> UnixTime {
    UnixTime::from_secs(unix_secs(server.settings.clock.now()).unwrap_or_default())
}

fn refused(description: &'static str) -> Box<Response> {
    let refused = ErrorResponse::new(ErrorCode::InvalidDpopProof).with_description(description);
    Box::new(answers::error(&refused, false))
}

/// The engine has no word for this.
#[derive(Serialize)]
struct WantsNonce {
    error: &'static str,
    error_description: &'static str,
}

impl Default for WantsNonce {
    fn default() -> Self {
        let error = portcullis_core::error::ErrorCode::UseDpopNonce.as_str();
        Self { error, error_description: "the proof needs the nonce of this answer" }
    }
}

/// What is looked at before the engine checks that the proof is signed: a nonce that was given to somebody
/// else proves nothing, and none is worth anything without a signature.
#[derive(Deserialize)]
struct Claims {
    nonce: Option<String>,
}

/// `None` for what the engine would refuse, and where a claim stands twice: then it might read another one.
fn claims_of(proof: &str) -> Option<Claims> {
    if proof.len() > MAX_PROOF_BYTES {
        return None;
    }
    let mut parts = proof.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dp_04_what_nonce_a_proof_has() {
        let of = |claims: &str| {
            let payload = Base64UrlUnpadded::encode_string(claims.as_bytes());
            claims_of(&format!("h.{payload}.s")).map(|claims| claims.nonce)
        };
        assert_eq!(of(r#"{"nonce":"n","jti":1}"#), Some(Some("n".into())));
        assert_eq!(of(r#"{"jti":"1"}"#), Some(None));
        for other in [r#"{"nonce":1}"#, r#"{"nonce":"n","nonce":"m"}"#, "[]", "", "{"] {
            assert_eq!(of(other), None, "{other}");
        }
        let good = Base64UrlUnpadded::encode_string(b"{}");
        assert!(claims_of(&format!("h.{good}.s")).is_some());
        let long = "s".repeat(MAX_PROOF_BYTES);
        for other in [format!("h.{good}"), format!("h.{good}.s.t"), format!("h.{good}.{long}")] {
            assert!(claims_of(&other).is_none(), "{other}");
        }
    }
}
