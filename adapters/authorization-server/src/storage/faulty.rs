//! Faults of the storage, when they are told to come. For tests alone.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use oauth_as::StorageError;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happens.
    Refused,
    /// It happens, and is reported as failed all the same (SEC-238).
    Applied,
    /// Nothing happens, and no answer ever comes (SEC-238).
    Stalled,
}

/// The faults to come.
#[derive(Default)]
pub(crate) struct Faults {
    /// The fault to come, after so many calls that work.
    armed: Mutex<Option<(usize, Fault)>>,
}

impl Faults {
    /// Lets the call after the next `calls` fail, that one alone.
    pub(crate) fn fail_after(&self, calls: usize, fault: Fault) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((calls, fault));
    }

    /// Lets no call fail. Whether the fault that was to come is still to come.
    pub(crate) fn heal(&self) -> bool {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    fn fault_now(&self) -> Option<Fault> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        match armed.take() {
            Some((0, fault)) => Some(fault),
            Some((calls, fault)) => {
                *armed = Some((calls - 1, fault));
                None
            }
            None => None,
        }
    }

    /// Makes a call of the storage, unless it is to fail.
    pub(super) async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        match self.fault_now() {
            None => return work.await,
            Some(Fault::Refused) => {}
            Some(Fault::Stalled) => std::future::pending().await,
            Some(Fault::Applied) => drop(work.await),
        }
        Err(StorageError::new("told to fail"))
    }
}
