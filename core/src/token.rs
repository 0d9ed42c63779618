//! What is known of an access token once it is authentic, and the one place where its claims are
//! checked, whoever vouched for it.

mod binding;

pub use binding::Binding;
pub(crate) use binding::Proven;

use crate::{
    limits::AUDIENCES_MAX,
    scope::ScopeSet,
    time::{Leeway, UnixTime},
};

/// Why a token is not accepted. The peer learns none of it: on the wire every variant is the same
/// `invalid_token` (INV-4); these words are for logs and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than [`crate::limits::TOKEN_LEN_MAX`], or a part of it is over its own limit.
    TooLong,
    /// Not a JWS in compact form with a readable header and claims set (RFC 7515 §7.1).
    Malformed,
    /// The header names an algorithm that is not the key's (RFC 8725 §3.1).
    Algorithm,
    /// No key fits the header's `kid`.
    Key,
    /// The keys of the issuer are not known, or not since it may have changed them (RS-71): whether one
    /// fits cannot be told now. The one word here that is no refusal of the token, see
    /// [`Unavailable::Keys`](crate::challenge::Unavailable::Keys).
    KeysUnavailable,
    /// The signature does not verify.
    Signature,
    /// `typ` is not that of an access token (RFC 9068 §4).
    Type,
    /// A header parameter that must be understood or must not occur (`crit`, `b64`, `zip`, …).
    Header,
    /// A required claim is missing or a known one has the wrong type (RFC 9068 §2.2).
    Claim,
    /// Issued by somebody else (`iss`).
    Issuer,
    /// Meant for another resource (`aud`, RFC 8707 §2).
    Audience,
    /// At or past `exp`.
    Expired,
    /// Before `nbf`, or made in the future.
    NotYetValid,
    /// Lives longer than is accepted (LIM-19).
    Lifetime,
    /// Bound to a key of the client, but sent as a bearer token (RFC 9449 §7.2).
    SenderConstrained,
    /// Not bound to the key that its sender has (RFC 9449 §7.1), or to none where one is required.
    #[cfg(feature = "dpop")]
    Unbound,
    /// The authorization server, or the user's own verifier, says that it is not active.
    Inactive,
}

impl TokenError {
    /// A short word for logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "token too long",
            Self::Malformed => "token malformed",
            Self::Algorithm => "algorithm not allowed for the key",
            Self::Key => "no such key",
            Self::KeysUnavailable => "keys of the issuer not known",
            Self::Signature => "signature does not verify",
            Self::Type => "not an access token",
            Self::Header => "header parameter not supported",
            Self::Claim => "claim missing or of the wrong type",
            Self::Issuer => "token of another issuer",
            Self::Audience => "token for another resource",
            Self::Expired => "token expired",
            Self::NotYetValid => "token not yet valid",
            Self::Lifetime => "token lives too long",
            Self::SenderConstrained => "sender-constrained token sent as bearer",
            #[cfg(feature = "dpop")]
            Self::Unbound => "token not bound to the key of its sender",
            Self::Inactive => "token not active",
        }
    }
}

impl core::fmt::Display for TokenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for TokenError {}

/// The resources a token is meant for (`aud`, RFC 7519 §4.1.3).
pub type Audience<'s> = heapless::Vec<&'s str, AUDIENCES_MAX>;

/// The facts about one authentic access token: from a verified JWT, an introspection answer, or a
/// verifier of the user's own. Facts alone admit nobody: see [`Expectations::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What it is bound to (`cnf`); whatever that is, it is not a bearer token then.
    pub binding: Binding,
}

/// What a token must say to be accepted by this resource server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectations<'c> {
    /// The issuer whose key or endpoint vouched for the token; compared byte for byte (RS-62).
    pub issuer: &'c str,
    /// The own resource identifier (RS-41).
    pub resource: &'c str,
    /// Allowance for clock skew.
    pub leeway: Leeway,
    /// Longest accepted lifetime in seconds (LIM-19).
    pub lifetime_secs_max: u32,
    /// Whether a token may name other resources beside this one (SEC-090; the safe answer is no).
    pub several_audiences: bool,
}

impl Expectations<'_> {
    /// Checks issuer, audience, times and binding of an authentic token (RS-40..43, 62..64).
    ///
    /// `now` must be known: without a clock there is no call to make. Scopes are not looked at.
    pub fn check(&self, facts: &TokenFacts<'_>, now: UnixTime) -> Result<(), TokenError> {
        self.check_sent(facts, Proven::NOTHING, now)
    }

    /// The same for a token whose sender may have proved to have a key.
    pub(crate) fn check_sent(
        &self,
        facts: &TokenFacts<'_>,
        proven: Proven,
        now: UnixTime,
    ) -> Result<(), TokenError> {
        if facts.issuer != self.issuer {
            return Err(TokenError::Issuer);
        }
        self.check_audience(&facts.audience)?;
        self.check_times(facts, now)?;
        proven.fits(facts.binding)
    }

    fn check_audience(&self, audience: &Audience<'_>) -> Result<(), TokenError> {
        let ours = audience.iter().any(|entry| names_resource(entry, self.resource));
        if !ours || (audience.len() > 1 && !self.several_audiences) {
            return Err(TokenError::Audience);
        }
        Ok(())
    }

    fn check_times(&self, facts: &TokenFacts<'_>, now: UnixTime) -> Result<(), TokenError> {
        let leeway = self.leeway.as_secs();
        // RFC 7519 §4.1.4: on or after `exp` the token is dead; the leeway moves that one instant.
        if now >= facts.expires_at.plus(leeway) {
            return Err(TokenError::Expired);
        }
        let latest = now.plus(leeway);
        if facts.not_before.is_some_and(|begins| begins > latest)
            || facts.issued_at.is_some_and(|made| made > latest)
        {
            return Err(TokenError::NotYetValid);
        }
        // A token without `iat` is taken as made now, which can only shorten what is accepted.
        let made = facts.issued_at.unwrap_or(latest);
        if facts.issued_at.is_some_and(|made| facts.expires_at < made)
            || facts.expires_at.secs_since(made) > u64::from(self.lifetime_secs_max)
        {
            return Err(TokenError::Lifetime);
        }
        Ok(())
    }
}

/// Whether an `aud` entry names the configured resource identifier (authorization §8.7).
///
/// Scheme and host compare without regard to ASCII case, everything else byte for byte; when the
/// resource has no path, one slash after the authority is tolerated. No prefix ever matches.
fn names_resource(entry: &str, resource: &str) -> bool {
    if entry == resource {
        return true;
    }
    let (Some((entry_origin, entry_rest)), Some((origin, rest))) =
        (split_after_authority(entry), split_after_authority(resource))
    else {
        return false;
    };
    // The resource has no userinfo (checked when configured), so equal authorities have none.
    entry_origin.eq_ignore_ascii_case(origin)
        && (entry_rest == rest || (rest.is_empty() && entry_rest == "/"))
}

/// `https://host:port` and what follows it.
fn split_after_authority(identifier: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = identifier.split_once([':'])?;
    let rest = rest.strip_prefix("//")?;
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    identifier.split_at_checked(scheme.len().checked_add("://".len())?.checked_add(authority)?)
}

#[cfg(test)]
mod tests;
