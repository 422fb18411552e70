//! How long charts of usage take on the embedded store with 30 days and 5 million requests behind them: 200 keys, 20
//! accounts, 10 models, 50 owners.
//!
//! Target: each < 100 ms, right after a start.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends at what it did not expect, and its output is its purpose"
)]

use std::sync::Arc;
use std::time::Instant;

use troupe_core::port::UsageStore;
use troupe_core::record::{Outcome, RequestRecord, Route, TokenUsage};
use troupe_core::usage::{Grain, SeriesOf, SeriesQuery, UsageBatch, UsageFold};
use troupe_core::{AccountId, KeyId, RequestId};
use uuid::Uuid;

const REQUESTS: u64 = 5_000_000;
const DAYS: u64 = 30;
/// 24 February 2026, 00:00 UTC.
const END_MS: u64 = 1_771_891_200_000;
const BEGIN_MS: u64 = END_MS - DAYS * 86_400_000;
const MINUTES_FROM_MS: u64 = END_MS - 2 * 86_400_000;

fn templates() -> Vec<RequestRecord> {
    (0..4_000_usize)
        .map(|n| RequestRecord {
            key: Some(KeyId::declared(&format!("key {}", n * 7 % 200))),
            owner: Some(format!("owner {}", n * 7 % 50).into()),
            group: Some(format!("group {}", n % 10).into()),
            account: Some(AccountId::declared(&format!("account {}", n / 3 % 20))),
            model: Some(format!("claude-{}", n / 7 % 10).into()),
            status: if n.is_multiple_of(50) { 529 } else { 200 },
            upstream_status: Some(200),
            outcome: Outcome::Completed,
            usage: TokenUsage {
                input: 1_000,
                output: 300,
                cache_read: 20_000,
                cache_write_5m: 900,
                ..TokenUsage::default()
            },
            cost_micro_usd: 12_345,
            first_event_us: Some(300_000 + n as u64 * 900),
            duration_us: 1_500_000 + n as u64 * 20_000,
            ..RequestRecord::begin(RequestId(Uuid::nil()), 0, Route::Messages)
        })
        .collect()
}

/// By the hour, and by the minute where minutes are kept, as fewer batches than a gateway writes.
async fn fill(usage: &dyn UsageStore) -> (usize, u64) {
    let mut templates = templates();
    let (mut fold, mut batch, mut rows, mut last) =
        (UsageFold::default(), UsageBatch::default(), 0, 0);
    let count = templates.len() as u64;
    for n in 0..REQUESTS {
        let at_ms = BEGIN_MS + n * (END_MS - BEGIN_MS) / REQUESTS;
        let keeps_minutes = at_ms >= MINUTES_FROM_MS;
        let part = at_ms / if keeps_minutes { 60_000 } else { 3_600_000 };
        if part != last {
            last = part;
            batch.number += 1;
            batch.series = fold.take_series();
            fold.take();
            batch
                .series
                .retain(|row| row.key.grain != Grain::Minute || keeps_minutes);
            rows += batch.series.len();
            usage.add(batch.clone()).await.unwrap();
        }
        // Another order each time round.
        let row = &mut templates[usize::try_from((n * 31 + n / count) % count).unwrap()];
        row.at_ms = at_ms;
        fold.add(row);
    }
    (rows, batch.number)
}

fn query(grain: Grain, of: SeriesOf, days: u64, values: Option<Vec<Arc<str>>>) -> SeriesQuery {
    SeriesQuery {
        grain,
        of,
        from: grain.point(END_MS - days * 86_400_000),
        to: grain.point(END_MS - 1),
        values,
    }
}

async fn ask(usage: &dyn UsageStore, what: &str, query: SeriesQuery) {
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..7 {
        let begun = Instant::now();
        rows = usage.series(query.clone()).await.unwrap().len();
        times.push(begun.elapsed().as_micros());
    }
    let first = times[0];
    times.sort_unstable();
    let ms = |us: u128| format!("{}.{:03} ms", us / 1_000, us % 1_000);
    println!(
        "{what:<44} {rows:>6} rows   first {:>11}   median {:>11}",
        ms(first),
        ms(times[3])
    );
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let backend = troupe_storage::open("sled:data", folder.path()).unwrap();
    let begun = Instant::now();
    let (rows, batches) = fill(&*backend.stores.usage).await;
    let took = begun.elapsed();
    let written = u128::from(u32::try_from(rows).unwrap());
    println!(
        "{rows} rows in {batches} batches in {took:.1?}: {} us a row",
        took.as_micros() / written
    );
    backend.close().await.unwrap();
    let backend = troupe_storage::open("sled:data", folder.path()).unwrap();
    let usage = &*backend.stores.usage;
    let key = |n: usize| Arc::from(KeyId::declared(&format!("key {n}")).0.to_string());
    let one = || Some(vec![key(17)]);
    let five = || Some((0..5).map(|n| key(n * 11)).collect());
    for (what, asked) in [
        (
            "30 days by hour, one key",
            query(Grain::Hour, SeriesOf::Key, 30, one()),
        ),
        (
            "30 days by hour, five keys",
            query(Grain::Hour, SeriesOf::Key, 30, five()),
        ),
        (
            "30 days by hour, everything",
            query(Grain::Hour, SeriesOf::All, 30, None),
        ),
        (
            "30 days, all keys (a ranking)",
            query(Grain::Day, SeriesOf::Key, 30, None),
        ),
        (
            "30 days, all models (a ranking)",
            query(Grain::Day, SeriesOf::Model, 30, None),
        ),
        (
            "48 hours by minute, everything",
            query(Grain::Minute, SeriesOf::All, 2, None),
        ),
        (
            "48 hours by minute, one key",
            query(Grain::Minute, SeriesOf::Key, 2, one()),
        ),
        (
            "48 hours by minute, five keys",
            query(Grain::Minute, SeriesOf::Key, 2, five()),
        ),
        (
            "48 hours by minute, each status",
            query(Grain::Minute, SeriesOf::Status, 2, None),
        ),
    ] {
        ask(usage, what, asked).await;
    }
    let size = std::fs::metadata(folder.path().join("data/store/db"))
        .unwrap()
        .len();
    println!("the store has {} MiB", size / (1024 * 1024));
    backend.close().await.unwrap();
}
