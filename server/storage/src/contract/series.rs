//! The contract of series of usage.

use std::sync::Arc;

use troupe_core::port::Stores;
use troupe_core::usage::{
    Grain, SeriesKey, SeriesOf, SeriesQuery, SeriesRow, UsageBatch, UsageSums,
};

use super::usage;

fn key(grain: Grain, of: SeriesOf, point: u32, value: &str) -> SeriesKey {
    SeriesKey {
        grain,
        of,
        point,
        value: value.into(),
    }
}

fn sums() -> UsageSums {
    usage::row(0, "k", "a").sums
}

async fn add(stores: &Stores, number: u64, keys: &[SeriesKey]) {
    let series = keys.iter().map(|key| SeriesRow {
        key: key.clone(),
        sums: sums(),
    });
    let batch = UsageBatch {
        number,
        rows: Vec::new(),
        series: series.collect(),
    };
    stores.usage.add(batch).await.unwrap();
}

fn query(grain: Grain, of: SeriesOf, (from, to): (u32, u32)) -> SeriesQuery {
    SeriesQuery {
        grain,
        of,
        from,
        to,
        values: None,
    }
}

const EVER: (u32, u32) = (0, u32::MAX);

/// Points and values.
async fn found(stores: &Stores, query: SeriesQuery) -> Vec<(u32, Arc<str>)> {
    let rows = stores.usage.series(query.clone()).await.unwrap();
    assert!(rows.is_sorted_by_key(|row| row.key.clone()), "{query:?}");
    let told = |row: &SeriesRow| (row.key.grain, row.key.of) == (query.grain, query.of);
    assert!(rows.iter().all(told), "{query:?}");
    rows.into_iter()
        .map(|row| (row.key.point, row.key.value))
        .collect()
}

pub(super) async fn series_are_added_up(stores: &Stores) {
    for grain in Grain::ALL {
        for of in SeriesOf::ALL {
            assert_eq!(found(stores, query(grain, of, EVER)).await, []);
        }
    }
    let mut keys = Vec::new();
    for grain in Grain::ALL {
        for of in SeriesOf::ALL {
            keys.extend([
                key(grain, of, 7, ""),
                key(grain, of, 7, "ü/ \u{1f3ad}"),
                key(grain, of, u32::MAX, "x"),
                key(grain, of, 0, "x"),
            ]);
        }
    }
    add(stores, 1, &keys).await;
    // Twice in one batch, and in another.
    add(stores, 2, &[keys[0].clone(), keys[0].clone()]).await;
    let mut thrice = sums();
    thrice.merge(&sums());
    thrice.merge(&sums());
    for grain in Grain::ALL {
        for of in SeriesOf::ALL {
            let rows = stores.usage.series(query(grain, of, EVER)).await.unwrap();
            let told: Vec<_> = rows
                .iter()
                .map(|row| (row.key.point, &*row.key.value))
                .collect();
            let expected = [(0, "x"), (7, ""), (7, "ü/ \u{1f3ad}"), (u32::MAX, "x")];
            assert_eq!(told, expected, "{grain:?} {of:?}");
            let is_first = (grain, of) == (keys[0].grain, keys[0].of);
            let expected = if is_first { &thrice } else { &sums() };
            assert_eq!(&rows[1].sums, expected, "{grain:?} {of:?}");
            assert_eq!(rows[2].sums, sums());
        }
    }
}

pub(super) async fn a_batch_of_series_is_counted_once(stores: &Stores) {
    let point = key(Grain::Minute, SeriesOf::All, 9, "");
    for number in [7, 7, 8, 8, 8, 7] {
        add(stores, number, std::slice::from_ref(&point)).await;
    }
    let asked = query(Grain::Minute, SeriesOf::All, EVER);
    let rows = stores.usage.series(asked).await.unwrap();
    assert_eq!(rows[0].sums.requests, 3 * sums().requests);
    assert_eq!(rows.len(), 1);
}

pub(super) async fn only_points_and_values_asked_for_are_told(stores: &Stores) {
    let mut keys = Vec::new();
    for point in 10..20 {
        for value in ["", "a", "ab", "b"] {
            keys.push(key(Grain::Hour, SeriesOf::Model, point, value));
        }
    }
    add(stores, 1, &keys).await;
    for (points, values, count) in [
        (EVER, None, 40),
        ((10, 19), None, 40),
        ((12, 13), None, 8),
        ((0, 9), None, 0),
        ((20, u32::MAX), None, 0),
        ((13, 12), None, 0),
        ((10, 19), Some(&["a"][..]), 10),
        // So many points that a store reads them another way.
        (EVER, Some(&["a"]), 10),
        ((12, 13), Some(&["b", "", "b"]), 4),
        (EVER, Some(&["b", "", "b"]), 20),
        (EVER, Some(&["c"]), 0),
        ((12, 13), Some(&[]), 0),
        (EVER, Some(&[]), 0),
    ] {
        let values = values.map(|values| values.iter().map(|&value| value.into()).collect());
        let asked = SeriesQuery {
            values,
            ..query(Grain::Hour, SeriesOf::Model, points)
        };
        let told = found(stores, asked.clone()).await;
        assert_eq!(told.len(), count, "{asked:?}");
    }
}

pub(super) async fn old_points_go_by_grain(stores: &Stores) {
    let mut keys = Vec::new();
    for grain in Grain::ALL {
        for of in SeriesOf::ALL {
            keys.extend([3, 4, 5].map(|point| key(grain, of, point, "v")));
        }
    }
    add(stores, 1, &keys).await;
    let pruned = |grain, before| stores.usage.prune_series(grain, before);
    assert_eq!(pruned(Grain::Hour, 3).await.unwrap(), 0);
    assert_eq!(pruned(Grain::Hour, 5).await.unwrap(), 14);
    assert_eq!(pruned(Grain::Hour, 5).await.unwrap(), 0);
    assert_eq!(pruned(Grain::Minute, u32::MAX).await.unwrap(), 21);
    stores.usage.prune(u32::MAX).await.unwrap();
    for of in SeriesOf::ALL {
        for (grain, points) in [
            (Grain::Minute, &[][..]),
            (Grain::Hour, &[5]),
            (Grain::Day, &[3, 4, 5]),
        ] {
            let told = found(stores, query(grain, of, EVER)).await;
            let told: Vec<_> = told.iter().map(|(point, _)| *point).collect();
            assert_eq!(told, points, "{grain:?} {of:?}");
        }
    }
}
