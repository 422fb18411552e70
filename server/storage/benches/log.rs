//! The embedded request log at its size: `cargo bench -p troupe-storage --bench log -- ROWS` (5 million when not said).
//!
//! Targets: 2 000 rows a second written with ease; of 5 million rows the first page in 400 ms, a rare row in a few pages.

use std::time::{Duration, Instant};

use troupe_core::log::{LogFilter, LogSearch};
use troupe_core::port::LogStore;
use troupe_core::record::{Outcome, RequestRecord, Route};
use troupe_core::{KeyId, RequestId};
use uuid::Uuid;

/// 24 February 2026.
const DAY_MS: u64 = 1_771_891_200_000;
const ROWS: u64 = 5_000_000;
const BATCH: u64 = 2_000;

type Failure = Box<dyn std::error::Error>;

fn row(n: u64, keys: &[KeyId]) -> RequestRecord {
    let at_ms = DAY_MS + n * 80_000_000 / ROWS;
    let id = u128::from(at_ms) << 80 | 7 << 76 | 2 << 62 | u128::from(n);
    let mut row = RequestRecord::begin(RequestId(Uuid::from_u128(id)), at_ms, Route::Messages);
    row.status = if n.is_multiple_of(97) { 429 } else { 200 };
    row.outcome = Outcome::Completed;
    row.stream = true;
    row.key = usize::try_from(n % 1_000)
        .ok()
        .and_then(|nth| keys.get(nth))
        .copied();
    row.owner = Some("somebody@example.org".into());
    row.group = Some("platform".into());
    row.account_name = Some(format!("account-{}", n % 20).into());
    row.session = Some((n / 12).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    row.model = Some(
        if n % 1_000_000 == 77 {
            "rare"
        } else {
            "claude-sonnet-4-5"
        }
        .into(),
    );
    row.attempts = 1;
    row.usage.input = 1_000 + n % 7_000;
    row.usage.output = n % 900;
    row.cost_micro_usd = n % 90_000;
    row.first_event_us = Some(700_000);
    row.gateway_us = 300;
    row.duration_us = 900_000 + n % 4_000_000;
    row.upstream_status = Some(row.status);
    row.upstream_request_id = Some(format!("req_{n:024x}"));
    row
}

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[expect(clippy::print_stdout, reason = "a program that tells what it measured")]
fn tell(what: &str, took: Duration, more: &str) {
    println!(
        "{what:<44} {:>10.1} ms  {more}",
        took.as_secs_f64() * 1_000.0
    );
}

/// Pages until there is no cursor; tells the first, the longest and all.
async fn search(log: &dyn LogStore, what: &str, mut wanted: LogSearch) -> Result<(), Failure> {
    let (began, mut first, mut longest) = (Instant::now(), None, Duration::ZERO);
    let (mut pages, mut rows) = (0, 0);
    loop {
        let page_began = Instant::now();
        let found = log.search(wanted.clone()).await?;
        let took = page_began.elapsed();
        first.get_or_insert(took);
        longest = longest.max(took);
        pages += 1;
        rows += found.rows.len();
        wanted.after = found.next;
        if wanted.after.is_none() || rows >= wanted.limit {
            break;
        }
    }
    let first = first.unwrap_or_default();
    let all = began.elapsed();
    tell(
        what,
        first,
        &format!("first page; longest {longest:.1?}; {rows} rows in {pages} pages, {all:.1?}"),
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let count = std::env::args()
        .find_map(|text| text.parse().ok())
        .unwrap_or(ROWS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(count))
}

async fn run(count: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let backend = troupe_storage::open("sled:data", folder.path())?;
    let log = &*backend.stores.log;
    let keys: Vec<_> = (0..1_000)
        .map(|n| KeyId::declared(&format!("key-{n}")))
        .collect();
    let (mut writing, mut at_once) = (Duration::ZERO, Duration::ZERO);
    let mut memory = 0;
    for start in (0..count).step_by(usize::try_from(BATCH)?) {
        let rows: Vec<_> = (start..(start + BATCH).min(count))
            .map(|n| row(n, &keys))
            .collect();
        let began = Instant::now();
        log.append(rows).await?;
        let took = began.elapsed();
        writing += took;
        at_once = at_once.max(took);
        if start == count / 10 / BATCH * BATCH {
            memory = memory_kib();
        }
    }
    let after = memory_kib();
    tell(
        "write all",
        writing,
        &format!(
            "{:.0} rows/s; longest batch of {BATCH} {at_once:.1?}; memory {memory} KiB after a tenth, {after} KiB after all",
            f64::from(u32::try_from(count)?) / writing.as_secs_f64()
        ),
    );
    let bytes: u64 = std::fs::read_dir(folder.path().join("data/requests"))?
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    tell("on disk", Duration::ZERO, &format!("{} MiB", bytes >> 20));
    searches(log, count, &keys).await
}

async fn searches(log: &dyn LogStore, count: u64, keys: &[KeyId]) -> Result<(), Failure> {
    let of = |filter: LogFilter| LogSearch {
        filter,
        limit: 50,
        ..LogSearch::default()
    };
    let plain = LogFilter::default;
    search(log, "newest 50", of(plain())).await?;
    let middle = row(count / 2, keys);
    let deep = LogSearch {
        to_ms: Some(middle.at_ms),
        ..of(plain())
    };
    search(log, "50 before the middle", deep).await?;
    let rare = LogFilter {
        model: Some("rare".into()),
        ..plain()
    };
    search(log, "a rare model", of(rare)).await?;
    let session = LogFilter {
        session: middle.session,
        ..plain()
    };
    search(log, "a session in the middle", of(session)).await?;
    let key = LogFilter {
        keys: keys.get(7).copied().into_iter().collect(),
        ..plain()
    };
    search(log, "a key of a thousand", of(key)).await?;
    let status = LogFilter {
        status: "4xx".parse().ok(),
        ..plain()
    };
    search(log, "status 4xx", of(status)).await?;
    let dear = LogFilter {
        min_cost_micro_usd: Some(89_999),
        ..plain()
    };
    search(log, "the dearest, one of 90 000", of(dear)).await?;
    let nobody = LogFilter {
        account: Some("nobody".into()),
        ..plain()
    };
    search(log, "an account that is not there", of(nobody)).await?;
    let upstream = LogFilter {
        upstream_request_id: middle.upstream_request_id.as_deref().map(Into::into),
        ..plain()
    };
    search(log, "an upstream id in the middle", of(upstream)).await?;
    let began = Instant::now();
    let found = log.find(middle.id).await?;
    tell(
        "find by id",
        began.elapsed(),
        &format!("found: {}", found.is_some()),
    );
    Ok(())
}
