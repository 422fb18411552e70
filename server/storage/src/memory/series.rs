//! Series of usage in memory.
//!
//! Invariant: bounded; when there are too many rows the oldest point of the finest grain goes, of everything at once, so
//! that what is left of a point is all of it.

use troupe_core::usage::{Grain, SeriesKey, SeriesOf, SeriesQuery, SeriesRow};

use super::{SERIES_ROWS, State};

impl State {
    pub(super) fn add_series(&mut self, rows: &[SeriesRow]) {
        for row in rows {
            let stands = self.series.entry(row.key.clone()).or_default();
            stands.merge(&row.sums);
        }
        while self.series.len() > SERIES_ROWS
            && let Some((grain, oldest)) = self.oldest_point()
        {
            self.prune_series(grain, oldest.saturating_add(1));
        }
    }

    fn oldest_point(&self) -> Option<(Grain, u32)> {
        let grain = self.series.first_key_value()?.0.grain;
        let first = |of| {
            let found = self.series.range(start(grain, of, 0)..).next();
            let found = found.filter(|(key, _)| (key.grain, key.of) == (grain, of));
            found.map(|(key, _)| key.point)
        };
        Some((grain, SeriesOf::ALL.into_iter().filter_map(first).min()?))
    }

    pub(super) fn series(&self, query: &SeriesQuery) -> Vec<SeriesRow> {
        let asked = self
            .series
            .range(start(query.grain, query.of, query.from)..);
        let asked = asked.take_while(|(key, _)| {
            (key.grain, key.of) == (query.grain, query.of) && key.point <= query.to
        });
        let wanted = |key: &SeriesKey| {
            let values = query.values.as_ref();
            values.is_none_or(|values| values.contains(&key.value))
        };
        asked
            .filter(|(key, _)| wanted(key))
            .map(|(key, sums)| SeriesRow {
                key: key.clone(),
                sums: sums.clone(),
            })
            .collect()
    }

    pub(super) fn prune_series(&mut self, grain: Grain, before: u32) -> usize {
        let held = self.series.len();
        for of in SeriesOf::ALL {
            let old = start(grain, of, 0)..start(grain, of, before);
            self.series.extract_if(old, |_, _| true).for_each(drop);
        }
        held - self.series.len()
    }
}

/// Before every row of this point.
fn start(grain: Grain, of: SeriesOf, point: u32) -> SeriesKey {
    SeriesKey {
        grain,
        of,
        point,
        value: "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use troupe_core::usage::UsageSums;

    fn row(grain: Grain, of: SeriesOf, point: usize) -> SeriesRow {
        let sums = UsageSums {
            requests: 1,
            ..UsageSums::default()
        };
        let point = u32::try_from(point).unwrap();
        SeriesRow {
            key: start(grain, of, point),
            sums,
        }
    }

    #[test]
    fn the_oldest_minutes_go_first() {
        let mut state = State::default();
        let day = [row(Grain::Day, SeriesOf::All, 0)];
        state.add_series(&day);
        let keys: Vec<_> = (0..SERIES_ROWS)
            .map(|n| row(Grain::Minute, SeriesOf::All, n + 1))
            .collect();
        state.add_series(&keys);
        let owner = [row(Grain::Minute, SeriesOf::Owner, 0)];
        state.add_series(&owner);
        assert_eq!(state.series.len(), SERIES_ROWS);
        let first = state.series.first_key_value().unwrap().0;
        assert_eq!((first.grain, first.point), (Grain::Minute, 2));
        assert_eq!(state.series.last_key_value().unwrap().0, &day[0].key);
    }
}
