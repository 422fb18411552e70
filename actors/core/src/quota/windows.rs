//! The cells of a scope: opened before they are needed, kept until their windows are over.
//!
//! Invariant: one cell for one limit and window, as long as this actor or a request has it; a cell is opened with what
//! was used of its window before, or not at all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use smallvec::SmallVec;

use super::record::{AppliedRule, QuotaRecord};
use crate::id::LimitId;
use crate::limit::{Cell, Limit, ScopeView, Span};
use crate::port::{CellRows, QuotaRow};
use crate::time::Now;

type Cells = SmallVec<[Arc<Cell>; 3]>;

pub(super) struct Windows {
    rows: Arc<dyn CellRows>,
    /// Cells of limits that hold and of those that did: one may come back within its window.
    cells: HashMap<LimitId, Cells>,
    /// Limits of which it is known what was used before.
    known: HashSet<LimitId>,
    /// What was used before of windows that have no cell yet.
    stored: HashMap<(LimitId, u64), u64>,
    /// Wall clock of the next edge of a window.
    edge_ms: u64,
}

impl std::fmt::Debug for Windows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Windows")
            .field("cells", &self.cells)
            .finish_non_exhaustive()
    }
}

impl Windows {
    /// Takes over the cells that a machine before this one had published.
    pub(super) fn new(rows: Arc<dyn CellRows>, published: &ScopeView) -> Self {
        let mut cells: HashMap<LimitId, Cells> = HashMap::new();
        for limit in &published.limits {
            if let Some(first) = limit.cells.first() {
                cells.insert(first.id, limit.cells.clone());
            }
        }
        Self {
            rows,
            known: cells.keys().copied().collect(),
            cells,
            stored: HashMap::new(),
            edge_ms: u64::MAX,
        }
    }

    /// Limits of which it is not known what was used before.
    pub(super) fn unknown(&self, record: &QuotaRecord) -> Vec<LimitId> {
        let ids = record.rules.iter().filter(|rule| has_window(rule));
        ids.map(|rule| id(record, rule))
            .filter(|id| !self.known.contains(id))
            .collect()
    }

    pub(super) fn learn(&mut self, limits: &[LimitId], rows: Vec<QuotaRow>) {
        self.known.extend(limits);
        for row in rows {
            self.stored.insert((row.limit, row.start_ms), row.charged);
        }
    }

    /// The limits with the cells of this moment and of the windows after it; the ones before stay, until they are over
    /// for a whole window: clocks may go back.
    pub(super) fn limits(&mut self, record: &QuotaRecord, now: Now) -> Box<[Limit]> {
        self.edge_ms = u64::MAX;
        let limits = record.rules.iter().map(|rule| {
            let limit = id(record, rule);
            for span in spans(rule, now.unix_ms) {
                self.edge_ms = match span.contains(now.unix_ms) {
                    true => self.edge_ms.min(span.end_ms),
                    false => self.edge_ms,
                };
                self.open(limit, span);
            }
            Limit {
                name: rule.name,
                models: rule.models.clone(),
                rule: rule.rule.clone(),
                source: rule.source,
                cells: self.cells.get(&limit).cloned().unwrap_or_default(),
            }
        });
        let limits = limits.collect();
        self.forget(now);
        limits
    }

    fn open(&mut self, limit: LimitId, span: Span) {
        let cells = self.cells.entry(limit).or_default();
        if cells.iter().any(|cell| cell.span == span) {
            return;
        }
        let cell = if span == Span::ALWAYS {
            Cell::of_slots(limit)
        } else {
            let charged = self.stored.remove(&(limit, span.start_ms)).unwrap_or(0);
            let counter = self.rows.open(limit, span.start_ms, span.end_ms, charged);
            Cell::new(limit, span, counter)
        };
        let cell = Arc::new(cell);
        let place = cells.partition_point(|cell| cell.span < span);
        cells.insert(place, cell);
        while cells.len() > 3 {
            cells.remove(0);
        }
    }

    /// Cells of limits that hold no more go when their windows are over.
    fn forget(&mut self, now: Now) {
        self.cells
            .retain(|_, cells| cells.iter().any(|cell| cell.span.end_ms > now.unix_ms));
        let cells = &self.cells;
        self.known.retain(|id| cells.contains_key(id));
        self.stored.clear();
    }

    /// When cells must be opened again (wall clock).
    pub(super) fn edge_ms(&self) -> u64 {
        self.edge_ms
    }

    /// What is to be stored before the cells may go.
    pub(super) fn to_save(&self, now: Now) -> Vec<QuotaRow> {
        let cells = self.cells.values().flatten();
        cells
            .filter(|cell| cell.span != Span::ALWAYS && cell.span.end_ms > now.unix_ms)
            .map(|cell| QuotaRow {
                limit: cell.id,
                start_ms: cell.span.start_ms,
                end_ms: cell.span.end_ms,
                charged: cell.charged(),
            })
            .filter(|row| row.charged > 0)
            .collect()
    }
}

fn id(record: &QuotaRecord, rule: &AppliedRule) -> LimitId {
    record.scope.limit_id(rule.models.as_ref(), rule.name)
}

fn has_window(rule: &AppliedRule) -> bool {
    rule.name.period().is_some()
}

/// This window and the next.
fn spans(rule: &AppliedRule, unix_ms: u64) -> SmallVec<[Span; 2]> {
    match rule.name.period() {
        None => SmallVec::from_slice(&[Span::ALWAYS]),
        Some(period) => {
            let this = period.span(unix_ms);
            SmallVec::from_slice(&[this, period.span(this.end_ms)])
        }
    }
}
