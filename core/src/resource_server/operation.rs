//! What a principal may do: decided from the checked body, at one point for every protocol revision
//! (RS-35, SEC-344).

use super::{Principal, ResourceServer};
use crate::{
    challenge::Challenge,
    encoding::scratch::Scratch,
    mcp::{Envelope, EnvelopeError, Versions},
    message::RequestHead,
};

/// What to do with a message whose sender is known.
#[must_use = "a message without a decision must not reach a handler"]
#[derive(Debug)]
pub enum Operation<'s> {
    /// Hand these very bytes to the server behind.
    Proceed(Envelope<'s>),
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
        let versions = Versions {
            modern: self.configuration.modern_versions,
            legacy: self.configuration.legacy_versions,
        };
        let envelope =
            match Envelope::read(head, body, versions, self.configuration.body, scratch) {
                Ok(envelope) => envelope,
                Err(error) => return Operation::Reject(error),
            };
        let needed = self.configuration.policy.needed(envelope.method(), envelope.name());
        match principal.require(needed) {
            Ok(()) => Operation::Proceed(envelope),
            Err(challenge) => Operation::Challenge(challenge),
        }
    }
}
