//! Parts of the log: midnight, retention, several nodes at once, rows that are told again.

use std::collections::BTreeSet;

use troupe_core::log::{LogFilter, LogQuery};
use troupe_core::port::{BodyStore, LogStore};
use troupe_core::record::FailedAttempt;

use super::super::{PgLog, TABLE};
use super::{MIDNIGHT_MS, all, asked, fresh, of_key, pool, row};
use crate::postgres::bodies::PgBodies;
use crate::postgres::partitions::{DAY_MS, day_of, list, today};
use crate::postgres::pool::Pg;
use crate::postgres::testing::Postgres;

async fn days(pg: &Pg) -> Vec<i32> {
    pg.read(|connection| Box::pin(async move { Ok(list(connection, TABLE).await?) }))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_made_ahead_and_on_demand_and_dropped() {
    let server = Postgres::start();
    let (pg, _) = fresh(&server).await;
    let log = PgLog::new(pg.clone());
    let rows = vec![
        row(MIDNIGHT_MS - 1, 1),
        row(MIDNIGHT_MS, 2),
        row(u64::MAX, 3),
    ];
    log.append(rows.clone()).await.unwrap();
    let day = day_of(MIDNIGHT_MS);
    let expected: BTreeSet<_> = [day - 1, day, today(), today() + 1, day_of(u64::MAX)].into();
    let made: BTreeSet<_> = days(&pg).await.into_iter().collect();
    assert_eq!(made, expected);
    let mut told = all(&log, asked(&LogFilter::default(), 1)).await;
    told.reverse();
    assert_eq!(told, rows);

    // Another node drops a day that this one knows: a row of it makes the part anew.
    let other = PgLog::new(pg.clone());
    let gone = other.retain(MIDNIGHT_MS + 5).await.unwrap();
    assert_eq!(gone, 1);
    assert_eq!(other.retain(MIDNIGHT_MS + 5).await.unwrap(), 0);
    assert_eq!(log.find(rows[0].id).await.unwrap(), None);
    log.append(rows.clone()).await.unwrap();
    assert_eq!(log.find(rows[0].id).await.unwrap(), Some(rows[0].clone()));
    let bodies = PgBodies::new(pg);
    assert_eq!(bodies.retain(u64::MAX).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_kept_once_however_often_they_are_told() {
    let server = Postgres::start();
    let (pg, url) = fresh(&server).await;
    let log = PgLog::new(pg);
    let rows: Vec<_> = (0..300).map(|n| row(MIDNIGHT_MS - 100 + n, n)).collect();
    log.append(rows.clone()).await.unwrap();
    // From the spool of another process, in another order, with new ones between, and twice in one batch.
    let mut again: Vec<_> = rows.iter().rev().cloned().collect();
    again.push(row(MIDNIGHT_MS, 999));
    again.push(row(MIDNIGHT_MS, 999));
    let other = PgLog::new(pool(&url));
    other.append(again).await.unwrap();
    let told = all(&log, asked(&LogFilter::default(), 70)).await;
    assert_eq!(told.len(), 301);
    let distinct: BTreeSet<_> = told.iter().map(|row| row.id).collect();
    assert_eq!(distinct.len(), 301);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_write_make_and_drop_parts_at_once() {
    let server = Postgres::start();
    let (pg, url) = fresh(&server).await;
    let mut running = tokio::task::JoinSet::new();
    for node in 0..4_u64 {
        let log = PgLog::new(pool(&url));
        running.spawn(async move {
            for day in 0..6 {
                let rows = (0..20).map(|n| row(MIDNIGHT_MS + day * DAY_MS, node * 100 + n));
                log.append(rows.collect()).await.unwrap();
                log.retain(MIDNIGHT_MS - DAY_MS).await.unwrap();
            }
        });
    }
    running.join_all().await;
    let log = PgLog::new(pg.clone());
    let told = all(&log, asked(&LogFilter::default(), 100)).await;
    assert_eq!(told.len(), 4 * 6 * 20);
    let mut dropping = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let log = PgLog::new(pool(&url));
        dropping.spawn(async move { log.retain(MIDNIGHT_MS + 6 * DAY_MS).await.unwrap() });
    }
    let gone: usize = dropping.join_all().await.into_iter().sum();
    let old = [today(), today() + 1].map(|day| day < day_of(MIDNIGHT_MS + 6 * DAY_MS));
    let of_rows: BTreeSet<_> = (0..6).map(|day| day_of(MIDNIGHT_MS) + day).collect();
    let ahead = [today(), today() + 1].into_iter().zip(old);
    let more = ahead
        .filter(|(day, old)| *old && !of_rows.contains(day))
        .count();
    assert_eq!(gone, 6 + more, "each part once");
}

/// Numbers commit in order, so that a follower who has seen one has seen all before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_each_row_of_nodes_that_write_at_once() {
    const ROUNDS: u64 = 40;
    let server = Postgres::start();
    let (pg, url) = fresh(&server).await;
    let follower = PgLog::new(pg);
    let mut query = LogQuery {
        limit: 7,
        ..LogQuery::default()
    };
    query.after = Some(follower.tail(query.clone()).await.unwrap().position);
    let mut running = tokio::task::JoinSet::new();
    for node in 0..3_u64 {
        let log = PgLog::new(pool(&url));
        running.spawn(async move {
            for round in 0..ROUNDS {
                let at_ms = MIDNIGHT_MS - 20 + round;
                let rows = (0..5).map(|n| row(at_ms, node * 100 + n)).collect();
                log.append(rows).await.unwrap();
            }
        });
    }
    let mut seen = BTreeSet::new();
    while seen.len() < usize::try_from(3 * ROUNDS * 5).unwrap() {
        let page = follower.tail(query.clone()).await.unwrap();
        for row in page.rows {
            assert!(seen.insert(row.id), "{} is told twice", row.id);
        }
        query.after = Some(page.position);
        assert!(!running.is_empty() || page.cut || seen.len() == 600);
        while running.try_join_next().is_some() {}
    }
    let page = follower.tail(query).await.unwrap();
    assert_eq!((page.rows.len(), page.cut), (0, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_of_a_client_is_refused() {
    let server = Postgres::start();
    let (pg, _) = fresh(&server).await;
    let log = PgLog::new(pg);
    let long = "ü\u{1f3ad}\0'\\\"".repeat(2_000);
    let mut hostile = of_key(row(MIDNIGHT_MS, 1), "k");
    hostile.status = u16::MAX;
    hostile.session = Some(1 << 63);
    hostile.duration_us = u64::MAX;
    hostile.cost_micro_usd = u64::MAX;
    hostile.upstream_request_id = Some(long.clone());
    hostile.error = Some(long.clone());
    for text in [
        &mut hostile.owner,
        &mut hostile.group,
        &mut hostile.account_name,
        &mut hostile.model,
    ] {
        *text = Some(long.as_str().into());
    }
    hostile.failed.push(FailedAttempt {
        account: long.as_str().into(),
        ..hostile.failed[0].clone()
    });
    log.append(vec![hostile.clone()]).await.unwrap();
    let wanted = Some(long.as_str().into());
    for filter in [
        LogFilter {
            owner: wanted.clone(),
            ..LogFilter::default()
        },
        LogFilter {
            group: wanted.clone(),
            ..LogFilter::default()
        },
        LogFilter {
            account: wanted.clone(),
            ..LogFilter::default()
        },
        LogFilter {
            model: wanted.clone(),
            ..LogFilter::default()
        },
        LogFilter {
            upstream_request_id: wanted.clone(),
            ..LogFilter::default()
        },
        LogFilter {
            error: wanted.clone(),
            ..LogFilter::default()
        },
        LogFilter {
            error: Some("\0'".into()),
            ..LogFilter::default()
        },
        LogFilter {
            session: Some(1 << 63),
            ..LogFilter::default()
        },
        LogFilter {
            min_duration_us: Some(u64::MAX),
            ..LogFilter::default()
        },
        LogFilter {
            min_cost_micro_usd: Some(u64::MAX),
            ..LogFilter::default()
        },
    ] {
        let told = all(&log, asked(&filter, 5)).await;
        assert_eq!(told, [hostile.clone()], "{filter:?}");
    }
    // What only begins alike is not it.
    let longer = LogFilter {
        model: Some(format!("{long}x").into()),
        ..LogFilter::default()
    };
    assert_eq!(all(&log, asked(&longer, 5)).await, []);
}
