//! What a scope publishes: its limits with their cells, and whether somebody waits.
//!
//! Invariant: cells are never copied: every view of a scope shows the same cell for the same limit and window, so that a
//! hold gives back what it took, whatever was published meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use smallvec::SmallVec;

use super::amounts::Amounts;
use super::cell::Cell;
use super::name::{Dimension, LimitName, Scope, Source};
use super::rule::{Cap, LimitRule};
use crate::id::LimitId;
use crate::models::Pattern;
use crate::price::Multiplier;

/// The windows of one limit, the oldest first.
pub(crate) type Cells = SmallVec<[Arc<Cell>; 3]>;
/// Every cell that a scope has, of limits that hold and of those that did.
pub(crate) type AllCells = Arc<Mutex<HashMap<LimitId, Cells>>>;
type Notify = Box<dyn Fn() + Send + Sync>;

/// A scope's limits as requests see them.
#[derive(Debug)]
pub struct ScopeView {
    pub scope: Scope,
    /// For people: `key troupe-abc12345`, `group platform`, `this gateway`, `account main`.
    pub label: Box<str>,
    pub limits: Box<[Limit]>,
    /// What the scope counts money by.
    pub multiplier: Multiplier,
    /// Are the cells there? Without limits there is nothing to wait for.
    pub ready: bool,
}

/// One limit and its windows.
#[derive(Clone, Debug)]
pub struct Limit {
    pub name: LimitName,
    pub models: Option<Pattern>,
    pub rule: LimitRule,
    pub source: Source,
    /// The oldest window first.
    pub cells: Cells,
}

/// The published view, and what is shared by everybody who uses it.
pub struct Gate {
    view: ArcSwap<ScopeView>,
    waiting: AtomicUsize,
    freed: OnceLock<Notify>,
    /// The actor has been told that units are free, and has not looked yet.
    is_told: AtomicBool,
    learnt: Learnt,
    cells: AllCells,
}

/// What requests of the scope used on average, the last ones most.
#[derive(Debug, Default)]
struct Learnt {
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    micro_usd: AtomicU64,
}

/// Averages are kept in so small parts of a unit.
const PARTS: u64 = 16;
/// The last request's weight is one in so many.
const WEIGHT: u64 = 8;
/// No request counts for more: so many that no limit is ever meant, so few that counters do not reach their end.
const MOST_UNITS: u64 = 1 << 48;

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("view", &self.view.load())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

// === impl ScopeView ===

impl ScopeView {
    /// Nothing is known yet.
    #[must_use]
    pub fn cold(scope: Scope, label: &str) -> Self {
        Self {
            scope,
            label: label.into(),
            limits: Box::default(),
            multiplier: Multiplier::ONE,
            ready: false,
        }
    }

    /// The limits that a request for `model` has to keep.
    pub fn applying<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a Limit> {
        self.limits.iter().filter(|limit| limit.applies(model))
    }

    /// Is it known what was used of every limit, in the windows of this moment?
    #[must_use]
    pub fn is_open_at(&self, unix_ms: u64) -> bool {
        self.ready
            && self
                .limits
                .iter()
                .all(|limit| limit.cell(unix_ms).is_some())
    }

    /// Does any limit count tokens or money?
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.limits.iter().any(|limit| limit.name.is_metered())
    }

    /// Units of `limit` that so much is for this scope.
    #[must_use]
    pub fn units(&self, name: LimitName, amounts: &Amounts) -> u64 {
        let units = amounts.of(name);
        let units = match name.is_spend() {
            true => self.multiplier.apply(units),
            false => units,
        };
        units.min(MOST_UNITS)
    }
}

// === impl Limit ===

impl Limit {
    #[must_use]
    pub fn applies(&self, model: &str) -> bool {
        self.models
            .as_ref()
            .is_none_or(|pattern| pattern.matches(model))
    }

    /// The cell of the window that `unix_ms` lies in; `None` when it is not open yet.
    #[must_use]
    pub fn cell(&self, unix_ms: u64) -> Option<&Arc<Cell>> {
        self.cells.iter().find(|cell| cell.span.contains(unix_ms))
    }
}

// === impl Gate ===

impl Gate {
    #[must_use]
    pub fn new(view: ScopeView) -> Arc<Self> {
        Arc::new(Self {
            view: ArcSwap::from_pointee(view),
            waiting: AtomicUsize::new(0),
            freed: OnceLock::new(),
            is_told: AtomicBool::new(false),
            learnt: Learnt::default(),
            cells: AllCells::default(),
        })
    }

    #[must_use]
    pub fn view(&self) -> Arc<ScopeView> {
        self.view.load_full()
    }

    /// The view for a look that ends at once.
    #[must_use]
    pub fn look(&self) -> arc_swap::Guard<Arc<ScopeView>> {
        self.view.load()
    }

    /// Called by the scope's actor alone.
    pub fn publish(&self, view: ScopeView) {
        self.view.store(Arc::new(view));
    }

    /// Is there nothing to keep? Such a scope need not be asked.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let view = self.view.load();
        view.ready && view.limits.is_empty()
    }

    /// Requests in the actor's queue: nobody goes ahead of them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// The actor sets it *before* it tries once more, so that no wake-up is lost; it hears of what comes free from now.
    pub fn set_waiting(&self, waiting: usize) {
        self.waiting.store(waiting, SeqCst);
        self.is_told.store(false, SeqCst);
    }

    pub(crate) fn cells(&self) -> AllCells {
        Arc::clone(&self.cells)
    }

    /// Called when units are given back while somebody waits, once until the actor looks. Set once, by the shell.
    pub fn on_freed(&self, notify: impl Fn() + Send + Sync + 'static) {
        let _ = self.freed.set(Box::new(notify));
    }

    pub(super) fn tell_if_waited_for(&self) {
        if self.waiting() > 0
            && let Some(notify) = self.freed.get()
            && !self.is_told.swap(true, SeqCst)
        {
            notify();
        }
    }

    /// What a request is expected to use of `name`, by those before it, in the scope's units; `None` before the first.
    #[must_use]
    pub fn expected(&self, name: LimitName, view: &ScopeView) -> Option<u64> {
        let of = |counter: &AtomicU64| counter.load(Relaxed).div_ceil(PARTS);
        let amounts = Amounts {
            requests: 1,
            input_tokens: of(&self.learnt.input_tokens),
            output_tokens: of(&self.learnt.output_tokens),
            micro_usd: of(&self.learnt.micro_usd),
        };
        Some(view.units(name, &amounts)).filter(|units| *units > 0)
    }

    /// A request has used so much.
    pub(super) fn learn(&self, used: &Amounts) {
        if used.input_tokens == 0 && used.output_tokens == 0 {
            return;
        }
        // Two that learn at once may lose one: an average does not mind.
        let blend = |counter: &AtomicU64, units: u64| {
            let (old, new) = (counter.load(Relaxed), units.saturating_mul(PARTS));
            let next = if old == 0 {
                new
            } else {
                (old - old / WEIGHT).saturating_add(new / WEIGHT)
            };
            counter.store(next, Relaxed);
        };
        blend(&self.learnt.input_tokens, used.input_tokens);
        blend(&self.learnt.output_tokens, used.output_tokens);
        blend(&self.learnt.micro_usd, used.micro_usd);
    }

    /// Units that a request reserves of a limit, of a bound in the scope's units.
    pub(crate) fn reserves(&self, limit: &Limit, view: &ScopeView, bound: u64) -> u64 {
        match limit.rule.cap {
            Cap::Strict => bound,
            Cap::Soft => self
                .expected(limit.name, view)
                .map_or(bound, |expected| expected.min(bound)),
        }
    }

    /// What is left of a limit as its holder is told: of what is reserved, only what is expected to be used counts.
    #[must_use]
    pub fn left(&self, limit: &Limit, view: &ScopeView, unix_ms: u64) -> u64 {
        let capacity = limit.rule.capacity(unix_ms);
        let Some(cell) = limit.cell(unix_ms) else {
            return capacity;
        };
        let (used, taken) = (cell.used(), cell.taken());
        let reserved = taken.saturating_sub(used);
        let expected = match limit.name {
            LimitName::Per(Dimension::Requests, _) | LimitName::Concurrent => reserved,
            name => self.expected(name, view).map_or(reserved, |each| {
                each.saturating_mul(cell.open()).min(reserved)
            }),
        };
        capacity.saturating_sub(used.saturating_add(expected))
    }
}
