//! What is known of an access token once it is authentic, and the one place where its claims are
//! checked, whoever vouched for it.

use crate::{
    limits::AUDIENCES_MAX,
    scope::ScopeSet,
    time::{Leeway, UnixTime},
};

/// The resources a token is meant for (`aud`, RFC 7519 §4.1.3).
pub type Audience<'s> = heapless::Vec<&'s str, AUDIENCES_MAX>;

/// The facts about one authentic access token: from a verified JWT, an introspection answer, or a
/// verifier of the user's own. Facts alone admit nobody: see [`Expectations::check`].
#[derive(Clone)]
pub struct TokenFacts<'s> {
    /// Who issued it (`iss`).
    pub issuer: &'s str,
    /// Who it is for (`aud`); empty is a refusal (RS-42).
    pub audience: Audience<'s>,
    /// Whom it speaks for (`sub`).
    pub subject: Option<&'s str>,
    /// The client it was issued to (`client_id`).
    pub client_id: Option<&'s str>,
    /// What it permits (`scope`).
    pub scope: ScopeSet<'s>,
    /// When it ends (`exp`).
    pub expires_at: UnixTime,
    /// When it begins (`nbf`).
    pub not_before: Option<UnixTime>,
    /// When it was made (`iat`).
    pub issued_at: Option<UnixTime>,
    /// Its identifier (`jti`).
    pub id: Option<&'s str>,
    /// Whether it is bound to a key of the client (`cnf`), so that it is not a bearer token.
    pub sender_constrained: bool,
}
