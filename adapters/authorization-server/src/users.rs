//! Users and their passwords.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::secrets::{self, EntropyError};

/// Password checks that run at once: each takes about 19 MiB and a core for a moment.
const CHECKS_AT_ONCE: usize = 4;

/// An argon2id hash in the PHC text form, with its salt and cost.
#[derive(Clone)]
pub(crate) struct PasswordHash(Arc<str>);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

pub(crate) fn hash(password: &str) -> Result<PasswordHash, EntropyError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| EntropyError)?;
    Ok(PasswordHash(hash.to_string().into()))
}

fn verify(password: &str, hash: &PasswordHash) -> bool {
    let hash: &str = &hash.0;
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

/// The users that may sign in.
pub(crate) struct Users {
    hashes: HashMap<String, PasswordHash>,
    /// Checked when a name is unknown, so that the answer takes as long (SEC-210).
    nobody: PasswordHash,
    checks: Semaphore,
}

impl Users {
    pub(crate) fn new(
        users: impl IntoIterator<Item = (String, PasswordHash)>,
    ) -> Result<Self, EntropyError> {
        Ok(Self {
            hashes: users.into_iter().collect(),
            nobody: hash(&secrets::random_text()?)?,
            checks: Semaphore::new(CHECKS_AT_ONCE),
        })
    }

    /// Whether `name` is a user with this password.
    pub(crate) async fn authenticate(&self, name: &str, password: &str) -> bool {
        let known = self.hashes.contains_key(name);
        let hash = self.hashes.get(name).unwrap_or(&self.nobody).clone();
        let password = password.to_owned();
        let Ok(_permit) = self.checks.acquire().await else { return false };
        let verified = tokio::task::spawn_blocking(move || verify(&password, &hash)).await;
        known && verified.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user() {
        let alice = ("alice".to_owned(), hash("correct").unwrap());
        let users = Users::new([alice]).unwrap();
        assert!(users.authenticate("alice", "correct").await);
        for (name, password) in [("alice", "wrong"), ("alice", ""), ("bob", "correct"), ("", "")] {
            assert!(!users.authenticate(name, password).await, "{name} {password}");
        }
    }

    #[test]
    fn sec_240_hashes_are_salted_argon2id() {
        let (a, b) = (hash("same").unwrap(), hash("same").unwrap());
        assert!(a.0.starts_with("$argon2id$v=19$"));
        assert_ne!(a.0, b.0);
        assert_eq!(format!("{a:?}"), "PasswordHash(..)");
    }
}
