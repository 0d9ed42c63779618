//! The keys that access tokens are signed with, for resource servers that read the public ones (RFC 7517).
//!
//! Keys are made when they are needed first, get a successor when they are old enough, and are removed when
//! nothing that they signed is alive (AS-15); `plan` says when. With a folder they are kept there and outlive
//! the process; several processes may share one. A key whose file is deleted is out of use with the next
//! sweep: what it signed is then refused wherever the key set is read again (SEC-112).

mod folder;
mod key;
mod plan;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::jwk::write_set;
use portcullis_core::jwt::Algorithm;
use portcullis_core::limits::{
    JWKS_KEYS_MAX_DESKTOP, LEEWAY_SECS_MAX, LIFETIME_SECS_MAX_DESKTOP, METADATA_LEN_MAX_DESKTOP,
};
use portcullis_tokio::public_keys::PublicKeys;

use self::folder::KeyFolder;
pub(crate) use self::key::SigningKey;
use self::plan::Plan;
use crate::settings::Lifetimes;

/// Longest time that a resource server or a cache before it may use a key set without asking again.
const CACHE_SECS_MAX: u64 = 300;

/// Why the folder of signing keys cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFolderError {
    /// The folder or a file in it cannot be read or written.
    Io(io::ErrorKind),
    /// Others than the owner may read or change the folder or a key: keys are 0600, their folder 0700.
    Permissions,
    /// The folder is no folder, or a key is no plain file.
    Kind,
    /// A `.pem` file that is not named `es256-`, `eddsa-` or `rs256-` and a time.
    Name,
    /// A file that holds no key of the algorithm in its name, or a key that could not be made.
    Key,
    /// More keys than a key set may have.
    TooMany,
}

impl fmt::Display for KeyFolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(kind) => write!(f, "the key folder cannot be read or written: {kind}"),
            Self::Permissions => f.write_str("the key folder or a key in it is open to others"),
            Self::Kind => f.write_str("the key folder is no folder, or a key in it no plain file"),
            Self::Name => f.write_str("a key file has a name that does not say what it is"),
            Self::Key => f.write_str("a key file holds no key of its kind, or a key was not made"),
            Self::TooMany => f.write_str("there are more signing keys than can be published"),
        }
    }
}

impl std::error::Error for KeyFolderError {}

impl From<io::Error> for KeyFolderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

/// What a key is called in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    algorithm: Algorithm,
    /// Seconds since 1970.
    at_secs: u64,
}

/// By algorithm, and then in the order in which they were made.
impl Ord for Made {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by = |made: &Self| (made.algorithm.as_str(), made.at_secs);
        by(self).cmp(&by(other))
    }
}

impl PartialOrd for Made {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A key, and when it was made.
#[derive(Clone)]
struct TimedKey {
    made: Made,
    key: Arc<SigningKey>,
}

impl TimedKey {
    fn new(made: Made, key: SigningKey) -> Self {
        Self { made, key: Arc::new(key) }
    }
}

/// All signing keys of a server.
pub(crate) struct SigningKeys {
    /// The algorithms that some resource wants.
    algorithms: Vec<Algorithm>,
    plan: Plan,
    folder: Option<KeyFolder>,
    /// One change at a time.
    change: Mutex<()>,
    current: RwLock<Arc<KeySet>>,
}

/// The keys as they are between two changes.
pub(crate) struct KeySet {
    keys: Vec<TimedKey>,
    document: Bytes,
    verifier: PublicKeys,
}

impl SigningKeys {
    /// Opens the folder, if there is one, and makes the keys that are missing.
    pub(crate) fn new(
        algorithms: Vec<Algorithm>,
        lifetimes: Lifetimes,
        folder: Option<&Path>,
        now_secs: u64,
    ) -> Result<Self, KeyFolderError> {
        let retirement = u64::from(LIFETIME_SECS_MAX_DESKTOP) + u64::from(LEEWAY_SECS_MAX);
        let keys = Self {
            plan: Plan {
                lifetime: lifetimes.signing_key,
                publication: lifetimes.signing_key_publication,
                // The longest that any settings permit: a token may be from a time with others.
                retirement: Duration::from_secs(retirement),
            },
            folder: folder.filter(|_| !algorithms.is_empty()).map(KeyFolder::open).transpose()?,
            algorithms,
            change: Mutex::default(),
            current: RwLock::new(Arc::new(KeySet::new(Vec::new())?)),
        };
        keys.tend(now_secs)?;
        Ok(keys)
    }

    /// Whether there is anything to publish.
    pub(crate) fn is_empty(&self) -> bool {
        self.algorithms.is_empty()
    }

    pub(crate) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long the key set may be kept by others: no longer than a new key waits before it signs.
    pub(crate) fn cache_secs_max(&self) -> u64 {
        CACHE_SECS_MAX.min(self.plan.publication.as_secs() / 2)
    }

    /// The key that signs at `now_secs`; `None` for an algorithm that no resource wants.
    pub(crate) fn signing(&self, algorithm: Algorithm, now_secs: u64) -> Option<Arc<SigningKey>> {
        let set = self.current();
        let keys: Vec<&TimedKey> = set.of(algorithm).collect();
        let made_at: Vec<u64> = keys.iter().map(|key| key.made.at_secs).collect();
        let key = keys.get(self.plan.signing(&made_at, now_secs)?)?;
        Some(Arc::clone(&key.key))
    }

    /// Reads the folder again, removes keys whose time is over, and makes those that are due. Slow: it
    /// waits for the disk and may compute a key.
    pub(crate) fn tend(&self, now_secs: u64) -> Result<(), KeyFolderError> {
        self.change(now_secs, |plan, made_at| plan.needs_successor(made_at, now_secs))
    }

    /// Makes a new key of each kind now. It signs after it was published for its time.
    pub(crate) fn rotate(&self, now_secs: u64) -> Result<(), KeyFolderError> {
        // A second key of the same second would be the same file.
        self.change(now_secs, |_, made_at| made_at.last().is_none_or(|last| *last < now_secs))
    }

    fn change(
        &self,
        now_secs: u64,
        is_due: impl Fn(Plan, &[u64]) -> bool,
    ) -> Result<(), KeyFolderError> {
        if self.algorithms.is_empty() {
            return Ok(());
        }
        let _one = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = self.folder.as_ref().map(KeyFolder::lock).transpose()?;
        let known = self.current();
        let mut keys = match &self.folder {
            Some(folder) => known.read_again(folder)?,
            None => known.keys.clone(),
        };
        for algorithm in &self.algorithms {
            let made_at = times(&keys, *algorithm);
            if is_due(self.plan, &made_at) {
                if keys.len() >= JWKS_KEYS_MAX_DESKTOP {
                    return Err(KeyFolderError::TooMany);
                }
                let made = Made { algorithm: *algorithm, at_secs: now_secs };
                let key = SigningKey::generate(*algorithm).map_err(|_| KeyFolderError::Key)?;
                let key = TimedKey::new(made, key);
                if let Some(folder) = &self.folder {
                    folder.write(&key)?;
                }
                tracing::info!(key = %key.key.id(), algorithm = algorithm.as_str(), "signing key made");
                keys.push(key);
            }
            let ended = self.plan.ended(&made_at, now_secs);
            for at_secs in made_at.into_iter().take(ended) {
                let made = Made { algorithm: *algorithm, at_secs };
                if let Some(folder) = &self.folder {
                    folder.remove(made)?;
                }
                keys.retain(|key| key.made != made);
                tracing::info!(algorithm = algorithm.as_str(), at_secs, "signing key removed");
            }
        }
        keys.sort_by_key(|key| key.made);
        let names = |keys: &[TimedKey]| keys.iter().map(|key| key.made).collect::<Vec<_>>();
        if names(&keys) != names(&known.keys) {
            let changed = Arc::new(KeySet::new(keys)?);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = changed;
        }
        Ok(())
    }
}

fn times(keys: &[TimedKey], algorithm: Algorithm) -> Vec<u64> {
    let of = keys.iter().filter(|key| key.made.algorithm == algorithm);
    let mut times: Vec<u64> = of.map(|key| key.made.at_secs).collect();
    times.sort_unstable();
    times
}

impl KeySet {
    fn new(keys: Vec<TimedKey>) -> Result<Self, KeyFolderError> {
        let document = document(&keys)?;
        let verifier = if keys.is_empty() {
            PublicKeys::none()
        } else {
            // The way that resource servers read it: what they refuse is not published.
            PublicKeys::read(&document).map_err(|_| KeyFolderError::Key)?
        };
        if verifier.key_ids().count() != keys.len() {
            return Err(KeyFolderError::TooMany);
        }
        Ok(Self { keys, document, verifier })
    }

    /// The keys that are in the folder now; those that are known are not read again.
    fn read_again(&self, folder: &KeyFolder) -> Result<Vec<TimedKey>, KeyFolderError> {
        let listed = folder.list()?.into_iter();
        listed
            .map(|made| match self.keys.iter().find(|key| key.made == made) {
                Some(known) => Ok(known.clone()),
                None => folder.read(made),
            })
            .collect()
    }

    fn of(&self, algorithm: Algorithm) -> impl Iterator<Item = &TimedKey> {
        self.keys.iter().filter(move |key| key.made.algorithm == algorithm)
    }

    /// The key set as it is published: public halves alone.
    pub(crate) fn document(&self) -> Bytes {
        self.document.clone()
    }

    /// The published keys, to verify own tokens with.
    pub(crate) fn verifier(&self) -> &PublicKeys {
        &self.verifier
    }
}

fn document(keys: &[TimedKey]) -> Result<Bytes, KeyFolderError> {
    let published: Option<Vec<_>> = keys.iter().map(|key| key.key.published()).collect();
    let mut room = vec![0; METADATA_LEN_MAX_DESKTOP];
    let text = write_set(&published.ok_or(KeyFolderError::Key)?, &mut room);
    text.map(|text| Bytes::copy_from_slice(text.as_bytes())).map_err(|_| KeyFolderError::TooMany)
}

#[cfg(test)]
mod tests;
