//! Who a request speaks for, as the service behind sees it.

use std::{fmt, sync::Arc};

use portcullis_core::{
    resource_server,
    scope::{Implication, RequiredScopes, ScopeSet},
    time::UnixTime,
};

/// The subject, client and scopes of the access token that a request was admitted with.
///
/// [`Protect`](super::Protect) puts it into the request's extensions; nothing else makes one. A tool of
/// rmcp finds it in the request parts:
///
/// ```
/// use portcullis_tokio::resource_server::Principal;
/// use rmcp::{handler::server::tool::Extension, tool, tool_router};
///
/// struct Clock;
///
/// #[tool_router]
/// impl Clock {
///     #[tool(description = "Who calls")]
///     async fn who(&self, Extension(request): Extension<http::request::Parts>) -> String {
///         let principal = request.extensions.get::<Principal>();
///         principal.and_then(Principal::subject).unwrap_or("nobody").to_owned()
///     }
/// }
/// ```
///
/// A handler of axum takes it as an argument:
///
/// ```
/// use axum::{Extension, Router, routing};
/// use portcullis_tokio::resource_server::Principal;
///
/// async fn who(Extension(principal): Extension<Principal>) -> String {
///     principal.subject().unwrap_or("nobody").to_owned()
/// }
///
/// let service: Router = Router::new().route("/mcp", routing::post(who));
/// ```
///
/// The token itself is not there, and not in the request either: it was meant for this server and
/// must not travel on (RS-44).
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    subject: Option<Box<str>>,
    client_id: Option<Box<str>>,
    issuer: Box<str>,
    scope: Box<str>,
    token_id: Option<Box<str>>,
    expires_at: UnixTime,
    implications: &'static [Implication<'static>],
}

impl Principal {
    pub(crate) fn new(
        principal: &resource_server::Principal<'_>,
        implications: &'static [Implication<'static>],
    ) -> Self {
        Self(Arc::new(Inner {
            subject: principal.subject().map(Box::from),
            client_id: principal.client_id().map(Box::from),
            issuer: Box::from(principal.issuer()),
            scope: Box::from(principal.scope().as_str()),
            token_id: principal.token_id().map(Box::from),
            expires_at: principal.expires_at(),
            implications,
        }))
    }

    /// Whom the token speaks for (`sub`), unique only together with [`issuer`](Self::issuer).
    ///
    /// With client credentials it names the client: where both kinds of token occur, compare it with
    /// [`client_id`](Self::client_id) (RS-70).
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// The client that the token was issued to (`client_id`).
    pub fn client_id(&self) -> Option<&str> {
        self.0.client_id.as_deref()
    }

    /// The issuer that vouched for the token (`iss`).
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// What the token permits, one by one. Necessary for an operation, never sufficient (RS-55).
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope_set().iter()
    }

    /// The token's identifier (`jti`), where it has one.
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// When the token ends: a stream that outlives it must end then (TS-94).
    pub fn expires_at(&self) -> UnixTime {
        self.0.expires_at
    }

    /// Passes when the token has every one of `scopes`, itself or by an implication (RS-30).
    ///
    /// For what only a tool can know, such as the object it is applied to. Scopes known beforehand
    /// belong into the settings: only those make a 403 that tells the client which scopes to get.
    pub fn require(&self, scopes: &[&str]) -> Result<(), MissingScope> {
        let missing = scopes.iter().find(|scope| {
            // What is not one scope cannot have been granted.
            let needed = ScopeSet::parse(scope).ok().filter(|set| !set.is_empty());
            !needed.is_some_and(|needed| {
                RequiredScopes::base(needed).are_met_by(self.scope_set(), self.0.implications)
            })
        });
        match missing {
            None => Ok(()),
            Some(scope) => Err(MissingScope((*scope).to_owned())),
        }
    }

    /// The text was checked when the principal was made.
    fn scope_set(&self) -> ScopeSet<'_> {
        ScopeSet::parse(&self.0.scope).unwrap_or_default()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .field("issuer", &self.issuer())
            .field("scope", &self.0.scope)
            .finish_non_exhaustive()
    }
}

/// The access token lacks a scope; its name is what `Display` shows last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingScope(String);

impl fmt::Display for MissingScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the access token lacks the scope {}", self.0)
    }
}

impl std::error::Error for MissingScope {}

#[cfg(test)]
impl Principal {
    /// One without scopes.
    pub(super) fn named(issuer: &str, subject: Option<&str>, client_id: Option<&str>) -> Self {
        Self(Arc::new(Inner {
            subject: subject.map(Box::from),
            client_id: client_id.map(Box::from),
            issuer: issuer.into(),
            scope: "".into(),
            token_id: None,
            expires_at: UnixTime::from_secs(0),
            implications: &[],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(granted: &str, required: &[&str], expected: Result<(), &str>) {
        static IMPLICATIONS: [Implication<'static>; 1] =
            [Implication { scope: "write", implies: ScopeSet::EMPTY }];
        let mut implications = IMPLICATIONS;
        implications[0].implies = ScopeSet::parse("read").unwrap();
        let principal = Principal(Arc::new(Inner {
            subject: None,
            client_id: None,
            issuer: "i".into(),
            scope: granted.into(),
            token_id: None,
            expires_at: UnixTime::from_secs(0),
            implications: Box::leak(Box::new(implications)),
        }));
        let result = principal.require(required);
        assert_eq!(result, expected.map_err(|scope| MissingScope(scope.to_owned())));
    }

    #[test]
    fn rs_30_require_follows_implications() {
        check("read", &["read"], Ok(()));
        check("write", &["read", "write"], Ok(()));
        check("read", &["read", "write"], Err("write"));
        check("read", &[], Ok(()));
    }

    #[test]
    fn sec_057_require_compares_whole_scopes() {
        check("readwrite", &["read"], Err("read"));
        check("read", &[""], Err(""));
        check("read", &["re ad"], Err("re ad"));
        check("read", &["read  read"], Err("read  read"));
    }
}
