//! Where logins are: the keyring of the system, or a folder.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use etcetera::BaseStrategy as _;
#[cfg(feature = "keyring")]
use portcullis_tokio::client::KeyringStore;
use portcullis_tokio::client::{
    Authorizer, FileStore, OpenBrowser, Options as ClientOptions, StoreError, TokenStore,
};

use super::Error;
use crate::output;

/// Which store, for every command that needs one.
#[derive(Args)]
pub(super) struct StoreArguments {
    /// Where the login is kept. By default the system's keyring, if there is one, else a folder of files.
    #[arg(long, value_name = "STORE")]
    store: Option<Kind>,
    /// The folder; by default `portcullis/logins` where this system keeps a user's data.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Files that only their owner can read.
    File,
    /// The system's keyring.
    #[cfg(feature = "keyring")]
    Keyring,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            #[cfg(feature = "keyring")]
            Self::Keyring => "keyring",
        }
    }
}

/// One of the two.
pub(super) enum Store {
    File(FileStore),
    #[cfg(feature = "keyring")]
    Keyring(KeyringStore),
}

impl Store {
    /// The authorizer of a server with what is stored here.
    pub(super) fn authorizer(
        &self,
        url: &str,
        options: ClientOptions,
        browser: impl OpenBrowser + 'static,
    ) -> Result<Authorizer, Error> {
        let authorizer = Authorizer::new(url, options, browser)?;
        Ok(match self {
            Self::File(store) => authorizer.with_store(store.clone()),
            #[cfg(feature = "keyring")]
            Self::Keyring(store) => authorizer.with_store(store.clone()),
        })
    }

    fn has_login(&self, url: &str) -> Result<bool, StoreError> {
        let record = match self {
            Self::File(store) => store.read(url)?,
            #[cfg(feature = "keyring")]
            Self::Keyring(store) => store.read(url)?,
        };
        Ok(record.is_some())
    }

    pub(super) fn servers(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::File(store) => store.servers(),
            #[cfg(feature = "keyring")]
            Self::Keyring(store) => store.servers(),
        }
    }
}

impl StoreArguments {
    /// The store of this server's login, and its name: the one that was asked for, or in which there is a
    /// login, or the keyring where there is one.
    pub(super) fn for_server(&self, url: &str) -> Result<(&'static str, Store), Error> {
        let mut stores = self.all()?;
        if stores.len() > 1 {
            let has_login = stores.iter().map(|(_, store)| store.has_login(url));
            let has_login = has_login.collect::<Result<Vec<_>, _>>()?;
            if let Some(index) = has_login.into_iter().position(|has_login| has_login) {
                stores.swap(0, index);
            }
        }
        stores.into_iter().next().ok_or(Error::NoFolder)
    }

    /// The store for a new login. A keyring that takes nothing now, such as one that is locked, is an error where it
    /// was asked for, and passed over else: a login that cannot be kept would be the user's work for nothing.
    pub(super) fn for_login(&self, url: &str) -> Result<(&'static str, Store), Error> {
        let chosen = self.for_server(url)?;
        #[cfg(feature = "keyring")]
        if let Store::Keyring(keyring) = &chosen.1
            && let Err(error) = keyring.check()
        {
            if self.store == Some(Kind::Keyring) {
                return Err(error.into());
            }
            let error = output::printable(&error.to_string());
            eprintln!("The keyring takes nothing now ({error}): the login is kept in files.");
            return Ok((Kind::File.name(), Store::File(FileStore::new(self.folder()?))));
        }
        Ok(chosen)
    }

    /// The stores there are, with their names; only the one that was asked for, if one was.
    pub(super) fn all(&self) -> Result<Vec<(&'static str, Store)>, Error> {
        let mut stores = Vec::new();
        let folder = self.folder()?;
        #[cfg(feature = "keyring")]
        if self.store != Some(Kind::File) {
            // What it locks with is no login, and is kept apart from those.
            match KeyringStore::system("portcullis", folder.join("keyring")) {
                Ok(store) => stores.push((Kind::Keyring.name(), Store::Keyring(store))),
                Err(error) if self.store == Some(Kind::Keyring) => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "no keyring"),
            }
        }
        if self.store.is_none_or(|kind| kind == Kind::File) {
            stores.push((Kind::File.name(), Store::File(FileStore::new(folder))));
        }
        Ok(stores)
    }

    fn folder(&self) -> Result<PathBuf, Error> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let place = etcetera::choose_base_strategy().map_err(|_| Error::NoFolder)?;
        Ok(place.data_dir().join("portcullis").join("logins"))
    }
}
