//! What becomes of effects; panics, and the end of the process.

use super::*;

impl World {
    /// Some writes of which a store says that they failed were done all the same.
    pub(super) fn run(&mut self, effect: QuotaEffect, ok: bool) -> QuotaDone {
        match effect {
            QuotaEffect::Load(limits) => {
                self.floor_ms = self.now.unix_ms;
                let rows = self.disk.load(&limits, self.now.unix_ms);
                let rows = ok.then_some(rows);
                QuotaDone::Loaded { limits, rows }
            }
            QuotaEffect::Save(rows) => {
                if ok || rows.len() % 2 == 1 {
                    self.disk.save(&rows);
                }
                QuotaDone::Saved { ok }
            }
            QuotaEffect::LoadTotals => QuotaDone::TotalsLoaded(ok.then_some(self.totals)),
            QuotaEffect::SaveTotals(totals) => {
                if ok || totals.requests % 2 == 1 {
                    self.totals = totals;
                }
                QuotaDone::TotalsSaved { ok }
            }
        }
    }

    pub fn panic(&mut self, scope: usize, done: bool) {
        if self.actors[scope].quota.is_none() {
            return;
        }
        for effect in std::mem::take(&mut self.actors[scope].effects) {
            if done {
                self.run(effect, true);
            }
        }
        let actor = &mut self.actors[scope];
        actor.waiting.clear();
        actor.flushes.clear();
        let record = Arc::clone(&actor.record);
        actor.quota = Some(Quota::new(record, &actor.shared, IDLE_MS, self.now));
        self.step(scope, Input::Wake);
        self.deliver();
    }

    pub fn idle(&mut self) {
        for _ in 0..3 {
            self.pass(IDLE_MS);
            self.finish_effects();
        }
    }

    /// Only what is on the disk is left.
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that is killed runs no Drop: that is what is tested"
    )]
    pub fn die(&mut self) {
        for request in self.requests.drain(..) {
            request.holds.into_iter().for_each(std::mem::forget);
        }
        let before = self.disk.store.lock().unwrap().clone();
        self.disk.fold();
        self.floor_ms = self.now.unix_ms;
        let after = self.disk.store.lock().unwrap().clone();
        let now_ms = self.now.unix_ms;
        let ends = after
            .values()
            .map(|row| ((row.limit, row.start_ms), row.end_ms));
        let ends: BTreeMap<Window, u64> = ends.collect();
        let mut windows: BTreeSet<Window> = self.ledger.facts.keys().copied().collect();
        windows.extend(self.ledger.open.values().flatten().map(|part| part.window));
        windows.extend(ends.keys());
        let mut facts = BTreeMap::new();
        for window in windows {
            let sums = self.ledger.sums(window);
            let charged = |rows: &BTreeMap<Window, crate::port::QuotaRow>| {
                rows.get(&window).map_or(0, |row| row.charged)
            };
            // The end of a window that nobody has stored is not known here: one that is over may be gone.
            let is_over = ends.get(&window).is_some_and(|end_ms| *end_ms <= now_ms);
            let left = charged(&after);
            if ends.contains_key(&window) && !is_over {
                assert!(left >= sums.used, "lost {window:?} {sums:?}");
                assert!(
                    left <= sums.charged.max(charged(&before)),
                    "made {window:?}"
                );
                facts.insert(window, left);
            } else if self.is_running(window) {
                assert_eq!(sums.used, 0, "lost {window:?}");
            }
        }
        self.ledger = Ledger {
            facts,
            ..Ledger::default()
        };
        self.settled = self.totals.requests;
        for scope in 0..3 {
            let record = Arc::clone(&self.actors[scope].record);
            self.actors[scope] = Actor::new(record, &self.disk, self.now);
        }
        self.wake_all();
    }

    /// Is it the present or the next window of a limit that holds?
    fn is_running(&self, (id, start_ms): Window) -> bool {
        let views = self.actors.iter().map(|actor| actor.shared.gate.view());
        views.flat_map(|view| view.limits.to_vec()).any(|limit| {
            let mut cells = limit.cells.iter();
            cells.any(|cell| {
                let span = cell.span;
                span != Span::ALWAYS
                    && (cell.id, span.start_ms) == (id, start_ms)
                    && span.end_ms > self.now.unix_ms
            })
        })
    }
}
