//! A verifier of the user's own, and the facts it answers with.

use std::{fmt, future::Future, pin::Pin};

use portcullis_core::{
    scope::ScopeSet,
    time::UnixTime,
    token::{Audience, Binding, TokenFacts},
};

/// Looks tokens up somewhere of its own: a database, another format, another service.
///
/// What it says is not the decision: issuer, audience, expiry, binding and scopes of its facts pass the
/// same checks as those of a JWT or of an introspection.
///
/// ```
/// use portcullis_tokio::resource_server::{Facts, TokenVerifier, Unavailable, VerifyFuture};
/// # use portcullis_core::time::UnixTime;
///
/// struct OneToken;
///
/// impl TokenVerifier for OneToken {
///     fn verify<'a>(&'a self, token: &'a str) -> VerifyFuture<'a> {
///         Box::pin(async move {
///             if token != "opaque-1" {
///                 return Ok(None); // unknown: 401
///             }
///             let expires_at = UnixTime::from_secs(4_102_444_800); // normally from the record
///             Ok(Some(Facts::new("https://as.example.com", "https://mcp.example.com/mcp", expires_at)
///                 .subject("alice")
///                 .scope("user")))
///         })
///     }
/// }
/// ```
pub trait TokenVerifier: Send + Sync + 'static {
    /// The facts about `token`, `None` when it is not a live token, [`Unavailable`] when nobody can
    /// tell now (503, never 401).
    ///
    /// The token is well-formed but a stranger's: compare digests rather than texts, and keep it out
    /// of logs. Called for each request: what it remembers and how long it may take is its own
    /// affair. The future is dropped when the client goes away.
    fn verify<'a>(&'a self, token: &'a str) -> VerifyFuture<'a>;
}

/// What [`TokenVerifier::verify`] returns.
pub type VerifyFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Facts>, Unavailable>> + Send + 'a>>;

/// Whoever could tell whether a token is good cannot be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tokens cannot be verified now")
    }
}

impl std::error::Error for Unavailable {}

/// The facts about one live token, owned: the core's [`TokenFacts`] with a life of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    issuer: String,
    audience: Vec<String>,
    subject: Option<String>,
    client_id: Option<String>,
    scope: String,
    expires_at: UnixTime,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
    id: Option<String>,
    binding: Binding,
}

impl Facts {
    /// A token of `issuer` for the resource `audience` that ends at `expires_at`, with no scope yet.
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        expires_at: UnixTime,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            audience: vec![audience.into()],
            subject: None,
            client_id: None,
            scope: String::new(),
            expires_at,
            not_before: None,
            issued_at: None,
            id: None,
            binding: Binding::Bearer,
        }
    }

    /// Whom the token speaks for (`sub`).
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The client it was issued to (`client_id`).
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// What it permits: scopes with one blank between them.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// A further resource it is meant for; refused unless the limits permit several (SEC-090).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.push(audience.into());
        self
    }

    /// When it begins (`nbf`).
    #[must_use]
    pub fn not_before(mut self, not_before: UnixTime) -> Self {
        self.not_before = Some(not_before);
        self
    }

    /// When it was made (`iat`).
    #[must_use]
    pub fn issued_at(mut self, issued_at: UnixTime) -> Self {
        self.issued_at = Some(issued_at);
        self
    }

    /// Its identifier (`jti`).
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// It is bound to something of the client that cannot be checked here, and so no bearer token: it is
    /// refused (RFC 9449 §7.2).
    #[must_use]
    pub fn sender_constrained(mut self) -> Self {
        self.binding = Binding::Other;
        self
    }

    /// It is bound to the key with this thumbprint (`cnf.jkt`, RFC 9449 §6), so that it is taken with a
    /// proof alone. A text that is no thumbprint fits no key: the token is refused.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn bound_to(mut self, thumbprint: &str) -> Self {
        let key = portcullis_core::jwk::Thumbprint::from_text(thumbprint);
        self.binding = key.map_or(Binding::Other, Binding::Key);
        self
    }

    /// When it ends.
    pub(crate) const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// As the core sees them; `None` when there are too many audiences or the scope is not one, so
    /// that the token is refused rather than read in part.
    pub(crate) fn view(&self) -> Option<TokenFacts<'_>> {
        let mut audience = Audience::new();
        for entry in &self.audience {
            audience.push(entry).ok()?;
        }
        Some(TokenFacts {
            issuer: &self.issuer,
            audience,
            subject: self.subject.as_deref(),
            client_id: self.client_id.as_deref(),
            scope: ScopeSet::parse(&self.scope).ok()?,
            expires_at: self.expires_at,
            not_before: self.not_before,
            issued_at: self.issued_at,
            id: self.id.as_deref(),
            binding: self.binding,
        })
    }
}

impl From<&TokenFacts<'_>> for Facts {
    fn from(facts: &TokenFacts<'_>) -> Self {
        Self {
            issuer: facts.issuer.to_owned(),
            audience: facts.audience.iter().map(|&entry| entry.to_owned()).collect(),
            subject: facts.subject.map(str::to_owned),
            client_id: facts.client_id.map(str::to_owned),
            scope: facts.scope.as_str().to_owned(),
            expires_at: facts.expires_at,
            not_before: facts.not_before,
            issued_at: facts.issued_at,
            id: facts.id.map(str::to_owned),
            binding: facts.binding,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts::new("https://as", "https://mcp/mcp", UnixTime::from_secs(9))
            .subject("alice")
            .client_id("client")
            .scope("a b")
            .not_before(UnixTime::from_secs(2))
            .issued_at(UnixTime::from_secs(1))
            .id("id")
            .sender_constrained()
    }

    #[test]
    fn nothing_is_lost_between_owned_and_borrowed() {
        let facts = facts();
        assert_eq!(Facts::from(&facts.view().unwrap()), facts);
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        assert!(facts().scope("a  b").view().is_none());
        let mut facts = facts();
        for n in 1..portcullis_core::limits::AUDIENCES_MAX {
            facts = facts.audience(format!("https://mcp/{n}"));
            assert!(facts.view().is_some());
        }
        assert!(facts.audience("https://one/too/many").view().is_none());
    }
}
