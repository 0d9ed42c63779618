//! What both kinds of databases, and the memory, have to do alike.

use std::sync::atomic::{AtomicUsize, Ordering};

use oauth_as::storage_conformance::StorageConformance;
use tempfile::TempDir;

use super::*;

#[path = "../../tests/support/postgresql.rs"]
pub(crate) mod postgresql;

use postgresql::Postgresql;

/// Runs the engine's own checks on storages that `fresh` makes, each of them empty.
async fn check_conformance<F, Fut>(fresh: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Records>,
{
    let violations = StorageConformance::new(fresh)
        .with_spawn(|task| drop(tokio::spawn(task)))
        .racers(16)
        .run()
        .await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_222_sec_229_memory_conforms() {
    check_conformance(async || Records::open(&Database::Memory).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sec_222_sec_229_sqlite_conforms() {
    let folder = TempDir::new().unwrap();
    let count = AtomicUsize::new(0);
    check_conformance(async || {
        let name = format!("{}.db", count.fetch_add(1, Ordering::Relaxed));
        Records::open(&Database::Sqlite(folder.path().join(name))).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
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
