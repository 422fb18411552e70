//! Rows of the log as columns of the server, and values as such columns have them.
//!
//! Invariant: what a filter asks for and what a row has are cut the same way, so that a column tells all rows that match
//! and perhaps some more; the row itself decides. No text of a client can make the server refuse a row.

use sqlx::types::Uuid;
use troupe_core::port::StoreError;
use troupe_core::record::RequestRecord;

use crate::codec::encode;
use crate::postgres::partitions::day_of;
use crate::postgres::pool::big;

/// An index takes no more than some 2 700 bytes of a row.
const TEXT_BYTES: usize = 256;
/// Around each name in `tried`.
pub(super) const SEPARATOR: char = '\u{1f}';

/// A text that the server takes: it has no NUL.
pub(in crate::postgres) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A text that an index takes.
pub(in crate::postgres) fn searchable(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    storable(text.get(..end).unwrap_or_default())
}

/// Unsigned bits as the server's signed ones.
pub(super) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

type Texts = Vec<Option<String>>;

/// One array for each column.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub day: Vec<i32>,
    pub id: Vec<Uuid>,
    pub at_ms: Vec<i64>,
    pub session: Vec<Option<i64>>,
    pub key: Vec<Option<Uuid>>,
    pub duration_us: Vec<i64>,
    pub cost_micro_usd: Vec<i64>,
    pub status: Vec<i32>,
    pub stream: Vec<bool>,
    pub route: Vec<&'static str>,
    pub outcome: Vec<&'static str>,
    pub owner: Texts,
    pub group: Texts,
    pub account: Texts,
    pub tried: Texts,
    pub model: Texts,
    pub upstream_request_id: Texts,
    pub error: Texts,
    pub row: Vec<Vec<u8>>,
}

impl Columns {
    /// # Errors
    /// `Unavailable`: a row cannot be encoded.
    pub fn of(rows: &[RequestRecord]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        rows.iter().try_for_each(|row| columns.push(row))?;
        Ok(columns)
    }

    fn push(&mut self, row: &RequestRecord) -> Result<(), StoreError> {
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(searchable);
        self.row.push(encode(row)?);
        self.day.push(day_of(row.at_ms));
        self.id.push(row.id.0);
        self.at_ms.push(big(row.at_ms));
        self.session.push(row.session.map(bits));
        self.key.push(row.key.map(|key| key.0));
        self.duration_us.push(big(row.duration_us));
        self.cost_micro_usd.push(big(row.cost_micro_usd));
        self.status.push(i32::from(row.status));
        self.stream.push(row.stream);
        self.route.push(row.route.as_str());
        self.outcome.push(row.outcome.as_str());
        self.owner.push(text(&row.owner));
        self.group.push(text(&row.group));
        self.account.push(text(&row.account_name));
        self.tried.push(tried(row));
        self.model.push(text(&row.model));
        let upstream_id = row.upstream_request_id.as_deref();
        self.upstream_request_id.push(upstream_id.map(searchable));
        self.error.push(row.error.as_deref().map(storable));
        Ok(())
    }
}

fn tried(row: &RequestRecord) -> Option<String> {
    if row.failed.is_empty() {
        return None;
    }
    let mut tried = String::from(SEPARATOR);
    for attempt in &row.failed {
        tried.push_str(&searchable(&attempt.account));
        tried.push(SEPARATOR);
    }
    Some(tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_the_server_takes() {
        for (text, column) in [
            ("", String::new()),
            ("claude", "claude".into()),
            ("a\0b", "a\u{fffd}b".into()),
            (&"x".repeat(9_000), "x".repeat(256)),
            (&"ü".repeat(200), "ü".repeat(128)),
            (
                &format!("x{}", "ü".repeat(200)),
                format!("x{}", "ü".repeat(127)),
            ),
        ] {
            assert_eq!(searchable(text), column);
        }
    }
}
