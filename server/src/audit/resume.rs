//! What the store knows of a chain's end.
//!
//! Invariant: reads no more than a bounded number of lines; of what cannot be found out it says so.

use std::sync::Arc;

use troupe_core::audit::{AuditAnchor, AuditFilter, AuditRow, AuditSearch};
use troupe_core::port::{AuditStore, StoreError};
use troupe_storage::audit::Line;

/// Lines of one question.
const PAGE: usize = 200;
/// Lines are found by their time, and those of changes have the time of the change: the last one is among the newest.
const PAGES: usize = 10;

/// The store's last line, and the last event that the chain told of up to there, as far as the store's copy says it.
///
/// # Errors
/// The store does not answer.
pub(super) async fn known(
    store: &Arc<dyn AuditStore>,
    node: &Arc<str>,
) -> Result<Option<(AuditAnchor, Option<u64>)>, StoreError> {
    let Some(anchor) = store.anchor(Arc::clone(node)).await? else {
        return Ok(None);
    };
    let mut newest: Option<Line> = None;
    let mut before = None;
    for _ in 0..PAGES {
        let search = AuditSearch {
            filter: AuditFilter::default(),
            limit: PAGE,
            before,
        };
        let rows = store.search(search).await?;
        for row in rows.iter().filter(|row| row.node == *node) {
            let known = newest.as_ref().map_or(0, |line| line.seq);
            if row.seq > known && row.seq <= anchor.seq {
                newest = read(row).or(newest);
            }
        }
        let is_found = newest.as_ref().is_some_and(|line| line.seq == anchor.seq);
        match rows.last() {
            Some(last) if !is_found => {
                before = Some((last.at_ms, Arc::clone(&last.node), last.seq));
            }
            _ => break,
        }
    }
    Ok(Some((anchor, newest.map(|line| line.told))))
}

fn read(row: &AuditRow) -> Option<Line> {
    Line::read(row.line.as_bytes()).ok()
}
