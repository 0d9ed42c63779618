//! How tokens are verified, and what is needed for it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use portcullis_core::limits;
use serde::Deserialize;

use super::Secret;
use crate::resource_server::TokenVerifier;

/// An authorization server whose tokens are accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its issuer identifier, byte for byte as in its metadata (RS-02).
    pub(crate) identifier: String,
    /// How its tokens are verified.
    pub(crate) verification: Verification,
}

impl Issuer {
    /// Accepts tokens of the issuer with this identifier, verified in this way.
    pub fn new(identifier: impl Into<String>, verification: Verification) -> Self {
        Self { identifier: identifier.into(), verification }
    }
}

/// How the tokens of one issuer are verified. Only one issuer can be asked: an opaque token does not
/// say whose it is.
#[derive(Clone, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Verification {
    /// JWT access tokens (RFC 9068) checked here with these keys, anything else refused.
    Offline {
        /// One key, or the current one and the next.
        keys: Vec<KeySettings>,
    },
    /// The authorization server is asked about each token (RFC 7662).
    Introspection(IntrospectionSettings),
    /// JWT access tokens are checked here, everything else is asked about. A JWT that fails here is
    /// not asked about (SEC-373).
    JwtOrIntrospection {
        /// One key, or the current one and the next.
        keys: Vec<KeySettings>,
        /// Where to ask.
        introspection: IntrospectionSettings,
    },
    /// JWT access tokens signed with ES256, EdDSA or RS256, checked here with public keys that are at
    /// hand; anything else refused.
    PublicKeys(PublicKeySettings),
    /// JWT access tokens signed with ES256, EdDSA or RS256, checked here with the keys that the issuer
    /// publishes (RFC 7517), which are read when they are needed (RS-71).
    Jwks(JwksSettings),
    /// JWT access tokens are checked as with [`Verification::Jwks`], everything else is asked about. A
    /// JWT that fails here is not asked about (SEC-373).
    JwksOrIntrospection {
        /// Where the issuer's keys are.
        #[serde(default)]
        jwks: JwksSettings,
        /// Where to ask.
        introspection: IntrospectionSettings,
    },
    /// A verifier of your own: a database, another format. Audience, expiry and scope of what it says
    /// are still checked.
    #[serde(skip)]
    Custom(Arc<dyn TokenVerifier>),
}

impl Verification {
    /// [`Verification::Custom`] with `verifier`.
    pub fn custom(verifier: impl TokenVerifier) -> Self {
        Self::Custom(Arc::new(verifier))
    }

    /// [`Verification::Offline`] with one key.
    pub fn offline(key_id: impl Into<String>, key: Secret) -> Self {
        Self::Offline { keys: vec![KeySettings::new(key_id, key)] }
    }

    /// [`Verification::PublicKeys`] with this JSON Web Key Set (RFC 7517 §5).
    pub fn public_keys(document: impl Into<String>) -> Self {
        Self::PublicKeys(PublicKeySettings { document: Some(document.into()), file: None })
    }

    /// [`Verification::Jwks`] with the key set at this URL, all else as by default.
    pub fn jwks(url: impl Into<String>) -> Self {
        Self::Jwks(JwksSettings { url: Some(url.into()), ..JwksSettings::default() })
    }

    /// [`Verification::Jwks`] with the key set that the issuer's metadata names.
    pub fn jwks_of_issuer() -> Self {
        Self::Jwks(JwksSettings::default())
    }

    /// The secrets that are named.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let keys = match self {
            Self::Offline { keys } | Self::JwtOrIntrospection { keys, .. } => keys.as_slice(),
            _ => &[],
        };
        let of_keys = keys.iter().map(|key| &key.secret);
        of_keys.chain(self.introspection().map(|introspection| &introspection.client_secret))
    }

    /// Has paths of files count from `folder`.
    pub(super) fn make_relative_to(&mut self, folder: &Path) {
        let at = |secret: &mut Secret| *secret = secret.clone().relative_to(folder);
        let file = |path: &mut Option<PathBuf>| *path = path.take().map(|path| folder.join(path));
        let asking = |introspection: &mut IntrospectionSettings| {
            at(&mut introspection.client_secret);
            file(&mut introspection.ca_file);
        };
        match self {
            Self::Offline { keys } => keys.iter_mut().for_each(|key| at(&mut key.secret)),
            Self::Introspection(introspection) => asking(introspection),
            Self::JwtOrIntrospection { keys, introspection } => {
                keys.iter_mut().for_each(|key| at(&mut key.secret));
                asking(introspection);
            }
            Self::PublicKeys(keys) => file(&mut keys.file),
            Self::Jwks(jwks) => file(&mut jwks.ca_file),
            Self::JwksOrIntrospection { jwks, introspection } => {
                file(&mut jwks.ca_file);
                asking(introspection);
            }
            Self::Custom(_) => {}
        }
    }

    pub(crate) fn introspection(&self) -> Option<&IntrospectionSettings> {
        match self {
            Self::Introspection(settings) => Some(settings),
            Self::JwtOrIntrospection { introspection, .. }
            | Self::JwksOrIntrospection { introspection, .. } => Some(introspection),
            Self::Offline { .. } | Self::PublicKeys(_) | Self::Jwks(_) | Self::Custom(_) => None,
        }
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline { .. } => "Offline { .. }",
            Self::Introspection(_) => "Introspection(..)",
            Self::JwtOrIntrospection { .. } => "JwtOrIntrospection { .. }",
            Self::PublicKeys(_) => "PublicKeys(..)",
            Self::Jwks(_) => "Jwks(..)",
            Self::JwksOrIntrospection { .. } => "JwksOrIntrospection { .. }",
            Self::Custom(_) => "Custom(..)",
        })
    }
}

/// An HS256 key: its id (`kid`), and 32 to 64 random bytes as base64url text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// The key's id.
    pub id: String,
    /// Where its base64url text is.
    pub secret: Secret,
}

impl KeySettings {
    /// The key named `id`, whose base64url text is in `secret`.
    pub fn new(id: impl Into<String>, secret: Secret) -> Self {
        Self { id: id.into(), secret }
    }
}

/// Public keys that are at hand: a JSON Web Key Set in a file or written out. Its keys are public, but
/// whoever can change it decides who is admitted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublicKeySettings {
    /// A file with the set, read once at start.
    pub file: Option<PathBuf>,
    /// The set itself; exactly one of both is given.
    pub document: Option<String>,
}

/// Where the keys of an issuer are, and how long they are used (RS-71).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JwksSettings {
    /// The key set; without it the one that the issuer's metadata names (`jwks_uri`, RFC 8414 §2). Never
    /// an address out of a token (SEC-076).
    pub url: Option<String>,
    /// Longest time to read the keys, metadata included, in milliseconds.
    pub deadline_millis: u64,
    /// Shortest time between two requests for the keys, in seconds, whoever causes them (SEC-110).
    pub interval_secs_min: u64,
    /// How old keys may become in seconds before they are read again: so long may a removed key still
    /// verify (SEC-112).
    pub refresh_secs: u64,
    /// How long keys are used on in seconds when they cannot be read again; then tokens get 503.
    pub stale_secs_max: u64,
    /// Certificates in PEM that are trusted instead of the roots that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// Read over `http` beyond loopback: whoever can change the answer can then make tokens (SEC-372).
    pub plain_http: bool,
}

impl Default for JwksSettings {
    fn default() -> Self {
        Self {
            url: None,
            deadline_millis: 5_000,
            interval_secs_min: 10,
            refresh_secs: 300,
            stale_secs_max: 3_600,
            ca_file: None,
            plain_http: false,
        }
    }
}

/// Where and how to ask about a token (RFC 7662).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionSettings {
    /// The introspection endpoint; never taken from a token (RS-84).
    pub endpoint: String,
    /// The identifier under which this server is known there.
    pub client_id: String,
    /// The secret that goes with it (`client_secret_basic`).
    pub client_secret: Secret,
    /// Longest time for one question, waiting for its turn included, in milliseconds; then the answer is 503.
    #[serde(default = "defaults::deadline_millis")]
    pub deadline_millis: u64,
    /// How long a positive answer may be used again, in seconds, and never past the token's `exp`. So
    /// long may a revoked token still be accepted; 0 asks for each request (RS-83).
    #[serde(default = "defaults::active_secs_max")]
    pub active_secs_max: u64,
    /// How long a definite negative answer may be used again, in seconds.
    #[serde(default = "defaults::inactive_secs_max")]
    pub inactive_secs_max: u64,
    /// Most positive answers remembered (LIM-18).
    #[serde(default = "defaults::active_entries_max")]
    pub active_entries_max: usize,
    /// Most negative answers remembered, in a place of their own (LIM-18, SEC-367).
    #[serde(default = "defaults::inactive_entries_max")]
    pub inactive_entries_max: usize,
    /// Most questions asked at once (SEC-368); sixteen times as many may be under way, the rest get 503.
    #[serde(default = "defaults::parallel_max")]
    pub parallel_max: usize,
    /// Certificates in PEM that are trusted instead of the roots that browsers trust.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Ask over `http` beyond loopback: token and secret then travel in clear (SEC-372).
    #[serde(default)]
    pub plain_http: bool,
}

impl IntrospectionSettings {
    /// Asks at `endpoint` with these credentials, all else as by default.
    pub fn new(
        endpoint: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Secret,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            client_id: client_id.into(),
            client_secret,
            deadline_millis: defaults::deadline_millis(),
            active_secs_max: defaults::active_secs_max(),
            inactive_secs_max: defaults::inactive_secs_max(),
            active_entries_max: defaults::active_entries_max(),
            inactive_entries_max: defaults::inactive_entries_max(),
            parallel_max: defaults::parallel_max(),
            ca_file: None,
            plain_http: false,
        }
    }
}

/// Functions because serde asks for such.
mod defaults {
    use super::limits;

    pub(super) const fn deadline_millis() -> u64 {
        5_000
    }

    pub(super) const fn active_secs_max() -> u64 {
        10
    }

    pub(super) const fn inactive_secs_max() -> u64 {
        2
    }

    pub(super) const fn active_entries_max() -> usize {
        limits::INTROSPECTION_CACHE_ACTIVE_MAX_DESKTOP
    }

    pub(super) const fn inactive_entries_max() -> usize {
        limits::INTROSPECTION_CACHE_INACTIVE_MAX_DESKTOP
    }

    pub(super) const fn parallel_max() -> usize {
        64
    }
}
