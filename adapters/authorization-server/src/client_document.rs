//! Clients that are known by a document at a URL (client ID metadata documents).
//!
//! An `https` client id is the URL of the document that describes the client (AS-20, AS-30 to AS-45).
//! Every endpoint that meets such an id looks the client up here first; the protocol engine then finds
//! it like any other. The URL comes from a stranger, so what is fetched, from where, how long it may take
//! and how often it happens are bounded, and whoever asks learns only whether there is such a client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use oauth_as::Client;
use portcullis_core::encoding::uri::Uri;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::audit::audit;
use crate::settings::{ClientDocuments, Settings};
use crate::throttle::{Peer, Throttle};

mod cache;
mod fetch;
mod keys;
mod read;
mod url;

use cache::{Cache, DescribedClient, Known};
use fetch::{DOCUMENT, FetchError, Fetcher, KEY_SET};
use read::{Described, DocumentError, Reading};
pub(crate) use url::DocumentUrl;

/// Fetches under way at once (SEC-290).
const FETCHES_MAX: usize = 16;
/// How long a fetch waits for others, of the same host or in all, before it is given up.
const WAIT: Duration = Duration::from_secs(5);
/// No refusal after a fetch comes earlier than this, whatever it was that failed (SEC-287).
const REFUSAL_TIME: Duration = Duration::from_millis(500);

/// Keys of a client are used no longer than this: a key that was withdrawn ends, and a new one begins.
const KEYS_AGE: Duration = Duration::from_secs(5 * 60);

/// Why a document makes no client; for the log.
enum Failure {
    Fetch(FetchError),
    Document(DocumentError),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}

/// Why there is no client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookUpError {
    /// There is no such client: one word for everything that was wrong (SEC-287).
    Unknown,
    /// Too much is being fetched, for this caller, from this host or in all.
    TooMany,
}

/// All documents that one server knows, and the way to others.
pub(crate) struct Documents {
    rules: ClientDocuments,
    /// The server's own host and port, which are not asked (SEC-288).
    own_authority: String,
    fetcher: Fetcher,
    cache: Mutex<Cache>,
    /// One fetch at a time from each host.
    hosts: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
    slots: Semaphore,
    by_peer: Throttle,
    by_host: Throttle,
}

/// Whether a client id names a document.
pub(crate) fn is_document_id(client_id: &str) -> bool {
    client_id.starts_with("https://")
}

impl Documents {
    /// `None` when there is no usable TLS, or a root that is no certificate.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let rules = settings.client_documents.clone();
        let fetcher = Fetcher::new(&rules.extra_roots, rules.loopback_for_development)?;
        let minute = Duration::from_secs(60);
        let own = Uri::parse(&settings.issuer).ok().and_then(Uri::authority_text);
        let limits = &settings.limits;
        Some(Self {
            rules,
            own_authority: own.unwrap_or_default().to_owned(),
            fetcher,
            cache: Mutex::default(),
            hosts: Mutex::default(),
            slots: Semaphore::new(FETCHES_MAX),
            by_peer: Throttle::new(limits.document_fetches_per_peer_per_minute, minute),
            by_host: Throttle::new(limits.document_fetches_per_host_per_minute, minute),
        })
    }

    /// The client that was last looked up under this id.
    pub(crate) fn known(&self, client_id: &str) -> Option<Arc<Client>> {
        self.cache().client(client_id).map(|described| Arc::clone(&described.client))
    }

    /// Whether the document that was last looked up under this id wants bound tokens alone (DP-07).
    pub(crate) fn gets_bound_tokens_alone(&self, client_id: &str) -> bool {
        self.cache().client(client_id).is_some_and(|described| described.is_bound)
    }

    /// Makes sure that [`Documents::known`] says what is true now: fetches the document unless a fresh one
    /// is there.
    ///
    /// A fetch that failed, and a document that is not good, leave nothing (AS-31, AS-38).
    pub(crate) async fn look_up(
        &self,
        client_id: &str,
        peer: Peer,
        settings: &Settings,
    ) -> Result<(), LookUpError> {
        let url = self.admit(client_id).ok_or(LookUpError::Unknown)?;
        if let Some(known) = self.without_fetching(url, settings.clock.now()) {
            return known;
        }
        let host = self.host(url.authority());
        let turn = timeout(WAIT, async { (host.lock().await, self.slots.acquire().await) }).await;
        let Ok((turn, Ok(slot))) = turn else { return Err(LookUpError::TooMany) };
        let now = settings.clock.now();
        // Somebody else may have fetched it meanwhile.
        if let Some(known) = self.without_fetching(url, now) {
            return known;
        }
        let is_known_host = self.known(url.as_str()).is_some();
        if !self.by_peer.admit(&format!("{peer:?}"), now)
            // A client that was good before is not shut out by strangers who name its host.
            || !(is_known_host || self.by_host.admit(url.authority(), now))
        {
            return Err(LookUpError::TooMany);
        }
        let started = Instant::now();
        let is_good = self.fetch(url, settings).await;
        drop((turn, slot));
        if is_good {
            return Ok(());
        }
        sleep_until(started + REFUSAL_TIME).await;
        Err(LookUpError::Unknown)
    }

    /// The id as a URL that may be fetched from at all.
    fn admit<'u>(&self, client_id: &'u str) -> Option<DocumentUrl<'u>> {
        let url = DocumentUrl::parse(client_id, self.rules.loopback_for_development)?;
        let is_listed =
            self.rules.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|it| it == url.host()));
        let is_own = url.authority() == self.own_authority || url.host() == self.own_authority;
        (self.rules.offered && is_listed && !is_own).then_some(url)
    }

    fn without_fetching(
        &self,
        url: DocumentUrl<'_>,
        now: SystemTime,
    ) -> Option<Result<(), LookUpError>> {
        match self.cache().look_up(url.as_str(), now) {
            Known::Fresh => Some(Ok(())),
            Known::Failed => Some(Err(LookUpError::Unknown)),
            Known::Stale | Known::Nothing => None,
        }
    }

    async fn fetch(&self, url: DocumentUrl<'_>, settings: &Settings) -> bool {
        let described = self.describe(url, settings).await;
        let now = settings.clock.now();
        match described {
            Ok((client, max_age)) => {
                audit!(info, "client document fetched", client_id = url.as_str());
                self.cache().keep(url.as_str(), client, max_age, now);
                return true;
            }
            Err(Failure::Fetch(reason)) => {
                audit!(info, "client document not fetched", client_id = url.as_str(), %reason);
            }
            Err(Failure::Document(reason)) => {
                audit!(info, "client document refused", client_id = url.as_str(), ?reason);
            }
        }
        self.cache().fail(url.as_str(), now);
        false
    }

    /// The client that the document at `url` describes, and how long that may be kept.
    async fn describe(
        &self,
        url: DocumentUrl<'_>,
        settings: &Settings,
    ) -> Result<(DescribedClient, Option<Duration>), Failure> {
        let fetched = self.fetcher.fetch(url, &DOCUMENT, settings.clock.now()).await?;
        let Reading { described, is_bound } = read::client(url, &fetched.body, settings)?;
        let (client, max_age) = match described {
            Described::Whole(client) => (client, fetched.max_age),
            Described::KeysElsewhere { mut client, jwks_uri, algorithm } => {
                // The same rules for where it is, and the same count of what its host is asked for.
                let at = self.admit(&jwks_uri).ok_or(DocumentError::Keys)?;
                let now = settings.clock.now();
                if at.authority() != url.authority() && !self.by_host.admit(at.authority(), now) {
                    return Err(DocumentError::Keys.into());
                }
                let set = self.fetcher.fetch(at, &KEY_SET, now).await?;
                client.auth = keys::read(&set.body, algorithm.as_deref())?;
                let ages = [fetched.max_age, set.max_age];
                (client, ages.into_iter().flatten().min())
            }
        };
        let max_age = match client.auth.is_confidential() {
            true => Some(max_age.unwrap_or(KEYS_AGE).min(KEYS_AGE)),
            false => max_age,
        };
        Ok((DescribedClient { client: Arc::new(client), is_bound }, max_age))
    }

    fn host(&self, authority: &str) -> Arc<AsyncMutex<()>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Hosts that nobody waits for.
        hosts.retain(|_, host| Arc::strong_count(host) > 1);
        Arc::clone(hosts.entry(authority.to_owned()).or_default())
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "../tests/support/site.rs"]
mod site;
#[cfg(test)]
mod tests;
