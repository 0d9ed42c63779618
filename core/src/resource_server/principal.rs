//! Who a request speaks for, once admitted.

use super::Challenges;
use crate::{
    challenge::Challenge,
    scope::{RequiredScopes, ScopeSet},
    time::UnixTime,
    token::TokenFacts,
};

/// The subject, client and scopes of an accepted access token.
///
/// Only the decisions of this module make one: from a verified JWT, or from the checked facts of an
/// introspection or a verifier of the user's own.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'s> {
    subject: Option<&'s str>,
    client_id: Option<&'s str>,
    issuer: &'s str,
    scope: ScopeSet<'s>,
    token_id: Option<&'s str>,
    expires_at: UnixTime,
    challenges: Challenges<'s>,
}

impl<'s> Principal<'s> {
    pub(super) fn new(facts: &TokenFacts<'s>, challenges: Challenges<'s>) -> Self {
        Self {
            subject: facts.subject,
            client_id: facts.client_id,
            issuer: facts.issuer,
            scope: facts.scope,
            token_id: facts.id,
            expires_at: facts.expires_at,
            challenges,
        }
    }

    /// Whom the token speaks for (`sub`); a client acting for itself may have none when introspected.
    ///
    /// Unique only together with [`issuer`](Self::issuer). With client credentials it names the
    /// client: where both kinds occur, compare it with [`client_id`](Self::client_id) (RS-70).
    pub const fn subject(&self) -> Option<&'s str> {
        self.subject
    }

    /// The client that the token was issued to (`client_id`).
    pub const fn client_id(&self) -> Option<&'s str> {
        self.client_id
    }

    /// The issuer that vouched for the token (`iss`).
    pub const fn issuer(&self) -> &'s str {
        self.issuer
    }

    /// What the token permits; necessary, never sufficient (RS-55).
    pub const fn scope(&self) -> ScopeSet<'s> {
        self.scope
    }

    /// The token's identifier (`jti`), where it has one.
    pub const fn token_id(&self) -> Option<&'s str> {
        self.token_id
    }

    /// When the token ends (`exp`); a stream that outlives it must end then (TS-94).
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// A nonce for the client's next proof, to be sent with the answer as `DPoP-Nonce`, where the server
    /// asks for nonces (RFC 9449 §8.2, §9).
    #[cfg(feature = "dpop")]
    pub fn dpop_nonce(&self) -> Option<crate::dpop::Nonce> {
        self.challenges.nonce()
    }

    /// Passes when the token has every needed scope; else the 403 challenge that names them all
    /// (RS-25, RS-27).
    pub fn require(&self, needed: RequiredScopes<'s>) -> Result<(), Challenge<'s>> {
        if needed.are_met_by(self.scope, self.challenges.implications) {
            Ok(())
        } else {
            Err(self.challenges.insufficient_scope(needed))
        }
    }
}
