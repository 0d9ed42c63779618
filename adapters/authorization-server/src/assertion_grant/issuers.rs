//! Issuers that are trusted by name, and their keys. Nothing that an assertion says is ever an address.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::jwt::Algorithm;
use portcullis_core::time::UnixTime;
use portcullis_core::token::TokenError;
use portcullis_tokio::Network;
use portcullis_tokio::public_keys::PublicKeys;
use portcullis_tokio::resource_server::{
    Clock as KeyClock, JwksSettings, RemoteKeys, SettingsError as KeySettingsError,
};

use super::ASSERTION_LEN_MAX;
use super::claims::Claims;
use super::error::AssertionError;
use crate::clock::{Clock, unix_secs};
use crate::jws::{Jws, Kind};

/// Longest issuer in bytes; it is a part of subjects.
const ISSUER_LEN_MAX: usize = 256;
/// The algorithms that are accepted unless fewer are named.
pub(super) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

/// Where the public keys of a trusted issuer are (RFC 7517). Over a network they are read as a resource server
/// reads keys: by TLS, or from this machine; when one is not known, every ten seconds at most; again before they
/// are five minutes old; and used on for an hour when that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerKeys(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Set(String),
    At(String),
    Metadata,
}

impl IssuerKeys {
    /// The key set that the issuer's metadata names (RFC 8414, or OpenID Connect Discovery), which must be whole:
    /// platforms that issue tokens to workloads alone often have none of that kind.
    #[must_use]
    pub const fn of_metadata() -> Self {
        Self(Place::Metadata)
    }

    /// The key set at this URL.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self(Place::At(url.into()))
    }

    /// This key set, as JSON.
    #[must_use]
    pub fn set(document: impl Into<String>) -> Self {
        Self(Place::Set(document.into()))
    }
}

/// An issuer with its keys.
pub(super) struct TrustedIssuer {
    identifier: String,
    keys: Keys,
    algorithms: Vec<Algorithm>,
}

enum Keys {
    Set(Box<PublicKeys>),
    Remote(RemoteKeys),
}

impl TrustedIssuer {
    /// `None` unless all that can be checked without asking anybody is right.
    pub(super) fn new(
        identifier: &str,
        keys: &IssuerKeys,
        algorithms: &[Algorithm],
        clock: &Clock,
    ) -> Option<Self> {
        let is_issuer = crate::openid::permitted(identifier).is_some_and(|it| it.query().is_none())
            && identifier.len() <= ISSUER_LEN_MAX;
        let are_public = algorithms.iter().all(|it| ALGORITHMS.contains(it));
        if !is_issuer || algorithms.is_empty() || !are_public {
            return None;
        }
        let remote = |url: Option<&String>| -> Result<RemoteKeys, KeySettingsError> {
            let settings = JwksSettings { url: url.cloned(), ..JwksSettings::default() };
            let clock: Arc<dyn KeyClock> = Arc::new(clock.clone());
            RemoteKeys::new(&settings, identifier, clock, &Network::system())
        };
        let keys = match &keys.0 {
            Place::Set(document) => Keys::Set(PublicKeys::read(document.as_bytes()).ok()?.into()),
            Place::At(url) => Keys::Remote(remote(Some(url)).ok()?),
            Place::Metadata => Keys::Remote(remote(None).ok()?),
        };
        Some(Self { identifier: identifier.to_owned(), keys, algorithms: algorithms.to_vec() })
    }

    pub(super) fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The claims of an assertion that this issuer signed.
    pub(super) async fn verified(
        &self,
        jws: &Jws<'_>,
        kind: Kind,
    ) -> Result<Claims, AssertionError> {
        let verified = match &self.keys {
            Keys::Set(keys) => jws.verify(kind, keys.as_ref()),
            Keys::Remote(keys) => {
                keys.tend();
                match jws.verify(kind, keys) {
                    Err(TokenError::KeysUnavailable) => {
                        keys.refresh().await;
                        jws.verify(kind, keys)
                    }
                    verdict => verdict,
                }
            }
        }?;
        if !self.algorithms.contains(&verified.algorithm) {
            return Err(AssertionError::Token(TokenError::Algorithm));
        }
        Claims::read(&verified.payload)
    }
}

/// An assertion that nobody has verified yet, and who is said to have issued it.
pub(super) fn parse(assertion: &str) -> Result<(Jws<'_>, String), AssertionError> {
    let jws = Jws::parse(assertion, ASSERTION_LEN_MAX)?;
    let issuer = jws.claimed_issuer().ok_or(AssertionError::Claims)?;
    Ok((jws, issuer))
}

/// The server's clock, for the age of keys.
impl KeyClock for Clock {
    fn unix_time(&self) -> Option<UnixTime> {
        unix_secs(self.now()).map(UnixTime::from_secs)
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(self)
    }
}
