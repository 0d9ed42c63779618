//! The end of a login: the tokens are given back, then forgotten.

use std::{fmt, time::SystemTime};

use portcullis_core::client::{
    Grant, Identity, Registration, RegistrationError, Revocation, RevocationError,
};

use super::{
    AuthorizeError, Authorizer, Login,
    authorize::{Flow, Storage, freshness},
    login::unix_time,
    session::Session,
};

/// What became of a login. In each case it is forgotten here.
#[derive(Debug)]
#[must_use = "tokens that were not revoked are in force on"]
pub enum LoggedOut {
    /// There was none.
    NoLogin,
    /// The authorization server says that the tokens are in force no more.
    Revoked,
    /// It does not say so: they may be, until they expire.
    NotRevoked(NotRevoked),
}

/// Why tokens may be in force on.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotRevoked {
    /// The authorization server is not found as it was when the login was made.
    Discovery(AuthorizeError),
    /// It has forgotten the client, or the client's secret has expired.
    Client(RegistrationError),
    /// It did not do it.
    Revocation(RevocationError),
}

impl fmt::Display for NotRevoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovery(error) => error.fmt(f),
            Self::Client(error) => error.fmt(f),
            Self::Revocation(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotRevoked {}

impl Authorizer {
    /// Revokes the tokens at the authorization server (RFC 7009), where it offers that, and forgets the
    /// login, in the store too.
    ///
    /// # Errors
    /// The login cannot be read, or not be removed from the store.
    pub async fn log_out(&self) -> Result<LoggedOut, AuthorizeError> {
        let mut session = self.session().await?;
        let _lock = self.lock_store().await?;
        self.take_stored(&mut session).await?;
        let logged_out = match &session.login {
            None => LoggedOut::NoLogin,
            Some(login) => match self.flow().revoke(login).await {
                Ok(()) => LoggedOut::Revoked,
                Err(error) => LoggedOut::NotRevoked(error),
            },
        };
        if let Some(kept) = &self.kept {
            kept.remove().await?;
        }
        *session = Session::default().loaded();
        Ok(logged_out)
    }

    /// Forgets the login, in the store too, even one that cannot be read; whether there was one. The
    /// authorization server is not told.
    ///
    /// # Errors
    /// It cannot be removed from the store.
    pub async fn forget(&self) -> Result<bool, AuthorizeError> {
        let mut session = self.held().await;
        let _lock = self.lock_store().await?;
        let mut was_there = session.login.is_some();
        if let Some(kept) = &self.kept {
            was_there |= kept.remove().await?;
        }
        *session = Session::default().loaded();
        Ok(was_there)
    }
}

impl Flow<'_> {
    /// Gives the tokens back, if all is as it was when the login was made.
    async fn revoke(&self, login: &Login) -> Result<(), NotRevoked> {
        let known: Vec<_> = self.client_of(login).into_iter().collect();
        let redirect_uri = Some(login.redirect_uri.as_str()).filter(|uri| !uri.is_empty());
        let grant = redirect_uri.map_or(Grant::DeviceCode, |_| Grant::AuthorizationCode);
        let mut storage = Storage::new();
        let scratch = &mut storage.scratch();
        let discovered = self.discover(&[], &known, grant, scratch).await;
        let discovered = discovered.map_err(NotRevoked::Discovery)?;
        let identity = self.identity(&known, redirect_uri);
        // Nobody else can give them back.
        let identity =
            Identity { dynamic_registration: false, metadata_document: None, ..identity };
        let now = unix_time(SystemTime::now());
        let client = Registration::new(&discovered, &identity, now, scratch);
        let client = client.and_then(Registration::finish).map_err(NotRevoked::Client)?;
        let fresh = freshness();
        let policy = self.options.url_policy(self.server_url);
        let mut revocation = Revocation::new(
            &discovered,
            &client,
            login.revocable(),
            policy,
            fresh.as_ref(),
            scratch,
        )
        .map_err(NotRevoked::Revocation)?;
        self.drive(&mut revocation, scratch).await;
        revocation.finish().map_err(NotRevoked::Revocation)
    }
}
