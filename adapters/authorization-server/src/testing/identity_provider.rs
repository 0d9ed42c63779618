//! An issuer of assertions for the time of a test: an identity provider, or a platform that runs workloads.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::routing::get;
use axum::{Json, Router};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use super::agent::{self, Agent};
use super::server::{self, Task};
use super::{TestServer, TestingError, Tokens};
use crate::assertion_grant::{GRANT_TYPE, IssuerKeys};
use crate::secrets::random_text;
use crate::settings::SettingsError;

/// Seconds that an assertion lives.
const LIFETIME_SECS: u64 = 300;

/// An issuer on a free port of loopback that vouches for whatever a test likes, with metadata and one ES256 key.
/// It stops when it is dropped.
#[derive(Debug)]
pub struct TestIdentityProvider {
    issuer: String,
    key: Arc<EcdsaKeyPair>,
    _task: Task,
}

impl TestIdentityProvider {
    /// Starts one.
    ///
    /// # Errors
    /// There is no port, or no key can be made.
    pub async fn start() -> Result<Self, TestingError> {
        let listener = server::listen().await?;
        let issuer = server::origin(&listener)?;
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = Arc::new(key.map_err(|_| TestingError::Token("no key could be made"))?);
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
        });
        let keys = key_set(&key);
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || Json(metadata)))
            .route("/keys", get(async move || Json(keys)));
        let task = Task(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the identity provider of a test ended");
            }
        }));
        Ok(Self { issuer, key, _task: task })
    }

    /// Its issuer identifier, which is the URL that it answers at.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its keys, for who trusts it without asking it.
    #[must_use]
    pub fn keys(&self) -> IssuerKeys {
        IssuerKeys::set(key_set(&self.key).to_string())
    }

    /// The settings that trust it as an identity provider, by its metadata.
    #[cfg(feature = "enterprise-managed")]
    #[must_use]
    pub fn trusted(&self) -> crate::IdentityProvider {
        crate::IdentityProvider::new(&self.issuer, IssuerKeys::of_metadata())
    }

    /// An ID-JAG by which `server` is to give `client_id` a token of `user` for `resource`, to be changed before it
    /// is made.
    #[cfg(feature = "enterprise-managed")]
    pub fn id_jag(
        &self,
        server: &TestServer,
        user: &str,
        client_id: &str,
        resource: &str,
    ) -> AssertionBuilder {
        let assertion = self.assertion(server, user).header("typ", "oauth-id-jag+jwt");
        assertion.claim("client_id", client_id).claim("resource", resource)
    }

    /// What a platform gives to the workload `subject` for `server`, to be changed before it is made.
    pub fn assertion(&self, server: &TestServer, subject: &str) -> AssertionBuilder {
        let now = server.clock().secs();
        let claims = json!({
            "iss": self.issuer,
            "sub": subject,
            "aud": server.issuer(),
            "iat": now,
            "exp": now.saturating_add(LIFETIME_SECS),
        });
        let header = json!({ "alg": "ES256", "typ": "JWT" });
        AssertionBuilder { header, claims, key: Arc::clone(&self.key) }
    }
}

fn key_set(key: &EcdsaKeyPair) -> Value {
    // SEC 1 §2.3.3, uncompressed.
    let point = key.public_key().as_ref().get(1..).unwrap_or_default();
    let (x, y) = point.split_at_checked(32).unwrap_or_default();
    let text = Base64UrlUnpadded::encode_string;
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y),
        "alg": "ES256", "use": "sig" }] })
}

/// An assertion that is still to be made.
#[derive(Clone)]
#[must_use = "it is made by `make`"]
pub struct AssertionBuilder {
    header: Value,
    claims: Value,
    key: Arc<EcdsaKeyPair>,
}

impl AssertionBuilder {
    /// Sets a claim, or replaces it.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// The same for a parameter of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// The scopes that it allows, with blanks between them.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        if let Some(claims) = self.claims.as_object_mut() {
            claims.remove(name);
        }
        self
    }

    /// Signs it. Without a `jti` of its own it gets one that no other has.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn make(mut self) -> Result<String, TestingError> {
        if self.claims.get("jti").is_none() {
            let jti = random_text().map_err(|_| TestingError::Settings(SettingsError::Entropy))?;
            self.claims["jti"] = jti.into();
        }
        let text = |part: &Value| Base64UrlUnpadded::encode_string(part.to_string().as_bytes());
        let input = format!("{}.{}", text(&self.header), text(&self.claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes());
        let signature = signature.map_err(|_| TestingError::Token("it cannot be signed"))?;
        Ok(format!("{input}.{}", Base64UrlUnpadded::encode_string(signature.as_ref())))
    }
}

impl fmt::Debug for AssertionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionBuilder").field("claims", &self.claims).finish_non_exhaustive()
    }
}

impl TestServer {
    /// Tokens for an assertion (RFC 7523 §2.1), and for what `form` says beside it: `client_id` and `client_secret`
    /// of a client, `resource`, `scope`.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn present(
        &self,
        assertion: &str,
        form: &[(&str, &str)],
    ) -> Result<Tokens, TestingError> {
        let mut whole = vec![("grant_type", GRANT_TYPE), ("assertion", assertion)];
        whole.extend(form);
        let endpoint = format!("{}/token", self.issuer());
        let answer = Agent::new(agent::nobody()).post_form(&endpoint, &[], whole).await?;
        Tokens::read(&answer.success()?.json())
    }
}
