//! The contract of `UsageStore`.

use std::ops::Range;

use troupe_core::port::Stores;
use troupe_core::record::TokenUsage;
use troupe_core::usage::{
    MAX_ROWS_A_DAY, Named, OTHER, UsageBatch, UsageBy, UsageFilter, UsageKey, UsageQuery, UsageRow,
    UsageSums,
};
use troupe_core::{AccountId, KeyId};

/// A row of which every part is set.
pub(crate) fn row(day: u32, key: &str, account: &str) -> UsageRow {
    let mut sums = UsageSums {
        requests: 2,
        errors: 1,
        refused: 3,
        tokens: TokenUsage {
            input: 1,
            output: 2,
            cache_read: 3,
            cache_write_5m: 4,
            cache_write_1h: 5,
            web_searches: 10,
        },
        cost_micro_usd: 6,
        charged_micro_usd: Some(11),
        duration_ms: 7,
        first_event_ms: 8,
        first_events: 9,
        ..UsageSums::default()
    };
    sums.latency.add(100);
    sums.first_event.add(20);
    UsageRow {
        key: UsageKey {
            day,
            key: Some(KeyId::declared(key)),
            owner: Some("ann".into()),
            group: Some(format!("group of {key}").into()),
            account: Some(AccountId::declared(account)),
            model: Some("claude".into()),
        },
        key_name: Some(key.into()),
        account_name: Some(account.into()),
        sums,
    }
}

/// A batch of that many keys.
pub(crate) fn batch_of(day: u32, keys: Range<usize>) -> UsageBatch {
    UsageBatch {
        number: u64::from(day) << 32 | keys.start as u64,
        rows: keys.map(|n| row(day, &n.to_string(), "a")).collect(),
        series: Vec::new(),
    }
}

async fn add(stores: &Stores, number: u64, rows: Vec<UsageRow>) {
    let batch = UsageBatch {
        number,
        rows,
        series: Vec::new(),
    };
    stores.usage.add(batch).await.unwrap();
}

fn query(by: UsageBy, days: (u32, u32), filter: UsageFilter) -> UsageQuery {
    UsageQuery {
        by,
        from_day: days.0,
        to_day: days.1,
        filter,
    }
}

async fn requests(stores: &Stores, asked: UsageQuery) -> Vec<u64> {
    let found = stores.usage.query(asked).await.unwrap();
    found.iter().map(|row| row.sums.requests).collect()
}

const EVER: (u32, u32) = (0, u32::MAX);

pub(super) async fn usage_is_added_up(stores: &Stores) {
    let ever = |by| query(by, EVER, UsageFilter::default());
    assert_eq!(stores.usage.query(ever(UsageBy::Key)).await.unwrap(), []);
    let (one, mut twice) = (row(5, "k", "a"), row(5, "k", "a"));
    twice.merge(&one);
    add(stores, 1, vec![one.clone(), one.clone()]).await;
    let day = stores.usage.query(ever(UsageBy::Day)).await.unwrap();
    assert_eq!((day[0].key.day, &day[0].sums), (5, &twice.sums));
    let mut renamed = one.clone();
    renamed.key_name = Some("new name".into());
    add(stores, 2, vec![renamed]).await;
    twice.merge(&one);
    let told = stores.usage.query(ever(UsageBy::Key)).await.unwrap();
    let of_key = UsageKey {
        key: one.key.key,
        ..UsageKey::default()
    };
    assert_eq!((&told[0].key, &told[0].sums), (&of_key, &twice.sums));
    assert_eq!(told[0].key_name.as_deref(), Some("new name"));
    assert_eq!(told.len(), 1);
}

/// Whoever does not know whether a batch was written tells it again.
pub(super) async fn a_batch_is_counted_once(stores: &Stores) {
    let ever = || query(UsageBy::Day, EVER, UsageFilter::default());
    for number in [7, 7, 8, 8, 8, 7] {
        add(stores, number, vec![row(1, "k", "a")]).await;
    }
    assert_eq!(requests(stores, ever()).await, [6]);
}

pub(super) async fn usage_is_asked_for_by_each_dimension(stores: &Stores) {
    let mut rows = vec![
        row(1, "k", "a"),
        row(2, "k", "b"),
        row(u32::MAX, "l", "b"),
        row(3, "l", ""),
    ];
    rows[1].key.owner = None;
    rows[2].key.model = None;
    rows[3].key.model = Some("".into());
    add(stores, 1, rows).await;
    let all = UsageFilter::default;
    for (by, counts) in [
        (UsageBy::Key, &[4, 4][..]),
        (UsageBy::Owner, &[2, 6]),
        (UsageBy::Group, &[4, 4]),
        (UsageBy::Account, &[2, 4, 2]),
        (UsageBy::Model, &[2, 2, 4]),
        (UsageBy::Day, &[2, 2, 2, 2]),
    ] {
        let mut found = requests(stores, query(by, EVER, all())).await;
        let mut counts = counts.to_vec();
        found.sort_unstable();
        counts.sort_unstable();
        assert_eq!(found, counts, "{by}");
    }
    for (days, count) in [
        ((1, 2), 2),
        ((2, 2), 1),
        ((4, u32::MAX), 1),
        ((u32::MAX, u32::MAX), 1),
        ((4, 3), 0),
    ] {
        let found = requests(stores, query(UsageBy::Day, days, all())).await;
        assert_eq!(found.len(), count, "{days:?}");
    }
}

pub(super) async fn only_usage_that_matches_is_told(stores: &Stores) {
    let mut rows = vec![row(1, "k", "a"), row(1, "l", "b"), row(2, "k", "b")];
    rows[2].key.owner = None;
    add(stores, 1, rows).await;
    let key = |name: &str, ids: Vec<KeyId>| UsageFilter {
        key: Some(Named {
            name: name.into(),
            ids,
        }),
        ..UsageFilter::default()
    };
    let account = |name: &str, id: &str| UsageFilter {
        account: Some(Named {
            name: name.into(),
            ids: vec![AccountId::declared(id)],
        }),
        ..UsageFilter::default()
    };
    let owner = UsageFilter {
        owner: Some("ann".into()),
        ..key("k", Vec::new())
    };
    let group = UsageFilter {
        group: Some("group of l".into()),
        ..UsageFilter::default()
    };
    let model = UsageFilter {
        model: Some("claude".into()),
        ..UsageFilter::default()
    };
    for (filter, count) in [
        (key("k", Vec::new()), 2),
        (key("other", vec![KeyId::declared("l")]), 1),
        (key("other", Vec::new()), 0),
        (account("b", "b"), 2),
        (account("", "a"), 1),
        (owner, 1),
        (group, 1),
        (model, 3),
    ] {
        let asked = query(UsageBy::Model, EVER, filter.clone());
        let found: u64 = requests(stores, asked).await.iter().sum();
        assert_eq!(found, 2 * count, "{filter:?}");
    }
}

pub(super) async fn a_day_of_usage_is_bounded_and_loses_nothing(stores: &Stores) {
    // Over several batches: what is there already counts.
    let last = MAX_ROWS_A_DAY + 500;
    for start in (0..last).step_by(last / 3) {
        let keys = start..last.min(start + last / 3);
        stores.usage.add(batch_of(9, keys)).await.unwrap();
    }
    stores.usage.add(batch_of(10, 0..1)).await.unwrap();
    let by = |by, day| query(by, (day, day), UsageFilter::default());
    let sum = requests(stores, by(UsageBy::Day, 9)).await;
    assert_eq!(sum, [2 * last as u64]);
    let keys = requests(stores, by(UsageBy::Key, 9)).await;
    assert_eq!(keys.len(), MAX_ROWS_A_DAY);
    let models = stores.usage.query(by(UsageBy::Model, 9)).await.unwrap();
    let names: Vec<_> = models.iter().map(|row| row.key.model.as_deref()).collect();
    assert_eq!(names, [Some("claude"), Some(OTHER)]);
    // A row that is there grows further, and another day has room of its own.
    stores.usage.add(batch_of(9, 1..2)).await.unwrap();
    let models = requests(stores, by(UsageBy::Model, 9)).await;
    assert_eq!(models.iter().sum::<u64>(), 2 * (last as u64 + 1));
    let next = requests(stores, by(UsageBy::Key, 10)).await;
    assert_eq!(next, [2]);
    assert_eq!(stores.usage.prune(10).await.unwrap(), MAX_ROWS_A_DAY);
    stores.usage.add(batch_of(9, 2..3)).await.unwrap();
    let anew = requests(stores, by(UsageBy::Account, 9)).await;
    assert_eq!(anew, [2]);
}

pub(super) async fn old_usage_goes(stores: &Stores) {
    let rows = [3, 4, 4, 5].map(|day| row(day, "k", "a"));
    add(stores, 1, rows.to_vec()).await;
    add(stores, 2, vec![row(3, "l", "a")]).await;
    let days = || stores.usage.days();
    assert_eq!(days().await.unwrap(), [3, 4, 5]);
    assert_eq!(stores.usage.prune(3).await.unwrap(), 0);
    assert_eq!(stores.usage.prune(4).await.unwrap(), 2);
    assert_eq!(stores.usage.prune(4).await.unwrap(), 0);
    let left = requests(stores, query(UsageBy::Day, EVER, UsageFilter::default())).await;
    assert_eq!(left, [4, 2]);
    assert_eq!(days().await.unwrap(), [4, 5]);
    assert_eq!(stores.usage.prune(u32::MAX).await.unwrap(), 2);
    assert_eq!(days().await.unwrap(), [0_u32; 0]);
    add(stores, 3, vec![row(u32::MAX, "k", "a")]).await;
    assert_eq!(days().await.unwrap(), [u32::MAX]);
}
