//! Whatever is asked for, pages tell what the filter itself says of every row, in the order of pages.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use troupe_core::KeyId;
use troupe_core::log::{LogFilter, LogSearch};
use troupe_core::port::LogStore;
use troupe_core::record::{Outcome, RequestRecord, Route};

use super::super::PgLog;
use super::{MIDNIGHT_MS, all, fresh, newest_first, row, text};
use crate::postgres::testing::Postgres;

const NAMES: [&str; 3] = ["a", "b", "\u{1f}"];
const STATUSES: [u16; 5] = [200, 201, 404, 429, 529];
const ROUTES: [Route; 3] = [Route::Messages, Route::CountTokens, Route::Other];
const OUTCOMES: [Outcome; 3] = [Outcome::Completed, Outcome::Refused, Outcome::Truncated];

/// Numbers without a pattern that pages could follow.
fn mixed(n: u64) -> usize {
    usize::try_from((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).unwrap()
}

fn varied(n: u64) -> RequestRecord {
    let mix = mixed(n);
    let name = |shift: usize| text(NAMES[(mix >> shift) % NAMES.len()]);
    // Many of one moment, some of the day before.
    let mut row = row(MIDNIGHT_MS - 20 + n / 8, n);
    row.key = (!mix.is_multiple_of(5)).then(|| KeyId::declared(NAMES[mix % 3]));
    row.owner = name(2).filter(|_| !mix.is_multiple_of(7));
    row.group = name(3);
    row.model = name(4);
    row.account_name = name(5).filter(|_| !mix.is_multiple_of(11));
    if mix.is_multiple_of(4) {
        row.failed[0].account = name(6).unwrap();
    } else {
        row.failed.clear();
    }
    row.status = STATUSES[(mix >> 7) % STATUSES.len()];
    row.route = ROUTES[(mix >> 8) % ROUTES.len()];
    row.outcome = OUTCOMES[(mix >> 9) % OUTCOMES.len()];
    row.stream = mix.is_multiple_of(2);
    row.session = mix.is_multiple_of(3).then_some(u64::MAX - (mix % 2) as u64);
    row.duration_us = (mix % 100) as u64;
    row.cost_micro_usd = (mix % 10) as u64;
    row.error = mix
        .is_multiple_of(6)
        .then(|| format!("no {}%_ here", NAMES[mix % 2]));
    row.upstream_request_id = mix.is_multiple_of(8).then(|| format!("up{}", mix % 20));
    row
}

fn some<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Option<T>> {
    prop_oneof![4 => Just(None), 1 => prop::sample::select(values).prop_map(Some)]
}

fn name() -> impl Strategy<Value = Option<std::sync::Arc<str>>> {
    some(
        [NAMES[0], NAMES[1], NAMES[2], "nobody"]
            .map(Into::into)
            .to_vec(),
    )
}

fn filter() -> impl Strategy<Value = LogFilter> {
    let keys = prop::collection::vec(prop::sample::select(vec!["a", "b", "x"]), 0..3);
    let status = some(
        ["200", "404", "2xx", "4xx", "5xx", "3xx"]
            .map(|s| s.parse().unwrap())
            .to_vec(),
    );
    let names = (name(), name(), name(), name());
    let rare = (
        some(ROUTES.to_vec()),
        some(OUTCOMES.to_vec()),
        status,
        any::<bool>(),
    );
    let numbers = (
        some(vec![u64::MAX, u64::MAX - 1, 5]),
        some(vec![true, false]),
        some(vec![0, 50, 1_000]),
        some(vec![0_u64, 9]),
    );
    let texts = (some(vec!["a%_", "no", "x"]), some(vec!["up0", "up8", "u"]));
    (keys, names, rare, numbers, texts).prop_map(|(keys, names, rare, numbers, texts)| LogFilter {
        keys: keys.into_iter().map(KeyId::declared).collect(),
        owner: names.0,
        group: names.1,
        model: names.2,
        account: names.3,
        route: rare.0,
        outcome: rare.1,
        status: rare.2,
        api_only: rare.3,
        session: numbers.0,
        stream: numbers.1,
        min_duration_us: numbers.2,
        min_cost_micro_usd: numbers.3,
        error: texts.0.map(Into::into),
        upstream_request_id: texts.1.map(Into::into),
    })
}

fn search() -> impl Strategy<Value = LogSearch> {
    let time = || {
        some(vec![
            0,
            MIDNIGHT_MS - 10,
            MIDNIGHT_MS,
            MIDNIGHT_MS + 40,
            u64::MAX,
        ])
    };
    let limit = prop::sample::select(vec![1_usize, 3, 10, 1_000]);
    (filter(), time(), time(), limit).prop_map(|(filter, from_ms, to_ms, limit)| LogSearch {
        filter,
        from_ms,
        to_ms,
        limit,
        after: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_tell_what_the_filter_says() {
    let server = Postgres::start();
    let (pg, _) = fresh(&server).await;
    let log = PgLog::new(pg);
    let mut rows: Vec<_> = (0..600).map(varied).collect();
    log.append(rows.clone()).await.unwrap();
    newest_first(&mut rows);
    let runtime = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(Config {
        cases: 250,
        failure_persistence: None,
        ..Config::default()
    });
    let checked = tokio::task::block_in_place(|| {
        let checked = runner.run(&search(), |asked| {
            let matches = |row: &&RequestRecord| {
                let from = asked.from_ms.is_none_or(|from| from <= row.at_ms);
                let to = asked.to_ms.is_none_or(|to| row.at_ms < to);
                from && to && asked.filter.matches(row)
            };
            let expected: Vec<_> = rows.iter().filter(matches).cloned().collect();
            let told = wait(&runtime, all(&log, asked.clone()));
            prop_assert_eq!(told.len(), expected.len());
            prop_assert!(told == expected);
            Ok(())
        });
        // It carries the whole input.
        checked.map_err(|error| error.to_string())
    });
    checked.unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test's own thread, which may block"
)]
fn wait<T>(runtime: &tokio::runtime::Handle, answer: impl Future<Output = T>) -> T {
    runtime.block_on(answer)
}
