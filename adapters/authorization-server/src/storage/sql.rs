//! Records in SQLite or PostgreSQL.
//!
//! Every statement is written once, in the words that both share. What differs is how a writer keeps
//! others out: SQLite has one writer at a time anyway (`BEGIN IMMEDIATE`), PostgreSQL is told by
//! [`Lock`]s what must not happen at the same time.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use oauth_as::StorageError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::secrets::Digest;

mod clients;
mod connection;
mod devices;
mod engine;
mod grants;
mod open;
mod pushed;
mod replays;
mod revocations;
mod sessions;
mod sqlite;
mod sweep;
mod tokens;
mod users;

pub(crate) use connection::Database;
use connection::{Transaction, Value};
pub(super) use open::{check_postgresql, check_sqlite};

/// Records in a database. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(crate) struct SqlRecords {
    database: Database,
}

impl SqlRecords {
    /// Whether the database answers at all.
    pub(crate) async fn ping(&self) -> Result<(), StorageError> {
        self.database.texts("SELECT 'alive'", &[]).await.map(drop)
    }
}

/// What a writer on PostgreSQL keeps others from doing until its transaction ends.
///
/// The functions that write tokens (`migrations/0004_tokens_postgresql.sql`) take the first two, too, but
/// shared: others may write for the same client. Taken in the order client, family, so that no two
/// writers wait for each other.
#[derive(Clone, Copy)]
enum Lock<'a> {
    /// The client changes or ends: nothing else is written for it.
    Client(&'a str),
    /// The family of tokens ends: nothing else is written in it.
    Family(&'a str),
    /// The number of waiting requests, or of unused clients, is counted and then raised.
    Count(&'static str),
    /// A user's record is read and then written.
    User(&'a str),
}

impl Lock<'_> {
    /// Two different keys that collide only wait for each other.
    fn key(self) -> i64 {
        let (kind, id) = match self {
            Self::Client(id) => ("client", id),
            Self::Family(id) => ("family", id),
            Self::Count(what) => ("count", what),
            Self::User(name) => ("user", name),
        };
        Digest::of(&format!("{kind} {id}")).to_number()
    }
}

/// An instant as it stands in a column: nanoseconds since 1970, until 2262.
fn nanos(instant: SystemTime) -> i64 {
    match instant.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |it| -it),
    }
}

fn to_json<T: Serialize>(record: &T) -> Result<String, StorageError> {
    serde_json::to_string(record).map_err(|_| StorageError::new("a record cannot be written"))
}

/// A record that cannot be read is a failure: it is not the same as no record.
fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StorageError> {
    serde_json::from_str(text).map_err(|_| StorageError::new("a record cannot be read"))
}

fn option_from_json<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, StorageError> {
    text.as_deref().map(from_json).transpose()
}

/// Whether `id`, which a stranger may have chosen, can be in a column at all: PostgreSQL's texts
/// have no NUL.
fn can_be_stored(id: &str) -> bool {
    !id.contains('\0')
}

impl fmt::Debug for SqlRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqlRecords(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn instants_stay_in_order_and_never_wrap() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        let instants = [
            UNIX_EPOCH - Duration::from_secs(1 << 40),
            UNIX_EPOCH - Duration::from_nanos(1),
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::from_nanos(1),
            far,
        ];
        assert!(instants.map(nanos).is_sorted());
        assert_eq!((nanos(instants[0]), nanos(far)), (i64::MIN, i64::MAX));
        assert_eq!(nanos(UNIX_EPOCH + Duration::from_micros(1)), 1_000);
    }

    #[test]
    fn different_things_have_different_keys() {
        assert_ne!(Lock::Client("a").key(), Lock::Family("a").key());
        assert_ne!(Lock::Client("a").key(), Lock::Client("b").key());
    }
}
