//! Usage in memory. Invariant: bounded, when there are too many rows the oldest day goes; `usage_days` counts the rows.

use troupe_core::port::{PortFuture, UsageStore};
use troupe_core::usage::{
    Grain, SeriesQuery, SeriesRow, UsageBatch, UsageGroups, UsageKey, UsageQuery, UsageRow,
};

use super::{Memory, State, USAGE_ROWS};

impl State {
    fn add_usage(&mut self, row: &UsageRow) {
        let held = self.usage_days.entry(row.key.day).or_default();
        let places = row.key.places().into_iter();
        let mut free = places.filter(|(key, room)| self.usage.contains_key(key) || *held < *room);
        let Some((key, _)) = free.next() else {
            return;
        };
        let stands = self.usage.entry(key).or_insert_with_key(|key| {
            *held += 1;
            UsageRow::empty(key.clone())
        });
        stands.merge(row);
        if self.usage.len() > USAGE_ROWS
            && let Some(oldest) = self.usage_days.keys().next()
        {
            self.prune_usage(oldest.saturating_add(1));
        }
    }

    fn prune_usage(&mut self, before_day: u32) -> usize {
        let first_kept = UsageKey {
            day: before_day,
            ..UsageKey::default()
        };
        self.usage_days = self.usage_days.split_off(&before_day);
        let kept = self.usage.split_off(&first_kept);
        std::mem::replace(&mut self.usage, kept).len()
    }
}

impl UsageStore for Memory {
    fn add(&self, batch: UsageBatch) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| {
                if state.usage_batch.replace(batch.number) != Some(batch.number) {
                    batch.rows.iter().for_each(|row| state.add_usage(row));
                    state.add_series(&batch.series);
                }
            });
            Ok(())
        })
    }

    fn query(&self, query: UsageQuery) -> PortFuture<'_, Vec<UsageRow>> {
        Box::pin(async move {
            let mut groups = UsageGroups::new(&query);
            self.with(|state| state.usage.values().for_each(|row| groups.add(row)));
            Ok(groups.finish())
        })
    }

    fn prune(&self, before_day: u32) -> PortFuture<'_, usize> {
        Box::pin(async move { Ok(self.with(|state| state.prune_usage(before_day))) })
    }

    fn series(&self, query: SeriesQuery) -> PortFuture<'_, Vec<SeriesRow>> {
        Box::pin(async move { Ok(self.with(|state| state.series(&query))) })
    }

    fn prune_series(&self, grain: Grain, before: u32) -> PortFuture<'_, usize> {
        Box::pin(async move { Ok(self.with(|state| state.prune_series(grain, before))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::usage::batch_of;

    #[tokio::test]
    async fn the_oldest_day_goes_first() {
        let memory = Memory::default();
        let a_day = 5_000;
        let days = u32::try_from(USAGE_ROWS / a_day).unwrap();
        for day in 1..=days {
            let rows = batch_of(day, 0..a_day);
            memory.add(rows).await.unwrap();
        }
        assert_eq!(memory.with(|state| state.usage.len()), USAGE_ROWS);
        memory.add(batch_of(days + 1, 0..1)).await.unwrap();
        let first = memory.with(|state| state.usage.first_key_value().map(|(key, _)| key.day));
        assert_eq!(first, Some(2));
    }
}
