//! The table of users, for whoever looks after it.

use std::fmt;

use oauth_as::StorageError;

use super::{Account, hash};
use crate::audit::audit;
use crate::clock::{Clock, unix_secs};
use crate::openid::SUBJECT_PREFIX;
use crate::settings::{Settings, is_user_name};
use crate::storage::{Database, Records};

/// The table of users: adding, changing, disabling and removing them. A server that is running on the
/// same database takes notice at once.
#[derive(Clone)]
pub struct Accounts {
    records: Records,
    clock: Clock,
}

/// Why an account could not be changed. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountError {
    /// The name is empty, not printable ASCII, too long, or like that of a client.
    Name,
    /// The password is empty.
    Password,
    /// There is such a user already.
    Taken,
    /// There is no such user.
    Unknown,
    /// The operating system gave no randomness for a salt.
    Entropy,
    /// The database cannot be used. The text is for people.
    Database(String),
}

impl Accounts {
    /// Opens the users of a database; made, with its tables, when there is none.
    ///
    /// # Errors
    /// [`AccountError::Database`] when it cannot be opened.
    pub async fn open(database: &Database) -> Result<Self, AccountError> {
        let records = Records::open(database).await?;
        Ok(Self::new(records, Clock::system()))
    }

    pub(crate) fn of(records: &Records, settings: &Settings) -> Self {
        Self::new(records.clone(), settings.clock.clone())
    }

    fn new(records: Records, clock: Clock) -> Self {
        Self { records, clock }
    }

    /// Adds a user. Only the argon2id hash of the password is kept.
    ///
    /// # Errors
    /// [`AccountError::Name`], [`AccountError::Password`], [`AccountError::Taken`],
    /// [`AccountError::Entropy`], [`AccountError::Database`].
    pub async fn add(&self, name: &str, password: &str) -> Result<(), AccountError> {
        if !is_user_name(name) {
            return Err(AccountError::Name);
        }
        let account = Account {
            name: name.to_owned(),
            password: Some(hashed(password).await?),
            shown_name: None,
            is_disabled: false,
            created_at_secs: unix_secs(self.clock.now()).unwrap_or_default(),
        };
        found(self.records.add_account(&account).await?, AccountError::Taken)?;
        audit!(info, "user added", subject = name);
        Ok(())
    }

    /// Sets a password, and ends the user's sign-ins.
    ///
    /// # Errors
    /// [`AccountError::Name`] for a user of a provider, [`AccountError::Password`],
    /// [`AccountError::Unknown`], [`AccountError::Entropy`], [`AccountError::Database`].
    pub async fn set_password(&self, name: &str, password: &str) -> Result<(), AccountError> {
        if name.starts_with(SUBJECT_PREFIX) {
            return Err(AccountError::Name);
        }
        let password = hashed(password).await?;
        self.change(name, move |account| account.password = Some(password)).await?;
        audit!(info, "user's password set", subject = name);
        Ok(())
    }

    /// Disables a user: no sign-in any more, no more tokens for clients that the user agreed to, and
    /// introspection calls those that are out inactive. Resource servers that verify tokens by
    /// themselves take them to their end.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], [`AccountError::Database`].
    pub async fn disable(&self, name: &str) -> Result<(), AccountError> {
        self.change(name, |account| account.is_disabled = true).await?;
        audit!(info, "user disabled", subject = name);
        Ok(())
    }

    /// Lets a disabled user sign in again.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], [`AccountError::Database`].
    pub async fn enable(&self, name: &str) -> Result<(), AccountError> {
        self.change(name, |account| account.is_disabled = false).await?;
        audit!(info, "user enabled", subject = name);
        Ok(())
    }

    /// Removes a user, with the effects of [`Accounts::disable`].
    ///
    /// # Errors
    /// [`AccountError::Unknown`], [`AccountError::Database`].
    pub async fn remove(&self, name: &str) -> Result<(), AccountError> {
        found(self.records.remove_account(name).await?, AccountError::Unknown)?;
        audit!(info, "user removed", subject = name);
        Ok(())
    }

    /// Takes notice of a user whom a provider vouches for; false when an administrator disabled the user. Where the
    /// provider says no name, the one that is known stays, or `otherwise` is one.
    pub(crate) async fn meet(
        &self,
        subject: &str,
        shown_name: Option<&str>,
        otherwise: &str,
    ) -> Result<bool, StorageError> {
        let Some(known) = self.records.account(subject).await? else {
            let account = Account {
                name: subject.to_owned(),
                password: None,
                shown_name: Some(shown_name.unwrap_or(otherwise).to_owned()),
                is_disabled: false,
                created_at_secs: unix_secs(self.clock.now()).unwrap_or_default(),
            };
            // Who is faster writes the same.
            self.records.add_account(&account).await?;
            return Ok(true);
        };
        if known.is_disabled {
            return Ok(false);
        }
        if shown_name.is_some() && known.shown_name.as_deref() != shown_name {
            let shown_name = shown_name.map(str::to_owned);
            self.records.change_account(subject, |it| it.shown_name = shown_name).await?;
        }
        Ok(true)
    }

    /// What to call a user on a page: the name that the provider told, or the subject itself.
    pub(crate) async fn called(&self, subject: &str) -> Result<String, StorageError> {
        let is_provided = subject.starts_with(SUBJECT_PREFIX);
        let account = if is_provided { self.records.account(subject).await? } else { None };
        Ok(account.and_then(|it| it.shown_name).unwrap_or_else(|| subject.to_owned()))
    }

    /// All users, by name.
    ///
    /// # Errors
    /// [`AccountError::Database`].
    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        Ok(self.records.accounts().await?)
    }

    async fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Account) + Send,
    ) -> Result<(), AccountError> {
        found(self.records.change_account(name, change).await?, AccountError::Unknown)
    }
}

async fn hashed(password: &str) -> Result<super::PasswordHash, AccountError> {
    if password.is_empty() {
        return Err(AccountError::Password);
    }
    let password = password.to_owned();
    let hashed = tokio::task::spawn_blocking(move || hash(&password)).await;
    hashed.ok().and_then(Result::ok).ok_or(AccountError::Entropy)
}

fn found(is_so: bool, otherwise: AccountError) -> Result<(), AccountError> {
    if is_so { Ok(()) } else { Err(otherwise) }
}

impl From<StorageError> for AccountError {
    fn from(error: StorageError) -> Self {
        Self::Database(error.0)
    }
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("a user's name must be printable ASCII, unlike a client id"),
            Self::Password => f.write_str("the password is empty"),
            Self::Taken => f.write_str("there is such a user already"),
            Self::Unknown => f.write_str("there is no such user"),
            Self::Entropy => f.write_str("the operating system gave no randomness"),
            Self::Database(error) => write!(f, "the database cannot be used: {error}"),
        }
    }
}

impl std::error::Error for AccountError {}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts(..)")
    }
}
