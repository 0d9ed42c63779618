//! Calling an MCP server with tokens that are there when they are needed.

use core::fmt::Write as _;

use portcullis_core::{
    challenge::parse::BearerChallenge,
    client::{Attempts, KnownScopes, Reaction, StoredTokens, step_up},
    encoding::{
        scratch::{BufferFull, Scratch},
        text::TextWriter,
    },
    mcp::header_value,
    scope::ScopeSet,
    time::UnixTime,
};

use super::{
    Access, ClientError, ClientMemory, ClientSettings, Hosts, Watcher,
    challenge::Lines,
    fetch::{Carrier, Sent},
    held::{Held, Texts},
    login::Way,
};
use crate::{Clock, outgoing::Transport};

/// The protocol revision of the requests.
const PROTOCOL_VERSION: &[u8] = b"2026-07-28";

/// One JSON-RPC request of MCP 2026-07-28.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// `method`, such as `tools/call`.
    pub method: &'m str,
    /// `params.name` or `params.uri`, where the method has one.
    pub name: Option<&'m str>,
    /// The whole message in JSON, which says the same.
    pub body: &'m [u8],
}

/// What the server answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// Whether the body is JSON; else it is an event stream, or something that no MCP server sends.
    pub is_json: bool,
    /// The body as it came.
    pub body: &'a [u8],
}

/// A client of one MCP server.
///
/// `T` connects, `H` knows where hosts are, `C` what time it is.
pub struct Client<'c, T, H, C> {
    server_url: &'c str,
    settings: ClientSettings<'c>,
    carrier: Carrier<T, H>,
    clock: C,
    scratch: &'c mut [u8],
    tokens: &'c mut [u8],
    answer: &'c mut [u8],
    held: Held<'c>,
}

impl<'c, T: Transport, H: Hosts, C: Clock> Client<'c, T, H, C> {
    /// A client without tokens for the server at this URL, kept as the text it is.
    pub fn new<
        const SCRATCH: usize,
        const TOKENS: usize,
        const ANSWER: usize,
        const LOGIN: usize,
    >(
        server_url: &'c str,
        settings: ClientSettings<'c>,
        (transport, hosts, clock): (T, H, C),
        memory: &'c mut ClientMemory<SCRATCH, TOKENS, ANSWER, LOGIN>,
    ) -> Result<Self, ClientError> {
        settings.url_policy.admit(server_url).map_err(ClientError::ServerUrl)?;
        let ClientMemory { scratch, tokens, answer, login } = memory;
        let carrier = Carrier { transport, hosts, deadline_millis: settings.deadline_millis };
        let held = Held::new(login);
        Ok(Self { server_url, settings, carrier, clock, scratch, tokens, answer, held })
    }

    /// What is to be kept over a restart, once there is a refresh token. It is a secret, and changes with each
    /// refresh (CL-63).
    pub fn stored_tokens(&self) -> Option<StoredTokens<'_>> {
        self.held.stored_tokens()
    }

    /// Goes on with what was kept over a restart, at the next request.
    pub fn restore(&mut self, stored: &StoredTokens<'_>) -> Result<(), ClientError> {
        self.held.keep(Texts {
            issuer: stored.issuer,
            resource: stored.resource,
            client_id: stored.client_id,
            asked_scope: stored.asked_scope.as_str(),
            scope: stored.scope.as_str(),
            access_token: "",
            refresh_token: stored.refresh_token.expose(),
        })?;
        self.held.refresh_at = UnixTime::from_secs(0);
        Ok(())
    }

    /// Forgets the tokens.
    pub fn forget(&mut self) {
        self.held.forget();
    }

    /// When the access token ends; `None` when there is none.
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.held.access_token().map(|_| self.held.expires_at)
    }

    /// Sends a message and gives the answer, whatever it says; gets tokens, refreshes them, or asks the user for
    /// further scopes when the server wants that, and then sends it once more.
    ///
    /// With the device grant this takes as long as the user does. A future that is dropped leaves the tokens as they
    /// were, unless a refresh was on its way: then they may be used up, and the next request asks the user.
    pub async fn post(
        &mut self,
        message: &Message<'_>,
        watcher: &mut impl Watcher,
    ) -> Result<Answer<'_>, ClientError> {
        let mut attempts = Attempts::default();
        self.refresh_ahead(watcher).await?;
        let (status, is_json, len) = loop {
            let mut lines = Lines::new();
            let (status, is_json, len) = self.send(message, &mut lines).await?;
            let refreshable = self.held.stored_tokens().is_some();
            let reaction = {
                let mut scratch = Scratch::new(self.scratch);
                let challenge = lines.bearer(&mut scratch)?;
                attempts.react(status, challenge.as_ref(), refreshable)
            };
            let acted = match reaction {
                Reaction::Deliver => false,
                Reaction::Refresh => self.refresh(&lines, watcher).await.map(|()| true)?,
                Reaction::Authorize => self.obtain(&lines, watcher).await.map(|()| true)?,
                Reaction::StepUp => self.step_up(&lines, watcher).await?,
                Reaction::GiveUp => return Err(ClientError::Unauthorized),
            };
            if !acted {
                break (status, is_json, len);
            }
        };
        let body = self.answer.get(..len).unwrap_or_default();
        Ok(Answer { status, is_json, body })
    }

    fn now(&self) -> Result<UnixTime, ClientError> {
        self.clock.unix_time().ok_or(ClientError::NoTime)
    }

    /// Status, whether the body is JSON, and its length; the body lies in `answer`.
    async fn send(
        &mut self,
        message: &Message<'_>,
        lines: &mut Lines,
    ) -> Result<(u16, bool, usize), ClientError> {
        let now = self.now()?;
        let mut scratch = Scratch::new(self.scratch);
        let mut fields = heapless::Vec::<(&'static str, &[u8]), 6>::new();
        fields.extend([
            ("Content-Type", b"application/json".as_slice()),
            ("Accept", b"application/json, text/event-stream"),
            ("MCP-Protocol-Version", PROTOCOL_VERSION),
        ]);
        for (field, text) in [("Mcp-Method", Some(message.method)), ("Mcp-Name", message.name)] {
            if let Some(text) = text {
                let value = write_value(text, &mut scratch)?;
                fields.push((field, value)).map_err(|_| ClientError::BufferFull)?;
            }
        }
        if let Some(token) = self.held.access_token() {
            let value = scratch.fill(|free| {
                let mut writer = TextWriter::new(free);
                writer.push("Bearer ")?;
                writer.push(token.expose())?;
                Ok::<_, BufferFull>(writer.finish().len())
            })?;
            fields.push(("Authorization", value)).map_err(|_| ClientError::BufferFull)?;
        }
        let sent = Sent {
            method: "POST",
            url: self.server_url,
            fields: &fields,
            body: message.body,
            answer_len_max: self.answer.len(),
        };
        let watch = |name: &str, value: &[u8]| lines.take(name, value);
        let response = self.carrier.fetch(&sent, now, self.answer, watch).await;
        let response = response.map_err(ClientError::Server)?;
        Ok((response.status, response.is_json(), response.body.len()))
    }

    /// Refreshes a token that is about to end. Trouble with that is none yet: the token is used as it is.
    async fn refresh_ahead(&mut self, watcher: &mut impl Watcher) -> Result<(), ClientError> {
        let now = self.now()?;
        if now < self.held.refresh_at || self.held.stored_tokens().is_none() {
            // A token of the client's own has ended: the 401 is known beforehand.
            if self.held.access_token().is_some() && now >= self.held.expires_at {
                self.held.forget();
            }
            return Ok(());
        }
        match self.refresh(&Lines::new(), watcher).await {
            Err(error) if self.held.access_token().is_none() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn refresh(
        &mut self,
        lines: &Lines,
        watcher: &mut impl Watcher,
    ) -> Result<(), ClientError> {
        let (mut way, held, mut scratch) = self.way(watcher)?;
        let challenge = lines.bearer(&mut scratch)?;
        way.refresh(challenge.as_ref(), held, &mut scratch).await
    }

    async fn obtain(
        &mut self,
        lines: &Lines,
        watcher: &mut impl Watcher,
    ) -> Result<(), ClientError> {
        let (mut way, held, mut scratch) = self.way(watcher)?;
        let challenge = lines.bearer(&mut scratch)?;
        way.obtain(challenge.as_ref(), None, held, &mut scratch).await
    }

    /// Asks for the scopes of the challenge as well; whether there are new tokens. A device that acts for itself has
    /// nobody to ask (CL-80).
    async fn step_up(
        &mut self,
        lines: &Lines,
        watcher: &mut impl Watcher,
    ) -> Result<bool, ClientError> {
        if matches!(self.settings.access, Access::ClientCredentials(_)) {
            return Ok(false);
        }
        let (mut way, held, mut scratch) = self.way(watcher)?;
        let challenge: Option<BearerChallenge<'_>> = lines.bearer(&mut scratch)?;
        let Some(challenged) = challenge.and_then(|challenge| challenge.scope) else {
            return Ok(false);
        };
        let union = {
            let texts = held.texts();
            let set = |text| ScopeSet::parse(text).unwrap_or_default();
            let (asked, granted) = (set(texts.asked_scope), set(texts.scope));
            let known = KnownScopes { asked, granted, denied: ScopeSet::EMPTY };
            match step_up(&known, challenged, &mut scratch) {
                Ok(union) => union,
                Err(_) => return Ok(false),
            }
        };
        way.obtain(challenge.as_ref(), Some(union), held, &mut scratch).await?;
        Ok(true)
    }

    fn way<'w, W: Watcher>(
        &'w mut self,
        watcher: &'w mut W,
    ) -> Result<Parts<'w, 'c, T, H, W>, ClientError> {
        let now = self.now()?;
        let Self { server_url, settings, carrier, scratch, tokens, answer, held, .. } = self;
        let way = Way { server_url, settings, carrier, answer, tokens, watcher, now };
        Ok((way, held, Scratch::new(scratch)))
    }
}

/// What a way to tokens works with: itself, what is held, and memory.
type Parts<'w, 'c, T, H, W> = (Way<'w, 'c, T, H, W>, &'w mut Held<'c>, Scratch<'w>);

/// A text as a header carries it (transport TS-47).
fn write_value<'s>(text: &str, scratch: &mut Scratch<'s>) -> Result<&'s [u8], ClientError> {
    Ok(scratch.fill(|free| {
        let mut writer = TextWriter::new(free);
        write!(writer, "{}", header_value(text)).map_err(|_| BufferFull)?;
        Ok::<_, BufferFull>(writer.finish().len())
    })?)
}

impl<T, H, C> core::fmt::Debug for Client<'_, T, H, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client")
            .field("server_url", &self.server_url)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
