use troupe_core::record::{Outcome, RequestRecord, Route, TokenUsage};
use troupe_core::usage::{UsageBatch, UsageFold, day_of};
use troupe_core::{AccountId, KeyId, RequestId};

use super::*;
use crate::ops::keys::RevokeKey;
use crate::ops::tests::{new_key, operations};
use crate::ops::{ErrorCode, Operation, Operations, now_ms};

const DAY_MS: u64 = 86_400_000;

struct Spent {
    key: KeyId,
    key_name: &'static str,
    owner: Option<&'static str>,
    account: &'static str,
    cost_micro_usd: u64,
    days_ago: u64,
}

impl Spent {
    fn row(&self) -> RequestRecord {
        let at_ms = now_ms() - self.days_ago * DAY_MS;
        RequestRecord {
            key: Some(self.key),
            owner: self.owner.map(Into::into),
            account: Some(AccountId::declared(self.account)),
            account_name: Some(self.account.into()),
            model: Some("claude".into()),
            status: 200,
            upstream_status: Some(200),
            outcome: Outcome::Completed,
            usage: TokenUsage {
                input: 3,
                cache_write_1h: 4,
                ..TokenUsage::default()
            },
            cost_micro_usd: self.cost_micro_usd,
            first_event_us: Some(20_000),
            duration_us: 1_000_000,
            ..RequestRecord::begin(RequestId(uuid::Uuid::nil()), at_ms, Route::Messages)
        }
    }
}

async fn spend(ops: &Operations, spent: &[Spent]) {
    for (number, one) in spent.iter().enumerate() {
        let mut fold = UsageFold::default();
        fold.add(&one.row());
        let mut rows = fold.take();
        for row in &mut rows {
            row.key_name = Some(one.key_name.into());
        }
        let number = 1 + number as u64;
        let batch = UsageBatch {
            number,
            rows,
            series: fold.take_series(),
        };
        ops.stores.usage.add(batch).await.unwrap();
    }
}

async fn report(ops: &Operations, asked: ReportUsage) -> UsageReport {
    asked.run(ops).await.unwrap()
}

fn by(by: ReportBy) -> ReportUsage {
    ReportUsage {
        by,
        ..ReportUsage::default()
    }
}

/// Name, whether it is gone, cost.
fn told(report: &UsageReport) -> Vec<(Option<&str>, bool, u64)> {
    let rows = report.rows.iter();
    rows.map(|row| (row.name.as_deref(), row.gone, row.figures.cost_micro_usd))
        .collect()
}

pub(super) async fn scene() -> Operations {
    let ops = operations().await;
    let old = new_key("ci").run(&ops).await.unwrap().key.id;
    let revoke = RevokeKey { name: "ci".into() };
    revoke.run(&ops).await.unwrap();
    let new = new_key("ci").run(&ops).await.unwrap().key.id;
    let spent = |key, key_name, owner, account, cost_micro_usd, days_ago| Spent {
        key,
        key_name,
        owner,
        account,
        cost_micro_usd,
        days_ago,
    };
    let (filed, left) = (KeyId::declared("filed"), KeyId::declared("left"));
    spend(
        &ops,
        &[
            spent(old, "ci", None, "filed", 10, 20),
            spent(new, "ci", Some("ann"), "filed", 20, 0),
            spent(filed, "filed", Some("ann"), "gone", 40, 1),
            spent(left, "left", Some("bob"), "gone", 5, 0),
            spent(left, "left", Some("bob"), "gone", 1, 50),
        ],
    )
    .await;
    ops
}

#[tokio::test]
async fn a_report_names_those_who_are_gone_by_their_last_name() {
    let ops = scene().await;
    let keys = report(&ops, by(ReportBy::Key)).await;
    let rows = [
        (Some("filed"), false, 40),
        (Some("ci"), false, 20),
        (Some("ci"), true, 10),
        (Some("left"), true, 5),
    ];
    assert_eq!(told(&keys), rows);
    assert_eq!(keys.total.cost_micro_usd, 75);
    assert_eq!((keys.total.requests, keys.total.tokens.input), (4, 12));
    assert_eq!(
        (keys.total.p50_ms, keys.total.first_event_ms),
        (Some(1_076), Some(20))
    );
    let accounts = report(&ops, by(ReportBy::Account)).await;
    let rows = [(Some("gone"), true, 45), (Some("filed"), false, 30)];
    assert_eq!(told(&accounts), rows);
    let owners = report(&ops, by(ReportBy::Owner)).await;
    let rows = [
        (Some("ann"), false, 60),
        (None, false, 10),
        (Some("bob"), false, 5),
    ];
    assert_eq!(told(&owners), rows);
    assert_eq!(
        told(&report(&ops, by(ReportBy::Group)).await),
        [(None, false, 75)]
    );
    let models = report(&ops, by(ReportBy::Model)).await;
    assert_eq!(told(&models), [(Some("claude"), false, 75)]);
}

#[tokio::test]
async fn days_are_told_in_their_order_and_bounded_as_asked() {
    let ops = scene().await;
    let costs = |report: &UsageReport| {
        let rows = report.rows.iter();
        rows.map(|row| row.figures.cost_micro_usd)
            .collect::<Vec<_>>()
    };
    let days = report(&ops, by(ReportBy::Day)).await;
    assert_eq!(costs(&days), [10, 40, 25]);
    assert_eq!(days.rows[2].name.as_deref(), Some(&*days.until));
    let since = |since: &str, until: Option<&str>| ReportUsage {
        since: Some(since.into()),
        until: until.map(str::to_owned),
        ..by(ReportBy::Day)
    };
    let all = report(&ops, since("1970-01-01", None)).await;
    assert_eq!(costs(&all), [1, 10, 40, 25]);
    assert_eq!(costs(&report(&ops, since("0", None)).await), [25]);
    let some = report(&ops, since("30d", Some("1d"))).await;
    assert_eq!(costs(&some), [10, 40]);
    let yesterday = days::written(day_of(now_ms()) - 1);
    let one = report(&ops, since(&yesterday, Some(&yesterday))).await;
    assert_eq!(
        (costs(&one), &one.since, &one.until),
        (vec![40], &yesterday, &yesterday)
    );
    let few = ReportUsage {
        limit: Some(1),
        ..by(ReportBy::Key)
    };
    let few = report(&ops, few).await;
    assert_eq!(
        (costs(&few), few.left_out, few.total.cost_micro_usd),
        (vec![40], 3, 75)
    );
    let error = since("1d", Some("2d")).run(&ops).await.unwrap_err();
    assert_eq!((error.code, error.exit()), (ErrorCode::Invalid, 2));
}

#[tokio::test]
async fn a_report_is_narrowed() {
    let ops = scene().await;
    let some = |text: &str| Some(text.to_owned());
    let all = || by(ReportBy::Day);
    for (asked, cost) in [
        (
            ReportUsage {
                key: some("ci"),
                ..all()
            },
            30,
        ),
        (
            ReportUsage {
                key: some("left"),
                ..all()
            },
            5,
        ),
        (
            ReportUsage {
                owner: some("ann"),
                ..all()
            },
            60,
        ),
        (
            ReportUsage {
                account: some("gone"),
                ..all()
            },
            45,
        ),
        (
            ReportUsage {
                model: some("claude"),
                ..all()
            },
            75,
        ),
        (
            ReportUsage {
                model: some("other"),
                ..all()
            },
            0,
        ),
        (
            ReportUsage {
                group: some("g"),
                ..all()
            },
            0,
        ),
        (
            ReportUsage {
                account: some("filed"),
                owner: some("bob"),
                ..all()
            },
            0,
        ),
    ] {
        let report = report(&ops, asked.clone()).await;
        assert_eq!(report.total.cost_micro_usd, cost, "{asked:?}");
    }
    for (asked, said) in [
        (
            ReportUsage {
                key: some("nobody"),
                ..all()
            },
            "key list --revoked",
        ),
        (
            ReportUsage {
                account: some("nobody"),
                ..all()
            },
            "account list",
        ),
    ] {
        let error = asked.run(&ops).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(error.message.contains(said), "{error}");
    }
}

#[tokio::test]
async fn hours_minutes_and_statuses_are_told() {
    let ops = scene().await;
    let costs = |report: &UsageReport| {
        let rows = report.rows.iter();
        rows.map(|row| row.figures.cost_micro_usd).sum::<u64>()
    };
    let since = |asked: ReportUsage, since: &str| ReportUsage {
        since: Some(since.into()),
        ..asked
    };
    let named = |asked: ReportUsage, key: &str| ReportUsage {
        key: Some(key.into()),
        ..asked
    };
    for (asked, cost) in [
        (by(ReportBy::Hour), 65),
        (since(by(ReportBy::Hour), "30d"), 75),
        (by(ReportBy::Minute), 25),
        (named(by(ReportBy::Minute), "ci"), 20),
        // Its key is no more, only its rows know it.
        (named(by(ReportBy::Hour), "left"), 5),
        (by(ReportBy::Status), 75),
        (since(by(ReportBy::Status), "1970-01-01"), 76),
    ] {
        let report = report(&ops, asked.clone()).await;
        assert_eq!(costs(&report), cost, "{asked:?}");
        assert_eq!(report.total.cost_micro_usd, cost, "{asked:?}");
    }
    let hours = report(&ops, by(ReportBy::Hour)).await;
    let last = hours.rows.last().unwrap();
    assert_eq!(last.name.as_deref(), Some(&*hours.until));
    assert_eq!(last.figures.first_event_p50_ms, Some(23));
    assert_eq!(last.figures.cache_read_per_mille, Some(0));
    let statuses = report(&ops, by(ReportBy::Status)).await;
    assert_eq!(told(&statuses), [(Some("200"), false, 75)]);
    let both = ReportUsage {
        owner: Some("ann".into()),
        ..named(by(ReportBy::Hour), "ci")
    };
    for (asked, said) in [
        (both, "only one of key"),
        (named(by(ReportBy::Status), "ci"), "leave out key"),
        (since(by(ReportBy::Minute), "60d"), "too many points"),
        (named(by(ReportBy::Hour), "nobody"), "key list --revoked"),
    ] {
        let error = asked.clone().run(&ops).await.unwrap_err();
        assert!(error.message.contains(said), "{asked:?}: {error}");
    }
}

#[tokio::test]
async fn what_comes_first_is_as_asked() {
    let ops = scene().await;
    for (sort, first) in [
        (None, Some("ann")),
        (Some(UsageSort::Cost), Some("ann")),
        (Some(UsageSort::Requests), Some("ann")),
        (Some(UsageSort::Tokens), Some("ann")),
        (Some(UsageSort::Errors), Some("ann")),
        (Some(UsageSort::Latency), Some("ann")),
    ] {
        let asked = ReportUsage {
            sort,
            limit: Some(1),
            ..by(ReportBy::Owner)
        };
        let report = report(&ops, asked).await;
        assert_eq!(told(&report)[0].0, first, "{sort:?}");
        assert_eq!((report.rows.len(), report.left_out), (1, 2));
    }
    let dearest = ReportUsage {
        sort: Some(UsageSort::Cost),
        ..by(ReportBy::Day)
    };
    let days = report(&ops, dearest).await;
    let costs: Vec<_> = told(&days).iter().map(|row| row.2).collect();
    assert_eq!(costs, [40, 25, 10], "days too, when they are sorted");
}
