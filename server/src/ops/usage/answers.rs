//! What a report sums up: rows of usage, or series that tell the same and are far fewer.
//!
//! A question of one dimension, or of one by day, is answered from day series: as many rows as there are values times days.
//! Only what crosses two is read from rows of usage.
//!
//! Invariant: both ways lead to the same sums and the same names.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use troupe_core::usage::{Grain, SeriesOf, UsageBy, UsageFilter, UsageQuery, UsageRow, UsageSums};

use super::super::{OpError, Operations};
use super::by::Source;
use super::line::{UsageFigures, UsageLine};
use super::names::Names;
use super::points::{self, Only, Seen};
use super::times::{self, Points};
use super::whole;

/// Points that one report looks at.
const POINTS_MAX: usize = 10_000;

/// The rows, and the sums of all of them.
pub(super) type Lines = (Vec<UsageLine>, UsageSums);

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub range: Points,
    pub filter: &'a UsageFilter,
}

impl Asked<'_> {
    pub(super) async fn answer(
        self,
        ops: &Operations,
        names: Names,
        source: Source,
    ) -> Result<Lines, OpError> {
        match source {
            Source::Statuses => self.of_statuses(ops).await,
            Source::Points(_) => self.of_points(ops, names).await,
            Source::Rows(by) => {
                if let Some(of) = self.one_dimension(by)
                    && let Some(range) = whole::days(ops, self.range).await?
                {
                    return Self { range, ..self }.of_series(ops, names, by, of).await;
                }
                self.of_rows(ops, &names, by).await
            }
        }
    }

    /// The series that tell all that is asked for, if they do.
    fn one_dimension(self, by: UsageBy) -> Option<SeriesOf> {
        let of = match by {
            UsageBy::Owner => Some(SeriesOf::Owner),
            UsageBy::Group => Some(SeriesOf::Group),
            UsageBy::Key => Some(SeriesOf::Key),
            UsageBy::Account => Some(SeriesOf::Account),
            UsageBy::Model => Some(SeriesOf::Model),
            UsageBy::Day => None,
        };
        match (of, &*points::dimensions(self.filter)) {
            (of, []) => Some(of.unwrap_or(SeriesOf::All)),
            (None, [only]) => Some(*only),
            (Some(of), [only]) => (of == *only).then_some(of),
            _ => None,
        }
    }

    /// Days of everything or of one thing, or each value of the dimension.
    async fn of_series(
        self,
        ops: &Operations,
        mut names: Names,
        by: UsageBy,
        of: SeriesOf,
    ) -> Result<Lines, OpError> {
        if by == UsageBy::Day {
            return self.of_points(ops, names).await;
        }
        let seen = if *self.filter == UsageFilter::default() {
            points::by_value(ops, self.range, of).await?
        } else {
            let only = Only::of(ops, self.filter, &mut names, self.range).await?;
            let mut seen: HashMap<Arc<str>, Seen> = HashMap::new();
            for row in points::of_values(ops, self.range, &only).await? {
                let day = row.key.point;
                let of_value = seen.entry(row.key.value);
                let of_value = of_value.or_insert_with(|| Seen::nothing_yet(day));
                of_value.add(day, &row.sums);
            }
            seen
        };
        names.recall(ops, of, &seen).await?;
        let mut total = UsageSums::default();
        seen.values().for_each(|seen| total.merge(&seen.sums));
        let rows = seen.iter().map(|(value, seen)| UsageLine {
            figures: UsageFigures::from(&seen.sums),
            ..names.value(of, value)
        });
        Ok((rows.collect(), total))
    }

    async fn of_rows(self, ops: &Operations, names: &Names, by: UsageBy) -> Result<Lines, OpError> {
        let query = UsageQuery {
            by,
            from_day: self.range.from,
            to_day: self.range.to,
            filter: self.filter.clone(),
        };
        let found = ops.stores.usage.query(query).await?;
        let mut total = UsageSums::default();
        found.iter().for_each(|row| total.merge(&row.sums));
        let rows = found.iter().map(|row| line(by, row, names)).collect();
        Ok((rows, total))
    }

    async fn of_statuses(self, ops: &Operations) -> Result<Lines, OpError> {
        if *self.filter != UsageFilter::default() {
            return Err(OpError::invalid(
                "statuses are counted of everything together; leave out key, owner, group, account and model, or ask `troupe request list --status`",
            ));
        }
        let found = points::by_value(ops, self.range, SeriesOf::Status).await?;
        let mut total = UsageSums::default();
        found.values().for_each(|seen| total.merge(&seen.sums));
        let rows = found.iter().map(|(status, seen)| UsageLine {
            name: Some(status.as_ref().to_owned()),
            figures: UsageFigures::from(&seen.sums),
            ..UsageLine::default()
        });
        Ok((rows.collect(), total))
    }

    async fn of_points(self, ops: &Operations, mut names: Names) -> Result<Lines, OpError> {
        let range = self.range;
        if range.grain != Grain::Day && range.count() > POINTS_MAX {
            return Err(OpError::invalid(
                "these are too many points; minutes are kept for two days and hours for sixty: ask for less, or by day",
            ));
        }
        if points::dimensions(self.filter).len() > 1 {
            return Err(OpError::invalid(
                "by hour and by minute only one of key, owner, group, account and model can be asked for; ask by day for several at once",
            ));
        }
        let only = Only::of(ops, self.filter, &mut names, range.within(Grain::Day)).await?;
        let (mut sums, mut total) = (BTreeMap::<u32, UsageSums>::new(), UsageSums::default());
        for row in points::of_values(ops, range, &only).await? {
            total.merge(&row.sums);
            sums.entry(row.key.point).or_default().merge(&row.sums);
        }
        let rows = sums.iter().map(|(point, sums)| UsageLine {
            name: Some(times::written(range.grain, *point)),
            figures: UsageFigures::from(sums),
            ..UsageLine::default()
        });
        Ok((rows.collect(), total))
    }
}

fn line(by: UsageBy, row: &UsageRow, names: &Names) -> UsageLine {
    let key = &row.key;
    let named = |name: Option<String>| UsageLine {
        name,
        ..UsageLine::default()
    };
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    let mut line = match by {
        UsageBy::Key => key.key.map(|id| names.key(id, row)).unwrap_or_default(),
        UsageBy::Account => key
            .account
            .map(|id| names.account(id, row))
            .unwrap_or_default(),
        UsageBy::Owner => named(text(&key.owner)),
        UsageBy::Group => named(text(&key.group)),
        UsageBy::Model => named(text(&key.model)),
        UsageBy::Day => named(Some(times::written(Grain::Day, key.day))),
    };
    line.figures = UsageFigures::from(&row.sums);
    line
}

#[cfg(test)]
mod tests;
