//! The slow and obvious ledger: sums over everything that is open, made anew for each look.

use std::collections::BTreeMap;

use crate::id::LimitId;
use crate::limit::{Amounts, Cap, Demand, Dimension, Gate, Limit, LimitName, ScopeView};
use crate::price::Multiplier;

/// A limit of one scope, and the first moment of one of its windows.
pub type Window = (LimitId, u64);

/// What one request has of one window.
#[derive(Clone, Debug)]
pub struct Part {
    pub window: Window,
    pub name: LimitName,
    pub multiplier: Multiplier,
    pub taken: u64,
    pub used: u64,
    pub charged: u64,
}

/// Taken, used, charged, and how many have some of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub taken: u64,
    pub used: u64,
    pub charged: u64,
    pub open: u64,
}

#[derive(Debug, Default)]
pub struct Ledger {
    /// What requests have used that are over.
    pub facts: BTreeMap<Window, u64>,
    /// By request and scope.
    pub open: BTreeMap<(u64, usize), Vec<Part>>,
}

impl Part {
    fn units(&self, amounts: &Amounts) -> u64 {
        let units = amounts.of(self.name);
        match self.name.is_spend() {
            true => self.multiplier.apply(units),
            false => units,
        }
    }
}

fn window(limit: &Limit, unix_ms: u64) -> Window {
    let id = limit.cells.first().unwrap().id;
    let period = limit.name.period();
    (id, period.map_or(0, |period| period.span(unix_ms).start_ms))
}

impl Ledger {
    pub fn sums(&self, window: Window) -> Sums {
        let facts = self.facts.get(&window).copied().unwrap_or(0);
        let mut sums = Sums {
            taken: facts,
            used: facts,
            charged: facts,
            open: 0,
        };
        let parts = self.open.values().flatten();
        for part in parts.filter(|part| part.window == window) {
            sums.taken += part.taken;
            sums.used += part.used;
            sums.charged += part.charged;
            sums.open += 1;
        }
        sums
    }

    /// What a request takes of a scope, and whether it fits.
    pub fn plan(
        &self,
        gate: &Gate,
        view: &ScopeView,
        demand: &Demand,
        model: &str,
        unix_ms: u64,
    ) -> (Vec<Part>, bool) {
        let mut fits = true;
        let mut parts = Vec::new();
        for limit in view.applying(model) {
            let mut part = Part {
                window: window(limit, unix_ms),
                name: limit.name,
                multiplier: view.multiplier,
                taken: 0,
                used: 0,
                charged: 0,
            };
            let bound = part.units(&demand.bound);
            part.taken = match limit.rule.cap {
                Cap::Strict => bound,
                Cap::Soft => gate
                    .expected(limit.name, view)
                    .map_or(bound, |expected| expected.min(bound)),
            };
            (part.used, part.charged) = match limit.name {
                LimitName::Concurrent => (0, 0),
                LimitName::Per(Dimension::Requests, _) => (part.taken, part.taken),
                _ => (0, part.units(&demand.at_once).min(part.taken)),
            };
            let capacity = limit.rule.capacity(unix_ms);
            let sums = self.sums(part.window);
            fits &= limit.rule.is_shadow() || sums.taken + part.taken <= capacity;
            parts.push(part);
        }
        (parts, fits)
    }

    /// Of a scope's request so much is used now. Does a strict limit that holds now have too little left?
    pub fn checkpoint(
        &mut self,
        request: (u64, usize),
        view: &ScopeView,
        facts: &Amounts,
        ahead: &Amounts,
        unix_ms: u64,
    ) -> bool {
        let mut over = false;
        let mut parts = self.open.remove(&request).unwrap();
        for at in 0..parts.len() {
            let mut part = parts[at].clone();
            if !part.name.is_metered() {
                continue;
            }
            let now = part.units(facts);
            if now > part.taken {
                let all = self.sums(part.window).taken
                    + parts
                        .iter()
                        .filter(|other| other.window == part.window)
                        .map(|other| other.taken)
                        .sum::<u64>();
                let holds = view
                    .limits
                    .iter()
                    .find(|limit| limit.cells.first().unwrap().id == part.window.0);
                over |= holds.is_some_and(|limit| {
                    all + (now - part.taken) > limit.rule.capacity(unix_ms)
                        && limit.rule.cap == Cap::Strict
                        && !limit.rule.is_shadow()
                });
                part.taken = now;
            }
            part.used = now;
            part.charged = part.units(ahead).min(part.taken).max(now);
            parts[at] = part;
        }
        self.open.insert(request, parts);
        over
    }

    /// What is used stays, the rest is free.
    pub fn end(&mut self, request: (u64, usize)) {
        for part in self.open.remove(&request).unwrap_or_default() {
            *self.facts.entry(part.window).or_default() += part.used;
        }
    }

    pub fn undo(&mut self, request: (u64, usize)) {
        self.open.remove(&request);
    }
}
