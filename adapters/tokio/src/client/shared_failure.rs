//! One failure for all operations that were under way when it came: they do not each wait for a server that
//! is silent, nor ask a user who has just refused (SEC-479).

use std::sync::atomic::{AtomicU64, Ordering};

use super::AuthorizeError;

/// How many operations have begun.
#[derive(Default)]
pub(super) struct Begun(AtomicU64);

impl Begun {
    /// Counts another one; gives how many began before it.
    pub(super) fn one_more(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of the last refresh or login, if it failed.
pub(super) struct SharedFailure {
    /// Operations that had begun.
    begun: u64,
    error: AuthorizeError,
}

impl SharedFailure {
    /// A failure that comes when so many operations have begun; `None` for one that is not shared.
    pub(super) fn new(begun: u64, error: &AuthorizeError) -> Option<Self> {
        copy(error).map(|error| Self { begun, error })
    }

    /// The failure, for an operation that had begun before it came.
    pub(super) fn of(&self, operation: u64) -> Option<AuthorizeError> {
        copy(&self.error).filter(|_| operation < self.begun)
    }
}

/// What others said, or did not say. What this machine itself failed at shows at once, to each.
fn copy(error: &AuthorizeError) -> Option<AuthorizeError> {
    Some(match error {
        AuthorizeError::Discovery(error) => AuthorizeError::Discovery(*error),
        AuthorizeError::Registration(error, words) => {
            AuthorizeError::Registration(*error, words.clone())
        }
        AuthorizeError::Authorization(error) => AuthorizeError::Authorization(*error),
        AuthorizeError::TimedOut => AuthorizeError::TimedOut,
        AuthorizeError::Denied(words) => AuthorizeError::Denied(words.clone()),
        AuthorizeError::NotNow(words) => AuthorizeError::NotNow(words.clone()),
        AuthorizeError::Callback(error) => AuthorizeError::Callback(*error),
        AuthorizeError::Device(error, words) => AuthorizeError::Device(*error, words.clone()),
        #[cfg(feature = "enterprise-managed")]
        AuthorizeError::IdJag(error, words) => AuthorizeError::IdJag(*error, words.clone()),
        AuthorizeError::Token(error, words) => AuthorizeError::Token(*error, words.clone()),
        AuthorizeError::Setup(_)
        | AuthorizeError::Listen(_)
        | AuthorizeError::Browser(_)
        | AuthorizeError::Source(_)
        | AuthorizeError::Store(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_479_a_failure_is_that_of_the_operations_before_it() {
        let denied = AuthorizeError::Denied("no".to_owned());
        let failure = SharedFailure::new(2, &denied).unwrap();
        for operation in [0, 1] {
            let error = failure.of(operation).unwrap();
            assert_eq!(error.to_string(), denied.to_string());
        }
        assert!(failure.of(2).is_none());
        let own = AuthorizeError::Browser(std::io::ErrorKind::NotFound.into());
        assert!(SharedFailure::new(2, &own).is_none());
    }
}
