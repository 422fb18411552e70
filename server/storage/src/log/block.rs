//! What is known of a block of rows without reading it.
//!
//! Invariant: a block that has a row that a search wants is never taken for one that has none; the other way round is
//! allowed. A block with a line that this version does not understand may have anything.

use troupe_core::log::{LogFilter, LogSearch, StatusFilter};
use troupe_core::record::{Outcome, RequestRecord, Route};

use super::bloom::{Bloom, Field};

/// A block ends with the row that passes either.
const BLOCK_BYTES: u64 = 512 * 1024;
const BLOCK_ROWS: u32 = 1024;

const STATUSES: u32 = 512;
pub(super) const STATUS_WORDS: usize = STATUSES as usize / 64;

const STREAM: u8 = 1;
const NO_STREAM: u8 = 2;
const ERROR: u8 = 4;
const OPAQUE: u8 = 8;

/// What a block has, without its names and ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub min_at_ms: u64,
    pub max_at_ms: u64,
    pub max_duration_us: u64,
    pub max_cost_micro_usd: u64,
    /// A bit for each status, modulo [`STATUSES`].
    pub statuses: [u64; STATUS_WORDS],
    pub outcomes: u8,
    pub routes: u8,
    pub flags: u8,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            min_at_ms: u64::MAX,
            max_at_ms: 0,
            max_duration_us: 0,
            max_cost_micro_usd: 0,
            statuses: [0; STATUS_WORDS],
            outcomes: 0,
            routes: 0,
            flags: 0,
        }
    }
}

impl Facts {
    fn add(&mut self, row: &RequestRecord) {
        self.min_at_ms = self.min_at_ms.min(row.at_ms);
        self.max_at_ms = self.max_at_ms.max(row.at_ms);
        self.max_duration_us = self.max_duration_us.max(row.duration_us);
        self.max_cost_micro_usd = self.max_cost_micro_usd.max(row.cost_micro_usd);
        let bit = u32::from(row.status) % STATUSES;
        if let Some(word) = self.statuses.get_mut(bit as usize / 64) {
            *word |= 1 << (bit % 64);
        }
        self.outcomes |= outcome_bit(row.outcome);
        self.routes |= route_bit(row.route);
        self.flags |= if row.stream { STREAM } else { NO_STREAM };
        if row.error.is_some() {
            self.flags |= ERROR;
        }
    }

    fn has_status(&self, status: u32) -> bool {
        let bit = status % STATUSES;
        self.statuses
            .get(bit as usize / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// May a row of this block be wanted, as far as can be told without names?
    pub(super) fn may_match(&self, search: &LogSearch) -> bool {
        if self.flags & OPAQUE != 0 {
            return true;
        }
        let filter = &search.filter;
        let has = |bits: u8, wanted: Option<u8>| wanted.is_none_or(|bit| bits & bit != 0);
        let stream = |is_stream| if is_stream { STREAM } else { NO_STREAM };
        let status = |status| match status {
            StatusFilter::Exact(status) => self.has_status(status.into()),
            StatusFilter::Class(class) => {
                let first = u32::from(class) * 100;
                (first..first + 100).any(|status| self.has_status(status))
            }
        };
        search.from_ms.is_none_or(|from| self.max_at_ms >= from)
            && search.to_ms.is_none_or(|to| self.min_at_ms < to)
            && filter.status.is_none_or(status)
            && has(self.outcomes, filter.outcome.map(outcome_bit))
            && has(self.routes, filter.route.map(route_bit))
            && has(self.flags, filter.stream.map(stream))
            && has(self.flags, filter.error.as_ref().map(|_| ERROR))
            && filter
                .min_duration_us
                .is_none_or(|us| self.max_duration_us >= us)
            && filter
                .min_cost_micro_usd
                .is_none_or(|cost| self.max_cost_micro_usd >= cost)
    }
}

/// The numbers are stored.
fn outcome_bit(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Completed => 1,
        Outcome::Refused => 2,
        Outcome::Failed => 4,
        Outcome::Truncated => 8,
        Outcome::Cancelled => 16,
    }
}

/// The numbers are stored.
fn route_bit(route: Route) -> u8 {
    match route {
        Route::Messages => 1,
        Route::CountTokens => 2,
        Route::Models => 4,
        Route::Relay => 8,
        Route::Other => 16,
    }
}

/// May a row with these names be wanted?
pub(super) fn may_have(bloom: &Bloom, filter: &LogFilter) -> bool {
    let text = |field, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| bloom.may_have(field, wanted.as_bytes()))
    };
    let key = |key: &troupe_core::KeyId| bloom.may_have(Field::Key, key.0.as_bytes());
    (filter.keys.is_empty() || filter.keys.iter().any(key))
        && text(Field::Account, filter.account.as_deref())
        && text(Field::Owner, filter.owner.as_deref())
        && text(Field::Group, filter.group.as_deref())
        && text(Field::Model, filter.model.as_deref())
        && text(Field::UpstreamId, filter.upstream_request_id.as_deref())
        && filter
            .session
            .is_none_or(|session| bloom.may_have(Field::Session, &session.to_le_bytes()))
}

/// Rows that follow each other in a segment, as they come.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// The first byte of the first row, and the one behind the last.
    pub start: u64,
    pub end: u64,
    pub facts: Facts,
    pub bloom: Bloom,
    rows: u32,
}

impl Block {
    pub(super) fn at(start: u64) -> Self {
        Self {
            start,
            end: start,
            facts: Facts::default(),
            bloom: Bloom::default(),
            rows: 0,
        }
    }

    /// The next line, its end included; `None` when it is not understood.
    pub(super) fn add(&mut self, row: Option<&RequestRecord>, line_bytes: u64) {
        self.end += line_bytes;
        self.rows = self.rows.saturating_add(1);
        let Some(row) = row else {
            self.facts.flags |= OPAQUE;
            self.bloom.fill();
            return;
        };
        self.facts.add(row);
        let bloom = &mut self.bloom;
        bloom.add(Field::Id, row.id.0.as_bytes());
        if let Some(key) = row.key {
            bloom.add(Field::Key, key.0.as_bytes());
        }
        if let Some(session) = row.session {
            bloom.add(Field::Session, &session.to_le_bytes());
        }
        let tried = row.failed.iter().map(|attempt| &*attempt.account);
        for account in row.account_name.as_deref().into_iter().chain(tried) {
            bloom.add(Field::Account, account.as_bytes());
        }
        for (field, text) in [
            (Field::Owner, row.owner.as_deref()),
            (Field::Group, row.group.as_deref()),
            (Field::Model, row.model.as_deref()),
            (Field::UpstreamId, row.upstream_request_id.as_deref()),
        ] {
            if let Some(text) = text {
                bloom.add(field, text.as_bytes());
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.end - self.start >= BLOCK_BYTES || self.rows >= BLOCK_ROWS
    }
}
