//! What authorizes the requests to one MCP server: its login, kept fresh, and what a refusal leads to.

use std::{fmt, sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use portcullis_core::{
    challenge::parse::{self, BearerChallenge},
    client::{AfterRefresh, Attempts, Reaction},
    encoding::scratch::Scratch,
    metadata::protected_resource::covers,
    scope::ScopeSet,
};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{
    AuthorizeError, Login, OpenBrowser, Options,
    authorize::{Flow, RefreshFailure},
    fetcher::{Fetcher, secret_value},
    session::{Session, Step},
};

/// The authorization of one client at one MCP server.
///
/// It sends no requests to that server: whoever does takes an [`Operation`] for each, adds its
/// [fields](Operation::fields), and has the answer [judged](Operation::judge). [`McpClient`](super::McpClient)
/// is made so. Operations at the same time share one login, and one refresh of it (SEC-479).
pub struct Authorizer {
    server_url: String,
    options: Options,
    browser: Arc<dyn OpenBrowser>,
    fetcher: Fetcher,
    /// Held during a login or refresh, so that there is only one at a time (SEC-479).
    session: Mutex<Session>,
}

/// What the answer to a request means for its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an answer that was not judged may be a refusal"]
pub enum Judgement {
    /// The answer is the result.
    Deliver,
    /// There is a new token: send the request again, with new fields.
    Again,
    /// The server refuses fresh tokens too (SEC-476).
    GiveUp,
}

impl Authorizer {
    /// Without a login, for the server at this URL, kept as the string it is.
    pub fn new(
        server_url: impl Into<String>,
        options: Options,
        browser: impl OpenBrowser + 'static,
    ) -> Result<Self, AuthorizeError> {
        let fetcher = Fetcher::new().ok_or(AuthorizeError::Setup("no usable TLS"))?;
        Ok(Self {
            server_url: server_url.into(),
            options,
            browser: Arc::new(browser),
            fetcher,
            session: Mutex::default(),
        })
    }

    /// The server's URL.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The options it was made with.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Whether requests to this URL are authorized here: those to the server's URL and below it (CL-71), if
    /// the options admit it.
    pub fn is_for(&self, url: &str) -> bool {
        let (resource, _query) = self.server_url.split_once('?').unwrap_or((&self.server_url, ""));
        self.options.url_policy(&self.server_url).admit(url).is_ok() && covers(resource, url)
    }

    /// The login that is used now.
    pub async fn login(&self) -> Option<Login> {
        self.session.lock().await.login.clone()
    }

    /// Uses this login; one for another server is not taken (SEC-475). What the user did not agree to before
    /// is forgotten.
    pub async fn set_login(&self, login: Login) {
        if login.server_url == self.server_url {
            *self.session.lock().await = Session::new(login);
        }
    }

    /// Begins one operation: a request, and the same request again after a refusal.
    pub fn operation(&self) -> Operation<'_> {
        Operation { authorizer: self, attempts: Attempts::default(), used: None }
    }

    pub(super) const fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    pub(super) fn flow(&self) -> Flow<'_> {
        let Self { server_url, options, fetcher, .. } = self;
        Flow { server_url, options, fetcher }
    }

    async fn authorize(
        &self,
        used: Option<&Login>,
        challenges: &[Vec<u8>],
    ) -> Result<(), AuthorizeError> {
        let mut session = self.session.lock().await;
        if session.is_other_than(used) {
            return Ok(());
        }
        session.login = Some(self.flow().authorize(challenges, None, used, &*self.browser).await?);
        Ok(())
    }

    /// Asks the user for the scopes of a challenge as well; whether it is worth sending the request again.
    /// The tokens there are stay in use unless there are new ones.
    async fn step_up(
        &self,
        used: Option<&Login>,
        challenged: ScopeSet<'_>,
        challenges: &[Vec<u8>],
    ) -> Result<bool, AuthorizeError> {
        if !self.options.step_up {
            return Ok(false);
        }
        let mut session = self.session.lock().await;
        let scope = match session.step(used, challenged) {
            Step::Taken => return Ok(true),
            Step::None(error) => {
                tracing::debug!(%error, "nobody is asked");
                return Ok(false);
            }
            Step::Ask(scope) => scope,
        };
        let earlier = session.login.as_ref();
        match self.flow().authorize(challenges, Some(&scope), earlier, &*self.browser).await {
            Ok(login) => {
                session.login = Some(login);
                session.remember_denied(challenged);
                Ok(true)
            }
            Err(error) => {
                if let AuthorizeError::Denied(_) = error {
                    session.remember_denied(challenged);
                }
                Err(error)
            }
        }
    }

    /// After a refusal the next 401 leads to a login. When the authorization server cannot be asked now, nor
    /// could the user log in there: then this is the end, and nothing is forgotten.
    async fn refresh(
        &self,
        used: Option<&Login>,
        challenges: &[Vec<u8>],
    ) -> Result<(), AuthorizeError> {
        let mut session = self.session.lock().await;
        if session.is_other_than(used) {
            return Ok(());
        }
        match self.refreshed(&mut session, challenges).await {
            Some(RefreshFailure { error, after: AfterRefresh::Keep }) => Err(error),
            None | Some(_) => Ok(()),
        }
    }

    /// The login, refreshed if it is about to end: once for all who wait for it. If that fails it is used as
    /// it is.
    async fn fresh_login(&self) -> Option<Login> {
        let mut session = self.session.lock().await;
        if session.login.as_ref().is_some_and(|login| login.is_due(SystemTime::now())) {
            self.refreshed(&mut session, &[]).await;
        }
        session.login.clone()
    }

    /// Refreshes the login; gives what went wrong.
    async fn refreshed(
        &self,
        session: &mut Session,
        challenges: &[Vec<u8>],
    ) -> Option<RefreshFailure> {
        let login = session.login.as_mut()?;
        match self.flow().refresh(login, challenges).await {
            Ok(refreshed) => {
                *login = refreshed;
                None
            }
            Err(failure) => {
                tracing::debug!(error = %failure.error, after = ?failure.after, "not refreshed");
                login.after_refresh(failure.after, SystemTime::now());
                Some(failure)
            }
        }
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

/// One operation at the server: at most one refresh, one login and one step-up (CL-72, CL-83).
#[derive(Debug)]
pub struct Operation<'a> {
    authorizer: &'a Authorizer,
    attempts: Attempts,
    /// What the last request was sent with.
    used: Option<Login>,
}

impl Operation<'_> {
    /// The fields that authorize the next request; none when there is no login yet.
    ///
    /// `method` and `url` are those of the request that gets them. They are for this one request (CL-70), and
    /// an error when it is [not for](Authorizer::is_for) the server (SEC-475).
    pub async fn fields(
        &mut self,
        method: &Method,
        url: &str,
    ) -> Result<HeaderMap, AuthorizeError> {
        if !self.authorizer.is_for(url) {
            return Err(AuthorizeError::Setup("the URL is not that of the server"));
        }
        self.used = self.authorizer.fresh_login().await;
        let login = self.used.as_ref();
        login.map_or_else(|| Ok(HeaderMap::new()), |login| authorization_fields(login, method, url))
    }

    /// Whether the last request was sent with a token.
    pub const fn has_token(&self) -> bool {
        self.used.is_some()
    }

    /// Judges the answer to the request that the last [fields](Self::fields) were for, and does what it asks
    /// for: refreshes the tokens, has the user log in, or asks the user for further scopes.
    pub async fn judge(
        &mut self,
        status: StatusCode,
        fields: &HeaderMap,
    ) -> Result<Judgement, AuthorizeError> {
        let challenges = challenges(fields);
        let mut buffer = challenge_buffer(&challenges);
        let challenge = bearer_challenge(&challenges, &mut buffer);
        let used = self.used.as_ref();
        let refreshable = used.is_some_and(Login::is_refreshable);
        match self.attempts.react(status.as_u16(), challenge.as_ref(), refreshable) {
            Reaction::Deliver => return Ok(Judgement::Deliver),
            Reaction::Refresh => self.authorizer.refresh(used, &challenges).await?,
            Reaction::Authorize => self.authorizer.authorize(used, &challenges).await?,
            Reaction::StepUp => {
                let challenged = challenge.and_then(|challenge| challenge.scope);
                let challenged = challenged.unwrap_or_default();
                if !self.authorizer.step_up(used, challenged, &challenges).await? {
                    return Ok(Judgement::Deliver);
                }
            }
            Reaction::GiveUp => return Ok(Judgement::GiveUp),
        }
        Ok(Judgement::Again)
    }
}

/// What a request of this method to this URL shows of the login.
fn authorization_fields(
    login: &Login,
    _method: &Method,
    _url: &str,
) -> Result<HeaderMap, AuthorizeError> {
    let credentials = Zeroizing::new(format!("Bearer {}", login.access_token()));
    let value: HeaderValue = secret_value(&credentials)
        .map_err(|_| AuthorizeError::Setup("access token cannot be written as HTTP"))?;
    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
}

/// All `WWW-Authenticate` lines.
pub(super) fn challenges(fields: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = fields.get_all(header::WWW_AUTHENTICATE);
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}

/// Room for the texts of a challenge.
pub(super) fn challenge_buffer(lines: &[Vec<u8>]) -> Vec<u8> {
    vec![0; lines.iter().map(Vec::len).sum()]
}

pub(super) fn bearer_challenge<'b>(
    lines: &'b [Vec<u8>],
    buffer: &'b mut [u8],
) -> Option<BearerChallenge<'b>> {
    let lines = lines.iter().map(Vec::as_slice);
    parse::bearer(lines, &mut Scratch::new(buffer)).ok().flatten()
}
