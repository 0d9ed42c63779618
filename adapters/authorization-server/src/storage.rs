//! Where the records of a server are kept.
//!
//! # What is kept
//!
//! | Table | Record | Found by | Ends |
//! | --- | --- | --- | --- |
//! | `clients`, `unused_clients` | clients that registered themselves; since when one is unused | client id | deleted unused after a day (LIM-16) |
//! | `authorization_codes` | client, user, resource, challenge, and once used: the tokens it gave | digest of the code | when the code expires |
//! | `access_tokens` | client, user, scope, resource, family | digest of the token | when it expires |
//! | `refresh_tokens` | the same, active or spent | digest of the token | when its chain expires |
//! | `revocations` | clients and families that were ended | client or family | when the last of their tokens would have expired |
//! | `replay_ids` | ids of client assertions, of assertions that stand for grants and of DPoP proofs, and names of pushed requests, that were used | digest of client or key and `jti`, or of the name | when nothing can use them any more |
//! | `sessions` | who is signed in | digest of the cookie | after an hour |
//! | `pending_authorizations` | requests that wait for their user | id, with the digest of the cookie | after ten minutes |
//! | `pushed_requests` | requests that clients sent ahead of their user (RFC 9126) | digest of the `request_uri` | after a minute, or with the decision on it |
//! | `users` | argon2id hashes | name | never |
//! | `device_grants`, `device_resources` | what a device asks for, and what its user decided | digest of the device code; user code | when they expire |
//!
//! Clients, resource servers and users that the settings name are in no table: they are what the
//! settings say, at every start. Counters of attempts are in the memory of each process.
//!
//! # The path of one redemption
//!
//! The protocol engine takes a code or a refresh token, marks it as used, and writes what it issues,
//! in one call each. A [`Redemption`] gathers all of that, and the records take it in one transaction:
//! look whether the client or the family was ended, mark the code or token as used if it is still
//! unused (one `UPDATE`; whoever comes second changes no row), insert the tokens, commit. That is one
//! call of the database: a function on PostgreSQL; on SQLite several statements at once, in one commit
//! with those of other requests that wait. Only then is the client answered. Whoever comes second asks the engine again, which now sees a used code, and
//! ends the family.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use oauth_as::authorization::{AuthorizationCodeRecord, AuthorizationCodeState};
use oauth_as::device::DeviceGrantState;
use oauth_as::par::PushedAuthorizationRequest;
use oauth_as::{
    Client, ClientId, DeviceGrant, IssuedToken, RefreshTokenRecord, RevocationWindow, Storage,
    StorageError, WriteOutcome,
};

use crate::secrets::Digest;
use crate::sessions::{Pending, Waiting};
use crate::settings::Limits;
use crate::users::Account;

mod check;
#[cfg(test)]
pub(crate) mod faulty;
mod hashed;
mod memory;
mod once;
mod pushed;
mod redemption;
mod sql;

pub use check::DatabaseError;
pub(crate) use hashed::{HashedStorage, RefreshLifetime, presented, stored_by_id, token_id};
use memory::MemoryRecords;
pub(crate) use once::claim_once;
pub(crate) use pushed::with_redirect_uri;
pub(crate) use redemption::{CodeProof, Kept, Redemption};
use sql::SqlRecords;

/// Where a server keeps its records.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Database {
    /// In memory; they end with the process.
    #[default]
    Memory,
    /// In a SQLite database: this file, which is made when there is none, and two beside it. It must
    /// be on a disk of this machine, and for its owner alone (mode 0600).
    Sqlite(PathBuf),
    /// In a PostgreSQL database, which several servers may share:
    /// `postgresql://USER:PASSWORD@HOST/DATABASE`, with parameters as for libpq. A host other than
    /// this one must show a certificate for its name, unless `sslmode` says otherwise.
    Postgresql(String),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            // The URL may have a password.
            Self::Postgresql(_) => f.write_str("Postgresql(..)"),
        }
    }
}

/// The records of a server. Cheap to clone; clones are the same records.
#[derive(Clone)]
pub(crate) struct Records {
    place: Place,
    #[cfg(test)]
    pub(crate) faults: Arc<faulty::Faults>,
}

#[derive(Clone)]
enum Place {
    Memory(Arc<MemoryRecords>),
    Sql(SqlRecords),
}

impl Records {
    /// Opens the database, and brings its tables up to date.
    pub(crate) async fn open(database: &Database) -> Result<Self, StorageError> {
        let place = match database {
            Database::Memory => Place::Memory(Arc::default()),
            Database::Sqlite(path) => Place::Sql(SqlRecords::open_sqlite(path).await?),
            Database::Postgresql(url) => Place::Sql(SqlRecords::open_postgresql(url).await?),
        };
        Ok(Self {
            place,
            #[cfg(test)]
            faults: Arc::default(),
        })
    }

    /// Closes the database, if there is one.
    pub(crate) async fn close(&self) {
        if let Place::Sql(records) = &self.place {
            records.close().await;
        }
    }
}

/// A call of whichever records these are. In tests of this crate it may be told to fail.
macro_rules! call {
    ($self:ident.$name:ident($($argument:expr),*)) => {{
        let work = async {
            match &$self.place {
                Place::Memory(records) => records.$name($($argument),*).await,
                Place::Sql(records) => records.$name($($argument),*).await,
            }
        };
        #[cfg(test)]
        let work = $self.faults.call(work);
        work.await
    }};
}

/// Methods that both kinds of records have.
macro_rules! calls {
    ($($visibility:vis fn $name:ident($($argument:ident: $of:ty),*) -> $out:ty;)*) => {
        $($visibility async fn $name(&self, $($argument: $of),*) -> Result<$out, StorageError> {
            call!(self.$name($($argument),*))
        })*
    };
}

impl Storage for Records {
    calls! {
        fn get_client(client_id: &ClientId) -> Option<Arc<Client>>;
        fn put_client(client: Client) -> ();
        fn compare_and_swap_client(expected: &Client, updated: Client) -> bool;
        fn delete_client(client_id: &ClientId, window: RevocationWindow) -> bool;
        fn put_device_grant(grant: DeviceGrant) -> ();
        fn get_device_grant(device_code: &str) -> Option<DeviceGrant>;
        fn find_device_grant_by_user_code(user_code: &str) -> Option<DeviceGrant>;
        fn take_device_grant(device_code: &str) -> Option<DeviceGrant>;
        fn compare_and_swap_device_grant(expected: &DeviceGrantState, updated: DeviceGrant) -> bool;
        fn put_authorization_code(record: AuthorizationCodeRecord) -> ();
        fn compare_and_swap_authorization_code(
            expected: &AuthorizationCodeState, updated: AuthorizationCodeRecord
        ) -> bool;
        fn take_authorization_code(code: &str) -> Option<AuthorizationCodeRecord>;
        fn put_pushed_authorization_request(record: PushedAuthorizationRequest) -> WriteOutcome;
        fn take_pushed_authorization_request(request_uri: &str) -> Option<PushedAuthorizationRequest>;
        fn put_token(token: IssuedToken) -> WriteOutcome;
        fn get_token(token: &str) -> Option<Arc<IssuedToken>>;
        fn delete_token(token: &str) -> ();
        fn put_refresh_token(record: RefreshTokenRecord) -> WriteOutcome;
        fn get_refresh_token(token: &str) -> Option<Arc<RefreshTokenRecord>>;
        fn rotate_refresh_token(
            expected: &RefreshTokenRecord, spent: &RefreshTokenRecord, access: &IssuedToken,
            next: Option<&RefreshTokenRecord>
        ) -> bool;
        fn take_refresh_token(token: &str) -> Option<RefreshTokenRecord>;
        fn revoke_token_family(family_id: &str, window: RevocationWindow) -> u64;
        fn claim_replay_id(id: &str, expires_at: SystemTime) -> bool;
        fn sweep_expired(now: SystemTime) -> u64;
    }
}

impl Records {
    calls! {
        pub(crate) fn authorization_code(code: &str) -> Option<AuthorizationCodeRecord>;
        pub(crate) fn redeem_code(
            consumed: &AuthorizationCodeRecord, access: &IssuedToken,
            next: Option<&RefreshTokenRecord>
        ) -> bool;
        pub(crate) fn pushed_request(request_uri: &str) -> Option<PushedAuthorizationRequest>;
        pub(crate) fn has_pushed_requests(count: usize, now: SystemTime) -> bool;
        pub(crate) fn put_device_resource(device_code: &str, resource: &str, ends: SystemTime) -> ();
        pub(crate) fn has_devices(count: usize, now: SystemTime) -> bool;
        pub(crate) fn device_resource(device_code: &str) -> Option<String>;
        pub(crate) fn note_unused_client(client_id: &ClientId, unused_max: usize, now: SystemTime) -> bool;
        pub(crate) fn mark_client_used(client_id: &ClientId) -> ();
        pub(crate) fn forget_unused_client(limit: SystemTime, window: RevocationWindow) -> bool;
        pub(crate) fn wait(waiting: &Waiting, limits: &Limits, now: SystemTime) -> Option<String>;
        pub(crate) fn find_pending(id: &str, browser: Digest, now: SystemTime) -> Option<Pending>;
        pub(crate) fn take_pending(id: &str, browser: Digest, now: SystemTime) -> Option<Pending>;
        pub(crate) fn sign_in(
            subject: &str, id: &str, before: Digest, browser: Digest, ends: SystemTime
        ) -> ();
        pub(crate) fn subject(browser: Digest, now: SystemTime) -> Option<String>;
        pub(crate) fn sweep_browsers(now: SystemTime) -> u64;
        pub(crate) fn ping() -> ();
        pub(crate) fn clients_after(client_id: &str, count: usize) -> Vec<Client>;
        pub(crate) fn account(name: &str) -> Option<Account>;
        pub(crate) fn accounts() -> Vec<Account>;
        pub(crate) fn add_account(account: &Account) -> bool;
        pub(crate) fn change_account(name: &str, change: impl FnOnce(&mut Account) + Send) -> bool;
        pub(crate) fn remove_account(name: &str) -> bool;
    }
}

#[cfg(test)]
mod tests;
