//! What records cost on PostgreSQL: how fast rows are written, and how long each question takes with millions behind it.
//!
//! `TROUPE_POSTGRES_URL` names an empty database on a server like the one it is for. `TROUPE_ROWS` (1 000 000) are written
//! over `TROUPE_DAYS` (30) days; with `TROUPE_ONLY=usage` the log is left out. Targets: 2 000 rows a second, each page < 200 ms, a report of 30 days < 100 ms.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod asked;
mod rows;

use std::error::Error;
use std::time::{Duration, Instant};

use troupe_core::log::LogQuery;
use troupe_core::port::Stores;
use troupe_core::usage::{UsageBatch, UsageFold};
use troupe_storage::Options;

/// Rows that the recorder writes at once.
const BATCH: u64 = 1_000;
/// Asked for so often.
const TIMES: usize = 30;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Ok(url) = std::env::var("TROUPE_POSTGRES_URL") else {
        println!("records: TROUPE_POSTGRES_URL is not set, nothing is measured");
        return Ok(());
    };
    let number = |name: &str, default: u64| -> Result<u64, Box<dyn Error>> {
        std::env::var(name).map_or(Ok(default), |text| Ok(text.parse()?))
    };
    let (total, days) = (
        number("TROUPE_ROWS", 1_000_000)?,
        number("TROUPE_DAYS", 30)?,
    );
    let folder = tempfile::tempdir()?;
    let options = Options {
        url: url.into(),
        base: folder.path().to_owned(),
        dir: "node".into(),
        connections: 4,
        node: "bench".into(),
    };
    let backend = options.open().await?;
    let span = rows::Span::of_days(total, days)?;
    let logs = std::env::var("TROUPE_ONLY").as_deref() != Ok("usage");
    write(&backend.stores, &span, logs).await?;
    println!(
        "\n{:44} {:>7} {:>8} {:>8} {:>8}",
        "asked for", "found", "p50 ms", "p99 ms", "max ms"
    );
    if logs {
        asked::pages(&backend.stores, &span).await?;
    }
    asked::usage(&backend.stores, &span).await?;
    backend.close().await?;
    Ok(())
}

async fn write(stores: &Stores, span: &rows::Span, logs: bool) -> Result<(), Box<dyn Error>> {
    let mut fold = UsageFold::default();
    let (mut log, mut usage) = (Taken::default(), Taken::default());
    let mut at = 0;
    while at < span.rows {
        let end = span.rows.min(at + BATCH);
        let rows: Vec<_> = (at..end).map(|n| span.row(n)).collect();
        rows.iter().for_each(|row| fold.add(row));
        if logs {
            log.time(stores.log.append(rows)).await?;
        }
        if end.is_multiple_of(10 * BATCH) || end == span.rows {
            let batch = UsageBatch {
                number: end,
                rows: fold.take(),
                series: fold.take_series(),
            };
            usage.time(stores.usage.add(batch)).await?;
        }
        at = end;
        if at.is_multiple_of(span.rows.div_ceil(10)) {
            println!("{at} rows");
        }
    }
    let whole: Duration = log.0.iter().chain(&usage.0).sum();
    println!(
        "{} rows/s, usage included",
        u128::from(span.rows) * 1_000 / whole.as_millis().max(1)
    );
    log.tell("a batch of 1 000 rows", "");
    usage.tell("a batch of usage", "");
    Ok(())
}

/// How long something took, each time.
#[derive(Default)]
struct Taken(Vec<Duration>);

impl Taken {
    async fn time<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = answer.await;
        self.0.push(began.elapsed());
        answer
    }

    fn tell(&mut self, what: &str, found: impl std::fmt::Display) {
        self.0.sort_unstable();
        let at = |per_mille: usize| {
            let place = (self.0.len().saturating_sub(1)) * per_mille / 1_000;
            self.0
                .get(place)
                .map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
        };
        println!(
            "{what:44} {found:>7} {:>8.1} {:>8.1} {:>8.1}",
            at(500),
            at(990),
            at(1_000)
        );
    }
}

/// The rows that were written last.
fn tail() -> LogQuery {
    LogQuery {
        limit: 50,
        ..LogQuery::default()
    }
}
