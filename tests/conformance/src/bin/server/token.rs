//! A valid token for every request.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderValue, Request, header};
use portcullis_core::{
    jwt::{HmacKey, KeyId, MintClaims, mint},
    limits::TOKEN_LEN_MAX,
    scope::ScopeSet,
    time::UnixTime,
};

/// Who vouches for the tokens; nobody asks there.
pub(crate) const ISSUER: &str = "https://as.example";
/// The key that signs them.
pub(crate) const KEY_ID: &str = "conformance";
/// What they permit, and what each request needs.
pub(crate) const SCOPE: &str = "user";

const LIFETIME_SECS: u64 = 300;

#[derive(Clone)]
pub(crate) struct Minter {
    resource: String,
    key: Arc<HmacKey>,
    made: Arc<AtomicU64>,
}

impl Minter {
    pub(crate) fn new(resource: &str, key: &[u8; 32]) -> Result<Self, Box<dyn Error>> {
        let key = HmacKey::new(key)?;
        Ok(Self { resource: resource.to_owned(), key: Arc::new(key), made: Arc::default() })
    }

    /// The request with a fresh token. Without a token, if none can be made: that is refused.
    pub(crate) fn add_token<B>(&self, mut request: Request<B>) -> Request<B> {
        match self.authorization() {
            Ok(value) => {
                request.headers_mut().insert(header::AUTHORIZATION, value);
            }
            Err(error) => eprintln!("no token: {error}"),
        }
        request
    }

    fn authorization(&self) -> Result<HeaderValue, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let id = self.made.fetch_add(1, Ordering::Relaxed).to_string();
        let claims = MintClaims {
            issuer: ISSUER,
            audience: &[&self.resource],
            subject: "conformance",
            client_id: "conformance-tool",
            scope: ScopeSet::parse(SCOPE)?,
            issued_at: UnixTime::from_secs(now),
            expires_at: UnixTime::from_secs(now + LIFETIME_SECS),
            id: &id,
        };
        let mut memory = [0; TOKEN_LEN_MAX];
        let token = mint(&claims, &self.key, &KeyId::new(KEY_ID)?, &mut memory)?;
        Ok(HeaderValue::from_str(&format!("Bearer {token}"))?)
    }
}
