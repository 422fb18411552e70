//! Do series tell everything that rows of usage tell?
//!
//! A store may have days of usage of before there were series, or of while an older program wrote.
//!
//! Invariant: a day is answered from series only if they were kept on it and on its neighbours: on a day next to one
//! without them they may have begun, or ended, in the middle.

use std::collections::HashSet;

use troupe_core::usage::{Grain, SeriesOf, SeriesQuery};

use super::super::{OpError, Operations};
use super::times::Points;

/// The part of these days that has usage, if series tell all of it.
pub(super) async fn days(ops: &Operations, asked: Points) -> Result<Option<Points>, OpError> {
    let used = ops.stores.usage.days().await?;
    let (Some(first), Some(last)) = (used.first(), used.last()) else {
        return Ok(Some(narrowed(&used, asked)));
    };
    let query = SeriesQuery {
        grain: Grain::Day,
        of: SeriesOf::All,
        from: *first,
        to: *last,
        values: Some(vec!["".into()]),
    };
    let rows = ops.stores.usage.series(query).await?;
    let counted: HashSet<u32> = rows.iter().map(|row| row.key.point).collect();
    Ok(are_whole(&used, &counted, asked).then(|| narrowed(&used, asked)))
}

fn are_whole(used: &[u32], counted: &HashSet<u32>, asked: Points) -> bool {
    let first = used.partition_point(|day| *day < asked.from);
    let end = used.partition_point(|day| *day <= asked.to);
    if first == end {
        return true;
    }
    let around = used.get(first.saturating_sub(1)..used.len().min(end + 1));
    around.is_some_and(|days| days.iter().all(|day| counted.contains(day)))
}

/// From the first to the last day with usage; any day without, when there is none.
fn narrowed(used: &[u32], asked: Points) -> Points {
    let within = |day: &&u32| (asked.from..=asked.to).contains(day);
    let to = used.iter().rfind(within).copied().unwrap_or(asked.to);
    let from = used.iter().find(within).copied().unwrap_or(to);
    Points { from, to, ..asked }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_next_to_some_without_series_are_not_trusted() {
        let used = [10, 11, 12, 13, 20, 21];
        for (counted, asked, told) in [
            (&[10, 11, 12, 13, 20, 21][..], (0, 99), true),
            (&[], (0, 9), true),
            (&[], (14, 19), true),
            (&[], (10, 10), false),
            // They began on the 12th.
            (&[12, 13, 20, 21], (0, 99), false),
            (&[12, 13, 20, 21], (12, 99), false),
            (&[12, 13, 20, 21], (13, 99), true),
            // An older program ran on the 13th.
            (&[10, 11, 12, 20, 21], (12, 12), false),
            (&[10, 11, 12, 20, 21], (14, 20), false),
            (&[10, 11, 12, 20, 21], (10, 11), true),
            (&[10, 11, 12, 20, 21], (21, 21), true),
        ] {
            let days = Points {
                grain: Grain::Day,
                from: asked.0,
                to: asked.1,
            };
            let counted = counted.iter().copied().collect();
            assert_eq!(
                are_whole(&used, &counted, days),
                told,
                "{counted:?} {asked:?}"
            );
        }
    }

    #[test]
    fn days_without_usage_are_not_asked_for() {
        let used = [10, 11, 20];
        for (asked, told) in [
            ((0, 99), (10, 20)),
            ((11, 19), (11, 11)),
            ((12, 19), (19, 19)),
            ((21, 30), (30, 30)),
        ] {
            let points = |(from, to)| Points {
                grain: Grain::Day,
                from,
                to,
            };
            assert_eq!(narrowed(&used, points(asked)), points(told), "{asked:?}");
        }
    }
}
