//! The request log in memory. Invariant: a ring: the oldest row goes first.

use std::collections::BTreeSet;

use troupe_core::RequestId;
use troupe_core::log::{LogCursor, LogFound, LogPage, LogPosition, LogQuery, LogSearch};
use troupe_core::port::{LogStore, PortFuture, StoreError};
use troupe_core::record::RequestRecord;

use super::{LOG_ROWS, Memory, State};
use crate::log::{day_of, foreign_cursor};

impl LogStore for Memory {
    fn append(&self, rows: Vec<RequestRecord>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| {
                for row in rows {
                    if state.log.len() == LOG_ROWS {
                        state.log.pop_front();
                    }
                    state.last_row += 1;
                    state.log.push_back((state.last_row, row));
                }
            });
            Ok(())
        })
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(async move {
            let oldest = day_of(oldest_ms);
            let mut gone = BTreeSet::new();
            self.with(|state| {
                state.log.retain(|(_, row)| {
                    let day = day_of(row.at_ms);
                    day >= oldest || {
                        gone.insert(day);
                        false
                    }
                });
            });
            Ok(gone.len())
        })
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<RequestRecord>> {
        Box::pin(async move {
            Ok(self.with(|state| {
                let mut rows = state.log.iter().rev().map(|(_, row)| row);
                rows.find(|row| row.id == id).cloned()
            }))
        })
    }

    fn tail(&self, query: LogQuery) -> PortFuture<'_, LogPage> {
        Box::pin(async move { Ok(self.with(|state| page(state, &query))) })
    }

    fn search(&self, search: LogSearch) -> PortFuture<'_, LogFound> {
        Box::pin(async move {
            let before = search.after.as_ref().map(number_of).transpose()?;
            Ok(self.with(|state| found(state, &search, before.unwrap_or(u64::MAX))))
        })
    }
}

/// The one part of this log that a position names.
const ROWS: &str = "rows";

fn page(state: &State, query: &LogQuery) -> LogPage {
    let matches = |(_, row): &&(u64, RequestRecord)| query.filter.matches(row);
    let mut read_to = state.last_row;
    let mut page = LogPage::default();
    match &query.after {
        None => {
            let last = state.log.iter().rev().filter(matches).take(query.limit);
            page.rows = last.map(|(_, row)| row.clone()).collect();
            page.rows.reverse();
        }
        Some(after) => {
            let after = after.0.get(ROWS).copied().unwrap_or(0);
            let start = state.log.partition_point(|(number, _)| *number <= after);
            for (number, row) in state.log.range(start..).filter(matches) {
                if page.rows.len() >= query.limit {
                    page.cut = true;
                    break;
                }
                page.rows.push(row.clone());
                read_to = *number;
            }
            if !page.cut {
                read_to = state.last_row;
            }
        }
    }
    page.position = LogPosition([(ROWS.to_owned(), read_to)].into());
    page
}

/// In front of a row's number.
const CURSOR: &str = "m1.";

fn number_of(cursor: &LogCursor) -> Result<u64, StoreError> {
    let number = cursor.0.strip_prefix(CURSOR);
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(foreign_cursor)
}

/// Of the rows whose number is below `before`.
fn found(state: &State, search: &LogSearch, before: u64) -> LogFound {
    let end = state.log.partition_point(|(number, _)| *number < before);
    let mut found = LogFound::default();
    for (number, row) in state.log.range(..end).rev() {
        if found.rows.len() >= search.limit {
            found.next = Some(LogCursor(format!("{CURSOR}{}", number + 1)));
            break;
        }
        if search.covers(row.at_ms) && search.filter.matches(row) {
            found.rows.push(row.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::sample;

    #[tokio::test]
    async fn the_log_is_a_ring() {
        let memory = Memory::default();
        let rows = (0..LOG_ROWS as u64 + 3).map(sample::request).collect();
        memory.append(rows).await.unwrap();
        let (len, first) = memory.with(|state| (state.log.len(), state.log[0].1.at_ms));
        assert_eq!((len, first), (LOG_ROWS, 3));
    }
}
