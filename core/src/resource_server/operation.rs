//! What a principal may do: decided from the checked body, at one point for every protocol revision
//! (RS-35, SEC-344).

use super::{Configuration, Principal, ResourceServer};
use crate::{
    challenge::Challenge,
    encoding::scratch::Scratch,
    mcp::{Envelope, EnvelopeError},
    message::RequestHead,
};

/// What to do with a message whose sender is known.
#[must_use = "a message without a decision must not reach a handler"]
#[derive(Debug)]
pub enum Operation<'s> {
    /// Hand these very bytes to the server behind.
    Proceed(Envelope<'s>),
    /// No message: a stream, or the end of a session, of an older revision (TL-03, TL-04). The base
    /// scopes, checked before, are all it needs.
    Session,
    /// The token lacks a scope: 403.
    Challenge(Challenge<'s>),
    /// The body is not an acceptable message.
    Reject(EnvelopeError<'s>),
}

impl<'c> ResourceServer<'c> {
    /// Checks the body (transport.md §5, steps 6 to 11) and the scopes of what it asks for (step 13).
    pub fn operation<'s>(
        &self,
        head: &RequestHead<'s>,
        body: &'s [u8],
        principal: &Principal<'s>,
        scratch: &mut Scratch<'s>,
    ) -> Operation<'s>
    where
        'c: 's,
    {
        // Only `sessions` lets these methods come this far.
        if matches!(head.method, "GET" | "DELETE") {
            return Operation::Session;
        }
        let Configuration { versions, body: limits, .. } = self.configuration;
        let envelope = match Envelope::read(head, body, versions, limits, scratch) {
            Ok(envelope) => envelope,
            Err(error) => return Operation::Reject(error),
        };
        let needed = self.configuration.policy.needed(envelope.method(), envelope.name());
        match principal.require(needed) {
            Ok(()) => Operation::Proceed(envelope),
            Err(challenge) => Operation::Challenge(challenge),
        }
    }

    /// What to answer when a body outgrows [`BodyLimits::len_max`](crate::mcp::BodyLimits) while it is
    /// read (LIM-10).
    pub fn body_too_long<'s>(&self, head: &RequestHead<'s>) -> EnvelopeError<'s>
    where
        'c: 's,
    {
        EnvelopeError::too_long(head, self.configuration.versions)
    }
}
