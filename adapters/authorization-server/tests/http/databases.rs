//! Databases for tests: every test that takes one runs on each kind.

use std::path::PathBuf;

use portcullis_authorization_server::{Database, Resource, Settings, TokenFormat};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

use crate::harness::*;
use crate::postgresql::Postgresql;

const SQLITE_FILE: &str = "records.db";

/// An empty database, for as long as the value lives.
pub(crate) struct TestDatabase {
    kind: Kind,
    /// Which PostgreSQL database of the server.
    name: &'static str,
}

enum Kind {
    Sqlite(TempDir),
    Postgresql(Postgresql),
}

impl TestDatabase {
    pub(crate) fn sqlite() -> Self {
        Self { kind: Kind::Sqlite(TempDir::new().unwrap()), name: "records" }
    }

    /// `None` when there is no PostgreSQL here; the reason is printed.
    pub(crate) fn postgresql() -> Option<Self> {
        match Postgresql::start() {
            Ok(server) => {
                server.database("records");
                Some(Self { kind: Kind::Postgresql(server), name: "records" })
            }
            Err(why) => {
                eprintln!("skip - PostgreSQL: {why}");
                None
            }
        }
    }

    /// One of each kind.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        std::iter::once(Self::sqlite()).chain(Self::postgresql())
    }

    pub(crate) fn place(&self) -> Database {
        match &self.kind {
            Kind::Sqlite(folder) => Database::Sqlite(folder.path().join(SQLITE_FILE)),
            Kind::Postgresql(server) => Database::Postgresql(server.url(self.name)),
        }
    }

    /// Rows of a table.
    pub(crate) async fn count(&self, table: &str) -> usize {
        self.number(&format!("SELECT COUNT(*) FROM {table}")).await
    }

    /// The number that a statement gives.
    pub(crate) async fn number(&self, statement: &str) -> usize {
        match &self.kind {
            Kind::Sqlite(folder) => {
                let path = folder.path().join(SQLITE_FILE);
                let options = SqliteConnectOptions::new().filename(path);
                let mut connection = options.connect().await.unwrap();
                let statement = sqlx::query_scalar(AssertSqlSafe(statement.to_owned()));
                let count: i64 = statement.fetch_one(&mut connection).await.unwrap();
                usize::try_from(count).unwrap()
            }
            Kind::Postgresql(server) => {
                server.query(self.name, statement).unwrap().trim().parse().unwrap()
            }
        }
    }

    /// Everything that is stored, byte for byte.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Sqlite(folder) => {
                let files = std::fs::read_dir(folder.path()).unwrap();
                let paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
                assert!(paths.len() >= 2, "the file and its log: {paths:?}");
                paths.into_iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
            }
            Kind::Postgresql(server) => server.dump(self.name).into_bytes(),
        }
    }
}

/// Settings of a server whose records outlive it: everything that it is told is the same each time.
pub(crate) fn durable(database: Database) -> Settings {
    let resource = |identifier, client_id, format| {
        Resource::new(identifier, "Clock", format)
            .unwrap()
            .with_scope("user", "read the time for you")
            .with_introspection_credentials(client_id, "sixteen-characters")
    };
    let mut master_key = [7; 32];
    master_key[0] = 8;
    Settings::demo(ISSUER)
        .unwrap()
        .with_resource(resource(OPAQUE, "rs-opaque", TokenFormat::Opaque))
        .with_resource(resource(SIGNED, "rs-signed", TokenFormat::Hs256))
        .with_master_key(master_key)
        .unwrap()
        .with_database(database)
}
