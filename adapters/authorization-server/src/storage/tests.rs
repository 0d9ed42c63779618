//! What both kinds of databases, and the memory, have to do alike.

use std::sync::atomic::{AtomicUsize, Ordering};

use oauth_as::storage_conformance::StorageConformance;
use tempfile::TempDir;

use super::*;

#[path = "../../tests/support/postgresql.rs"]
pub(crate) mod postgresql;

use postgresql::Postgresql;

/// How often the engine's checks are run when their racers did not meet, which proves nothing.
const RUNS_MAX: usize = 10;

/// Runs the engine's own checks on storages that `fresh` makes, each of them empty.
async fn check_conformance<F, Fut>(fresh: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Records>,
{
    let checks = StorageConformance::new(fresh).with_spawn(|task| drop(tokio::spawn(task)));
    for _ in 0..RUNS_MAX {
        let violations = checks.run().await;
        if violations.iter().all(|it| it.check != "harness/race_setup") {
            assert!(violations.is_empty(), "{violations:#?}");
            return;
        }
    }
    panic!("the racers never met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_222_sec_229_memory_conforms() {
    check_conformance(async || Records::open(&Database::Memory).await.unwrap()).await;
}

// One thread is enough for the databases to be asked many things at once, and on one thread all
// racers meet, however busy the machine is.

#[tokio::test]
async fn sec_222_sec_229_sqlite_conforms() {
    let folder = TempDir::new().unwrap();
    let count = AtomicUsize::new(0);
    check_conformance(async || {
        let name = format!("{}.db", count.fetch_add(1, Ordering::Relaxed));
        Records::open(&Database::Sqlite(folder.path().join(name))).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn sec_564_postgresql_conforms() {
    let server = match Postgresql::start() {
        Ok(server) => server,
        Err(why) => return eprintln!("skip - PostgreSQL: {why}"),
    };
    let count = AtomicUsize::new(0);
    check_conformance(async || {
        let url = server.database(&format!("c{}", count.fetch_add(1, Ordering::Relaxed)));
        Records::open(&Database::Postgresql(url)).await.unwrap()
    })
    .await;
}

/// Servers that start at once make the tables once.
#[tokio::test]
async fn sec_564_a_new_database_is_opened_by_many_at_once() {
    let check = async |database: Database| {
        let openings: Vec<_> = (0..8)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { Records::open(&database).await.map(drop) })
            })
            .collect();
        for opening in openings {
            assert_eq!(opening.await.unwrap(), Ok(()), "{database:?}");
        }
    };
    let folder = TempDir::new().unwrap();
    check(Database::Sqlite(folder.path().join("records.db"))).await;
    match Postgresql::start() {
        Ok(server) => check(Database::Postgresql(server.database("records"))).await,
        Err(why) => eprintln!("skip - PostgreSQL: {why}"),
    }
}

#[tokio::test]
async fn a_database_that_is_none_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("records.db");
    let mut file = std::fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    let mut file = file.write(true).create_new(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, &[7; 4096]).unwrap();
    drop(file);
    assert!(Records::open(&Database::Sqlite(path)).await.is_err());
    assert!(Records::open(&Database::Sqlite(folder.path().join("none/records.db"))).await.is_err());
    let nobody = format!("postgresql://u@localhost/records?host={}", folder.path().display());
    assert!(Records::open(&Database::Postgresql(nobody)).await.is_err());
}
