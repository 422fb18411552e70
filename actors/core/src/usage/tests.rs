use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::RequestId;
use crate::record::{Outcome, RequestRecord, Route, TokenUsage};

const DAY: u64 = 86_400_000;

fn request(key: &str, model: &str) -> RequestRecord {
    RequestRecord {
        key: Some(KeyId::declared(key)),
        owner: Some("ann".into()),
        group: Some("team".into()),
        model: Some(model.into()),
        status: 200,
        upstream_status: Some(200),
        outcome: Outcome::Completed,
        account: Some(AccountId::declared("a")),
        account_name: Some("a".into()),
        usage: TokenUsage {
            input: 10,
            output: 2,
            ..TokenUsage::default()
        },
        cost_micro_usd: 7,
        first_event_us: Some(50_999),
        duration_us: 100_999,
        ..RequestRecord::begin(RequestId(Uuid::nil()), DAY * 3 + 1, Route::Messages)
    }
}

fn fold<'a>(rows: impl IntoIterator<Item = &'a RequestRecord>) -> Vec<UsageRow> {
    let mut fold = UsageFold::default();
    rows.into_iter().for_each(|row| fold.add(row));
    let mut rows = fold.take();
    assert!(fold.is_empty());
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

#[test]
fn a_request_is_counted_where_it_belongs() {
    let rows = fold([&request("k", "m"), &request("k", "m")]);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let key = UsageKey {
        day: 3,
        key: Some(KeyId::declared("k")),
        owner: Some("ann".into()),
        group: Some("team".into()),
        account: Some(AccountId::declared("a")),
        model: Some("m".into()),
    };
    assert_eq!((&row.key, row.account_name.as_deref()), (&key, Some("a")));
    let sums = &row.sums;
    assert_eq!((sums.requests, sums.errors, sums.refused), (2, 0, 0));
    assert_eq!((sums.tokens.input, sums.cost_micro_usd), (20, 14));
    assert_eq!((sums.duration_ms, sums.latency.count()), (200, 2));
    assert_eq!((sums.first_event_ms, sums.first_events), (100, 2));
}

/// requests, errors, refused, durations
#[test]
fn what_a_request_is() {
    for (outcome, status, counts) in [
        (Outcome::Completed, 200, [1, 0, 0, 1]),
        (Outcome::Completed, 400, [1, 1, 0, 0]),
        (Outcome::Completed, 529, [1, 1, 0, 0]),
        (Outcome::Failed, 503, [1, 1, 0, 0]),
        (Outcome::Failed, 200, [1, 1, 0, 0]),
        (Outcome::Truncated, 200, [1, 1, 0, 0]),
        (Outcome::Cancelled, 499, [1, 0, 0, 0]),
        (Outcome::Cancelled, 200, [1, 0, 0, 0]),
        (Outcome::Refused, 429, [0, 0, 1, 0]),
        (Outcome::Refused, 400, [0, 0, 1, 0]),
    ] {
        let row = RequestRecord {
            outcome,
            status,
            ..request("k", "m")
        };
        let s = UsageSums::of(&row);
        let found = [s.requests, s.errors, s.refused, s.latency.count()];
        assert_eq!(found, counts, "{outcome:?} {status}");
        assert_eq!((s.tokens, s.cost_micro_usd), (row.usage, 7));
    }
}

#[test]
fn what_nobody_asked_for_and_what_costs_nothing_is_no_usage() {
    let of = |route| RequestRecord {
        route,
        ..request("k", "m")
    };
    assert_eq!(fold([&of(Route::Relay)]).len(), 1);
    for route in [Route::CountTokens, Route::Models, Route::Other] {
        assert_eq!(fold([&of(route)]), [], "{route:?}");
    }
    let probe = RequestRecord {
        key: None,
        ..request("k", "m")
    };
    assert_eq!(fold([&probe]), []);
}

#[test]
fn a_model_that_was_never_answered_for_is_other() {
    let failing = |model: &str, status: Option<u16>| RequestRecord {
        upstream_status: status,
        ..request("k", model)
    };
    let models = |rows: &[RequestRecord]| {
        let rows = fold(rows);
        let models = rows.into_iter().map(|row| row.key.model.unwrap());
        models.map(|model| model.to_string()).collect::<Vec<_>>()
    };
    let invented: Vec<_> = (0..500)
        .map(|n| failing(&format!("invented-{n}"), Some(404)))
        .collect();
    assert_eq!(models(&invented), [OTHER]);
    // The gateway's own 200, of an estimate, says nothing either.
    assert_eq!(models(&[failing("m", None)]), [OTHER]);
    assert_eq!(models(&[request("k", "m"), failing("m", Some(529))]), ["m"]);
    // In whatever order they come, until they are taken.
    let rows = [
        failing("m", Some(529)),
        failing("n", None),
        request("k", "m"),
    ];
    assert_eq!(models(&rows), ["m", OTHER]);
    let long = "m".repeat(200);
    assert_eq!(models(&[request("k", &long)]), [OTHER]);
    let many: Vec<_> = (0..1_100).map(|n| request("k", &n.to_string())).collect();
    let told = models(&many);
    assert_eq!(told.len(), 1_001);
    assert!(told.iter().any(|model| model == OTHER));
}

#[test]
fn models_that_were_answered_for_before_a_restart_are_known() {
    let mut fold = UsageFold::default();
    fold.know(["m".into()]);
    fold.add(&RequestRecord {
        upstream_status: Some(500),
        ..request("k", "m")
    });
    assert_eq!(fold.take()[0].key.model.as_deref(), Some("m"));
}

#[test]
fn what_is_held_is_bounded_and_loses_nothing() {
    let keys = MAX_ROWS_A_DAY + 100;
    let rows: Vec<_> = (0..keys).map(|n| request(&n.to_string(), "m")).collect();
    let folded = fold(&rows);
    assert_eq!(folded.len(), MAX_ROWS_A_DAY);
    let mut all = UsageSums::default();
    folded.iter().for_each(|row| all.merge(&row.sums));
    assert_eq!(all.requests, keys as u64);
    let detailed = folded.iter().filter(|row| row.key.account.is_some());
    assert_eq!(detailed.count(), DETAILED_ROWS_A_DAY);
    let nobody = folded.iter().filter(|row| row.key.key.is_none());
    let nobody: Vec<_> = nobody.map(|row| row.sums.requests).collect();
    assert_eq!(nobody, [101]);
}

#[test]
fn days_are_utc() {
    assert_eq!(day_of(0), 0);
    assert_eq!(day_of(DAY - 1), 0);
    assert_eq!(day_of(DAY), 1);
    assert_eq!(day_of(u64::MAX), u32::MAX);
}

#[test]
fn rows_are_stored_small() {
    let row = UsageRow::empty(UsageKey::default());
    let stored = serde_json::to_string(&row).unwrap();
    assert_eq!(stored, r#"{"key":{"day":0},"sums":{}}"#);
    assert_eq!(serde_json::from_str::<UsageRow>(&stored).unwrap(), row);
}

fn some_request() -> impl Strategy<Value = RequestRecord> {
    let outcome = prop::sample::select(vec![
        Outcome::Completed,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::Truncated,
        Outcome::Cancelled,
    ]);
    let numbers = (any::<u32>(), 0..10_000_000_u64, 0..5_u64);
    (0..3_u8, 0..3_u8, outcome, numbers).prop_map(|(key, model, outcome, (cost, us, day))| {
        RequestRecord {
            outcome,
            at_ms: day * DAY,
            cost_micro_usd: cost.into(),
            duration_us: us,
            ..request(&key.to_string(), &model.to_string())
        }
    })
}

proptest! {
    /// What is left of everything without a part of it is the rest.
    #[test]
    fn a_part_is_taken_away(
        part in prop::collection::vec(some_request(), 0..20),
        rest in prop::collection::vec(some_request(), 0..20),
    ) {
        let sum = |rows: &[RequestRecord]| {
            let mut sums = UsageSums { charged_micro_usd: Some(0), ..UsageSums::default() };
            rows.iter().for_each(|row| sums.merge(&UsageSums::of(row)));
            sums
        };
        let mut left = sum(&[part.clone(), rest.clone()].concat());
        left.take_away(&sum(&part));
        prop_assert_eq!(left, sum(&rest));
    }

    /// However rows come in batches, and whatever they are summed by, the sums are those of all rows.
    #[test]
    fn sums_do_not_depend_on_batches(
        rows in prop::collection::vec(some_request(), 0..60),
        size in 1..20_usize,
    ) {
        let mut exact = UsageSums::default();
        rows.iter().for_each(|row| exact.merge(&UsageSums::of(row)));
        let mut folding = UsageFold::default();
        let mut written = Vec::new();
        for batch in rows.chunks(size) {
            batch.iter().for_each(|row| folding.add(row));
            written.extend(folding.take());
        }
        for by in UsageBy::ALL {
            let query = UsageQuery { by, to_day: 9, ..UsageQuery::default() };
            let mut groups = UsageGroups::new(&query);
            written.iter().for_each(|row| groups.add(row));
            let mut sums = UsageSums::default();
            groups.finish().iter().for_each(|row| sums.merge(&row.sums));
            prop_assert_eq!(&sums, &exact);
        }
    }
}
