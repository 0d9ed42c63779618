//! The way to tokens: discovery, client id, and the grant.

use embassy_time::{Instant, Timer};
use portcullis_core::{
    challenge::parse::BearerChallenge,
    client::{
        AfterRefresh, Client as ClientId, DeviceError, DeviceGrant, DevicePoll, DeviceRequest,
        Discovered, Discovery, Grant, Identity, Machine, OutgoingRequest, Output, Preferences,
        Registration, StoredTokens, TokenRequest, Tokens, Wish,
    },
    encoding::scratch::Scratch,
    scope::ScopeSet,
    time::UnixTime,
};

use super::{
    Access, ClientError, ClientSettings, ConfiguredClient, Hosts, UserCode, Watcher,
    fetch::{Carrier, Sent},
    held::{Held, Texts},
};
use crate::outgoing::Transport;

/// What one way to tokens needs.
pub(super) struct Way<'w, 'c, T, H, W> {
    pub(super) server_url: &'c str,
    pub(super) settings: &'w ClientSettings<'c>,
    pub(super) carrier: &'w mut Carrier<T, H>,
    pub(super) answer: &'w mut [u8],
    /// For a token request and its answer, again and again.
    pub(super) tokens: &'w mut [u8],
    pub(super) watcher: &'w mut W,
    pub(super) now: UnixTime,
}

impl<'c, T: Transport, H: Hosts, W: Watcher> Way<'_, 'c, T, H, W> {
    /// Gets tokens from nothing, for `scope` if that is given.
    pub(super) async fn obtain<'s>(
        &mut self,
        challenge: Option<&BearerChallenge<'s>>,
        scope: Option<ScopeSet<'s>>,
        held: &mut Held<'_>,
        scratch: &mut Scratch<'s>,
    ) -> Result<(), ClientError>
    where
        'c: 's,
    {
        let discovered = self.discover(challenge, &[], scratch).await?;
        let client = self.client(&discovered, None, scratch).await?;
        let offline_access = matches!(self.settings.access, Access::DeviceCode { .. });
        let wish = Wish { scope: scope.or(self.settings.scope), offline_access };
        match self.settings.access {
            Access::ClientCredentials(_) => {
                let mut memory = Scratch::new(self.tokens);
                let mut request = TokenRequest::client_credentials(
                    &discovered,
                    &client,
                    &wish,
                    None,
                    &mut memory,
                )?;
                drive(self.carrier, self.answer, self.now, &mut request, &mut memory).await;
                tell(self.watcher, request.error_response().as_ref());
                keep(held, &client, &request.finish()?, None, self.now)
            }
            Access::DeviceCode { .. } => {
                let mut request = DeviceRequest::new(&discovered, &client, &wish, None, scratch)
                    .map_err(ClientError::Device)?;
                drive(self.carrier, self.answer, self.now, &mut request, scratch).await;
                tell(self.watcher, request.error_response().as_ref());
                let grant = request.finish(Instant::now().as_secs());
                let grant = grant.map_err(ClientError::Device)?;
                self.watcher.show_code(&UserCode {
                    page: grant.verification_uri(),
                    page_with_code: grant.verification_uri_complete(),
                    code: grant.user_code(),
                    expires_in_secs: grant.expires_in_secs(),
                });
                let waited = self.wait(grant, held).await;
                self.watcher.hide_code();
                waited
            }
        }
    }

    /// Waits until the user has agreed, or has not (RFC 8628 §3.4).
    async fn wait(
        &mut self,
        mut grant: DeviceGrant<'_>,
        held: &mut Held<'_>,
    ) -> Result<(), ClientError> {
        let (began, client) = (Instant::now(), *grant.client());
        loop {
            match grant.poll(Instant::now().as_secs()) {
                DevicePoll::Wait(secs) => Timer::after_secs(secs).await,
                DevicePoll::Expired => return Err(ClientError::Device(DeviceError::Expired)),
                DevicePoll::Ask => {
                    // The time goes on while the user looks for a telephone.
                    let now = self.now.plus(began.elapsed().as_secs());
                    let mut memory = Scratch::new(self.tokens);
                    let request = grant.token_request(None, &mut memory);
                    let mut request = request.map_err(ClientError::Device)?;
                    drive(self.carrier, self.answer, now, &mut request, &mut memory).await;
                    let answered = grant.handle_answer(request, Instant::now().as_secs());
                    if let Some(tokens) = answered.map_err(ClientError::Device)? {
                        return keep(held, &client, &tokens, None, now);
                    }
                }
            }
        }
    }

    /// Refreshes; what is held stays as it is unless new tokens came, or it is of no more use.
    ///
    /// An error is trouble that may pass.
    pub(super) async fn refresh<'s>(
        &mut self,
        challenge: Option<&BearerChallenge<'s>>,
        held: &mut Held<'_>,
        scratch: &mut Scratch<'s>,
    ) -> Result<(), ClientError>
    where
        'c: 's,
    {
        let Some(stored) = held.stored_tokens() else { return Ok(()) };
        let stored = copy(&stored, scratch)?;
        let discovered = self.discover(challenge, &[stored.issuer], scratch).await?;
        let outcome = {
            let client = self.client(&discovered, Some(stored.client_id), scratch).await?;
            let mut memory = Scratch::new(self.tokens);
            match TokenRequest::refresh(&discovered, &client, &stored, None, &mut memory) {
                Ok(mut request) => {
                    drive(self.carrier, self.answer, self.now, &mut request, &mut memory).await;
                    let words = request.error_response();
                    tell(self.watcher, words.as_ref());
                    match request.finish() {
                        // After a refresh without a new refresh token the old one stays (RFC 6749 §6).
                        Ok(tokens) => {
                            let older = Some(stored.refresh_token.expose());
                            return keep(held, &client, &tokens, older, self.now);
                        }
                        Err(error) => (error, error.after_refresh(words.as_ref())),
                    }
                }
                Err(error) => (error, error.after_refresh(None)),
            }
        };
        match outcome {
            (error, AfterRefresh::Keep) => Err(error.into()),
            (_, AfterRefresh::ForgetTokens | AfterRefresh::ForgetClient) => {
                held.forget();
                Ok(())
            }
        }
    }

    async fn discover<'s>(
        &mut self,
        challenge: Option<&BearerChallenge<'s>>,
        known_issuers: &[&str],
        scratch: &mut Scratch<'s>,
    ) -> Result<Discovered<'s>, ClientError>
    where
        'c: 's,
    {
        let (configured, grant) = match self.settings.access {
            Access::ClientCredentials(client) => (Some(client), Grant::ClientCredentials),
            Access::DeviceCode { client, .. } => (client, Grant::DeviceCode),
        };
        // A secret is sent to nobody else, whatever the metadata of the server names (CL-37).
        let issuer = configured.map(|client| [client.issuer]);
        let preferences = Preferences {
            url_policy: self.settings.url_policy,
            known_issuers,
            allowed_issuers: issuer.as_ref().map(<[_; 1]>::as_slice),
            grant,
            ..Preferences::default()
        };
        let mut discovery = Discovery::new(self.server_url, challenge, preferences, scratch)?;
        drive(self.carrier, self.answer, self.now, &mut discovery, scratch).await;
        Ok(discovery.finish()?)
    }

    /// Who the device is there; `stored` is the id that a login was given to.
    async fn client<'s>(
        &mut self,
        discovered: &Discovered<'s>,
        stored: Option<&'s str>,
        scratch: &mut Scratch<'s>,
    ) -> Result<ClientId<'s>, ClientError>
    where
        'c: 's,
    {
        let (configured, name) = match self.settings.access {
            Access::ClientCredentials(client) => (Some(client), ""),
            Access::DeviceCode { client, name } => (client, name),
        };
        if let Some(client) = configured {
            return Ok(ClientId::configured(discovered, &[client.known()], Some(self.now))?);
        }
        if let Some(id) = stored {
            // It registered itself there when the user agreed, and without a secret.
            let client = ConfiguredClient { issuer: discovered.issuer(), id, secret: None };
            return Ok(ClientId::configured(discovered, &[client.known()], Some(self.now))?);
        }
        let identity = Identity::new(name);
        let mut registration = Registration::new(discovered, &identity, Some(self.now), scratch)?;
        drive(self.carrier, self.answer, self.now, &mut registration, scratch).await;
        tell(self.watcher, registration.error_response().as_ref());
        let client = registration.finish()?;
        // There would be nowhere to keep a secret until the refresh.
        if client.secret().is_some() { Err(ClientError::SecretGiven) } else { Ok(client) }
    }
}

/// Sends what the machine wants sent until it wants no more.
async fn drive<'s, T: Transport, H: Hosts>(
    carrier: &mut Carrier<T, H>,
    answer: &mut [u8],
    now: UnixTime,
    machine: &mut impl Machine<'s>,
    scratch: &mut Scratch<'s>,
) {
    while let Output::Fetch(request) = machine.poll() {
        let response = {
            let content_type = request.content_type.map(|value| ("Content-Type", value.as_bytes()));
            let authorization =
                request.authorization.map(|value| ("Authorization", value.as_bytes()));
            let mut fields = heapless::Vec::<(&'static str, &[u8]), 3>::new();
            let accept = OutgoingRequest::ACCEPT.as_bytes();
            fields.extend(
                [Some(("Accept", accept)), content_type, authorization].into_iter().flatten(),
            );
            let sent = Sent {
                method: request.method.as_str(),
                url: request.url,
                fields: &fields,
                body: request.body,
                answer_len_max: request.response_len_max,
            };
            carrier.fetch(&sent, now, answer, |_, _| {}).await
        };
        machine.handle_response(response, scratch);
    }
}

fn tell(watcher: &mut impl Watcher, words: Option<&portcullis_core::client::ErrorResponse<'_>>) {
    if let Some(words) = words {
        watcher.refused(words);
    }
}

/// Keeps what was given at `now`, before any of it is used (CL-63).
fn keep(
    held: &mut Held<'_>,
    client: &ClientId<'_>,
    tokens: &Tokens<'_>,
    older_refresh_token: Option<&str>,
    now: UnixTime,
) -> Result<(), ClientError> {
    let refresh_token = tokens.refresh_token().map(|token| token.expose());
    held.keep(Texts {
        issuer: tokens.issuer(),
        resource: tokens.resource(),
        client_id: client.id(),
        asked_scope: tokens.asked_scope().as_str(),
        scope: tokens.scope().as_str(),
        access_token: tokens.access_token().expose(),
        refresh_token: refresh_token.or(older_refresh_token).unwrap_or_default(),
    })?;
    held.refresh_at = now.plus(u64::from(tokens.refresh_in_secs()));
    held.expires_at = now.plus(u64::from(tokens.expires_in_secs()));
    Ok(())
}

/// What is held, where it stays when something else is held.
fn copy<'s>(
    stored: &StoredTokens<'_>,
    scratch: &mut Scratch<'s>,
) -> Result<StoredTokens<'s>, ClientError> {
    let mut scope = |set: ScopeSet<'_>| -> Result<ScopeSet<'s>, ClientError> {
        ScopeSet::parse(scratch.copy(set.as_str())?).map_err(|_| ClientError::BufferFull)
    };
    let (asked_scope, scope) = (scope(stored.asked_scope)?, scope(stored.scope)?);
    let token = scratch.copy(stored.refresh_token.expose())?;
    Ok(StoredTokens {
        issuer: scratch.copy(stored.issuer)?,
        resource: scratch.copy(stored.resource)?,
        client_id: scratch.copy(stored.client_id)?,
        asked_scope,
        scope,
        refresh_token: portcullis_core::client::RefreshToken::new(token)
            .ok_or(ClientError::BufferFull)?,
    })
}
