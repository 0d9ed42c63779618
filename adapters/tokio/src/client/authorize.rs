//! From a bare 401 to tokens: the loop around the core's machines.

use std::{fmt, io, sync::Arc, time::SystemTime};

#[cfg(feature = "enterprise-managed")]
use portcullis_core::client::IdJagError;
use portcullis_core::{
    challenge::parse::{self, BearerChallenge},
    client::{
        AfterRefresh, Authorization, AuthorizationError, Callback, CallbackError, Client,
        ClientAuthentication, ClientKey, CodeGrant, DeviceError, Discovered, Discovery,
        DiscoveryError, Entropy, ErrorResponse, FetchFailure, Freshness, Grant, Identity,
        KnownClient, Machine, OutgoingRequest, Output, Preferences, Purpose, Registration,
        RegistrationError, Signer, TokenRequest, TokenRequestError, Tokens, Wish,
    },
    encoding::scratch::Scratch,
    limits::METADATA_LEN_MAX_DESKTOP,
};
use zeroize::Zeroizing;

use super::{
    ConfiguredClient, Exchange, Login, OpenBrowser, Options, Party, StoreError,
    dpop::Wanted,
    fetcher::{Fetcher, Received},
    login::unix_time,
    observer::{meaning_of, without_query},
    redirect::{Judged, Page, Redirect},
    token_failure::TokenFailure,
};

/// Room for all texts of one login: every metadata document the core may keep, and the rest.
const STORAGE_LEN: usize = 6 * METADATA_LEN_MAX_DESKTOP;

/// Why there are no tokens.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// There is no usable TLS, random source or `scope` option.
    Setup(&'static str),
    /// No authorization server was found that may be used.
    Discovery(DiscoveryError),
    /// No client id; with the server's words, if it had any.
    Registration(RegistrationError, Option<String>),
    /// No authorization request was made.
    Authorization(AuthorizationError),
    /// The port of the redirect URI cannot be listened on.
    Listen(io::Error),
    /// The browser could not be opened, or its user failed.
    Browser(io::Error),
    /// The user did not log in in time.
    TimedOut,
    /// The user did not agree, or these scopes cannot be had; the authorization server's words.
    Denied(String),
    /// The authorization server could not do it, for a reason of its own; its words.
    NotNow(String),
    /// The answer must not be used.
    Callback(CallbackError),
    /// The user could not log in on another machine; with the server's words, if it had any.
    Device(DeviceError, Option<String>),
    /// The application's own source of what speaks for the user or for itself failed.
    Source(io::Error),
    /// The identity provider gave nothing to go to the authorization server with; with its words, if it had any.
    #[cfg(feature = "enterprise-managed")]
    IdJag(IdJagError, Option<String>),
    /// The token endpoint gave no tokens; with its words, if it had any.
    Token(TokenRequestError, Option<String>),
    /// What is stored cannot be read, or new tokens cannot be stored.
    Store(StoreError),
}

impl fmt::Display for AuthorizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_words =
            |f: &mut fmt::Formatter<'_>, error: &dyn fmt::Display, words: &Option<_>| match words {
                Some(words) => write!(f, "{error}: {words}"),
                None => error.fmt(f),
            };
        match self {
            Self::Setup(what) => f.write_str(what),
            Self::Discovery(error) => write!(f, "discovery: {error}"),
            Self::Registration(error, words) => with_words(f, error, words),
            Self::Authorization(error) => error.fmt(f),
            Self::Listen(error) => write!(f, "redirect URI cannot be listened on: {error}"),
            Self::Browser(error) => write!(f, "login page: {error}"),
            Self::TimedOut => f.write_str("nobody logged in in time"),
            Self::Denied(words) => write!(f, "access denied: {words}"),
            Self::NotNow(words) => write!(f, "authorization server refused: {words}"),
            Self::Callback(error) => error.fmt(f),
            Self::Device(error, words) => with_words(f, error, words),
            Self::Source(error) => write!(f, "nothing to present: {error}"),
            #[cfg(feature = "enterprise-managed")]
            Self::IdJag(error, words) => with_words(f, error, words),
            Self::Token(error, words) => with_words(f, error, words),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AuthorizeError {}

impl From<StoreError> for AuthorizeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Memory of one login, overwritten at its end.
pub(super) struct Storage(Zeroizing<Vec<u8>>);

impl Storage {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(vec![0; STORAGE_LEN]))
    }

    pub(super) fn scratch(&mut self) -> Scratch<'_> {
        Scratch::new(&mut self.0)
    }
}

/// Everything one login or refresh works with.
pub(super) struct Flow<'a> {
    pub(super) server_url: &'a str,
    pub(super) options: &'a Options,
    pub(super) fetcher: &'a Fetcher,
    pub(super) wanted: Wanted,
}

impl Flow<'_> {
    /// Logs in with the user's browser on this machine.
    pub(super) async fn by_browser(
        &self,
        challenges: &[Vec<u8>],
        wish: &Wish<'_>,
        earlier: Option<&Login>,
        browser: &dyn OpenBrowser,
    ) -> Result<Login, TokenFailure> {
        let bound = match (self.options.redirect_port, earlier) {
            (0, Some(earlier)) if !earlier.redirect_uri.is_empty() => {
                Redirect::bind_again(&earlier.redirect_uri).await
            }
            (port, _) => Redirect::bind(port).await,
        };
        let (redirect, redirect_uri) = bound.map_err(AuthorizeError::Listen)?;
        let known: Vec<_> = self.known_clients(earlier).collect();
        let mut storage = Storage::new();
        let scratch = &mut storage.scratch();
        let discovered =
            self.discover(challenges, &known, Grant::AuthorizationCode, scratch).await?;
        self.look_at_issuer(earlier, &discovered);
        let client = self.register(&discovered, &known, Some(&redirect_uri), scratch).await?;
        let grant = self
            .ask_user(&discovered, &client, wish, (redirect, &redirect_uri), browser, scratch)
            .await?;
        let request = TokenRequest::code(grant, freshness().as_ref(), scratch);
        let request = request.map_err(|error| AuthorizeError::Token(error, None))?;
        let login = self.request_tokens(request, &client, &redirect_uri, scratch).await;
        login.map_err(|(error, response)| TokenFailure::of(error, response))
    }

    /// New tokens for the refresh token, if all is as it was when the login was made.
    pub(super) async fn refresh(
        &self,
        login: &Login,
        challenges: &[Vec<u8>],
    ) -> Result<Login, TokenFailure> {
        if login.is_renewable {
            return self.renew(login, challenges).await;
        }
        let keep = TokenFailure::from;
        let forget = |error| TokenFailure { error, after: AfterRefresh::ForgetTokens };
        let known: Vec<_> = self.client_of(login).into_iter().collect();
        let redirect_uri = Some(login.redirect_uri.as_str()).filter(|uri| !uri.is_empty());
        let grant = redirect_uri.map_or(Grant::DeviceCode, |_| Grant::AuthorizationCode);
        let nothing = || forget(AuthorizeError::Setup("no refresh token"));
        let stored = login.stored_tokens().ok_or_else(nothing)?;
        let mut storage = Storage::new();
        let scratch = &mut storage.scratch();
        let discovered = self.discover(challenges, &known, grant, scratch).await.map_err(keep)?;
        // There is something to refresh only for the client that has it: no other is asked for.
        let identity = self.identity(&known, redirect_uri);
        let identity = Identity { dynamic_registration: false, ..identity };
        let registration =
            Registration::new(&discovered, &identity, unix_time(SystemTime::now()), scratch);
        let client = registration.and_then(Registration::finish);
        let client = client.map_err(|error| forget(AuthorizeError::Registration(error, None)))?;
        let fresh = freshness();
        let request = TokenRequest::refresh(&discovered, &client, &stored, fresh.as_ref(), scratch);
        let request = request.map_err(|error| TokenFailure::of(error, None))?;
        let refreshed = self.request_tokens(request, &client, &login.redirect_uri, scratch).await;
        let mut refreshed = refreshed.map_err(|(error, words)| TokenFailure::of(error, words))?;
        refreshed.keep_refresh_token_of(login);
        Ok(refreshed)
    }

    pub(super) async fn discover<'s>(
        &'s self,
        challenges: &'s [Vec<u8>],
        known: &'s [KnownClient<'s>],
        grant: Grant,
        scratch: &mut Scratch<'s>,
    ) -> Result<Discovered<'s>, AuthorizeError> {
        let full = |_| AuthorizeError::Discovery(DiscoveryError::BufferFull);
        let challenge: Option<BearerChallenge<'s>> =
            parse::bearer(challenges.iter().map(Vec::as_slice), scratch).map_err(full)?;
        let known_issuers: Vec<&str> = known.iter().map(|client| client.issuer).collect();
        let allowed = self.options.allowed_issuers.as_ref();
        let allowed: Option<Vec<&str>> =
            allowed.map(|allowed| allowed.iter().map(String::as_str).collect());
        let preferences = Preferences {
            url_policy: self.options.url_policy(self.server_url),
            resource_match: self.options.resource_match,
            known_issuers: &known_issuers,
            allowed_issuers: allowed.as_deref(),
            grant,
            legacy: self.options.legacy,
        };
        let discovery = Discovery::new(self.server_url, challenge.as_ref(), preferences, scratch);
        let mut discovery = discovery.map_err(AuthorizeError::Discovery)?;
        self.drive(&mut discovery, scratch).await;
        let discovered = discovery.finish().map_err(AuthorizeError::Discovery)?;
        self.wanted.look(challenges, &discovered);
        Ok(discovered)
    }

    /// Tells whoever watches when the login will be with another authorization server than the one before.
    pub(super) fn look_at_issuer(&self, earlier: Option<&Login>, discovered: &Discovered<'_>) {
        let now = discovered.issuer();
        if let Some(before) = earlier.map(Login::issuer).filter(|before| *before != now) {
            tracing::warn!(before, now, "the server names another authorization server");
            self.options.observer.issuer_changed(before, now);
        }
    }

    pub(super) async fn register<'s>(
        &'s self,
        discovered: &Discovered<'s>,
        known: &'s [KnownClient<'s>],
        redirect_uri: Option<&'s str>,
        scratch: &mut Scratch<'s>,
    ) -> Result<Client<'s>, AuthorizeError> {
        let identity = self.identity(known, redirect_uri);
        let now = unix_time(SystemTime::now());
        let mut registration = Registration::new(discovered, &identity, now, scratch)
            .map_err(|error| AuthorizeError::Registration(error, None))?;
        self.drive(&mut registration, scratch).await;
        let words = words(registration.error_response());
        registration.finish().map_err(|error| AuthorizeError::Registration(error, words))
    }

    async fn ask_user<'s>(
        &'s self,
        discovered: &Discovered<'s>,
        client: &Client<'s>,
        wish: &Wish<'s>,
        (redirect, redirect_uri): (Redirect, &'s str),
        browser: &dyn OpenBrowser,
        scratch: &mut Scratch<'s>,
    ) -> Result<CodeGrant<'s>, AuthorizeError> {
        let entropy = entropy()?;
        let mut authorization =
            Authorization::new(discovered, client, redirect_uri, wish, &entropy, scratch)
                .map_err(AuthorizeError::Authorization)?;
        let url = authorization.url().to_owned();
        let waiting = redirect.wait(|query| {
            let callback = authorization.handle_callback(query, scratch);
            self.judge(redirect_uri, callback)
        });
        let opening = async {
            match browser.open(url).await {
                // The page is open; the answer is still to come.
                Ok(()) => std::future::pending().await,
                Err(error) => AuthorizeError::Browser(error),
            }
        };
        tokio::select! {
            biased;
            waited = waiting => waited.map_err(AuthorizeError::Listen)?,
            failed = opening => Err(failed),
            () = tokio::time::sleep(self.options.login_time_limit) => Err(AuthorizeError::TimedOut),
        }
    }

    /// Shows the core's judgement of a callback to the user and to whoever watches.
    fn judge<'s>(
        &self,
        redirect_uri: &str,
        callback: Callback<'s>,
    ) -> Judged<Result<CodeGrant<'s>, AuthorizeError>> {
        let (judged, status, meaning) = match callback {
            Callback::Ignored(_) => (Judged::WaitOn, 400, "not the answer, waiting on"),
            Callback::Granted(grant) => {
                (Judged::Over(Ok(grant), Page::LoggedIn), 200, "state and issuer fit: a code")
            }
            Callback::Denied(response) => {
                let is_denial = response.is_about_scopes();
                let error = if is_denial { AuthorizeError::Denied } else { AuthorizeError::NotNow };
                let error = error(response.to_string());
                (Judged::Over(Err(error), Page::NotLoggedIn), 200, "access denied")
            }
            Callback::Refused(error) => {
                let refused = AuthorizeError::Callback(error);
                (Judged::Over(Err(refused), Page::NotLoggedIn), 200, "an answer not to be used")
            }
        };
        self.tell((Party::Browser, Party::Client), ("GET", redirect_uri), Ok(status), meaning);
        judged
    }

    pub(super) async fn request_tokens<'s>(
        &self,
        request: TokenRequest<'s>,
        client: &Client<'s>,
        redirect_uri: &str,
        scratch: &mut Scratch<'s>,
    ) -> Result<Login, (TokenRequestError, Option<ErrorResponse<'s>>)> {
        let mut request = request.proving(self.wanted.proving());
        self.drive(&mut request, scratch).await;
        let response = request.error_response();
        let tokens = request.finish().map_err(|error| (error, response))?;
        Ok(self.login(client, redirect_uri, &tokens))
    }

    /// What the tokens make, with the key that they are bound to.
    pub(super) fn login(
        &self,
        client: &Client<'_>,
        redirect_uri: &str,
        tokens: &Tokens<'_>,
    ) -> Login {
        let login = Login::new(self.server_url, client, redirect_uri, tokens, SystemTime::now());
        #[cfg(feature = "dpop")]
        let login = login.bound_to(self.wanted.prover().filter(|_| tokens.is_bound()));
        login
    }

    /// Sends what the machine wants sent until it wants no more.
    pub(super) async fn drive<'s>(
        &self,
        machine: &mut impl Machine<'s>,
        scratch: &mut Scratch<'s>,
    ) {
        while let Output::Fetch(request) = machine.poll() {
            let (purpose, method) = (request.purpose, request.method.as_str());
            let answer = self.fetch(&request).await;
            let status = answer.as_ref().map(|answer| answer.status()).map_err(|failure| *failure);
            let parties = (Party::Client, Party::asked_for(purpose));
            self.tell(parties, (method, request.url), status, meaning_of(purpose, status));
            let response = answer.as_ref().map(|answer| answer.incoming());
            machine.handle_response(response.map_err(|failure| *failure), scratch);
        }
    }

    /// Sends a request; one for tokens with the proof of the key that they are to be bound to, and once more
    /// when the server gives a nonce for it (DP-04).
    async fn fetch(&self, request: &OutgoingRequest<'_>) -> Result<Received, FetchFailure> {
        let time_limit = self.options.fetch_time_limit;
        let prover = self.wanted.prover().filter(|_| is_for_tokens(request.purpose));
        let Some(prover) = prover else {
            return self.fetcher.fetch(request, None, time_limit).await;
        };
        let proof = || {
            let field = prover.field(request.method.as_str(), request.url, None);
            field.map(Some).map_err(|error| {
                tracing::warn!(%error, "no proof of the client's key");
                FetchFailure::Unreachable
            })
        };
        let answer = self.fetcher.fetch(request, proof()?, time_limit).await?;
        let has_nonce = prover.learn(request.url, &answer.head.headers);
        if !(has_nonce && answer.wants_nonce()) {
            return Ok(answer);
        }
        let again = self.fetcher.fetch(request, proof()?, time_limit).await?;
        prover.learn(request.url, &again.head.headers);
        Ok(again)
    }

    pub(super) fn tell(
        &self,
        (from, to): (Party, Party),
        (method, url): (&str, &str),
        status: Result<u16, FetchFailure>,
        meaning: &str,
    ) {
        let url = without_query(url);
        let exchange = Exchange { from, to, method, url, status, meaning };
        tracing::debug!(%exchange);
        self.options.observer.exchange(&exchange);
    }

    /// Those given by hand first (CL-30), then the client of an earlier login.
    pub(super) fn known_clients<'k>(
        &'k self,
        earlier: Option<&'k Login>,
    ) -> impl Iterator<Item = KnownClient<'k>> {
        let earlier = earlier.and_then(|earlier| self.client_of(earlier));
        self.configured_clients().chain(earlier)
    }

    /// The client of an earlier login, with the application's key if it signs.
    pub(super) fn client_of<'k>(&'k self, login: &'k Login) -> Option<KnownClient<'k>> {
        let known = login.known_client()?;
        if known.authentication != Some(ClientAuthentication::PrivateKeyJwt) {
            return Some(known);
        }
        let is_document = self.options.metadata_document.as_deref() == Some(known.id);
        let of_document = self.options.metadata_key.as_ref().filter(|_| is_document);
        let mut configured = self.configured_clients();
        let of_client =
            configured.find(|client| client.issuer == known.issuer && client.id == known.id);
        let key = of_client.and_then(|client| client.key).or(of_document.map(lent));
        Some(KnownClient { key, ..known })
    }

    /// The clients given by hand.
    pub(super) fn configured_clients(&self) -> impl Iterator<Item = KnownClient<'_>> {
        self.options.clients.iter().map(ConfiguredClient::known)
    }

    pub(super) fn identity<'s>(
        &'s self,
        known: &'s [KnownClient<'s>],
        redirect_uri: Option<&'s str>,
    ) -> Identity<'s> {
        Identity {
            uri: self.options.uri.as_deref(),
            redirect_uri,
            known,
            metadata_document: self.options.metadata_document.as_deref(),
            metadata_key: self.options.metadata_key.as_ref().map(lent),
            dynamic_registration: self.options.dynamic_registration,
            #[cfg(feature = "dpop")]
            bound_tokens_alone: super::dpop::bound_tokens_alone(self.options),
            ..Identity::new(&self.options.name)
        }
    }
}

const fn is_for_tokens(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::CodeExchange
            | Purpose::Refresh
            | Purpose::ClientCredentials
            | Purpose::DeviceToken
            | Purpose::JwtBearer
    )
}

/// A key of the options, as the machines take it.
fn lent(key: &Arc<dyn Signer + Send + Sync>) -> ClientKey<'_> {
    ClientKey::new(&**key)
}

pub(super) fn words(response: Option<ErrorResponse<'_>>) -> Option<String> {
    response.map(|response| response.to_string())
}

fn entropy() -> Result<Entropy, AuthorizeError> {
    let mut entropy = Entropy { verifier: [0; 32], state: [0; 32] };
    let filled = getrandom::fill(&mut entropy.verifier);
    filled
        .and_then(|()| getrandom::fill(&mut entropy.state))
        .map_err(|_| AuthorizeError::Setup("no random source"))?;
    Ok(entropy)
}

/// What makes the next signed text a new one; `None` without a clock or a random source, and then nothing is
/// signed.
pub(super) fn freshness() -> Option<Freshness> {
    let now = unix_time(SystemTime::now())?;
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).ok()?;
    Some(Freshness { now, octets })
}
