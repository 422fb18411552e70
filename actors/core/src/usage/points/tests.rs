use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::id::{AccountId, KeyId, RequestId};
use crate::record::{Outcome, Route, TokenUsage};
use crate::usage::UsageFold;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn request(at_ms: u64) -> RequestRecord {
    RequestRecord {
        key: Some(KeyId::declared("k")),
        owner: Some("ann".into()),
        group: Some("team".into()),
        model: Some("m".into()),
        status: 200,
        upstream_status: Some(200),
        outcome: Outcome::Completed,
        account: Some(AccountId::declared("a")),
        usage: TokenUsage {
            input: 10,
            cache_read: 3,
            ..TokenUsage::default()
        },
        cost_micro_usd: 7,
        first_event_us: Some(50_999),
        duration_us: 100_999,
        ..RequestRecord::begin(RequestId(Uuid::nil()), at_ms, Route::Messages)
    }
}

type Told = BTreeMap<SeriesKey, UsageSums>;

fn add_up(told: &mut Told, rows: Vec<SeriesRow>) {
    for row in rows {
        told.entry(row.key).or_default().merge(&row.sums);
    }
}

fn folded(rows: &[RequestRecord]) -> Told {
    let mut fold = UsageFold::default();
    rows.iter().for_each(|row| fold.add(row));
    let (mut told, rows) = (Told::new(), fold.take_series());
    let count = rows.len();
    add_up(&mut told, rows);
    assert_eq!(told.len(), count, "no key comes twice");
    assert!(!fold.has_series());
    told
}

/// Value and requests.
fn of(told: &Told, grain: Grain, of: SeriesOf) -> Vec<(u32, &str, u64)> {
    told.iter()
        .filter(|(key, _)| (key.grain, key.of) == (grain, of))
        .map(|(key, sums)| (key.point, &*key.value, sums.requests + sums.refused))
        .collect()
}

/// The same, row by row, dimension by dimension, as one would explain it.
fn reference(rows: &[RequestRecord]) -> Told {
    let mut told = Told::new();
    for row in rows.iter().filter(|row| row.key.is_some()) {
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or("").to_owned();
        let values = [
            (SeriesOf::All, String::new()),
            (SeriesOf::Owner, text(&row.owner)),
            (SeriesOf::Group, text(&row.group)),
            (SeriesOf::Key, row.key.unwrap().0.to_string()),
            (
                SeriesOf::Account,
                row.account.map(|id| id.0.to_string()).unwrap_or_default(),
            ),
            (SeriesOf::Model, text(&row.model)),
            (SeriesOf::Status, row.status.to_string()),
        ];
        for (of, value) in values {
            for (grain, length_ms) in [
                (Grain::Minute, MINUTE),
                (Grain::Hour, HOUR),
                (Grain::Day, DAY),
            ] {
                let key = SeriesKey {
                    grain,
                    of,
                    point: u32::try_from(row.at_ms / length_ms).unwrap(),
                    value: value.as_str().into(),
                };
                let sums = told.entry(key).or_default();
                sums.merge(&UsageSums::of(row));
            }
        }
    }
    told
}

#[test]
fn a_request_is_at_one_point_of_each_dimension() {
    let at_ms = 3 * DAY + 5 * HOUR + 7 * MINUTE + 59_999;
    let told = folded(&[request(at_ms)]);
    assert_eq!(told.len(), Grain::ALL.len() * SeriesOf::ALL.len());
    let key = KeyId::declared("k").0.to_string();
    let account = AccountId::declared("a").0.to_string();
    for (dimension, value) in [
        (SeriesOf::All, ""),
        (SeriesOf::Owner, "ann"),
        (SeriesOf::Group, "team"),
        (SeriesOf::Key, &key),
        (SeriesOf::Account, &account),
        (SeriesOf::Model, "m"),
        (SeriesOf::Status, "200"),
    ] {
        for (grain, point) in [
            (Grain::Minute, 3 * 1_440 + 5 * 60 + 7),
            (Grain::Hour, 3 * 24 + 5),
            (Grain::Day, 3),
        ] {
            assert_eq!(of(&told, grain, dimension), [(point, value, 1)]);
        }
    }
    let sums = told.first_key_value().unwrap().1;
    assert_eq!(sums.first_event.quantile_ms(500), Some(47), "of 50 ms");
}

#[test]
fn a_point_begins_on_its_first_millisecond() {
    let rows = [DAY - 1, DAY, DAY + HOUR - 1, DAY + HOUR, DAY - 1].map(request);
    let told = folded(&rows);
    let all = |grain| of(&told, grain, SeriesOf::All);
    assert_eq!(all(Grain::Day), [(0, "", 2), (1, "", 3)]);
    assert_eq!(all(Grain::Hour), [(23, "", 2), (24, "", 2), (25, "", 1)]);
    let minutes = [
        (1_439, "", 2),
        (1_440, "", 1),
        (1_499, "", 1),
        (1_500, "", 1),
    ];
    assert_eq!(all(Grain::Minute), minutes);
}

#[test]
fn what_is_no_status_and_no_model_is_other() {
    let odd = |status, model: &str, upstream_status| RequestRecord {
        status,
        model: Some(model.into()),
        upstream_status,
        ..request(0)
    };
    let told = folded(&[
        odd(0, "m", Some(200)),
        odd(65_535, "other", Some(200)),
        odd(404, "dreamt", Some(404)),
        odd(404, "dreamt of", None),
        RequestRecord {
            owner: None,
            account: None,
            ..request(0)
        },
    ]);
    let day = |dimension| of(&told, Grain::Day, dimension);
    let statuses = [(0, "200", 1), (0, "404", 2), (0, OTHER, 2)];
    assert_eq!(day(SeriesOf::Status), statuses);
    assert_eq!(day(SeriesOf::Model), [(0, "m", 2), (0, OTHER, 3)]);
    assert_eq!(day(SeriesOf::Owner), [(0, "", 1), (0, "ann", 4)]);
}

fn by_owner(at_ms: u64, n: usize) -> RequestRecord {
    RequestRecord {
        owner: Some(n.to_string().into()),
        ..request(at_ms)
    }
}

#[test]
fn a_day_tells_so_many_values_apart_and_the_next_one_anew() {
    let mut fold = UsageFold::default();
    let mut told = |at_ms, values: std::ops::Range<usize>| {
        values.for_each(|n| fold.add(&by_owner(at_ms, n)));
        let mut told = Told::new();
        add_up(&mut told, fold.take_series());
        let day = of(&told, Grain::Day, SeriesOf::Owner);
        let other = day.iter().find(|(_, value, _)| *value == OTHER);
        (day.len(), other.map_or(0, |(_, _, requests)| *requests))
    };
    assert_eq!(told(DAY, 0..MAX_VALUES + 3), (MAX_VALUES + 1, 3));
    // Taken or not, they are known; yesterday's late rows do not begin a day.
    assert_eq!(told(DAY - 1, 0..MAX_VALUES + 3), (MAX_VALUES + 1, 3));
    assert_eq!(told(2 * DAY, MAX_VALUES..MAX_VALUES + 3), (3, 0));
}

#[test]
fn what_is_held_is_bounded_however_long_the_store_is_away() {
    let mut fold = SeriesFold::default();
    for minute in 0..1_300 {
        for n in 0..30 {
            let row = by_owner(minute * MINUTE, n);
            fold.add(&row, None, &UsageSums::of(&row));
        }
    }
    assert!(fold.points <= 2 * MAX_HELD + 14, "{}", fold.points);
    let held: usize = fold.held.values().map(Vec::len).sum();
    assert_eq!(fold.points, held);
    let mut told = Told::new();
    add_up(&mut told, fold.take(&HashSet::new()));
    for grain in Grain::ALL {
        for dimension in SeriesOf::ALL {
            let requests: u64 = of(&told, grain, dimension).iter().map(|row| row.2).sum();
            assert_eq!(requests, 1_300 * 30, "{grain:?} {dimension:?}");
        }
    }
    assert_eq!(fold.points, 0);
}

fn some_request() -> impl Strategy<Value = RequestRecord> {
    let outcomes = vec![
        Outcome::Completed,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::Cancelled,
    ];
    // Around the edges of minutes, hours and days, in any order: clocks step back.
    let edges = vec![MINUTE, HOUR, 2 * HOUR, DAY, DAY + MINUTE, 2 * DAY, 40 * DAY];
    let at_ms = (prop::sample::select(edges), 0..3_u64).prop_map(|(edge, ms)| edge + ms - 1);
    let numbers = (any::<u32>(), 0..10_000_000_u64, 0..3_u64);
    let values = (0..4_u8, prop::option::of(0..3_u8), 0..3_u8);
    let status = prop::sample::select(vec![200, 400, 429, 529]);
    let outcome = prop::sample::select(outcomes);
    (at_ms, values, status, outcome, numbers).prop_map(
        |(at_ms, (key, owner, model), status, outcome, (cost, us, charged))| RequestRecord {
            key: (key > 0).then(|| KeyId::declared(&key.to_string())),
            owner: owner.map(|owner| owner.to_string().into()),
            account: owner.map(|owner| AccountId::declared(&owner.to_string())),
            group: None,
            model: Some(model.to_string().into()),
            status,
            outcome,
            cost_micro_usd: cost.into(),
            charged_micro_usd: (charged > 0).then_some(u64::from(cost) * charged),
            first_event_us: (us % 2 == 0).then_some(us / 2),
            duration_us: us,
            ..request(at_ms)
        },
    )
}

proptest! {
    #[test]
    fn series_are_the_sums_of_the_log_in_whatever_batches(
        rows in prop::collection::vec(some_request(), 0..60),
        size in 1..20_usize,
    ) {
        let mut fold = UsageFold::default();
        let mut batches = Vec::new();
        for batch in rows.chunks(size) {
            batch.iter().for_each(|row| fold.add(row));
            batches.push(fold.take_series());
        }
        let mut told = Told::new();
        batches.iter().for_each(|batch| add_up(&mut told, batch.clone()));
        let expected = reference(&rows);
        prop_assert_eq!(&told, &expected);
        let mut backwards = Told::new();
        batches.into_iter().rev().for_each(|batch| add_up(&mut backwards, batch));
        prop_assert_eq!(&backwards, &expected);
        // Each grain and each dimension has the sum of all.
        let mut all = UsageSums::default();
        let counted = rows.iter().filter(|row| row.key.is_some());
        counted.for_each(|row| all.merge(&UsageSums::of(row)));
        for grain in Grain::ALL {
            for dimension in SeriesOf::ALL {
                let mut sums = UsageSums::default();
                told.iter()
                    .filter(|(key, _)| (key.grain, key.of) == (grain, dimension))
                    .for_each(|(_, of)| sums.merge(of));
                prop_assert_eq!(&sums, &all);
            }
        }
    }
}
