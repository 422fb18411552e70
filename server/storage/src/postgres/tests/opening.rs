//! What is refused at the start, and what is not.

use std::time::Duration;

use super::opened;
use crate::contract::sample;
use crate::postgres::address;
use crate::postgres::open::reach;
use crate::postgres::testing::{PASSWORD, Postgres};
use crate::{OpenError, Options};
use troupe_core::port::QuotaRow;
use troupe_core::{KeyId, LimitId};

fn with_url(options: &Options, url: String) -> Options {
    Options {
        url: url.into(),
        ..options.clone()
    }
}

async fn refusal(options: &Options) -> String {
    let error = options.open().await.unwrap_err();
    assert!(!error.to_string().contains(PASSWORD), "{error}");
    assert!(!error.to_string().contains("wrong-password"), "{error}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waiting_cannot_mend_is_told_at_once() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let options = server.options(folder.path()).await;
    let port = server.port();
    for (url, part) in [
        (server.url("nowhere"), "no such database"),
        (
            format!("postgres://postgres:wrong-password@127.0.0.1:{port}/postgres"),
            "user or password",
        ),
        (
            format!("postgres://postgres:wrong-password@127.0.0.1:{port}/"),
            "database is missing",
        ),
    ] {
        let refusal = refusal(&with_url(&options, url)).await;
        assert!(refusal.contains(part), "{refusal}");
    }
    server
        .run("create database latin template template0 encoding 'LATIN1'")
        .await;
    let latin = refusal(&with_url(&options, server.url("latin"))).await;
    assert!(latin.contains("UTF8"), "{latin}");
    server.run("create table accounts (other text)").await;
    let taken = refusal(&with_url(&options, server.url("postgres"))).await;
    assert!(taken.contains("another program"), "{taken}");
    server
        .run("create role guest login password 'wrong-password'")
        .await;
    let guest = format!("postgres://guest:wrong-password@127.0.0.1:{port}/fresh_0");
    let guest = refusal(&with_url(&options, guest)).await;
    assert!(guest.contains("owner of the database"), "{guest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_waited_for() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let url = format!("postgres://me:{PASSWORD}@127.0.0.1:{port}/house");
    let address = address::parse(&url).unwrap();
    let error = reach(&address, Duration::from_millis(600))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("127.0.0.1:{port}/house")),
        "{error}"
    );
    assert!(error.contains("cannot be reached"), "{error}");
    assert!(!error.contains(PASSWORD), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_one_processes_and_its_counters_are_taken_over() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (options, backend) = opened(&server, folder.path()).await;
    assert!(matches!(
        options.open().await,
        Err(OpenError::Locked { .. })
    ));
    let row = QuotaRow {
        limit: LimitId(KeyId::declared("limit").0),
        start_ms: 10,
        end_ms: 20,
        charged: 5,
    };
    backend.stores.quotas.save(vec![row]).await.unwrap();
    let counter = backend.stores.cells.open(row.limit, 10, 20, 5);
    counter
        .value()
        .store(9, std::sync::atomic::Ordering::Relaxed);
    let key = crate::contract::keys::create(&backend.stores, "k", 1).await;
    backend
        .stores
        .keys
        .save_totals(key.id, sample::totals(7))
        .await
        .unwrap();
    assert!(!format!("{backend:?}").contains(PASSWORD), "{backend:?}");
    backend.close().await.unwrap();

    let backend = options.open().await.unwrap();
    // Until now, as when the process was killed.
    drop(counter);
    let stores = &backend.stores;
    let charged = QuotaRow { charged: 9, ..row };
    assert_eq!(
        stores.quotas.load(vec![row.limit], 0).await.unwrap(),
        [charged]
    );
    assert_eq!(stores.keys.totals(key.id).await.unwrap(), sample::totals(7));
    assert_eq!(stores.keys.list().await.unwrap(), [key]);
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_programs_steps_are_left_alone_and_another_builds_are_not() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (options, backend) = opened(&server, folder.path()).await;
    backend.close().await.unwrap();
    let run = async |sql: &str| server.run_in("fresh_0", sql).await;
    run(
        "insert into troupe_migrations (number, name, checksum) values (99999, 'later', 'x'); \
         alter table api_keys add column later text",
    )
    .await;
    let backend = options.open().await.unwrap();
    let key = crate::contract::keys::create(&backend.stores, "k", 1).await;
    assert_eq!(backend.stores.keys.list().await.unwrap(), [key]);
    backend.close().await.unwrap();
    run("update troupe_migrations set checksum = 'x' where number = 1").await;
    let refusal = refusal(&options).await;
    assert!(refusal.contains("another build"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_start_at_once_one_makes_the_tables() {
    let server = Postgres::start();
    let url = server.fresh().await;
    let address = address::parse(&url).unwrap();
    let all = (0..4).map(|_| {
        let address = address.clone();
        tokio::spawn(async move { reach(&address, Duration::from_secs(30)).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
}
