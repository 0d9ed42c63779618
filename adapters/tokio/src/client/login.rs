//! What a login brings, in memory of its own.

mod record;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portcullis_core::{
    client::{
        AfterRefresh, Client, ClientAuthentication, ClientSecret, EXPIRES_IN_SECS_MAX, KnownClient,
        Origin, RefreshToken, StoredTokens, TokenKind, Tokens,
    },
    scope::ScopeSet,
    time::UnixTime,
};
use zeroize::Zeroizing;

use super::dpop::Prover;

/// How long a refresh that failed for reasons of the moment is not tried again ahead of time.
const REFRESH_PAUSE: Duration = Duration::from_secs(5);

/// Tokens for one server, and what is needed to refresh them.
///
/// Secrets are overwritten when dropped, and `Debug` does not show them.
#[derive(Clone)]
pub struct Login {
    pub(super) server_url: String,
    issuer: String,
    resource: String,
    client_id: String,
    /// Whether the authorization server still knows the client, for all we know.
    client_is_known: bool,
    client_secret: Option<Zeroizing<String>>,
    client_secret_expires_at: Option<UnixTime>,
    authentication: ClientAuthentication,
    pub(super) redirect_uri: String,
    asked_scope: String,
    scope: String,
    access_token: Zeroizing<String>,
    refresh_token: Option<Zeroizing<String>>,
    /// Whether the application gets such a token without a user, in the way it got this one.
    pub(super) is_renewable: bool,
    expires_at: SystemTime,
    refresh_at: SystemTime,
    /// The key that the tokens are bound to (RFC 9449).
    prover: Option<Arc<Prover>>,
}

impl Login {
    /// Copies the tokens out of the machine's memory; they were received at `now`.
    pub(super) fn new(
        server_url: &str,
        client: &Client<'_>,
        redirect_uri: &str,
        tokens: &Tokens<'_>,
        now: SystemTime,
    ) -> Self {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        Self {
            server_url: server_url.to_owned(),
            issuer: tokens.issuer().to_owned(),
            resource: tokens.resource().to_owned(),
            client_id: client.id().to_owned(),
            client_is_known: true,
            client_secret: client.secret().map(|text| secret(text.expose())),
            client_secret_expires_at: client.secret_expires_at(),
            authentication: client.authentication(),
            redirect_uri: redirect_uri.to_owned(),
            asked_scope: tokens.asked_scope().as_str().to_owned(),
            scope: tokens.scope().as_str().to_owned(),
            access_token: secret(tokens.access_token().expose()),
            refresh_token: tokens.refresh_token().map(|token| secret(token.expose())),
            is_renewable: false,
            expires_at: now + Duration::from_secs(u64::from(tokens.expires_in_secs())),
            refresh_at: now + Duration::from_secs(u64::from(tokens.refresh_in_secs())),
            prover: None,
        }
    }

    /// The same login with the key that its tokens are bound to.
    #[cfg(feature = "dpop")]
    pub(super) fn bound_to(self, prover: Option<&Arc<Prover>>) -> Self {
        Self { prover: prover.cloned(), ..self }
    }

    /// The key that the tokens are bound to.
    pub(super) const fn prover(&self) -> Option<&Arc<Prover>> {
        self.prover.as_ref()
    }

    /// After a refresh that brought no new refresh token, the old one stays (RFC 6749 §6).
    pub(super) fn keep_refresh_token_of(&mut self, older: &Self) {
        if self.refresh_token.is_none() {
            self.refresh_token.clone_from(&older.refresh_token);
        }
    }

    /// Takes in what a failed refresh means. The access token stays in use until the server refuses it.
    pub(super) fn after_refresh(&mut self, after: AfterRefresh, now: SystemTime) {
        match after {
            AfterRefresh::Keep => self.refresh_at = now + REFRESH_PAUSE,
            AfterRefresh::ForgetTokens => {
                self.refresh_token = None;
                self.is_renewable = false;
            }
            AfterRefresh::ForgetClient => {
                self.refresh_token = None;
                self.is_renewable = false;
                self.client_is_known = false;
            }
        }
    }

    /// Whether it is time to refresh, and possible. A wait that is longer than any token lives says that the clock
    /// went back since.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let longest = Duration::from_secs(EXPIRES_IN_SECS_MAX.into());
        let wait = self.refresh_at.duration_since(now).unwrap_or_default();
        self.is_refreshable() && (wait.is_zero() || wait > longest)
    }

    /// Who issued the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The resource identifier the tokens are for.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The client the tokens were given to.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What was granted, tokens with a blank between them.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// What was asked for when the user logged in; a step-up adds to it (CL-84).
    pub fn asked_scope(&self) -> &str {
        &self.asked_scope
    }

    /// When the access token ends.
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// The access token, for the server of this login alone; never to be printed.
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// Whether the tokens are bound to a key of the client (RFC 9449).
    #[cfg(feature = "dpop")]
    pub const fn is_bound(&self) -> bool {
        self.prover.is_some()
    }

    /// Whether new tokens can be had without asking a user: there is a refresh token, or the application acts
    /// for itself.
    pub const fn is_refreshable(&self) -> bool {
        self.refresh_token.is_some() || self.is_renewable
    }

    /// The client as the core knows one; `None` when the authorization server has forgotten it.
    pub(super) fn known_client(&self) -> Option<KnownClient<'_>> {
        self.client_is_known.then(|| KnownClient {
            issuer: &self.issuer,
            id: &self.client_id,
            secret: self.client_secret.as_ref().map(|secret| ClientSecret::new(secret.as_str())),
            secret_expires_at: self.client_secret_expires_at,
            // The application has it, and lends it to each flow.
            key: None,
            authentication: Some(self.authentication),
            redirect_uri: Some(self.redirect_uri.as_str()).filter(|uri| !uri.is_empty()),
            origin: Origin::Registered,
        })
    }

    /// Access token and refresh token.
    pub(super) fn tokens(&self) -> (&str, Option<&str>) {
        (self.access_token(), self.refresh_token.as_ref().map(|token| token.as_str()))
    }

    /// The token that is given back when the login ends: the one from which the others come, if there is one.
    pub(super) fn revocable(&self) -> (TokenKind, &str) {
        let access = (TokenKind::Access, self.access_token());
        self.refresh_token.as_ref().map_or(access, |token| (TokenKind::Refresh, token.as_str()))
    }

    /// The tokens as the core refreshes them.
    pub(super) fn stored_tokens(&self) -> Option<StoredTokens<'_>> {
        Some(StoredTokens {
            issuer: &self.issuer,
            resource: &self.resource,
            client_id: &self.client_id,
            asked_scope: ScopeSet::parse(&self.asked_scope).ok()?,
            scope: ScopeSet::parse(&self.scope).ok()?,
            refresh_token: RefreshToken::new(self.refresh_token.as_ref()?)?,
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("issuer", &self.issuer)
            .field("resource", &self.resource)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .field("refreshable", &self.is_refreshable())
            .finish_non_exhaustive()
    }
}

/// What time it is, unless the clock stands before 1970.
pub(super) fn unix_time(now: SystemTime) -> Option<UnixTime> {
    let since = now.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(since.as_secs()))
}
