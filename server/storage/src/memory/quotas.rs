//! What limits have charged, in memory. Invariant: a row's key is its limit and the start of its window.

use troupe_core::LimitId;
use troupe_core::port::{PortFuture, QuotaRow, QuotaStore};

use super::Memory;
use crate::rules::window_ended;

impl QuotaStore for Memory {
    fn load(&self, limits: Vec<LimitId>, now_ms: u64) -> PortFuture<'_, Vec<QuotaRow>> {
        Box::pin(async move {
            Ok(self.with(|state| {
                let windows = |limit| state.quotas.range((limit, 0)..=(limit, u64::MAX));
                let rows = limits.into_iter().flat_map(windows).map(|(_, row)| *row);
                rows.filter(|row| !window_ended(row, now_ms)).collect()
            }))
        })
    }

    fn save(&self, rows: Vec<QuotaRow>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            let rows = rows.into_iter().map(|row| ((row.limit, row.start_ms), row));
            self.with(|state| state.quotas.extend(rows));
            Ok(())
        })
    }

    fn prune(&self, now_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move {
            Ok(self.with(|state| {
                let before = state.quotas.len();
                state.quotas.retain(|_, row| !window_ended(row, now_ms));
                before - state.quotas.len()
            }))
        })
    }
}
