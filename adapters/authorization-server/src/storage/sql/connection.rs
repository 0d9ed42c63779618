//! Statements on either engine, with just what the records need: texts and numbers in, texts and
//! one number out.

use oauth_as::StorageError;
use sqlx::{PgPool, Postgres, Row, Sqlite};

use super::Lock;
use super::sqlite::SqliteFile;

/// The connections to a database.
#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(SqliteFile),
    Postgresql(PgPool),
}

/// What stands for `$1`, `$2`, … in a statement.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    /// `None` is NULL.
    MaybeText(Option<&'a str>),
    Number(i64),
    /// `None` is NULL.
    MaybeNumber(Option<i64>),
}

/// A query with its values, for whichever engine the executor turns out to be.
macro_rules! query {
    ($statement:expr, $values:expr) => {{
        let mut query = sqlx::query($statement);
        for value in $values {
            query = match *value {
                Value::Text(text) => query.bind(text),
                Value::MaybeText(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
                Value::MaybeNumber(number) => query.bind(number),
            };
        }
        query
    }};
}

/// The first column of each row.
macro_rules! texts {
    ($executor:expr, $statement:expr, $values:expr) => {{
        let rows = query!($statement, $values).fetch_all($executor).await.map_err(failed)?;
        rows.iter()
            .map(|row| row.try_get(0).map_err(failed))
            .collect::<Result<Vec<String>, StorageError>>()
    }};
}

pub(super) use {query, texts};

impl Database {
    /// The first column of each row, from outside of any transaction.
    pub(super) async fn texts(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<String>, StorageError> {
        match self {
            Self::Sqlite(file) => file.texts(statement, values).await,
            Self::Postgresql(pool) => texts!(pool, statement, values),
        }
    }

    /// The first column of the first row, from outside of any transaction.
    pub(super) async fn text(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<String>, StorageError> {
        Ok(self.texts(statement, values).await?.into_iter().next())
    }

    /// Runs one statement that writes, as a transaction of its own. Gives the number of rows that
    /// it changed.
    pub(super) async fn execute(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        match self {
            Self::Sqlite(file) => file.execute(statement, values).await,
            Self::Postgresql(pool) => {
                let done = query!(statement, values).execute(pool).await;
                Ok(done.map_err(failed)?.rows_affected())
            }
        }
    }

    /// Runs what writes and returns rows, as a transaction of its own: one statement, or on SQLite
    /// several that begin with a savepoint. Gives the first column of the first row.
    pub(super) async fn execute_returning(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<String>, StorageError> {
        match self {
            Self::Sqlite(file) => file.execute_returning(statement, values).await,
            Self::Postgresql(pool) => Ok(texts!(pool, statement, values)?.into_iter().next()),
        }
    }

    /// Begins a transaction that writes. It is undone unless it is committed.
    pub(super) async fn begin(&self, locks: &[Lock<'_>]) -> Result<Transaction, StorageError> {
        match self {
            Self::Sqlite(file) => Ok(Transaction::Sqlite(file.begin().await?)),
            Self::Postgresql(pool) => {
                let mut begun = Transaction::Postgresql(pool.begin().await.map_err(failed)?);
                for lock in locks {
                    // A statement of its own: the next one then sees what was written before.
                    let statement = "SELECT pg_advisory_xact_lock($1)";
                    begun.execute(statement, &[Value::Number(lock.key())]).await?;
                }
                Ok(begun)
            }
        }
    }

    /// The statement for the engine that this is.
    pub(super) fn choose(&self, sqlite: &'static str, postgresql: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgresql(_) => postgresql,
        }
    }
}

/// A transaction that writes.
#[must_use = "a transaction that is not committed is undone"]
pub(super) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgresql(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Runs a statement; gives the number of rows that it changed.
    pub(super) async fn execute(
        &mut self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        Ok(match self {
            Self::Sqlite(begun) => {
                let done = query!(statement, values).execute(&mut **begun).await;
                done.map_err(failed)?.rows_affected()
            }
            Self::Postgresql(begun) => {
                let done = query!(statement, values).execute(&mut **begun).await;
                done.map_err(failed)?.rows_affected()
            }
        })
    }

    /// The first column of each row.
    pub(super) async fn texts(
        &mut self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<String>, StorageError> {
        match self {
            Self::Sqlite(begun) => texts!(&mut **begun, statement, values),
            Self::Postgresql(begun) => texts!(&mut **begun, statement, values),
        }
    }

    /// The first column of the first row.
    pub(super) async fn text(
        &mut self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<String>, StorageError> {
        Ok(self.texts(statement, values).await?.into_iter().next())
    }

    /// The first column of the only row, a `COUNT(*)`.
    pub(super) async fn count(
        &mut self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        let count: i64 = match self {
            Self::Sqlite(begun) => {
                let row = query!(statement, values).fetch_one(&mut **begun).await;
                row.and_then(|row| row.try_get(0)).map_err(failed)?
            }
            Self::Postgresql(begun) => {
                let row = query!(statement, values).fetch_one(&mut **begun).await;
                row.and_then(|row| row.try_get(0)).map_err(failed)?
            }
        };
        u64::try_from(count).map_err(|_| StorageError::new("a count below zero"))
    }

    /// Makes it last. An error says that nobody knows whether it does.
    pub(super) async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(begun) => begun.commit().await.map_err(failed),
            Self::Postgresql(begun) => begun.commit().await.map_err(failed),
        }
    }
}

/// The error for a statement that failed. Its text is for logs, and has none of the values.
#[allow(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(super) fn failed(error: sqlx::Error) -> StorageError {
    match &error {
        sqlx::Error::Database(reported) => StorageError::new(reported.message()),
        other => StorageError::new(other.to_string()),
    }
}
