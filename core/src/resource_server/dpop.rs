//! Who sent a token: requests to a server that takes proofs (RFC 9449 §7).

use super::{Challenges, Decision, ResourceServer, decision::names_access_token};
use crate::{
    bearer::{BearerError, BearerToken, Credentials},
    challenge::{Offer, Reason, Unavailable},
    dpop::{
        Acceptance, Nonce, Proof, ProofError, ReplayError, Replays, Request, UnverifiedProof,
        same_path,
    },
    encoding::{scratch::Scratch, uri::Uri},
    limits::{PROOF_CLAIMS_LEN_MAX, PROOF_HEADER_LEN_MAX, SIGNATURE_LEN_MAX},
    message::{Field, RequestHead},
    scope::RequiredScopes,
    time::UnixTime,
    token::{Proven, TokenError},
};

/// Room for the decoded parts of a proof, for what of them has to be unescaped, and for the numbers of
/// its key. Nothing of it is needed once the proof has passed.
const PROOF_SCRATCH_LEN: usize =
    2 * (PROOF_HEADER_LEN_MAX + PROOF_CLAIMS_LEN_MAX) + 2 * SIGNATURE_LEN_MAX;

/// What is known of the sender of a request, and what challenges tell about proofs.
#[derive(Clone, Copy)]
pub(super) struct Sender<'c> {
    offer: Offer,
    proof: Option<(Proof, UnixTime)>,
    replays: Option<&'c dyn Replays>,
}

impl core::fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").field("offer", &self.offer).finish_non_exhaustive()
    }
}

impl<'c> ResourceServer<'c> {
    /// As for bearer tokens alone; but a token of the scheme `DPoP` comes with a proof, whose key it has
    /// to be bound to.
    pub(super) fn authenticate_sender<'s>(
        &self,
        dpop: Acceptance<'c>,
        head: &RequestHead<'s>,
        needed: RequiredScopes<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Decision<'s>
    where
        'c: 's,
    {
        let nonce = dpop.nonces.zip(now).map(|(nonces, now)| nonces.issue(now));
        let mut offer = Offer { required: dpop.required, used: false, nonce };
        let presented = presented(head.authorization, &mut offer);
        let mut sender = Sender { offer, proof: None, replays: dpop.replays };
        let challenges = |sender| Challenges { sender: Some(sender), ..self.challenges() };
        let refuse = |reason| Decision::Challenge(challenges(sender).challenge(reason, needed));
        let token = match presented {
            Ok(Some(token)) => token,
            Ok(None) => return refuse(Reason::NoCredentials),
            Err(error) => return refuse(Reason::Request(error)),
        };
        if head.query.is_some_and(names_access_token) {
            return refuse(Reason::Request(BearerError::TwoMethods));
        }
        let Some(now) = now else {
            return refuse(Reason::Unavailable(Unavailable::ClockUnknown));
        };
        if !offer.used {
            if dpop.required {
                return refuse(Reason::Token(TokenError::Unbound));
            }
            return self.judge(token, Proven::NOTHING, &challenges(sender), &needed, now, scratch);
        }
        match self.prove(dpop, head, token, now) {
            Err(error) => refuse(Reason::Proof(error)),
            Ok(proof) => {
                sender.proof = Some((proof, now));
                let proven = Proven::key(proof.key());
                self.judge(token, proven, &challenges(sender), &needed, now, scratch)
            }
        }
    }

    fn prove(
        &self,
        dpop: Acceptance<'c>,
        head: &RequestHead<'_>,
        token: BearerToken<'_>,
        now: UnixTime,
    ) -> Result<Proof, ProofError> {
        let mut memory = [0; PROOF_SCRATCH_LEN];
        let mut scratch = Scratch::new(&mut memory);
        let proof = UnverifiedProof::parse(head.dpop, &mut scratch)?.verify(dpop.signatures)?;
        let request =
            Request { method: head.method, token: token.expose(), nonces: dpop.nonces, now };
        proof.check(&request, |target| self.is_target(target), &mut scratch)
    }

    /// Whether a proof's `htu` is this endpoint, as clients see it: the resource identifier, at any
    /// host that is ours.
    ///
    /// Not the target of the request: a gateway may have changed its path, and the scheme is not in it.
    fn is_target(&self, target: Uri<'_>) -> bool {
        let Ok(own) = Uri::parse(self.configuration.resource) else { return false };
        own.scheme().eq_ignore_ascii_case(target.scheme())
            && same_path(own.path(), target.path())
            && target.authority_text().is_some_and(|authority| self.is_own_host(authority))
    }
}

/// The token in the field, of either scheme; a DPoP one is noted in the offer.
fn presented<'s>(
    field: Field<'s>,
    offer: &mut Offer,
) -> Result<Option<BearerToken<'s>>, BearerError> {
    let bound = Credentials::parse_dpop(field);
    offer.used = matches!(bound, Ok(Credentials::Bearer(_)))
        || matches!(bound, Err(BearerError::Malformed | BearerError::TooLong));
    let found = if offer.used { bound? } else { Credentials::parse(field)? };
    Ok(match found {
        Credentials::Bearer(token) => Some(token),
        Credentials::Absent | Credentials::OtherScheme => None,
    })
}

impl Challenges<'_> {
    pub(super) fn offer(&self) -> Option<Offer> {
        self.sender.map(|sender| sender.offer)
    }

    pub(super) fn nonce(&self) -> Option<Nonce> {
        self.offer()?.nonce
    }

    /// Notes that the proof was used, once its token is known to be good (RFC 9449 §11.1, SEC-115).
    pub(super) fn use_proof(&self) -> Result<(), Reason> {
        let Some(Sender { proof: Some((proof, now)), replays: Some(replays), .. }) = self.sender
        else {
            return Ok(());
        };
        replays.remember(&proof, now).map_err(|error| match error {
            ReplayError::Repeated => Reason::Proof(ProofError::Replayed),
            ReplayError::Full => Reason::Unavailable(Unavailable::Proofs),
        })
    }
}
