//! One operation at a server: a request, and the same request again after a refusal.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
#[cfg(feature = "dpop")]
use portcullis_core::client::dpop::resource_server_wants_nonce;
use portcullis_core::{
    challenge::parse::{self, BearerChallenge},
    client::{Attempts, Reaction},
    encoding::scratch::Scratch,
};
use zeroize::Zeroizing;

use super::{AuthorizeError, Authorizer, Login, fetcher::secret_value};

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

/// One operation at the server: at most one refresh, one login and one step-up (CL-72, CL-83).
#[derive(Debug)]
pub struct Operation<'a> {
    authorizer: &'a Authorizer,
    /// How many began before it.
    number: u64,
    attempts: Attempts,
    /// What the last request was sent with, or would have been if it may be used.
    used: Option<Login>,
    /// Whether the request was sent again with a nonce of the server (DP-04): once, with the same login.
    has_tried_nonce: bool,
}

impl<'a> Operation<'a> {
    /// `number` is how many began before it.
    pub(super) fn new(authorizer: &'a Authorizer, number: u64) -> Self {
        let attempts = Attempts::default();
        Self { authorizer, number, attempts, used: None, has_tried_nonce: false }
    }

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
        self.used = self.authorizer.newest_login().await?;
        let login = self.sent();
        login.map_or_else(|| Ok(HeaderMap::new()), |login| authorization_fields(login, method, url))
    }

    /// Whether the last request was sent with a token.
    pub fn has_token(&self) -> bool {
        self.sent().is_some()
    }

    fn sent(&self) -> Option<&Login> {
        self.used.as_ref().filter(|login| self.authorizer.admits(login))
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
        if let Some(prover) = self.used.as_ref().and_then(Login::prover) {
            let has_nonce = prover.learn(self.authorizer.server_url(), fields);
            if has_nonce && !self.has_tried_nonce && wants_nonce(status, challenge.as_ref()) {
                self.has_tried_nonce = true;
                return Ok(Judgement::Again);
            }
        }
        let used = self.used.as_ref();
        let refreshable = used.is_some_and(Login::is_refreshable);
        match self.attempts.react(status.as_u16(), challenge.as_ref(), refreshable) {
            Reaction::Deliver => return Ok(Judgement::Deliver),
            Reaction::Refresh => {
                self.authorizer.refresh(self.number, used, &challenges).await?;
            }
            Reaction::Authorize => {
                self.authorizer.authorize(self.number, used, &challenges).await?;
            }
            Reaction::StepUp => {
                let challenged = challenge.and_then(|challenge| challenge.scope);
                let challenged = challenged.unwrap_or_default();
                if !self.authorizer.step_up(self.number, used, challenged, &challenges).await? {
                    return Ok(Judgement::Deliver);
                }
            }
            Reaction::GiveUp => return Ok(Judgement::GiveUp),
        }
        self.has_tried_nonce = false;
        Ok(Judgement::Again)
    }
}

#[cfg(feature = "dpop")]
fn wants_nonce(status: StatusCode, challenge: Option<&BearerChallenge<'_>>) -> bool {
    resource_server_wants_nonce(status.as_u16(), challenge)
}

#[cfg(not(feature = "dpop"))]
const fn wants_nonce(_: StatusCode, _: Option<&BearerChallenge<'_>>) -> bool {
    false
}

/// What a request of this method to this URL shows of the login.
fn authorization_fields(
    login: &Login,
    method: &Method,
    url: &str,
) -> Result<HeaderMap, AuthorizeError> {
    let scheme = if login.prover().is_some() { "DPoP" } else { "Bearer" };
    let credentials = Zeroizing::new(format!("{scheme} {}", login.access_token()));
    let value: HeaderValue = secret_value(&credentials)
        .map_err(|_| AuthorizeError::Setup("access token cannot be written as HTTP"))?;
    let mut fields = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    if let Some(prover) = login.prover() {
        let proof = prover.field(method.as_str(), url, Some(login.access_token()));
        let proof = proof.map_err(|_| AuthorizeError::Setup("no proof of the client's key"))?;
        fields.extend([proof]);
    }
    Ok(fields)
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
