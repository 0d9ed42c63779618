//! Users whom an OpenID Connect provider vouches for.

use super::{Answer, PasswordUsers, Users};
use crate::storage::Records;

/// The users of providers, and those with passwords where both may sign in.
pub(crate) struct ProvidedUsers {
    subject_prefixes: Vec<String>,
    records: Records,
    passwords: Option<PasswordUsers>,
}

impl ProvidedUsers {
    /// `subject_prefixes` are what the subjects of each provider's users start with.
    pub(crate) fn new(
        subject_prefixes: Vec<String>,
        records: Records,
        passwords: Option<PasswordUsers>,
    ) -> Self {
        Self { subject_prefixes, records, passwords }
    }
}

impl Users for ProvidedUsers {
    /// The provider alone sees the passwords of its users.
    fn authenticate<'a>(&'a self, name: &'a str, password: &'a str) -> Answer<'a> {
        match &self.passwords {
            Some(users) => users.authenticate(name, password),
            None => Box::pin(async { Ok(false) }),
        }
    }

    /// A user of the provider goes on until an administrator disables or removes the user: the provider
    /// is asked at sign-in alone, since nothing that it hands out is kept.
    fn may_continue<'a>(&'a self, subject: &'a str) -> Answer<'a> {
        if !self.subject_prefixes.iter().any(|prefix| subject.starts_with(prefix)) {
            return match &self.passwords {
                Some(users) => users.may_continue(subject),
                None => Box::pin(async { Ok(false) }),
            };
        }
        Box::pin(async move {
            let account = self.records.account(subject).await?;
            Ok(account.is_some_and(|account| !account.is_disabled))
        })
    }
}
