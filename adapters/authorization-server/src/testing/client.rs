//! An OAuth client that needs no MCP library: registers itself, sends its user away, redeems the code.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::agent::{self, Agent, Exchange, Observer};
use super::{TestingError, User};
use crate::secrets::random_text;
use crate::settings::SettingsError;

/// Where the answers go. Nobody listens there: they are taken from the browser's address bar.
const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// What a client gets for a code.
#[derive(Clone)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// The granted scopes, with blanks between them.
    pub scope: String,
    /// Seconds until the access token ends.
    pub expires_in: u64,
}

impl Tokens {
    pub(super) fn read(answer: &Value) -> Result<Self, TestingError> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
            return Err(TestingError::Answer("token_type"));
        }
        Ok(Self {
            access_token: text("access_token").ok_or(TestingError::Answer("access_token"))?,
            refresh_token: text("refresh_token"),
            scope: text("scope").ok_or(TestingError::Answer("scope"))?,
            expires_in: answer
                .get("expires_in")
                .and_then(Value::as_u64)
                .ok_or(TestingError::Answer("expires_in"))?,
        })
    }
}

/// Without the tokens.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The code of an authorization that was granted, and what redeems it.
#[derive(Clone)]
pub struct Code {
    /// The code.
    pub code: String,
    /// The PKCE verifier (RFC 7636).
    pub verifier: String,
}

/// Without both.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// A public client that is registered at an authorization server on loopback (RFC 7591).
///
/// It names its resource (RFC 8707) if it was given one. Without one it is a client of MCP 2025-03-26;
/// if it does not [`discover`](Client::discover), one that found no metadata.
#[derive(Clone)]
pub struct Client {
    origin: String,
    /// The issuer that the metadata names, if it was read.
    issuer: Option<String>,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    id: String,
    resource: Option<String>,
    scope: Option<String>,
    observer: Observer,
}

impl Client {
    /// A client of the authorization server at `origin` that uses its default paths: `/authorize`,
    /// `/token` and `/register` (LG-03).
    #[must_use]
    pub fn at(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            issuer: None,
            authorization_endpoint: format!("{origin}/authorize"),
            token_endpoint: format!("{origin}/token"),
            registration_endpoint: format!("{origin}/register"),
            id: String::new(),
            resource: None,
            scope: None,
            observer: agent::nobody(),
        }
    }

    /// Reads the metadata at the root of the origin (RFC 8414, LG-02) and uses the endpoints that it
    /// names.
    ///
    /// # Errors
    /// There is no metadata, or its issuer is not the origin.
    pub async fn discover(mut self) -> Result<Self, TestingError> {
        let url = format!("{}/.well-known/oauth-authorization-server", self.origin);
        let metadata = self.agent().get(&url).await?.success()?.json();
        let text = |name: &'static str| {
            let value = metadata.get(name).and_then(Value::as_str);
            value.map(str::to_owned).ok_or(TestingError::Answer(name))
        };
        if text("issuer")? != self.origin {
            return Err(TestingError::Answer("issuer"));
        }
        self.issuer = Some(text("issuer")?);
        self.authorization_endpoint = text("authorization_endpoint")?;
        self.token_endpoint = text("token_endpoint")?;
        self.registration_endpoint = text("registration_endpoint")?;
        Ok(self)
    }

    /// Tells `observer` of each request of the client.
    #[must_use]
    pub fn watched_by(mut self, observer: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Names this resource in each request (RFC 8707).
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Asks for these scopes, with blanks between them; otherwise it names none.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// The id that it registered under; empty before.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Registers itself; [`Client::authorize`] does so where it was not done.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn register(&mut self) -> Result<(), TestingError> {
        let body = json!({
            "client_name": "Test client",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        let answer = self.agent().post_json(&self.registration_endpoint, &[], &body).await?;
        let registered = answer.success()?.json();
        let id = registered.get("client_id").and_then(Value::as_str);
        id.ok_or(TestingError::Answer("client_id"))?.clone_into(&mut self.id);
        Ok(())
    }

    /// From nothing to tokens: registers, lets `user` decide, and redeems the code.
    ///
    /// # Errors
    /// Where it ended.
    pub async fn authorize(&mut self, user: &User) -> Result<Tokens, TestingError> {
        let code = self.code(user).await?;
        self.redeem(&code).await
    }

    /// Registers if it was not done, and lets `user` decide.
    ///
    /// # Errors
    /// [`TestingError::Refused`] with the error that came back in the redirect; `state` or `iss`
    /// (RFC 9207) that is not what it must be.
    pub async fn code(&mut self, user: &User) -> Result<Code, TestingError> {
        if self.id.is_empty() {
            self.register().await?;
        }
        let [verifier, state] = [random_text(), random_text()]
            .map(|text| text.map_err(|_| TestingError::Settings(SettingsError::Entropy)));
        let (verifier, state) = (verifier?, state?);
        let back = user.authorize(&self.authorization_url(&verifier, &state)).await?;
        if !back.starts_with(REDIRECT_URI) {
            return Err(TestingError::Answer("redirect_uri"));
        }
        let query = back.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let parameter = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
        };
        if parameter("state").as_deref() != Some(&state) {
            return Err(TestingError::Answer("state"));
        }
        if self.issuer.is_some() && parameter("iss") != self.issuer {
            return Err(TestingError::Answer("iss"));
        }
        if let Some(error) = parameter("error") {
            return Err(TestingError::Refused { status: 303, body: error });
        }
        let code = parameter("code").ok_or(TestingError::Answer("code"))?;
        Ok(Code { code, verifier })
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// The server refuses, or gives no tokens.
    pub async fn redeem(&self, code: &Code) -> Result<Tokens, TestingError> {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", &code.code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", &code.verifier),
        ])
        .await
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// There is none, or the server refuses it.
    pub async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, TestingError> {
        let token = tokens.refresh_token.as_deref();
        let token = token.ok_or(TestingError::Token("there is no refresh token"))?;
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<Tokens, TestingError> {
        let mut form = form.to_vec();
        form.push(("client_id", &self.id));
        form.extend(self.resource.as_deref().map(|resource| ("resource", resource)));
        let answer = self.agent().post_form(&self.token_endpoint, &[], form).await?;
        Tokens::read(&answer.success()?.json())
    }

    fn authorization_url(&self, verifier: &str, state: &str) -> String {
        let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("state", state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let named = [("scope", &self.scope), ("resource", &self.resource)];
        for (name, value) in named {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("{}?{}", self.authorization_endpoint, query.finish())
    }

    fn agent(&self) -> Agent {
        Agent::new(Arc::clone(&self.observer))
    }
}

/// Without who watches.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("resource", &self.resource)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
