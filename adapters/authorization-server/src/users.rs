//! Users, and how they prove who they are.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use oauth_as::StorageError;
use serde::{Deserialize, Serialize};

use crate::secrets::{self, EntropyError};
use crate::settings::{Settings, SettingsError};
use crate::storage::Records;

mod accounts;
mod checks;
mod provided;

pub use accounts::{AccountError, Accounts};
use checks::Checks;
use provided::ProvidedUsers;

/// An argon2id hash in the PHC text form, with its salt and cost.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

pub(crate) fn hash(password: &str) -> Result<PasswordHash, EntropyError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| EntropyError)?;
    Ok(PasswordHash(hash.to_string()))
}

/// A user in the table of users.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    name: String,
    /// None for a user whom a provider elsewhere vouches for.
    password: Option<PasswordHash>,
    /// What such a user is called on pages.
    #[serde(default)]
    shown_name: Option<String>,
    is_disabled: bool,
    created_at_secs: u64,
}

impl Account {
    /// The name that the user signs in with: the subject of tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a user is called whom a provider elsewhere vouches for.
    #[must_use]
    pub fn shown_name(&self) -> Option<&str> {
        self.shown_name.as_deref()
    }

    /// Whether the user may not sign in, and nothing more is issued to the clients of the user.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.is_disabled
    }

    /// When the account was made, in seconds since 1970.
    #[must_use]
    pub fn created_at_secs(&self) -> u64 {
        self.created_at_secs
    }
}

/// What is answered about a user, now or later.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<bool, StorageError>> + Send + 'a>>;

/// Those who may sign in: with a password ([`PasswordUsers`]), or at a provider elsewhere, which sends its
/// users back signed in ([`ProvidedUsers`]).
pub(crate) trait Users: Send + Sync {
    /// Whether `name` is a user with this password.
    fn authenticate<'a>(&'a self, name: &'a str, password: &'a str) -> Answer<'a>;

    /// Whether clients of `subject`, who agreed earlier, still get tokens, and may use them.
    fn may_continue<'a>(&'a self, subject: &'a str) -> Answer<'a>;
}

/// Those who may sign in, as the settings have it.
pub(crate) fn of(settings: &Settings, records: Records) -> Result<Box<dyn Users>, SettingsError> {
    let passwords = match settings.takes_passwords() {
        true => {
            let users = PasswordUsers::new(settings.users.iter().cloned(), records.clone());
            Some(users.map_err(|_| SettingsError::Entropy)?)
        }
        false => None,
    };
    match (settings.subject_prefixes(), passwords) {
        (prefixes, Some(passwords)) if prefixes.is_empty() => Ok(Box::new(passwords)),
        (prefixes, None) if prefixes.is_empty() => Err(SettingsError::OpenIdProvider),
        (prefixes, passwords) => Ok(Box::new(ProvidedUsers::new(prefixes, records, passwords))),
    }
}

/// Users with passwords: those that the settings name, and those of the table.
pub(crate) struct PasswordUsers {
    fixed: HashMap<String, PasswordHash>,
    records: Records,
    /// Checked when a name is unknown, so that the answer takes as long (SEC-210).
    nobody: PasswordHash,
    checks: Checks,
}

impl PasswordUsers {
    pub(crate) fn new(
        fixed: impl IntoIterator<Item = (String, PasswordHash)>,
        records: Records,
    ) -> Result<Self, EntropyError> {
        Ok(Self {
            fixed: fixed.into_iter().collect(),
            records,
            nobody: hash(&secrets::random_text()?)?,
            checks: Checks::default(),
        })
    }

    /// The hash of a user who may sign in.
    async fn hash_of(&self, name: &str) -> Result<Option<PasswordHash>, StorageError> {
        if let Some(hash) = self.fixed.get(name) {
            return Ok(Some(hash.clone()));
        }
        let account = self.records.account(name).await?;
        Ok(account.filter(|account| !account.is_disabled).and_then(|account| account.password))
    }

    async fn check(&self, name: &str, password: &str) -> Result<bool, StorageError> {
        let known = self.hash_of(name).await?;
        let is_known = known.is_some();
        let hash = known.unwrap_or_else(|| self.nobody.clone());
        let is_right = self.checks.verify(password, hash).await?;
        Ok(is_known && is_right)
    }
}

impl Users for PasswordUsers {
    fn authenticate<'a>(&'a self, name: &'a str, password: &'a str) -> Answer<'a> {
        Box::pin(self.check(name, password))
    }

    fn may_continue<'a>(&'a self, subject: &'a str) -> Answer<'a> {
        Box::pin(async move {
            if self.fixed.contains_key(subject) {
                return Ok(true);
            }
            let account = self.records.account(subject).await?;
            // Whom a provider vouched for goes on while there is a provider.
            Ok(account.is_some_and(|it| !it.is_disabled && it.password.is_some()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Database;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user() {
        let alice = ("alice".to_owned(), hash("correct").unwrap());
        let records = Records::open(&Database::Memory).await.unwrap();
        let users = PasswordUsers::new([alice], records).unwrap();
        assert!(users.authenticate("alice", "correct").await.unwrap());
        assert!(users.may_continue("alice").await.unwrap());
        for (name, password) in [("alice", "wrong"), ("alice", ""), ("bob", "correct"), ("", "")] {
            assert!(!users.authenticate(name, password).await.unwrap(), "{name} {password}");
        }
        assert!(!users.may_continue("bob").await.unwrap());
    }

    #[test]
    fn sec_240_hashes_are_salted_argon2id() {
        let (a, b) = (hash("same").unwrap(), hash("same").unwrap());
        assert!(a.0.starts_with("$argon2id$v=19$"));
        assert_ne!(a.0, b.0);
        assert_eq!(format!("{a:?}"), "PasswordHash(..)");
    }
}
