//! Reads series of the store in bounded parts.
//!
//! Invariant: values of all kinds are asked for few points at a time, so that what is held does not grow with the range.

use std::collections::HashMap;
use std::sync::Arc;

use troupe_core::usage::{
    SeriesOf, SeriesQuery, SeriesRow, UsageBy, UsageFilter, UsageQuery, UsageSums,
};

use super::super::{OpError, Operations};
use super::times::Points;

/// Points of all values that are read at once.
const PART: u32 = 8;
/// Look-ups, points times values, that are read at once.
const LOOK_UPS: usize = 10_000;

/// One thing that a series is asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Only {
    pub of: SeriesOf,
    /// More than one, when several had the name.
    pub values: Vec<Arc<str>>,
}

impl Only {
    pub(super) fn everything() -> Self {
        Self {
            of: SeriesOf::All,
            values: vec!["".into()],
        }
    }

    /// What a filter narrows to, if that is one thing.
    pub(super) async fn of(
        ops: &Operations,
        filter: &UsageFilter,
        days: Points,
    ) -> Result<Self, OpError> {
        let mut all = Vec::new();
        let text = |value: &Option<Arc<str>>| value.clone().map(|value| vec![value]);
        if let Some(key) = &filter.key {
            let mut ids: Vec<_> = key.ids.iter().map(|id| id.0).collect();
            if ids.is_empty() {
                let rows = past(ops, UsageBy::Key, filter, days).await?;
                ids.extend(rows.iter().filter_map(|row| row.key.key.map(|id| id.0)));
            }
            let values = ids.iter().map(|id| id.to_string().into());
            all.push((SeriesOf::Key, values.collect()));
        }
        if let Some(account) = &filter.account {
            let mut ids: Vec<_> = account.ids.iter().map(|id| id.0).collect();
            if ids.is_empty() {
                let rows = past(ops, UsageBy::Account, filter, days).await?;
                ids.extend(rows.iter().filter_map(|row| row.key.account.map(|id| id.0)));
            }
            let values = ids.iter().map(|id| id.to_string().into());
            all.push((SeriesOf::Account, values.collect()));
        }
        all.extend(text(&filter.owner).map(|values| (SeriesOf::Owner, values)));
        all.extend(text(&filter.group).map(|values| (SeriesOf::Group, values)));
        all.extend(text(&filter.model).map(|values| (SeriesOf::Model, values)));
        if all.len() > 1 {
            return Err(OpError::invalid(
                "by hour and by minute only one of key, owner, group, account and model can be asked for; ask by day for several at once",
            ));
        }
        let found = all.pop().map(|(of, values)| Self { of, values });
        Ok(found.unwrap_or_else(Self::everything))
    }
}

/// What is gone from keys and accounts is known by the rows that it left.
async fn past(
    ops: &Operations,
    by: UsageBy,
    filter: &UsageFilter,
    days: Points,
) -> Result<Vec<troupe_core::usage::UsageRow>, OpError> {
    let query = UsageQuery {
        by,
        from_day: days.from,
        to_day: days.to,
        filter: UsageFilter {
            key: filter.key.clone().filter(|_| by == UsageBy::Key),
            account: filter.account.clone().filter(|_| by == UsageBy::Account),
            ..UsageFilter::default()
        },
    };
    Ok(ops.stores.usage.query(query).await?)
}

/// Rows of these values.
pub(super) async fn of_values(
    ops: &Operations,
    points: Points,
    only: &Only,
) -> Result<Vec<SeriesRow>, OpError> {
    let part = (LOOK_UPS / only.values.len().max(1)).max(1);
    let part = u32::try_from(part).unwrap_or(u32::MAX);
    let mut rows = Vec::new();
    for (from, to) in parts(points, part) {
        let query = SeriesQuery {
            grain: points.grain,
            of: only.of,
            from,
            to,
            values: Some(only.values.clone()),
        };
        rows.extend(ops.stores.usage.series(query).await?);
    }
    Ok(rows)
}

/// Sums of each value over all points.
pub(super) async fn by_value(
    ops: &Operations,
    points: Points,
    of: SeriesOf,
) -> Result<HashMap<Arc<str>, UsageSums>, OpError> {
    let mut sums: HashMap<Arc<str>, UsageSums> = HashMap::new();
    for (from, to) in parts(points, PART) {
        let query = SeriesQuery {
            grain: points.grain,
            of,
            from,
            to,
            values: None,
        };
        for row in ops.stores.usage.series(query).await? {
            sums.entry(row.key.value).or_default().merge(&row.sums);
        }
    }
    Ok(sums)
}

fn parts(points: Points, length: u32) -> impl Iterator<Item = (u32, u32)> {
    let starts = (points.from..=points.to).step_by(length.max(1) as usize);
    starts.map(move |from| (from, from.saturating_add(length - 1).min(points.to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use troupe_core::usage::Grain;

    #[test]
    fn parts_are_the_whole() {
        let points = |from, to| Points {
            grain: Grain::Day,
            from,
            to,
        };
        let told: Vec<_> = parts(points(3, 20), 8).collect();
        assert_eq!(told, [(3, 10), (11, 18), (19, 20)]);
        let last = u32::MAX;
        let told: Vec<_> = parts(points(last - 8, last), 8).collect();
        assert_eq!(told, [(last - 8, last - 1), (last, last)]);
    }
}
