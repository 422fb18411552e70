//! Limits without their actor: what fits, what is said of what does not, and what threads do to each other.

mod counters;
mod threads;
mod verdicts;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use smallvec::SmallVec;

use super::*;
use crate::port::Counter;
use crate::price::Multiplier;

const MINUTE: LimitName = LimitName::Per(Dimension::Requests, Period::Minute);
const TOKENS: LimitName = LimitName::Per(Dimension::Tokens, Period::Hour);
const USD: LimitName = LimitName::Per(Dimension::Usd, Period::Day);
/// The first moment of an hour.
const NOW_MS: u64 = 7_200_000;

struct Plain(AtomicU64);

impl Counter for Plain {
    fn value(&self) -> &AtomicU64 {
        &self.0
    }
}

/// A limit with the cells of this window and the next three, of which `charged` is used of this one.
fn limit(name: LimitName, rule: LimitRule, charged: u64) -> Limit {
    let scope = Scope::Gateway;
    let id = scope.limit_id(None, name);
    let cells = match name.period() {
        None => [Arc::new(Cell::of_slots(id))].into_iter().collect(),
        Some(period) => {
            let mut span = period.span(NOW_MS);
            let mut cells = SmallVec::new();
            for charged in [charged, 0, 0, 0] {
                let counter = Arc::new(Plain(charged.into()));
                cells.push(Arc::new(Cell::new(id, span, counter)));
                span = period.span(span.end_ms);
            }
            cells
        }
    };
    Limit {
        name,
        models: None,
        rule,
        source: Source::Gateway,
        cells,
    }
}

fn gate(limits: Vec<Limit>) -> Arc<Gate> {
    Gate::new(ScopeView {
        limits: limits.into(),
        ready: true,
        ..ScopeView::cold(Scope::Gateway, "this gateway")
    })
}

fn demand(output_tokens: u64, micro_usd: u64) -> Demand {
    let bound = Amounts {
        requests: 1,
        input_tokens: 0,
        output_tokens,
        micro_usd,
    };
    let at_once = Amounts {
        requests: 1,
        ..Amounts::default()
    };
    Demand { bound, at_once }
}

fn take(gate: &Arc<Gate>, demand: &Demand) -> Result<Hold, Blocked> {
    Hold::take(gate, demand, "m", NOW_MS, false)
}

fn cell(gate: &Gate, place: usize) -> Arc<Cell> {
    let view = gate.view();
    Arc::clone(view.limits[place].cell(NOW_MS).unwrap())
}

fn at_rest(gate: &Gate, place: usize) -> (u64, u64, u64, u64) {
    let cell = cell(gate, place);
    (cell.taken(), cell.used(), cell.charged(), cell.open())
}
