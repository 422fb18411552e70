//! What holds after each step, and at the end.

use super::*;

impl World {
    pub fn check(&self) {
        for actor in &self.actors {
            if actor.quota.is_none() {
                continue;
            }
            let view = actor.shared.gate.view();
            let mut seen = BTreeSet::new();
            for cell in view.limits.iter().flat_map(|limit| &limit.cells) {
                let window = (cell.id, cell.span.start_ms);
                assert!(seen.insert(window), "two cells of one window");
                let sums = self.ledger.sums(window);
                let is = (cell.taken(), cell.used(), cell.charged(), cell.open());
                let of_slots = cell.span == Span::ALWAYS;
                assert!(is.1 <= is.2 || of_slots, "{cell:?}");
                assert!(is.2 <= is.0, "{cell:?}");
                assert_eq!(is, (sums.taken, sums.used, sums.charged, sums.open));
            }
            assert_eq!(actor.shared.gate.waiting(), actor.waiting.len());
            self.check_waiting(actor, &view);
        }
    }

    /// Nobody waits who could have what he waits for.
    fn check_waiting(&self, actor: &Actor, view: &ScopeView) {
        let now_ms = self.now.mono_ms;
        for waiting in actor.waiting.values() {
            assert!(waiting.deadline_ms > now_ms, "forgotten in the queue");
        }
        let mut all = actor.waiting.values();
        if !actor.is_ready() || all.any(|one| one.since_ms + CLAIM_AFTER_MS <= now_ms) {
            return;
        }
        let mut lines = BTreeSet::new();
        for waiting in actor.waiting.values() {
            if lines.insert((waiting.key, waiting.class)) {
                let (demand, model) = (&waiting.demand, waiting.model);
                let gate = &actor.shared.gate;
                let unix_ms = self.now.unix_ms;
                let (_, fits) = self.ledger.plan(gate, view, demand, model, unix_ms);
                assert!(!fits, "waits for what is there");
            }
        }
    }

    pub fn end(&mut self) {
        self.finish_effects();
        while !self.requests.is_empty() {
            self.settle(0, (1, 2, 3));
        }
        self.pass(6_000);
        self.finish_effects();
        self.pass(2_000);
        while !self.requests.is_empty() {
            self.settle(0, (1, 2, 3));
        }
        self.finish_effects();
        for scope in 0..3 {
            self.flush(scope);
            self.finish_effects();
        }
        self.check();
        assert!(self.ledger.open.is_empty());
        assert_eq!(self.totals.requests, self.settled);
        for actor in &self.actors {
            assert!(actor.waiting.is_empty() && actor.flushes.is_empty());
            let view = actor.shared.gate.view();
            for cell in view.limits.iter().flat_map(|limit| &limit.cells) {
                assert_eq!((cell.taken(), cell.open()), (cell.used(), 0));
                assert_eq!(cell.charged(), cell.used());
            }
        }
    }
}
