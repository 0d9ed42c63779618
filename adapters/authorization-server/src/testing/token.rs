//! Tokens as a test wants them: right ones, and ones that are wrong in one way.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use oauth_as::{ClientId, IssuedToken, ScopeSet, Storage};
use portcullis_core::jwt::{Algorithm, HmacKey, KeyId, Signer, derive_key};
use portcullis_core::limits::SIGNATURE_LEN_MAX;
use serde_json::{Map, Value, json};

use super::{DEMO_USER, TestServer, TestingError};
use crate::secrets::random_text;
use crate::settings::{SettingsError, TokenFormat};
use crate::signing_keys::SigningKey;
use crate::storage::token_id;
use crate::users::AccountError;

/// Seconds that a token lives unless it is changed.
const LIFETIME_SECS: u64 = 600;
/// How long ago a token has ended that has: longer than any allowance for clocks that differ.
const EXPIRED_SECS: u64 = 3600;
/// The client in every token; nobody is registered under it.
const CLIENT_ID: &str = "test-client";

/// How the token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    /// As the resource wants it.
    Right,
    /// With one bit changed.
    Broken,
    /// By another algorithm than the resource wants.
    By(Algorithm),
    /// Not at all.
    None,
}

/// An access token before it is made: one line names what is different about it.
///
/// A token is what its resource takes: a JWT with a derived key, a JWT signed with a key at `/jwks`, or
/// an opaque text that introspection knows. Introspection knows the JWTs, too, as far as it can.
///
/// ```
/// # use portcullis_authorization_server::testing::{TestServer, TestingError};
/// # use portcullis_authorization_server::{Resource, TokenFormat};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), TestingError> {
/// const MCP: &str = "https://mcp.example/mcp";
/// let resource = Resource::new(MCP, "Clock", TokenFormat::Hs256)?.with_scope("user", "read the time");
/// let server = TestServer::start([resource]).await?;
///
/// let good = server.token(MCP).scope("user time:write").make().await?;
/// let expired = server.token(MCP).expired().make().await?;
/// let for_another = server.token(MCP).audience("https://other.example/mcp").make().await?;
/// let forged = server.token(MCP).badly_signed().make().await?;
/// let with_roles = server.token(MCP).claim("roles", ["admin"]).make().await?;
/// # assert_eq!(good.split('.').count(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a token is made by `make`"]
pub struct TokenBuilder {
    server: TestServer,
    resource: String,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: Signature,
}

impl TokenBuilder {
    pub(super) fn new(server: &TestServer, resource: &str) -> Self {
        let now = server.clock().secs();
        let known = server.server().inner.settings.resource(resource);
        let builder = Self {
            server: server.clone(),
            resource: resource.to_owned(),
            header: Map::new(),
            claims: Map::new(),
            signature: Signature::Right,
        };
        builder
            .claim("iss", server.issuer())
            .claim("aud", resource)
            .claim("sub", DEMO_USER.0)
            .claim("client_id", CLIENT_ID)
            .claim("scope", known.map(|known| known.default_scope()).unwrap_or_default())
            .claim("iat", now)
            .claim("exp", now + LIFETIME_SECS)
    }

    /// With exactly these scopes, with blanks between them.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// With no scope at all.
    pub fn without_scope(self) -> Self {
        self.without("scope")
    }

    /// For this user, who is made for it if there is no such user.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Given to this client.
    pub fn client_id(self, client_id: &str) -> Self {
        self.claim("client_id", client_id)
    }

    /// Living for so many seconds from now.
    pub fn lifetime_secs(self, secs: u64) -> Self {
        let now = self.server.clock().secs();
        self.claim("exp", now.saturating_add(secs))
    }

    /// Long dead.
    pub fn expired(self) -> Self {
        let ended = self.server.clock().secs().saturating_sub(EXPIRED_SECS);
        self.claim("iat", ended.saturating_sub(LIFETIME_SECS)).claim("exp", ended)
    }

    /// For another resource, signed as if it were for this one.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Saying that another server issued it.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// With any claim, or a known one of any type.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Without a claim that every token has.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// With any member of its header; `alg`, `typ` and `kid` are there already.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// With a signature that does not fit; of an opaque token, one that nobody issued.
    pub fn badly_signed(mut self) -> Self {
        self.signature = Signature::Broken;
        self
    }

    /// Signed by this algorithm, which is not that of the resource: HS256 with the key that is derived for
    /// it, others with a key of the server, or with a new one where it has none.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.signature = Signature::By(algorithm);
        self
    }

    /// Not signed: its algorithm is `none`.
    pub fn unsigned(mut self) -> Self {
        self.signature = Signature::None;
        self
    }

    /// Makes the token.
    ///
    /// # Errors
    /// [`TestingError::UnknownResource`], or [`TestingError::Token`] for what an opaque token cannot
    /// have: another issuer, claims of its own, a header, an algorithm.
    pub async fn make(mut self) -> Result<String, TestingError> {
        let resource = self.server.server().inner.settings.resource(&self.resource);
        let format = resource.ok_or(TestingError::UnknownResource)?.format;
        let opaque = random_text().map_err(|_| SettingsError::Entropy)?;
        let record = self.record(&opaque);
        if format == TokenFormat::Opaque {
            self.refuse_what_no_record_has()?;
            let record = record.ok_or(TestingError::Token("a claim has the wrong type"))?;
            if self.signature == Signature::Right {
                self.keep(record).await?;
            }
            return Ok(opaque);
        }
        self.claims.entry("jti").or_insert_with(|| token_id(&opaque).into());
        if let (Some(record), Signature::Right) = (record, self.signature) {
            // A resource server that verifies by itself takes subjects that are no users, too.
            let _ = self.keep(record).await;
        }
        self.sign(format)
    }

    /// Lets introspection know of the token. It tells nothing of users who are not there, so a user who
    /// is not becomes one, with a password that nobody knows.
    async fn keep(&self, record: IssuedToken) -> Result<(), TestingError> {
        let subject = record.subject.as_deref().unwrap_or_default();
        let users = &self.server.server().inner.users;
        if let Ok(false) = users.may_continue(subject).await {
            let password = random_text().map_err(|_| SettingsError::Entropy)?;
            match self.server.server().accounts().add(subject, &password).await {
                // Disabled, and introspection is to say so.
                Ok(()) | Err(AccountError::Taken) => {}
                Err(_) => return Err(TestingError::Token("no user can have this name")),
            }
        }
        let kept = self.server.server().inner.engine.store().put_token(record).await;
        kept.map(drop).map_err(|_| TestingError::Token("it could not be kept"))
    }

    /// What introspection says of the token; `None` where no record can say it.
    fn record(&self, opaque: &str) -> Option<IssuedToken> {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str);
        let time = |name: &str| {
            let secs = self.claims.get(name)?.as_u64()?;
            UNIX_EPOCH.checked_add(Duration::from_secs(secs))
        };
        let scope = ScopeSet::parse(text("scope").unwrap_or_default()).ok()?;
        let (client_id, subject) = (ClientId::new(text("client_id")?), text("sub")?.to_owned());
        let (issued_at, expires_at) = (time("iat")?, time("exp")?);
        let mut record =
            IssuedToken::new(opaque, client_id, Some(subject), scope, issued_at, expires_at);
        record.resource = vec![text("aud")?.to_owned()];
        record.grant_established_at = issued_at;
        Some(record)
    }

    /// An opaque token says what its record says, and is not signed.
    fn refuse_what_no_record_has(&self) -> Result<(), TestingError> {
        const OF_RECORDS: [&str; 7] = ["iss", "aud", "sub", "client_id", "scope", "iat", "exp"];
        let issuer = self.claims.get("iss").and_then(Value::as_str);
        if !self.header.is_empty()
            || matches!(self.signature, Signature::By(_) | Signature::None)
            || issuer != Some(self.server.issuer())
            || self.claims.keys().any(|name| !OF_RECORDS.contains(&name.as_str()))
        {
            return Err(TestingError::Token("an opaque token cannot be like that"));
        }
        Ok(())
    }

    fn sign(self, format: TokenFormat) -> Result<String, TestingError> {
        let own = format.public_algorithm().unwrap_or(Algorithm::Hs256);
        let algorithm = match self.signature {
            Signature::By(algorithm) => algorithm,
            Signature::Right | Signature::Broken | Signature::None => own,
        };
        let key = self.key(algorithm).ok_or(TestingError::Token("there is no such key"))?;
        let mut header = Map::from_iter([
            ("alg".to_owned(), json!(algorithm.as_str())),
            ("typ".to_owned(), json!("at+jwt")),
            ("kid".to_owned(), json!(key.id().as_str())),
        ]);
        if self.signature == Signature::None {
            header.insert("alg".to_owned(), json!("none"));
        }
        header.extend(self.header);
        let encode = |members: Map<String, Value>| {
            Base64UrlUnpadded::encode_string(Value::Object(members).to_string().as_bytes())
        };
        let signed = format!("{}.{}", encode(header), encode(self.claims));
        let mut signature = match self.signature {
            Signature::None => Vec::new(),
            _ => key.sign(signed.as_bytes()).ok_or(TestingError::Token("it was not signed"))?,
        };
        if let (Signature::Broken, Some(byte)) = (self.signature, signature.first_mut()) {
            *byte ^= 1;
        }
        Ok(format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature)))
    }

    fn key(&self, algorithm: Algorithm) -> Option<Key> {
        let mint = &self.server.server().inner.mint;
        if algorithm == Algorithm::Hs256 {
            let (master, id) = mint.master_key();
            let key = derive_key(master, &self.resource, id).ok()?;
            return Some(Key::Derived(id.clone(), Box::new(key)));
        }
        let now = self.server.clock().secs();
        mint.signing_keys()
            .signing(algorithm, now)
            .or_else(|| SigningKey::generate(algorithm).ok().map(Arc::new))
            .map(Key::Public)
    }
}

/// Without what is in it.
impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder").field("resource", &self.resource).finish_non_exhaustive()
    }
}

enum Key {
    Derived(KeyId, Box<HmacKey>),
    Public(Arc<SigningKey>),
}

impl Key {
    fn id(&self) -> &KeyId {
        match self {
            Self::Derived(id, _) => id,
            Self::Public(key) => key.id(),
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut room = [0; SIGNATURE_LEN_MAX];
        let len = match self {
            Self::Derived(_, key) => Signer::sign(key.as_ref(), message, &mut room),
            Self::Public(key) => key.sign(message, &mut room),
        };
        room.get(..len.ok()?).map(<[u8]>::to_vec)
    }
}
