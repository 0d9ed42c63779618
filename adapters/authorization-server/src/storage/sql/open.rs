//! Opening a database, and bringing its tables up to date.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use oauth_as::StorageError;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};

use super::connection::failed;
use super::sqlite::{self, SqliteFile};
use super::{Database, SqlRecords};

/// How long a statement waits for the database: for a connection, for a lock, for its end. Less than
/// a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pages that one connection keeps in memory, as KiB with a minus sign, which is how SQLite tells KiB.
const CACHE_KIB: &str = "-8192";
/// Pages in the log before they are moved into the file; 4 KiB each.
const LOG_PAGES: &str = "4000";
const POSTGRESQL_CONNECTIONS: u32 = 10;
/// How long a connection may have had nothing to do and still be used as it is.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

impl SqlRecords {
    /// Opens the SQLite database in the file `path`, and makes it when there is none.
    ///
    /// The file is for its owner alone: one that others may read is refused. A commit is on the disk
    /// before it is answered (`synchronous=FULL`).
    pub(crate) async fn open_sqlite(path: &Path) -> Result<Self, StorageError> {
        make_private(path).map_err(|error| StorageError::new(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            // What undoes one write of several is kept in memory, not in a file made for each commit.
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", CACHE_KIB)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .disable_statement_logging();
        let writer = sqlite::writer(options.clone(), PATIENCE).await?;
        // In one transaction, so that of two processes that start at once the second one waits.
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        // What `Migrator::run` calls, whose bounds cannot be met by a borrowed connection.
        let migrated = sqlite_migrator().run_direct(None, &mut *transaction, false).await;
        migrated.map_err(|error| not_migrated(&error))?;
        transaction.commit().await.map_err(failed)?;
        Ok(Self { database: Database::Sqlite(SqliteFile::new(writer, &options).await?) })
    }

    /// Opens the PostgreSQL database at `url`, `postgresql://USER:PASSWORD@HOST/DATABASE?…`.
    ///
    /// On another host it must show a certificate for its name, unless `url` says otherwise by
    /// `sslmode`. What was committed is on the server's disk, whatever its own settings say.
    pub(crate) async fn open_postgresql(url: &str) -> Result<Self, StorageError> {
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRESQL_CONNECTIONS)
            // A connection that was in use a moment ago is not asked first whether it lives.
            .test_before_acquire(false)
            .before_acquire(|connection, used| {
                Box::pin(async move {
                    if used.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .acquire_timeout(PATIENCE)
            .connect_with(postgresql_options(url)?)
            .await
            .map_err(failed)?;
        postgresql_migrator().run(&pool).await.map_err(|error| not_migrated(&error))?;
        Ok(Self { database: Database::Postgresql(pool) })
    }

    /// Closes all connections; what is under way ends first.
    pub(crate) async fn close(&self) {
        match &self.database {
            Database::Sqlite(file) => file.close().await,
            Database::Postgresql(pool) => pool.close().await,
        }
    }
}

fn postgresql_options(url: &str) -> Result<PgConnectOptions, StorageError> {
    let mut options = PgConnectOptions::from_str(url)
        .map_err(|_| StorageError::new("the PostgreSQL URL cannot be read"))?;
    let patience = PATIENCE.as_millis().to_string();
    options = options
        .application_name("portcullis")
        .options([
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
            ("statement_timeout", patience.as_str()),
            ("lock_timeout", patience.as_str()),
        ])
        .disable_statement_logging();
    let host = options.get_host();
    let is_local = options.get_socket().is_some()
        || host.starts_with('/')
        || matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]");
    if !is_local && !url.contains("sslmode=") && !url.contains("ssl-mode=") {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    Ok(options)
}

/// Whether the server at `url` lets us in.
pub(crate) async fn check_postgresql(url: &str) -> Result<(), StorageError> {
    let asked = async {
        let mut connection = postgresql_options(url)?.connect().await.map_err(failed)?;
        connection.ping().await.map_err(failed)?;
        connection.close().await.map_err(failed)
    };
    let late = |_| StorageError::new("the database does not answer");
    tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
}

/// Whether the file, which is there, is for its owner alone.
pub(crate) fn check_sqlite(path: &Path) -> Result<(), StorageError> {
    check_private(path).map_err(|error| StorageError::new(error.to_string()))
}

/// Makes the file, readable and writable by its owner alone, or checks that it is. SQLite gives the
/// files that it puts beside it the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A file that is there is not opened: to close it again would end the locks that SQLite has on it
    // in this process.
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(drop),
    }
    check_private(path)
}

fn check_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path)?.permissions()) & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others than its owner may use the database file",
        ));
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn not_migrated(error: &sqlx::migrate::MigrateError) -> StorageError {
    StorageError::new(format!("the tables cannot be brought up to date: {error}"))
}

/// All changes of the tables, oldest first. A change that was released is never edited.
const CHANGES: [(i64, &str, &str); 3] = [
    (1, "records", include_str!("migrations/0001_records.sql")),
    (2, "grants", include_str!("migrations/0002_grants.sql")),
    (3, "pushed_requests", include_str!("migrations/0003_pushed_requests.sql")),
];
/// What PostgreSQL has besides.
const FUNCTIONS: [(i64, &str, &str); 1] =
    [(4, "tokens", include_str!("migrations/0004_tokens_postgresql.sql"))];

fn sqlite_migrator() -> Migrator {
    migrator(&CHANGES)
}

fn postgresql_migrator() -> Migrator {
    migrator(&[&CHANGES[..], &FUNCTIONS].concat())
}

fn migrator(changes: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |(version, name, text): &(i64, &'static str, &'static str)| {
        let text = text.into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    };
    Migrator::with_migrations(changes.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: PgSslMode) {
        let mode = postgresql_options(url).unwrap().get_ssl_mode();
        assert_eq!(format!("{mode:?}"), format!("{expected:?}"), "{url}");
    }

    #[test]
    fn sec_240_a_database_elsewhere_must_prove_its_name() {
        check("postgresql://u@db.example/p", PgSslMode::VerifyFull);
        check("postgresql://u@192.0.2.1/p", PgSslMode::VerifyFull);
        check("postgresql://u@db.example/p?sslmode=require", PgSslMode::Require);
        check("postgresql://u@localhost/p", PgSslMode::Prefer);
        check("postgresql://u@127.0.0.1:5433/p", PgSslMode::Prefer);
        check("postgresql:///p?host=/run/postgresql&user=u", PgSslMode::Prefer);
        assert!(postgresql_options("not a URL").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn sec_240_the_file_is_for_its_owner_alone() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.db");
        make_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(make_private(&path).is_ok());
        for mode in [0o640, 0o604, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(make_private(&path).is_err(), "{mode:o}");
        }
    }
}
