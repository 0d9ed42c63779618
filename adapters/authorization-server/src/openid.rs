//! Sign-in at another OpenID Connect provider: this server as its relying party (OpenID Connect Core §3.1).
//!
//! The provider says once who the user is, and nothing of what it hands out is kept: access token and ID token
//! end with the request that brought them. Its keys are read anew at each
//! sign-in, so that it may change them whenever it likes; its metadata is believed for five minutes.
//!
//! Nothing waits on the server for the user to come back. State, nonce and PKCE verifier are MACs over the
//! waiting request, the attempt and the browser's cookie, so that an answer counts in the browser that asked
//! for it and nowhere else, whichever process of the server it reaches.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding};
use http::{StatusCode, Uri};
use portcullis_core::encoding::{percent, text::TextWriter};
use portcullis_tokio::public_keys::PublicKeys;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::settings::SettingsError;
use http_client::{HttpClient, HttpError};
use id_token::{Expected, IdTokenError};
use metadata::Metadata;

mod binding;
mod http_client;
mod id_token;
mod metadata;
mod settings;
pub(crate) mod sign_in;

pub use settings::{AdmittedUsers, OpenIdProvider};

/// What the subject of a user starts with whom a provider vouches for. No user of the table may be named so.
pub(crate) const SUBJECT_PREFIX: &str = "openid:";
/// How long the provider's metadata is believed.
const METADATA_AGE_MAX: Duration = Duration::from_secs(300);

/// One provider, over the network.
pub(crate) struct Provider {
    settings: OpenIdProvider,
    /// Where the provider sends the browser back to.
    redirect_uri: String,
    http: HttpClient,
    metadata: Mutex<Option<(Instant, Arc<Metadata>)>>,
}

/// A user whom the provider vouches for and who may come in.
pub(crate) struct SignedIn {
    /// Issuer and `sub` together: the only name that the provider promises never to give to anybody else
    /// (OpenID Connect Core §5.7).
    pub(crate) subject: String,
    /// What the user is called on pages.
    pub(crate) shown_name: String,
}

/// Why nobody was signed in. For the log; users read one of three sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignInError {
    /// The provider is not there, or says something else than a provider says.
    Http(HttpError),
    /// The metadata is not that of the configured issuer, or lacks what is needed.
    Metadata,
    /// The provider refused the code, or this server's credentials.
    Code,
    /// The answer came from another provider (RFC 9207), or does not say from which.
    Issuer,
    /// The key set cannot be used.
    Keys,
    IdToken(IdTokenError),
    /// What the userinfo endpoint says is about nobody, or about somebody else.
    UserInfo,
    /// The user is not among those who may come in.
    NotAdmitted,
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Metadata => f.write_str("the metadata is not the provider's, or lacks something"),
            Self::Code => f.write_str("the provider gives no tokens for the code"),
            Self::Issuer => f.write_str("the answer is not the provider's"),
            Self::Keys => f.write_str("the key set cannot be used"),
            Self::IdToken(error) => error.fmt(f),
            Self::UserInfo => f.write_str("the userinfo answer is not about the user"),
            Self::NotAdmitted => f.write_str("the user is not among those who may come in"),
        }
    }
}

impl From<HttpError> for SignInError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

/// What the token endpoint answers (OpenID Connect Core §3.1.3.3).
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
    access_token: Option<String>,
}

/// What binds a request to its answer.
pub(crate) struct Secrets {
    pub(crate) state: String,
    pub(crate) nonce: String,
    /// RFC 7636 §4.1.
    pub(crate) verifier: String,
}

impl Provider {
    pub(crate) fn new(settings: OpenIdProvider, own_issuer: &str) -> Result<Self, SettingsError> {
        settings.check()?;
        let http = HttpClient::new(&settings.extra_roots).ok_or(SettingsError::OpenIdProvider)?;
        let redirect_uri = format!("{own_issuer}/login/callback");
        Ok(Self { settings, redirect_uri, http, metadata: Mutex::new(None) })
    }

    /// What users know the provider by.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where the browser goes to sign in.
    pub(crate) async fn authorization_url(&self, secrets: &Secrets) -> Result<String, SignInError> {
        let metadata = self.metadata().await?;
        let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(&secrets.verifier));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.settings.scope()),
            ("state", &secrets.state),
            ("nonce", &secrets.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &metadata.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{separator}{query}"))
    }

    /// Whether an answer with this `iss` is the provider's (RFC 9207 §2.4): it must name the provider if it
    /// names anybody, and must do so if the provider announced that it would.
    pub(crate) async fn check_issuer(&self, iss: Option<&str>) -> Result<(), SignInError> {
        let is_own = match iss {
            Some(iss) => iss == self.settings.issuer,
            None => !self.metadata().await?.names_itself,
        };
        if is_own { Ok(()) } else { Err(SignInError::Issuer) }
    }

    /// Redeems the code, and learns who the user is.
    pub(crate) async fn redeem(
        &self,
        code: &str,
        secrets: &Secrets,
        now_secs: u64,
    ) -> Result<SignedIn, SignInError> {
        let metadata = self.metadata().await?;
        let tokens = self.tokens(&metadata, code, &secrets.verifier).await?;
        let keys = self.http.get_json(&metadata.jwks_uri, None).await?;
        let keys = PublicKeys::read(&keys).map_err(|_| SignInError::Keys)?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &secrets.nonce,
            access_token: tokens.access_token.as_deref(),
            now_secs,
        };
        let claims = id_token::read(&tokens.id_token, &keys, &expected);
        let mut claims = claims.map_err(SignInError::IdToken)?;
        if let (Some(endpoint), Some(token)) = (&metadata.userinfo_endpoint, &tokens.access_token)
            && self.settings.misses_a_claim(&claims)
        {
            let answer = self.http.get_json(endpoint, Some(token)).await?;
            claims.complete(&answer).ok_or(SignInError::UserInfo)?;
        }
        if !self.settings.users.admits(&claims) {
            return Err(SignInError::NotAdmitted);
        }
        let shown_name = claims.text(&self.settings.name_claim);
        let shown_name = shown_name.and_then(crate::registration::metadata::shown_name);
        Ok(SignedIn {
            subject: self.subject(&claims.sub),
            shown_name: shown_name.unwrap_or_else(|| claims.sub.clone()),
        })
    }

    fn subject(&self, sub: &str) -> String {
        format!("{}{sub}", subject_prefix(&self.settings.issuer))
    }

    async fn tokens(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
    ) -> Result<TokenAnswer, SignInError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        let (id, secret) = (self.settings.client_id.as_str(), self.settings.client_secret.as_str());
        let credentials = if metadata.takes_basic {
            Some((id, secret))
        } else {
            fields.extend([("client_id", id), ("client_secret", secret)]);
            None
        };
        let answer =
            self.http.post_form(&metadata.token_endpoint, credentials, form(&fields)).await?;
        match answer.status {
            StatusCode::OK => serde_json::from_slice(&answer.body).map_err(|_| SignInError::Code),
            _ => Err(SignInError::Code),
        }
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, SignInError> {
        let kept = self.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read_at, metadata)) = kept
            && read_at.elapsed() < METADATA_AGE_MAX
        {
            return Ok(metadata);
        }
        let url = metadata::url(&self.settings.issuer).ok_or(SignInError::Metadata)?;
        let document = self.http.get_json(&url, None).await?;
        let metadata = Metadata::read(&document, &self.settings.issuer);
        let metadata = Arc::new(metadata.ok_or(SignInError::Metadata)?);
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }
}

/// What the subjects of an issuer's users start with. No issuer has a `#`.
pub(crate) fn subject_prefix(issuer: &str) -> String {
    format!("{SUBJECT_PREFIX}{issuer}#")
}

/// A URL that the provider may be asked at: TLS, or plain HTTP on this machine (SEC-372).
pub(crate) fn permitted(url: &str) -> Option<Uri> {
    let parsed = portcullis_core::encoding::uri::Uri::parse(url).ok()?;
    let is_safe = parsed.is_https() || parsed.is_loopback_http();
    let is_plain = parsed.userinfo().is_none() && parsed.fragment().is_none();
    if is_safe && is_plain { url.parse().ok() } else { None }
}

/// `application/x-www-form-urlencoded`.
fn form(pairs: &[(&str, &str)]) -> String {
    let encoded: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect();
    encoded.join("&")
}

fn form_encoded(text: &str) -> String {
    // No character takes more than three bytes for each of its own.
    let mut room = vec![0; text.len().saturating_mul(3)];
    let mut out = TextWriter::new(&mut room);
    match percent::encode_form(text, &mut out) {
        Ok(()) => out.finish().to_owned(),
        Err(_) => String::new(),
    }
}
