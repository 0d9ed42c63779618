//! The connections to a SQLite file: one that writes, and a few that read.
//!
//! A commit waits for the disk, which is most of what a write takes. So writes that wait at the same
//! time are made in one transaction, each in a savepoint of its own: one that fails is undone alone, and
//! all are answered once the commit is on the disk.

use std::sync::Arc;
use std::time::Duration;

use oauth_as::StorageError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, Row, Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot};

use super::Value;
use super::connection::{failed, query, texts};

/// Connections that read while the one connection writes.
const READERS: usize = 4;
/// Writes that may wait, and writes of one transaction.
const WRITES_MAX: usize = 256;
/// How a statement begins that has made its savepoint.
const SAVEPOINT: &str = "SAVEPOINT one_write";

/// The connections to one file. Cheap to clone; clones share them.
#[derive(Clone)]
pub(crate) struct SqliteFile {
    /// One connection. Writers queue here, in this process, instead of finding the file busy.
    writer: SqlitePool,
    writes: mpsc::Sender<Write>,
    /// `None` once they are closed.
    readers: Arc<[Mutex<Option<SqliteConnection>>]>,
}

/// One statement, or several that are one step, and who waits for it.
struct Write {
    statement: &'static str,
    values: Vec<Owned>,
    wants: Wants,
    answer: oneshot::Sender<Result<Written, StorageError>>,
}

/// A [`Value`] that can wait.
enum Owned {
    Text(Option<String>),
    Number(Option<i64>),
}

#[derive(Clone, Copy)]
enum Wants {
    Count,
    Text,
}

/// What a write gives, whichever of both it is asked for.
#[derive(Default)]
struct Written {
    /// Rows that it changed.
    count: u64,
    /// The first column of the first row.
    text: Option<String>,
}

/// Opens the one connection that writes.
pub(super) async fn writer(
    options: SqliteConnectOptions,
    patience: Duration,
) -> Result<SqlitePool, StorageError> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(patience)
        .test_before_acquire(false)
        // SQLite undoes a transaction by itself when the disk is full; sqlx believes that it is still
        // open, and would begin no other one on this connection. Another connection takes its place.
        .before_acquire(|connection, _| {
            let is_free = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_free) })
        })
        .connect_with(options)
        .await
        .map_err(failed)
}

impl SqliteFile {
    /// Opens the connections that read, beside the one that writes.
    pub(super) async fn new(
        writer: SqlitePool,
        options: &SqliteConnectOptions,
    ) -> Result<Self, StorageError> {
        // Readers never write, not even a checkpoint: the writer alone moves the log into the file.
        let options = options.clone().pragma("query_only", "ON");
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            readers.push(Mutex::new(Some(options.connect().await.map_err(failed)?)));
        }
        let (writes, waiting) = mpsc::channel(WRITES_MAX);
        tokio::spawn(write_together(writer.clone(), waiting));
        Ok(Self { writer, writes, readers: readers.into() })
    }

    pub(super) async fn close(&self) {
        for reader in self.readers.iter() {
            if let Some(reader) = reader.lock().await.take() {
                // Nothing is left to be lost.
                let _ = reader.close().await;
            }
        }
        self.writer.close().await;
    }

    /// The first column of each row.
    pub(super) async fn texts(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<String>, StorageError> {
        let mut reader = self.reader().await;
        let reader = reader.as_mut().ok_or_else(closed)?;
        texts!(reader, statement, values)
    }

    /// A connection that nobody uses, or the first to come free of those of one place.
    async fn reader(&self) -> MutexGuard<'_, Option<SqliteConnection>> {
        if let Some(idle) = self.readers.iter().find_map(|reader| reader.try_lock().ok()) {
            return idle;
        }
        let any = getrandom::u32().unwrap_or_default() as usize % READERS;
        self.readers[any].lock().await
    }

    pub(super) async fn execute(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        Ok(self.write(statement, values, Wants::Count).await?.count)
    }

    pub(super) async fn execute_returning(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<String>, StorageError> {
        Ok(self.write(statement, values, Wants::Text).await?.text)
    }

    async fn write(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
        wants: Wants,
    ) -> Result<Written, StorageError> {
        let (answer, answered) = oneshot::channel();
        let values = values.iter().map(|value| Owned::from(*value)).collect();
        let write = Write { statement, values, wants, answer };
        self.writes.send(write).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Begins a transaction of several writes that depend on each other.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StorageError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)
    }
}

/// Makes the writes that wait, until nobody is left who could have one. A task of its own: a request
/// that is given up does not take along those of others.
async fn write_together(writer: SqlitePool, mut waiting: mpsc::Receiver<Write>) {
    let mut writes = Vec::new();
    while waiting.recv_many(&mut writes, WRITES_MAX).await > 0 {
        match commit(&writer, &writes).await {
            Ok(results) => {
                for (write, result) in writes.drain(..).zip(results) {
                    // Whoever asked may have gone away.
                    let _ = write.answer.send(result);
                }
            }
            Err(error) => {
                for write in writes.drain(..) {
                    let _ = write.answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Makes all writes in one transaction. An error says that nobody knows whether they last; the error
/// of one write says that this one alone was not made.
async fn commit(
    writer: &SqlitePool,
    writes: &[Write],
) -> Result<Vec<Result<Written, StorageError>>, StorageError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let mut results = Vec::with_capacity(writes.len());
    for write in writes {
        if !write.statement.starts_with(SAVEPOINT) {
            sqlx::query(SAVEPOINT).execute(&mut *transaction).await.map_err(failed)?;
        }
        let result = write.make(&mut transaction).await;
        if result.is_err() {
            // After some errors SQLite has undone the whole transaction; then this fails, too.
            let undo = sqlx::query("ROLLBACK TO one_write");
            undo.execute(&mut *transaction).await.map_err(failed)?;
        }
        results.push(result);
    }
    transaction.commit().await.map_err(failed)?;
    Ok(results)
}

impl Write {
    async fn make(&self, connection: &mut SqliteConnection) -> Result<Written, StorageError> {
        let values: Vec<_> = self.values.iter().map(Owned::borrow).collect();
        Ok(match self.wants {
            Wants::Count => {
                let done = query!(self.statement, &values).execute(connection).await;
                Written { count: done.map_err(failed)?.rows_affected(), ..Written::default() }
            }
            Wants::Text => {
                let texts = texts!(connection, self.statement, &values)?;
                Written { text: texts.into_iter().next(), ..Written::default() }
            }
        })
    }
}

impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text(Some(text.to_owned())),
            Value::MaybeText(text) => Self::Text(text.map(str::to_owned)),
            Value::Number(number) => Self::Number(Some(number)),
            Value::MaybeNumber(number) => Self::Number(number),
        }
    }
}

impl Owned {
    fn borrow(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::MaybeText(text.as_deref()),
            Self::Number(number) => Value::MaybeNumber(*number),
        }
    }
}

fn closed() -> StorageError {
    StorageError::new("the database is closed")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn write(statement: &'static str, value: &str, wants: Wants) -> Write {
        let (answer, _) = oneshot::channel();
        Write { statement, values: vec![Owned::from(Value::Text(value))], wants, answer }
    }

    /// A file with a table of texts, each there once.
    async fn file() -> (TempDir, SqlitePool) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("t.db");
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let writer = writer(options, Duration::from_secs(60)).await.unwrap();
        sqlx::query("CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY)").execute(&writer).await.unwrap();
        (folder, writer)
    }

    async fn all(writer: &SqlitePool) -> Result<Vec<String>, StorageError> {
        let none: [Value<'_>; 0] = [];
        texts!(writer, "SELECT a FROM t ORDER BY a", &none)
    }

    #[tokio::test]
    async fn sec_231_a_write_that_fails_takes_no_other_along() {
        const INSERT: &str = "INSERT INTO t VALUES ($1)";
        const TWO: &str = "SAVEPOINT one_write; INSERT INTO t VALUES ($1 || 'x') RETURNING a; \
            INSERT INTO t VALUES ($1)";
        let (_folder, writer) = file().await;
        let writes = [
            write(INSERT, "a", Wants::Count),
            write(INSERT, "a", Wants::Count),
            write(TWO, "b", Wants::Text),
            // Its second half fails; nothing of its first half may stay.
            write(TWO, "a", Wants::Text),
            write("DELETE FROM t WHERE a = $1 RETURNING a", "bx", Wants::Text),
            write(INSERT, "c", Wants::Count),
        ];
        let results = commit(&writer, &writes).await.unwrap();
        let worked: Vec<_> = results.iter().map(Result::is_ok).collect();
        assert_eq!(worked, [true, false, true, false, true, true]);
        let texts = results.iter().map(|result| result.as_ref().ok()?.text.as_deref());
        assert_eq!(texts.collect::<Vec<_>>(), [None, None, Some("bx"), None, Some("bx"), None]);
        assert_eq!(all(&writer).await.unwrap(), ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn sec_238_when_the_commit_fails_nobody_is_told_that_it_worked() {
        let (_folder, writer) = file().await;
        let writes = [
            write("INSERT INTO t VALUES ($1)", "a", Wants::Count),
            // Undoes the whole transaction, as SQLite does by itself when the disk is full.
            write("INSERT OR ROLLBACK INTO t VALUES ($1)", "a", Wants::Count),
            write("INSERT INTO t VALUES ($1)", "b", Wants::Count),
        ];
        assert!(commit(&writer, &writes).await.is_err());
        assert!(all(&writer).await.unwrap().is_empty());
        let writes = [write("INSERT INTO t VALUES ($1)", "c", Wants::Count)];
        assert!(commit(&writer, &writes).await.is_ok(), "the next ones are made again");
        assert_eq!(all(&writer).await.unwrap(), ["c"]);
    }

    #[tokio::test]
    async fn writes_that_wait_are_all_answered() {
        let (_folder, writer) = file().await;
        let (sender, waiting) = mpsc::channel(WRITES_MAX);
        let task = tokio::spawn(write_together(writer.clone(), waiting));
        let mut answers = Vec::new();
        for value in ["a", "b", "a"] {
            let (answer, answered) = oneshot::channel();
            let own = write("INSERT INTO t VALUES ($1)", value, Wants::Count);
            sender.send(Write { answer, ..own }).await.unwrap();
            answers.push(answered);
        }
        drop(sender);
        let mut worked = Vec::new();
        for answer in answers {
            worked.push(answer.await.unwrap().is_ok());
        }
        assert_eq!(worked, [true, true, false]);
        assert_eq!(all(&writer).await.unwrap(), ["a", "b"]);
        task.await.unwrap();
    }
}
