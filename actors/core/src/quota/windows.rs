//! The cells of a scope: opened before they are needed, kept until their windows are over.
//!
//! The map of cells belongs to the gate, so that a machine that is rebuilt finds those of limits that hold no more.
//!
//! Invariant: one cell for one limit and window, as long as this actor or a request has it; a cell is opened with what
//! was used of its window before, or not at all; it goes when that is stored, or over.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use super::record::{AppliedRule, QuotaRecord};
use crate::id::LimitId;
use crate::limit::gate::{AllCells, Cells};
use crate::limit::{Cell, Gate, Limit, Span};
use crate::port::{CellRows, QuotaRow};
use crate::time::Now;

/// Windows of one limit whose cells are kept at once, whatever the clock does.
const MAX_CELLS: usize = 8;
/// Limits that hold no more, and whose cells are kept without hurry to store them.
const MANY_RETIRED: usize = 64;

/// A limit, and the first moment of one of its windows.
type Window = (LimitId, u64);

pub(super) struct Windows {
    rows: Arc<dyn CellRows>,
    /// Cells of limits that hold and of those that did: one may come back within its window.
    cells: AllCells,
    /// Limits of which it is known what was used before.
    known: HashSet<LimitId>,
    /// What was used before of windows that have no cell.
    stored: HashMap<Window, QuotaRow>,
    /// What the store has of those that have one; `None` where a save may or may not have been done.
    saved: HashMap<Window, Option<u64>>,
    /// The present windows last from there to before there (wall clock).
    from_ms: u64,
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
    /// Takes over the cells that a machine before this one had.
    pub(super) fn new(rows: Arc<dyn CellRows>, gate: &Gate) -> Self {
        let mut windows = Self {
            rows,
            cells: gate.cells(),
            known: HashSet::new(),
            stored: HashMap::new(),
            saved: HashMap::new(),
            from_ms: 0,
            edge_ms: u64::MAX,
        };
        let found: Vec<Window> = windows.lock().values().flatten().map(window).collect();
        windows.known.extend(found.iter().map(|(limit, _)| *limit));
        let unknown = found.into_iter().map(|window| (window, None));
        windows.saved.extend(unknown);
        windows
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LimitId, Cells>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
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
            self.stored.insert((row.limit, row.start_ms), row);
        }
    }

    /// The limits with the cells of this moment and of the windows after it; the one before stays: clocks may go back.
    pub(super) fn limits(&mut self, record: &QuotaRecord, now: Now) -> Box<[Limit]> {
        (self.from_ms, self.edge_ms) = (0, u64::MAX);
        let mut present = HashSet::with_capacity(record.rules.len());
        let limits = record.rules.iter().map(|rule| {
            let limit = id(record, rule);
            present.insert(limit);
            let (this, next) = spans(rule, now.unix_ms);
            self.from_ms = self.from_ms.max(this.start_ms);
            self.edge_ms = self.edge_ms.min(this.end_ms);
            Limit {
                name: rule.name,
                models: rule.models.clone(),
                rule: rule.rule.clone(),
                source: rule.source,
                cells: self.open(limit, this, next),
            }
        });
        let limits = limits.collect();
        self.forget(&present, now);
        limits
    }

    fn open(&mut self, limit: LimitId, this: Span, next: Span) -> Cells {
        let mut all = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = all.entry(limit).or_default();
        for span in [this, next] {
            if cells.iter().any(|cell| cell.span == span) {
                continue;
            }
            let cell = if span == Span::ALWAYS {
                Cell::of_slots(limit)
            } else {
                let row = self.stored.remove(&(limit, span.start_ms));
                let charged = row.map_or(0, |row| row.charged);
                if charged > 0 {
                    let known = Some(charged);
                    self.saved.insert((limit, span.start_ms), known);
                }
                let counter = self.rows.open(limit, span.start_ms, span.end_ms, charged);
                Cell::new(limit, span, counter)
            };
            let place = cells.partition_point(|cell| cell.span < span);
            cells.insert(place, Arc::new(cell));
        }
        trim(cells, this, next);
        cells.clone()
    }

    /// Cells of limits that hold no more go when nobody can have anything of them, and what was used of them is over, or
    /// stored.
    fn forget(&mut self, present: &HashSet<LimitId>, now: Now) {
        let Self {
            cells,
            known,
            stored,
            saved,
            ..
        } = self;
        let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.retain(|id, cells| {
            let goes = |cell: &Arc<Cell>| {
                let is_over = cell.span.end_ms <= now.unix_ms;
                Arc::strong_count(cell) == 1 && (is_over || !is_unsaved(saved, cell))
            };
            present.contains(id) || !cells.iter().all(goes)
        });
        known.retain(|id| cells.contains_key(id));
        stored.retain(|(id, _), row| known.contains(id) && row.end_ms > now.unix_ms);
        saved.retain(|(id, start_ms), _| {
            let cells = cells.get(id);
            cells.is_some_and(|cells| cells.iter().any(|cell| cell.span.start_ms == *start_ms))
        });
    }

    /// Lets go of what need not be kept any more.
    pub(super) fn tidy(&mut self, record: &QuotaRecord, now: Now) {
        let present = record.rules.iter().map(|rule| id(record, rule));
        self.forget(&present.collect(), now);
    }

    /// Are there so many limits that hold no more that they should be stored soon?
    pub(super) fn is_crowded(&self, record: &QuotaRecord) -> bool {
        self.lock().len() > record.rules.len() + MANY_RETIRED
    }

    /// Are the windows of `now` not those that were opened last?
    pub(super) fn is_past(&self, now: Now) -> bool {
        now.unix_ms < self.from_ms || self.edge_ms <= now.unix_ms
    }

    /// When cells must be opened again (wall clock).
    pub(super) fn edge_ms(&self) -> u64 {
        self.edge_ms
    }

    /// What is to be stored before the cells may go; it is not known to be until [`Windows::saved`] says so.
    pub(super) fn begin_save(&mut self, now: Now) -> Vec<QuotaRow> {
        let cells = self.lock();
        let rows: Vec<_> = cells
            .values()
            .flatten()
            .filter(|cell| cell.span.end_ms > now.unix_ms && is_unsaved(&self.saved, cell))
            .map(|cell| QuotaRow {
                limit: cell.id,
                start_ms: cell.span.start_ms,
                end_ms: cell.span.end_ms,
                charged: cell.charged(),
            })
            .collect();
        drop(cells);
        let begun = rows.iter().map(|row| ((row.limit, row.start_ms), None));
        self.saved.extend(begun);
        rows
    }

    pub(super) fn saved(&mut self, rows: &[QuotaRow]) {
        for row in rows {
            if let Some(saved) = self.saved.get_mut(&(row.limit, row.start_ms)) {
                *saved = Some(row.charged);
            }
        }
    }
}

/// Does the store have something else of a cell than the cell has?
fn is_unsaved(saved: &HashMap<Window, Option<u64>>, cell: &Arc<Cell>) -> bool {
    let stored = saved.get(&window(cell)).copied().unwrap_or(Some(0));
    cell.span != Span::ALWAYS && stored != Some(cell.charged())
}

fn window(cell: &Arc<Cell>) -> Window {
    (cell.id, cell.span.start_ms)
}

/// Keeps this window and the next, the last that was used before them, and those that were used before a clock went back.
fn trim(cells: &mut Cells, this: Span, next: Span) {
    cells.retain(|cell| cell.span == this || cell.span == next || !cell.is_unused());
    let before = |cells: &Cells| {
        let past = cells
            .iter()
            .filter(|cell| cell.span.end_ms <= this.start_ms);
        past.count()
    };
    while before(cells) > 1 {
        cells.remove(0);
    }
    cells.truncate(MAX_CELLS);
}

fn id(record: &QuotaRecord, rule: &AppliedRule) -> LimitId {
    record.scope.limit_id(rule.models.as_ref(), rule.name)
}

fn has_window(rule: &AppliedRule) -> bool {
    rule.name.period().is_some()
}

/// This window and the next.
fn spans(rule: &AppliedRule, unix_ms: u64) -> (Span, Span) {
    match rule.name.period() {
        None => (Span::ALWAYS, Span::ALWAYS),
        Some(period) => {
            let this = period.span(unix_ms);
            (this, period.span(this.end_ms))
        }
    }
}
