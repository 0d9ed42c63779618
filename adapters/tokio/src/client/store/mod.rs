//! Where logins outlive the program: a trait, a folder of files, and the system's keyring.

mod file;
#[cfg(feature = "keyring")]
mod keyring;
mod lock;

use std::{fmt, io, path::PathBuf, sync::Arc};

use zeroize::Zeroizing;

pub use file::FileStore;
#[cfg(feature = "keyring")]
pub use keyring::KeyringStore;
pub use lock::StoreLock;

use super::session::Session;

/// Longest record in bytes.
pub const RECORD_LEN_MAX: usize = 64 * 1024;

/// Keeps the login of each server, by the server's URL.
///
/// A record is secret from its first byte to its last, and means something to this crate alone. It names
/// server, issuer and resource, and is used for no others (CL-08, CL-71). The functions may block; they are
/// called where that disturbs nobody.
pub trait TokenStore: Send + Sync {
    /// The record for this server, of at most [`RECORD_LEN_MAX`] bytes.
    fn read(&self, server_url: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    /// Puts a record in the place of the earlier one, wholly or not at all. When this returns it outlives a
    /// loss of power, as far as the medium can do that: what it holds is used only afterwards (CL-63).
    ///
    /// The caller has the [`lock`](Self::lock).
    fn write(&self, server_url: &str, record: &[u8]) -> Result<(), StoreError>;

    /// Removes the record; whether there was one. The caller has the [`lock`](Self::lock).
    fn remove(&self, server_url: &str) -> Result<bool, StoreError>;

    /// The servers there are records for.
    fn servers(&self) -> Result<Vec<String>, StoreError>;

    /// Waits until no other process has the lock of this server, and takes it: a refresh token that changes
    /// with each use must not be used by two at once (SEC-479).
    fn lock(&self, server_url: &str) -> Result<StoreLock, StoreError>;
}

/// Why a login is not read or kept. None of them carries a part of a record.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or folder cannot be read or written.
    Io(PathBuf, io::Error),
    /// Others than the owner may read or change a file or folder (SEC-481).
    NotPrivate(PathBuf),
    /// Not a regular file.
    NotAFile(PathBuf),
    /// The record cannot be read; it stays as it is. With the server's URL.
    Corrupt(String),
    /// The record is longer than [`RECORD_LEN_MAX`], or than the store takes.
    TooLong,
    /// The login has something that cannot be written down, such as a key that stays where it is.
    NotStorable,
    /// Another process has the lock for too long.
    Busy,
    /// The keyring gives no access; its words.
    Keyring(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotPrivate(path) => {
                write!(f, "{}: others may read or change it (chmod go= helps)", path.display())
            }
            Self::NotAFile(path) => write!(f, "{}: is not a file", path.display()),
            Self::Corrupt(server_url) => {
                write!(f, "the stored login for {} cannot be read", super::Printable(server_url))
            }
            Self::TooLong => f.write_str("the login is too long to be stored"),
            Self::NotStorable => f.write_str("the login cannot be stored"),
            Self::Busy => f.write_str("another process is busy with the stored login"),
            Self::Keyring(words) => write!(f, "keyring: {}", super::Printable(words)),
        }
    }
}

impl std::error::Error for StoreError {}

/// A store as the authorizer of one server uses it.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) store: Arc<dyn TokenStore>,
    pub(super) server_url: Arc<str>,
}

impl Kept {
    /// What is stored for the server.
    pub(super) async fn read(&self) -> Result<Option<Session>, StoreError> {
        self.blocking(|store, server_url| {
            let Some(record) = store.read(server_url)? else { return Ok(None) };
            let corrupt = || StoreError::Corrupt(server_url.to_owned());
            Session::from_record(&record, server_url).map(Some).ok_or_else(corrupt)
        })
        .await
    }

    pub(super) async fn write(&self, record: Zeroizing<Vec<u8>>) -> Result<(), StoreError> {
        self.blocking(move |store, server_url| match record.len() {
            0 => Err(StoreError::NotStorable),
            1..=RECORD_LEN_MAX => store.write(server_url, &record),
            _ => Err(StoreError::TooLong),
        })
        .await
    }

    pub(super) async fn remove(&self) -> Result<bool, StoreError> {
        self.blocking(|store, server_url| store.remove(server_url)).await
    }

    pub(super) async fn lock(&self) -> Result<StoreLock, StoreError> {
        self.blocking(|store, server_url| store.lock(server_url)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn TokenStore, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Self { store, server_url } = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&*store, &server_url)).await;
        // The runtime is shutting down, or the store panicked.
        done.unwrap_or(Err(StoreError::Busy))
    }
}
