//! What authorizes the requests to one MCP server: its login, kept fresh, and what a refusal leads to.

use std::{fmt, sync::Arc, time::SystemTime};

use portcullis_core::{
    client::{AfterRefresh, DeviceError},
    metadata::protected_resource::covers,
    scope::ScopeSet,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    AuthorizeError, Login, OpenBrowser, Operation, Options, StoreLock, TokenStore,
    authorize::Flow,
    dpop::{Wanted, bound_tokens_alone},
    fetcher::Fetcher,
    first_request,
    session::{Session, Step},
    shared_failure::Begun,
    store::Kept,
    token_failure::TokenFailure,
};

/// The authorization of one client at one MCP server.
///
/// It sends no requests to that server, but for one without a token when it is asked to [log in](Self::log_in):
/// whoever does takes an [`Operation`] for each, adds its
/// [fields](Operation::fields), and has the answer [judged](Operation::judge). [`McpClient`](super::McpClient)
/// is made so. Operations at the same time share one login, and one refresh of it, or its failure (SEC-479); so
/// do clones.
#[derive(Clone)]
pub struct Authorizer {
    server_url: Arc<str>,
    options: Arc<Options>,
    browser: Arc<dyn OpenBrowser>,
    fetcher: Fetcher,
    pub(super) kept: Option<Kept>,
    /// Held during a login or refresh, so that there is only one at a time (SEC-479).
    session: Arc<Mutex<Session>>,
    begun: Arc<Begun>,
}

/// The session, in the hands of one who may change it.
pub(super) type Held = OwnedMutexGuard<Session>;

impl Authorizer {
    /// Without a login, for the server at this URL, kept as the string it is.
    pub fn new(
        server_url: impl Into<String>,
        options: Options,
        browser: impl OpenBrowser + 'static,
    ) -> Result<Self, AuthorizeError> {
        let fetcher = Fetcher::new(&options).ok_or(AuthorizeError::Setup("no usable TLS"))?;
        Ok(Self::with_fetcher(server_url, options, browser, fetcher))
    }

    /// With another way to send requests than the options'.
    pub(super) fn with_fetcher(
        server_url: impl Into<String>,
        options: Options,
        browser: impl OpenBrowser + 'static,
        fetcher: Fetcher,
    ) -> Self {
        Self {
            server_url: server_url.into().into(),
            options: Arc::new(options),
            browser: Arc::new(browser),
            fetcher,
            kept: None,
            session: Arc::default(),
            begun: Arc::default(),
        }
    }

    /// Begins with the login that is stored for the server, and stores each change before it is used. Other
    /// processes may use the same store: they use what one of them was given (SEC-479).
    pub fn with_store(mut self, store: impl TokenStore + 'static) -> Self {
        let server_url = Arc::clone(&self.server_url);
        self.kept = Some(Kept { store: Arc::new(store), server_url });
        self
    }

    /// The server's URL.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The options it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether requests to this URL are authorized here: those to the server's URL and below it (CL-71), if
    /// the options admit it.
    pub fn is_for(&self, url: &str) -> bool {
        let (resource, _query) = self.server_url.split_once('?').unwrap_or((&self.server_url, ""));
        self.options.url_policy(&self.server_url).admit(url).is_ok() && covers(resource, url)
    }

    /// The login that is used now, as far as that is known without looking into the store.
    pub async fn login(&self) -> Option<Login> {
        self.session.lock().await.login.clone()
    }

    /// The login, from the store if need be, as it is: its tokens may have ended.
    pub async fn stored_login(&self) -> Result<Option<Login>, AuthorizeError> {
        Ok(self.session().await?.login.clone())
    }

    /// The login, from the store if need be, and refreshed if it is about to end: once for all who wait for
    /// it. If it cannot be refreshed it is given as it is; not at all if the options do not let it be used.
    pub async fn fresh_login(&self) -> Result<Option<Login>, AuthorizeError> {
        Ok(self.newest_login().await?.filter(|login| self.admits(login)))
    }

    /// As [`fresh_login`](Self::fresh_login), whether or not it may be used.
    pub(super) async fn newest_login(&self) -> Result<Option<Login>, AuthorizeError> {
        let mut session = self.session().await?;
        if session.is_due(SystemTime::now()) {
            (session, _) = self.refreshed(session, &[]).await?;
        }
        Ok(session.login.clone())
    }

    /// Whether the options let this login be used: a bearer token of earlier is not where bound ones are
    /// required since (DP-01).
    pub(super) fn admits(&self, login: &Login) -> bool {
        login.prover().is_some() || !bound_tokens_alone(&self.options)
    }

    /// Uses this login; one for another server is not taken (SEC-475). What the user did not agree to before
    /// is forgotten.
    pub async fn set_login(&self, login: Login) {
        if *login.server_url == *self.server_url {
            *self.session.lock().await = Session::new(login);
        }
    }

    /// Has the user log in, whether or not there are tokens already; for the scopes that the server names in its
    /// challenge, unless the options name others (CL-43).
    pub async fn log_in(&self) -> Result<Login, AuthorizeError> {
        let mut session = self.session().await?;
        let challenges = first_request::challenges_of(self).await;
        let login = self.new_login(&mut session, &challenges, None).await?;
        *session = Session::new(login.clone());
        self.save(&mut session).await?;
        Ok(login)
    }

    /// Begins one operation: a request, and the same request again after a refusal.
    pub fn operation(&self) -> Operation<'_> {
        Operation::new(self, self.begun.one_more())
    }

    pub(super) const fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    pub(super) fn flow(&self) -> Flow<'_> {
        self.flow_of(None)
    }

    /// What a login goes through to be refreshed, or to be had for the first time.
    fn flow_of(&self, login: Option<&Login>) -> Flow<'_> {
        let Self { server_url, options, fetcher, .. } = self;
        let wanted = login.map_or_else(|| Wanted::new(options), |login| Wanted::of(login, options));
        Flow { server_url, options, fetcher, wanted }
    }

    /// Waits until nobody else is at it; what is in it may not be stored.
    pub(super) async fn held(&self) -> Held {
        Arc::clone(&self.session).lock_owned().await
    }

    /// Waits until nobody else is at it. What it has is stored.
    pub(super) async fn session(&self) -> Result<Held, AuthorizeError> {
        let mut session = self.held().await;
        if session.is_unsaved {
            self.save(&mut session).await?;
        }
        if let (Some(kept), false) = (&self.kept, session.is_loaded) {
            *session = kept.read().await?.unwrap_or_default().loaded();
        }
        Ok(session)
    }

    async fn save(&self, session: &mut Session) -> Result<(), AuthorizeError> {
        // Not even when there is no lock to be had.
        session.is_unsaved = true;
        let lock = self.lock_store().await?;
        self.save_locked(session, lock.as_ref()).await
    }

    /// Stores what the session has; until that is done it is used for nothing (CL-63).
    async fn save_locked(
        &self,
        session: &mut Session,
        _lock: Option<&StoreLock>,
    ) -> Result<(), AuthorizeError> {
        session.is_unsaved = true;
        if let (Some(kept), Some(record)) = (&self.kept, session.to_record()) {
            kept.write(record).await?;
        }
        session.is_unsaved = false;
        Ok(())
    }

    pub(super) async fn lock_store(&self) -> Result<Option<StoreLock>, AuthorizeError> {
        match &self.kept {
            Some(kept) => Ok(Some(kept.lock().await?)),
            None => Ok(None),
        }
    }

    /// Takes what another process has stored in the meantime; whether that is another login. When it has
    /// forgotten the login, so does the session.
    pub(super) async fn take_stored(&self, session: &mut Session) -> Result<bool, AuthorizeError> {
        let Some(kept) = &self.kept else { return Ok(false) };
        let stored = kept.read().await?.unwrap_or_default();
        let is_other = session.is_other_than(stored.login.as_ref());
        if session.is_stored_otherwise(stored.login.as_ref()) {
            *session = stored.loaded();
        }
        Ok(is_other && session.login.is_some())
    }

    pub(super) async fn authorize(
        &self,
        operation: u64,
        used: Option<&Login>,
        challenges: &[Vec<u8>],
    ) -> Result<(), AuthorizeError> {
        let mut session = self.session().await?;
        if session.is_other_than(used) || self.take_stored(&mut session).await? {
            return Ok(());
        }
        if let Some(error) = session.failure_of(operation) {
            return Err(error);
        }
        let login = self.new_login(&mut session, challenges, None).await?;
        session.renew(login);
        self.save(&mut session).await
    }

    /// Goes the whole way to tokens once more.
    async fn new_login(
        &self,
        session: &mut Session,
        challenges: &[Vec<u8>],
        scope: Option<&str>,
    ) -> Result<Login, AuthorizeError> {
        let earlier = session.login.as_ref();
        let login = self.flow().authorize(challenges, scope, earlier, &*self.browser).await;
        if let Err(failure) = &login {
            match scope {
                None => session.share(&self.begun, &failure.error),
                Some(_) => session.asked_in_vain(&self.begun),
            }
            if session.doubt_client(failure) {
                self.save(session).await?;
            }
        }
        login.map_err(|failure| failure.error)
    }

    /// Asks the user for the scopes of a challenge as well; whether it is worth sending the request again.
    /// The tokens there are stay in use unless there are new ones.
    pub(super) async fn step_up(
        &self,
        operation: u64,
        used: Option<&Login>,
        challenged: ScopeSet<'_>,
        challenges: &[Vec<u8>],
    ) -> Result<bool, AuthorizeError> {
        if !self.options.step_up {
            return Ok(false);
        }
        let mut session = self.session().await?;
        self.take_stored(&mut session).await?;
        let scope = match session.step(used, challenged) {
            Step::Taken => return Ok(true),
            Step::None(error) => {
                tracing::debug!(%error, "nobody is asked");
                return Ok(false);
            }
            Step::Ask(scope) => scope,
        };
        if !session.may_ask(operation) {
            return Ok(false);
        }
        match self.new_login(&mut session, challenges, Some(&scope)).await {
            Ok(login) => {
                session.renew(login);
                session.remember_denied(challenged);
                self.save(&mut session).await?;
                Ok(true)
            }
            Err(error) => {
                if let AuthorizeError::Denied(_) | AuthorizeError::Device(DeviceError::Denied, _) =
                    error
                {
                    session.remember_denied(challenged);
                    self.save(&mut session).await?;
                }
                Err(error)
            }
        }
    }

    /// After a refusal the next 401 leads to a login. When the authorization server cannot be asked now, nor
    /// could the user log in there: then this is the end, and nothing is forgotten.
    pub(super) async fn refresh(
        &self,
        operation: u64,
        used: Option<&Login>,
        challenges: &[Vec<u8>],
    ) -> Result<(), AuthorizeError> {
        let session = self.session().await?;
        if session.is_other_than(used) {
            return Ok(());
        }
        if let Some(error) = session.failure_of(operation) {
            return Err(error);
        }
        match self.refreshed(session, challenges).await? {
            (mut session, Some(TokenFailure { error, after: AfterRefresh::Keep })) => {
                session.share(&self.begun, &error);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Refreshes the login, unless another process has done so; gives what went wrong.
    ///
    /// It goes on when nobody waits for it any more: between the answer and the store a refresh token that
    /// changes with each use would be lost (SEC-561).
    async fn refreshed(
        &self,
        mut session: Held,
        challenges: &[Vec<u8>],
    ) -> Result<(Held, Option<TokenFailure>), AuthorizeError> {
        let (own, challenges) = (self.clone(), challenges.to_vec());
        let refreshing = tokio::spawn(async move {
            let failure = own.refresh_session(&mut session, &challenges).await?;
            Ok((session, failure))
        });
        refreshing.await.map_err(|_| AuthorizeError::Setup("the runtime is shutting down"))?
    }

    async fn refresh_session(
        &self,
        session: &mut Session,
        challenges: &[Vec<u8>],
    ) -> Result<Option<TokenFailure>, AuthorizeError> {
        let lock = self.lock_store().await?;
        if self.take_stored(session).await? && !session.is_due(SystemTime::now()) {
            return Ok(None);
        }
        let Some(login) = &session.login else { return Ok(None) };
        let failure = match self.flow_of(Some(login)).refresh(login, challenges).await {
            Ok(refreshed) => {
                session.renew(refreshed);
                None
            }
            Err(failure) => {
                tracing::debug!(error = %failure.error, after = ?failure.after, "not refreshed");
                session.after_refresh(failure.after);
                Some(failure)
            }
        };
        self.save_locked(session, lock.as_ref()).await?;
        Ok(failure)
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("server_url", &self.server_url)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
