//! Logins in the keyring of the system.

use std::{fmt, path::PathBuf, sync::Arc};

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::{FileStore, StoreError, StoreLock, TokenStore};

/// The Secret Service on Linux and BSD, the Keychain on macOS, the Credential Manager on Windows, which
/// takes 2560 bytes for an entry and refuses a login with longer tokens.
///
/// Keyrings have no locks, and not all can be searched, so that there is a folder too: of files that say
/// which servers there are logins for. They hold no secret.
#[derive(Clone)]
pub struct KeyringStore {
    keyring: Arc<CredentialStore>,
    service: String,
    locks: FileStore,
}

impl KeyringStore {
    /// The keyring of this system, if it has one that can be reached. `service` is the name of the
    /// application under which its user finds the entries.
    pub fn system(
        service: impl Into<String>,
        folder: impl Into<PathBuf>,
    ) -> Result<Self, StoreError> {
        let unreachable = |error: &Error| StoreError::Keyring(error.to_string());
        keyring::Entry::store_status().as_ref().map_err(unreachable)?;
        let keyring = keyring_core::get_default_store();
        let keyring = keyring.ok_or_else(|| unreachable(&Error::NoDefaultStore))?;
        Ok(Self::with(keyring, service, folder))
    }

    /// Any keyring that the crate `keyring-core` knows.
    pub fn with(
        keyring: Arc<CredentialStore>,
        service: impl Into<String>,
        folder: impl Into<PathBuf>,
    ) -> Self {
        Self { keyring, service: service.into(), locks: FileStore::new(folder) }
    }

    /// Whether the keyring takes an entry now: one may be locked, and nobody there to unlock it. To be asked before a
    /// user logs in. Writes an entry that holds nothing, and removes it.
    pub fn check(&self) -> Result<(), StoreError> {
        let entry = self.entry("check")?;
        entry.set_secret(b"nothing").map_err(refused)?;
        entry.delete_credential().map_err(refused)
    }

    fn entry(&self, server_url: &str) -> Result<Entry, StoreError> {
        self.keyring.build(&self.service, server_url, None).map_err(refused)
    }
}

impl TokenStore for KeyringStore {
    fn read(&self, server_url: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        match self.entry(server_url)?.get_secret() {
            Ok(record) => Ok(Some(Zeroizing::new(record))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    fn write(&self, server_url: &str, record: &[u8]) -> Result<(), StoreError> {
        // The list names what may be there: it comes first.
        self.locks.write(server_url, &list_entry(server_url))?;
        self.entry(server_url)?.set_secret(record).map_err(refused)
    }

    fn remove(&self, server_url: &str) -> Result<bool, StoreError> {
        let removed = match self.entry(server_url)?.delete_credential() {
            Ok(()) => true,
            Err(Error::NoEntry) => false,
            Err(error) => return Err(refused(error)),
        };
        self.locks.remove(server_url)?;
        Ok(removed)
    }

    fn servers(&self) -> Result<Vec<String>, StoreError> {
        let mut servers = self.locks.servers()?;
        let mut trouble = None;
        servers.retain(|server_url| match self.read(server_url) {
            Ok(record) => record.is_some(),
            Err(error) => {
                trouble = Some(error);
                true
            }
        });
        trouble.map_or(Ok(servers), Err)
    }

    fn lock(&self, server_url: &str) -> Result<StoreLock, StoreError> {
        self.locks.lock(server_url)
    }
}

impl fmt::Debug for KeyringStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringStore").field("service", &self.service).finish_non_exhaustive()
    }
}

/// What the folder says about a server.
fn list_entry(server_url: &str) -> Vec<u8> {
    serde_json::json!({ "server_url": server_url }).to_string().into_bytes()
}

/// Some of a keyring's errors carry the entry's bytes: those are not repeated.
fn refused(error: Error) -> StoreError {
    match error {
        Error::TooLong(..) => StoreError::TooLong,
        Error::BadEncoding(bytes) | Error::BadDataFormat(bytes, _) => {
            drop(Zeroizing::new(bytes));
            StoreError::Keyring("an entry cannot be read".to_owned())
        }
        error => StoreError::Keyring(error.to_string()),
    }
}
