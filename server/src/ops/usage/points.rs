//! Reads series of the store in bounded parts.
//!
//! Invariant: values of all kinds are asked for few points at a time, so that what is held does not grow with the range.

use std::collections::HashMap;
use std::sync::Arc;

use troupe_core::usage::{SeriesOf, SeriesQuery, SeriesRow, UsageFilter, UsageSums};

use super::super::{OpError, Operations};
use super::names::Names;
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
        names: &mut Names,
        days: Points,
    ) -> Result<Self, OpError> {
        let &[of] = &*dimensions(filter) else {
            return Ok(Self::everything());
        };
        let named = |name: Option<&Arc<str>>| name.cloned().unwrap_or_default();
        let text = match of {
            SeriesOf::Key => named(filter.key.as_ref().map(|key| &key.name)),
            SeriesOf::Account => named(filter.account.as_ref().map(|account| &account.name)),
            SeriesOf::Owner => named(filter.owner.as_ref()),
            SeriesOf::Group => named(filter.group.as_ref()),
            _ => named(filter.model.as_ref()),
        };
        let values = match of {
            SeriesOf::Key | SeriesOf::Account => names.values_named(ops, of, &text, days).await?,
            _ => vec![text],
        };
        Ok(Self { of, values })
    }
}

/// Which parts of a filter are set.
pub(super) fn dimensions(filter: &UsageFilter) -> Vec<SeriesOf> {
    let all = [
        (SeriesOf::Key, filter.key.is_some()),
        (SeriesOf::Account, filter.account.is_some()),
        (SeriesOf::Owner, filter.owner.is_some()),
        (SeriesOf::Group, filter.group.is_some()),
        (SeriesOf::Model, filter.model.is_some()),
    ];
    let set = all.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(of, _)| of).collect()
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

/// What was counted of a value.
#[derive(Debug)]
pub(super) struct Seen {
    pub sums: UsageSums,
    /// The days of its first and its last point.
    pub first_day: u32,
    pub last_day: u32,
}

impl Seen {
    pub(super) fn nothing_yet(day: u32) -> Self {
        Self {
            sums: UsageSums::default(),
            first_day: day,
            last_day: day,
        }
    }

    /// A point of the same value, later ones after earlier ones.
    pub(super) fn add(&mut self, day: u32, sums: &UsageSums) {
        self.sums.merge(sums);
        self.last_day = day;
    }
}

/// Sums of each value over all points.
pub(super) async fn by_value(
    ops: &Operations,
    points: Points,
    of: SeriesOf,
) -> Result<HashMap<Arc<str>, Seen>, OpError> {
    let mut seen: HashMap<Arc<str>, Seen> = HashMap::new();
    for (from, to) in parts(points, PART) {
        let query = SeriesQuery {
            grain: points.grain,
            of,
            from,
            to,
            values: None,
        };
        for row in ops.stores.usage.series(query).await? {
            let day = points.day(row.key.point);
            let of_value = seen.entry(row.key.value);
            let of_value = of_value.or_insert_with(|| Seen::nothing_yet(day));
            of_value.add(day, &row.sums);
        }
    }
    Ok(seen)
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
