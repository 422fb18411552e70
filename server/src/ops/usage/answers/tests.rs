use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use troupe_core::record::{Outcome, RequestRecord, Route, TokenUsage};
use troupe_core::usage::{Named, UsageBatch, UsageFold};
use troupe_core::{AccountId, KeyId, RequestId};

use super::super::by::UsageSort;
use super::*;
use crate::ops::tests::operations;

const DAY_MS: u64 = 86_400_000;

/// Day, key, account, owner, group, model, status, cost.
type Request = (u32, u8, Option<u8>, Option<u8>, Option<u8>, u8, u16, u64);

fn request() -> impl Strategy<Value = Request> {
    (
        100_u32..106,
        0_u8..4,
        prop::option::of(0_u8..3),
        prop::option::of(0_u8..3),
        prop::option::of(0_u8..2),
        0_u8..3,
        prop::sample::select(vec![200_u16, 400, 529, 0]),
        0_u64..1_000,
    )
}

/// The first key and the first account are there, the others are gone; the third key had the name of the second.
fn key_of(n: u8) -> (KeyId, &'static str) {
    let (id, name) = [
        ("filed", "filed"),
        ("one", "left"),
        ("two", "left"),
        ("three", "x"),
    ][usize::from(n)];
    (KeyId::declared(id), name)
}

fn account_of(n: u8) -> &'static str {
    ["filed", "gone", "lost"][usize::from(n)]
}

fn record(request: &Request) -> RequestRecord {
    let (day, key, account, owner, group, model, status, cost) = *request;
    let at_ms = u64::from(day) * DAY_MS + cost;
    RequestRecord {
        key: Some(key_of(key).0),
        owner: owner.map(|n| format!("owner {n}").into()),
        group: group.map(|n| format!("group {n}").into()),
        account: account.map(|n| AccountId::declared(account_of(n))),
        account_name: account.map(|n| account_of(n).into()),
        model: Some(format!("model {model}").into()),
        status,
        upstream_status: Some(200),
        outcome: if status == 0 {
            Outcome::Refused
        } else {
            Outcome::Completed
        },
        usage: TokenUsage {
            input: cost,
            cache_read: 3,
            ..TokenUsage::default()
        },
        cost_micro_usd: cost,
        charged_micro_usd: group.map(|n| cost * u64::from(n)),
        first_event_us: Some(cost * 1_000),
        duration_us: cost * 20_000,
        ..RequestRecord::begin(RequestId(uuid::Uuid::nil()), at_ms, Route::Messages)
    }
}

async fn filled(batches: &[Vec<Request>]) -> Operations {
    let ops = operations().await;
    for (number, requests) in (1..).zip(batches) {
        let mut fold = UsageFold::default();
        requests.iter().for_each(|one| fold.add(&record(one)));
        let mut rows = fold.take();
        for row in &mut rows {
            let names = (0..4).map(key_of);
            let named = names.into_iter().find(|(id, _)| row.key.key == Some(*id));
            row.key_name = named.map(|(_, name)| name.into());
        }
        let series = fold.take_series();
        let batch = UsageBatch {
            number,
            rows,
            series,
        };
        ops.stores.usage.add(batch).await.unwrap();
    }
    ops
}

fn filters(names: &Names) -> Vec<UsageFilter> {
    let any = UsageFilter::default;
    let key = |name| UsageFilter {
        key: Some(names.keys_named(name)),
        ..any()
    };
    let account = |name| UsageFilter {
        account: Some(names.accounts_named(name)),
        ..any()
    };
    vec![
        any(),
        key("filed"),
        key("left"),
        key("nobody"),
        account("filed"),
        account("gone"),
        UsageFilter {
            owner: Some("owner 1".into()),
            ..any()
        },
        UsageFilter {
            group: Some("group 0".into()),
            ..any()
        },
        UsageFilter {
            model: Some("model 2".into()),
            ..any()
        },
    ]
}

fn days(from: u32, to: u32) -> Points {
    Points {
        grain: Grain::Day,
        from,
        to,
    }
}

async fn both_ways(batches: &[Vec<Request>]) -> Result<(), TestCaseError> {
    let ops = filled(batches).await;
    let names = || async { Names::read(&ops).await.unwrap() };
    for by in UsageBy::ALL {
        for filter in filters(&names().await) {
            for range in [days(0, 200), days(102, 103)] {
                let asked = Asked {
                    range,
                    filter: &filter,
                };
                let Some(of) = asked.one_dimension(by) else {
                    continue;
                };
                let (mut rows, total) = asked.of_rows(&ops, &names().await, by).await.unwrap();
                let series = asked.of_series(&ops, names().await, by, of).await.unwrap();
                let (mut other, other_total) = series;
                if by != UsageBy::Day {
                    UsageSort::default().sort(&mut rows);
                    UsageSort::default().sort(&mut other);
                }
                prop_assert_eq!(rows, other, "{:?} {:?}", by, filter);
                // What was charged is told or not, and is the same.
                let figures = UsageFigures::from(&total);
                prop_assert_eq!(figures, UsageFigures::from(&other_total));
            }
        }
    }
    Ok(())
}

#[test]
fn series_and_rows_of_usage_tell_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let batches = prop::collection::vec(prop::collection::vec(request(), 1..40), 1..4);
    let config = Config {
        cases: 24,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&batches, |batches| runtime.block_on(both_ways(&batches)))
        .unwrap();
}

#[tokio::test]
async fn days_of_before_series_are_read_from_rows() {
    let ops = filled(&[vec![(101, 0, None, None, None, 0, 200, 5)]]).await;
    let mut fold = UsageFold::default();
    fold.add(&record(&(100, 0, None, None, None, 0, 200, 7)));
    let batch = UsageBatch {
        number: 9,
        rows: fold.take(),
        series: Vec::new(),
    };
    ops.stores.usage.add(batch).await.unwrap();
    let filter = UsageFilter::default();
    for by in UsageBy::ALL {
        let asked = Asked {
            range: days(0, 200),
            filter: &filter,
        };
        let names = Names::read(&ops).await.unwrap();
        let answer = asked.answer(&ops, names, Source::Rows(by)).await.unwrap();
        assert_eq!(answer.1.cost_micro_usd, 12, "{by}");
    }
}

#[test]
fn only_what_crosses_two_dimensions_needs_rows() {
    let any = UsageFilter::default;
    let owner = || UsageFilter {
        owner: Some("ann".into()),
        ..any()
    };
    let both = || UsageFilter {
        key: Some(Named {
            name: "ci".into(),
            ids: Vec::new(),
        }),
        ..owner()
    };
    for (by, filter, of) in [
        (UsageBy::Day, any(), Some(SeriesOf::All)),
        (UsageBy::Model, any(), Some(SeriesOf::Model)),
        (UsageBy::Day, owner(), Some(SeriesOf::Owner)),
        (UsageBy::Owner, owner(), Some(SeriesOf::Owner)),
        (UsageBy::Key, owner(), None),
        (UsageBy::Day, both(), None),
        (UsageBy::Key, both(), None),
    ] {
        let asked = Asked {
            range: days(0, 1),
            filter: &filter,
        };
        assert_eq!(asked.one_dimension(by), of, "{by} {filter:?}");
    }
}
