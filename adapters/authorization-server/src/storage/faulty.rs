//! A storage that fails when it is told to. For tests alone.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::{
    Client, ClientId, IssuedToken, MemoryStorage, RefreshTokenRecord, RevocationWindow, Storage,
    StorageError, WriteOutcome, delegate_storage,
};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happens.
    Refused,
    /// It happens, and is reported as failed all the same (SEC-238).
    Applied,
}

/// Records in memory, behind calls that may fail.
pub(crate) struct FaultyStorage {
    memory: MemoryStorage,
    /// The fault to come, after so many calls that work.
    armed: Mutex<Option<(usize, Fault)>>,
}

impl FaultyStorage {
    pub(crate) fn new() -> Self {
        Self { memory: MemoryStorage::new(), armed: Mutex::new(None) }
    }

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

    async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        match self.fault_now() {
            None => return work.await,
            Some(Fault::Refused) => {}
            Some(Fault::Applied) => drop(work.await),
        }
        Err(StorageError::new("told to fail"))
    }
}

/// Methods that may fail, each as the same method of the memory.
macro_rules! may_fail {
    ($($name:ident($($argument:ident: $of:ty),*) -> $out:ty;)*) => {
        $(async fn $name(&self, $($argument: $of),*) -> Result<$out, StorageError> {
            self.call(self.memory.$name($($argument),*)).await
        })*
    };
}

impl Storage for FaultyStorage {
    delegate_storage!(to memory;
        compare_and_swap_client, delete_client, put_device_grant, get_device_grant,
        find_device_grant_by_user_code, take_device_grant, compare_and_swap_device_grant,
    );

    may_fail! {
        get_client(client_id: &ClientId) -> Option<Arc<Client>>;
        put_client(client: Client) -> ();
        put_authorization_code(record: AuthorizationCodeRecord) -> ();
        compare_and_swap_authorization_code(
            expected: &AuthorizationCodeState, updated: AuthorizationCodeRecord
        ) -> bool;
        take_authorization_code(code: &str) -> Option<AuthorizationCodeRecord>;
        put_token(token: IssuedToken) -> WriteOutcome;
        get_token(token: &str) -> Option<Arc<IssuedToken>>;
        delete_token(token: &str) -> ();
        put_refresh_token(record: RefreshTokenRecord) -> WriteOutcome;
        get_refresh_token(token: &str) -> Option<Arc<RefreshTokenRecord>>;
        take_refresh_token(token: &str) -> Option<RefreshTokenRecord>;
        revoke_token_family(family_id: &str, window: RevocationWindow) -> u64;
        sweep_expired(now: SystemTime) -> u64;
    }
}
