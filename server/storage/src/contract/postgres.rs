//! The suite on a real PostgreSQL.

use std::pin::Pin;

use troupe_core::port::Stores;

use crate::postgres::testing::Postgres;

type Case = fn(Stores) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Cases that run at once.
const AT_ONCE: usize = 6;

/// Runs each, and then tells which failed: a failure prints its own reason where it happens.
pub(super) async fn run(cases: Vec<(&'static str, Case)>) {
    let server = Postgres::start();
    let mut failed = Vec::new();
    for some in cases.chunks(AT_ONCE) {
        let mut running = Vec::new();
        for (name, case) in some {
            let folder = tempfile::tempdir().unwrap();
            let options = server.options(folder.path()).await;
            let backend = options.open().await.unwrap();
            let task = tokio::spawn(case(backend.stores.clone()));
            running.push((name, task, backend, folder));
        }
        for (name, task, backend, folder) in running {
            if task.await.is_err() {
                failed.push(name);
            }
            backend.close().await.unwrap();
            drop(folder);
        }
    }
    assert!(failed.is_empty(), "failed on PostgreSQL: {failed:?}");
}
