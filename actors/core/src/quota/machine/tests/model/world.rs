//! Three scopes, what runs through them, and the disk below.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::super::*;
use super::Uses;
use super::ledger::{Ledger, Window};
use super::rules::{BEGIN_MS, MODELS, Variant};
use crate::gate::EntryGuard;
use crate::limit::{Scope, Span};
use crate::quota::serving::CLAIM_AFTER_MS;

const IDLE_MS: u64 = 10_000;
/// The one scope whose actor leaves.
const OF_KEY: usize = 2;
/// How far a clock is set back.
const BACK_MS: u64 = 45_000;

struct Waiting {
    demand: Demand,
    model: &'static str,
    key: u8,
    class: u8,
    since_ms: u64,
    deadline_ms: u64,
    /// Its seat; `None` when it is gone and the machine does not know.
    seat: Option<Option<EntryGuard>>,
}

struct Request {
    id: u64,
    holds: Vec<(usize, Hold)>,
    is_offered: bool,
    seat: Option<EntryGuard>,
}

struct Actor {
    quota: Option<Quota>,
    shared: QuotaShared,
    record: Arc<QuotaRecord>,
    effects: VecDeque<QuotaEffect>,
    freed: Arc<AtomicBool>,
    waiting: BTreeMap<u64, Waiting>,
    flushes: BTreeSet<u64>,
}

pub struct World {
    now: Now,
    /// The wall clock was never ahead of that, and is never set back before the other.
    high_ms: u64,
    floor_ms: u64,
    disk: Arc<Disk>,
    totals: KeyTotals,
    settled: u64,
    actors: Vec<Actor>,
    ledger: Ledger,
    requests: Vec<Request>,
    ids: u64,
}

fn amounts((input_tokens, output_tokens, micro_usd): Uses) -> Amounts {
    Amounts {
        requests: 1,
        input_tokens,
        output_tokens,
        micro_usd,
    }
}

fn demand((input, output, usd): Uses) -> Demand {
    Demand {
        bound: amounts((input, output, usd)),
        at_once: amounts((input, 0, usd / 3)),
    }
}

fn record(scope: usize, variant: Variant) -> Arc<QuotaRecord> {
    let key = KeyRecord {
        revoked_ms: variant.revoked.then_some(1),
        ..KeyRecord::new(KEY, "ci".into(), 0)
    };
    Arc::new(QuotaRecord {
        scope: match scope {
            0 => Scope::Gateway,
            1 => Scope::Group("platform".into()),
            _ => Scope::Key(KEY),
        },
        label: "one of three".into(),
        rules: variant.rules,
        multiplier: variant.multiplier,
        key: (scope == OF_KEY).then(|| Arc::new(key)),
    })
}

impl Actor {
    fn new(record: Arc<QuotaRecord>, disk: &Arc<Disk>, now: Now) -> Self {
        let shared = QuotaShared {
            gate: Gate::new(ScopeView::cold(record.scope.clone(), &record.label)),
            entry: Entry::new(now.mono_ms),
            ledger: KeyLedger::default(),
            rows: Arc::clone(disk) as Arc<dyn CellRows>,
        };
        let freed = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&freed);
        shared.gate.on_freed(move || tell.store(true, SeqCst));
        let quota = Quota::new(Arc::clone(&record), &shared, IDLE_MS, now);
        Self {
            quota: Some(quota),
            shared,
            record,
            effects: VecDeque::new(),
            freed,
            waiting: BTreeMap::new(),
            flushes: BTreeSet::new(),
        }
    }

    fn is_ready(&self) -> bool {
        self.quota.as_ref().is_some_and(|quota| quota.ready)
    }
}

impl World {
    pub fn new(first: [Variant; 3]) -> Self {
        let now = Now {
            unix_ms: BEGIN_MS,
            mono_ms: 0,
        };
        let disk = Arc::new(Disk::default());
        let actors = first
            .into_iter()
            .enumerate()
            .map(|(scope, variant)| Actor::new(record(scope, variant), &disk, now));
        let mut world = Self {
            now,
            high_ms: BEGIN_MS,
            floor_ms: BEGIN_MS,
            actors: actors.collect(),
            disk,
            totals: KeyTotals::default(),
            settled: 0,
            ledger: Ledger::default(),
            requests: Vec::new(),
            ids: 0,
        };
        world.wake_all();
        world.finish_effects();
        world
    }

    fn wake_all(&mut self) {
        for scope in 0..3 {
            self.step(scope, Input::Wake);
        }
    }

    fn step(&mut self, scope: usize, input: Input<Quota>) {
        let now = self.now;
        let is_update = matches!(input, Input::Tell(QuotaTell::Update(_)));
        let Some(quota) = &mut self.actors[scope].quota else {
            return;
        };
        let mut turn = Turn::default();
        quota.handle(now, input, &mut turn);
        self.actors[scope].effects.extend(turn.effects);
        for (ticket, reply) in turn.replies {
            self.answer(scope, ticket.0, reply, is_update);
        }
        if turn.stop {
            let actor = &mut self.actors[scope];
            assert!(actor.waiting.is_empty() && actor.effects.is_empty());
            actor.quota = None;
        }
    }

    fn answer(&mut self, scope: usize, ticket: u64, reply: QuotaReply, is_update: bool) {
        if matches!(reply, QuotaReply::Flushed) {
            assert!(self.actors[scope].flushes.remove(&ticket));
            return;
        }
        let waiting = self.actors[scope].waiting.remove(&ticket).unwrap();
        let (demand, model) = (&waiting.demand, waiting.model);
        match reply {
            QuotaReply::Granted(hold) => {
                assert!(self.now.mono_ms <= waiting.deadline_ms);
                let earlier = self.actors[scope].waiting.iter().any(|(before, other)| {
                    *before < ticket && (other.key, other.class) == (waiting.key, waiting.class)
                });
                assert!(!earlier, "of one key the first goes first");
                let gate = &self.actors[scope].shared.gate;
                let (parts, fits) =
                    self.ledger
                        .plan(gate, hold.view(), demand, model, self.now.unix_ms);
                assert!(fits, "granted what is not there");
                let Some(seat) = waiting.seat else {
                    return drop(hold);
                };
                self.ids += 1;
                self.ledger.open.insert((self.ids, scope), parts);
                self.requests.push(Request {
                    id: self.ids,
                    holds: vec![(scope, hold)],
                    is_offered: true,
                    seat,
                });
            }
            QuotaReply::Judge => {
                let gate = &self.actors[scope].shared.gate;
                let unix_ms = self.now.unix_ms;
                let (_, fits) = self.ledger.plan(gate, &gate.view(), demand, model, unix_ms);
                assert!(!fits || is_update, "it could have passed");
            }
            QuotaReply::Late => assert!(self.now.mono_ms >= waiting.deadline_ms),
            QuotaReply::Unusable(_) | QuotaReply::Unread => {}
            QuotaReply::Full | QuotaReply::Flushed => unreachable!("{reply:?}"),
        }
    }

    /// Tells actors what came free.
    fn deliver(&mut self) {
        for scope in 0..3 {
            while self.actors[scope].freed.swap(false, SeqCst) {
                self.step(scope, Input::Tell(QuotaTell::Freed));
            }
        }
    }

    pub fn pass(&mut self, ms: u64) {
        let until_ms = self.now.mono_ms + ms;
        let mut at_once = 0;
        loop {
            let due = (0..3).filter_map(|scope| {
                let at = self.actors[scope].quota.as_ref()?.deadline()?;
                Some((at.max(self.now.mono_ms), scope))
            });
            let Some((at, scope)) = due.min().filter(|(at, _)| *at <= until_ms) else {
                break;
            };
            at_once = if at == self.now.mono_ms {
                at_once + 1
            } else {
                0
            };
            assert!(at_once < 20, "wakes itself without end");
            self.now = self.now.plus(at - self.now.mono_ms);
            self.step(scope, Input::Wake);
            self.deliver();
        }
        self.now = self.now.plus(until_ms - self.now.mono_ms);
        self.high_ms = self.high_ms.max(self.now.unix_ms);
    }

    pub fn set_back(&mut self, ms: u64) {
        let lowest = self.floor_ms.max(self.high_ms - BACK_MS);
        let back = self.now.unix_ms - ms;
        self.now.unix_ms = back.max(lowest).min(self.now.unix_ms);
        self.wake_all();
    }

    /// The actor of a scope runs; that of a key may have left.
    fn alive(&mut self, scope: usize) {
        if self.actors[scope].quota.is_none() {
            let record = Arc::clone(&self.actors[scope].record);
            self.actors[scope] = Actor::new(record, &self.disk, self.now);
            self.floor_ms = self.now.unix_ms;
            self.step(scope, Input::Wake);
        }
    }

    fn seat(&self) -> EntryGuard {
        let entry = &self.actors[OF_KEY].shared.entry;
        entry.enter(self.now.mono_ms).unwrap()
    }

    pub fn take(&mut self, model: usize, uses: Uses) {
        self.alive(OF_KEY);
        let (demand, model) = (demand(uses), MODELS[model]);
        let seat = self.seat();
        self.ids += 1;
        let (id, unix_ms) = (self.ids, self.now.unix_ms);
        let mut holds = Vec::new();
        for (scope, actor) in self.actors.iter().enumerate() {
            let gate = &actor.shared.gate;
            let taken = Hold::take(gate, &demand, model, unix_ms, false);
            if matches!(taken, Err(Blocked::Cold)) {
                assert!(!actor.is_ready());
            } else {
                let view = gate.view();
                let (parts, fits) = self.ledger.plan(gate, &view, &demand, model, unix_ms);
                let may = actor.waiting.is_empty() || view.limits.is_empty();
                assert_eq!(taken.is_ok(), fits && may, "{taken:?}");
                if taken.is_ok() {
                    self.ledger.open.insert((id, scope), parts);
                }
            }
            match taken {
                Ok(hold) => holds.push((scope, hold)),
                Err(_) => break,
            }
        }
        if holds.len() < 3 {
            for (scope, hold) in holds {
                self.ledger.undo((id, scope));
                hold.give_back();
            }
        } else {
            self.requests.push(Request {
                id,
                holds,
                is_offered: false,
                seat: Some(seat),
            });
        }
        self.deliver();
    }

    pub fn ask(
        &mut self,
        scope: usize,
        model: usize,
        uses: Uses,
        (key, class): (u8, u8),
        wait_ms: u64,
    ) {
        self.alive(scope);
        self.ids += 1;
        let (ticket, now_ms) = (self.ids, self.now.mono_ms);
        let waiting = Waiting {
            demand: demand(uses),
            model: MODELS[model],
            key,
            class,
            since_ms: now_ms,
            deadline_ms: now_ms + wait_ms,
            seat: Some((scope == OF_KEY).then(|| self.seat())),
        };
        let wanted = Wanted {
            demand: waiting.demand,
            model: waiting.model.into(),
            key: KeyId(Uuid::from_u128(key.into())),
            priority: [Priority::High, Priority::Normal, Priority::Low][usize::from(class)],
            deadline_ms: waiting.deadline_ms,
        };
        self.actors[scope].waiting.insert(ticket, waiting);
        let ask = QuotaAsk::Reserve(Box::new(wanted));
        self.step(scope, Input::Ask(Ticket(ticket), ask));
        self.deliver();
    }

    fn waiter(&self, nth: usize) -> Option<(usize, u64)> {
        let all = self.actors.iter().enumerate();
        let tickets = all.flat_map(|(scope, actor)| actor.waiting.keys().map(move |t| (scope, *t)));
        let tickets: Vec<_> = tickets.collect();
        (!tickets.is_empty()).then(|| tickets[nth % tickets.len()])
    }

    pub fn hang_up(&mut self, nth: usize) {
        if let Some((scope, ticket)) = self.waiter(nth) {
            self.actors[scope].waiting.get_mut(&ticket).unwrap().seat = None;
        }
    }

    pub fn leave(&mut self, nth: usize) {
        if let Some((scope, ticket)) = self.waiter(nth) {
            self.actors[scope].waiting.remove(&ticket);
            self.step(scope, Input::Left(Ticket(ticket)));
            self.deliver();
        }
    }

    fn request(&mut self, nth: usize) -> Option<Request> {
        let count = self.requests.len();
        (count > 0).then(|| self.requests.swap_remove(nth % count))
    }

    pub fn checkpoint(&mut self, nth: usize, facts: Uses, ahead: u64) {
        let Some(mut request) = self.request(nth) else {
            return;
        };
        request.is_offered = false;
        let facts = amounts(facts);
        let ahead = Amounts {
            output_tokens: facts.output_tokens + ahead,
            ..facts
        };
        let unix_ms = self.now.unix_ms;
        for (scope, hold) in &mut request.holds {
            let view = self.actors[*scope].shared.gate.view();
            let of = (request.id, *scope);
            let over = self.ledger.checkpoint(of, &view, &facts, &ahead, unix_ms);
            let told = hold.checkpoint(&facts, &ahead, unix_ms);
            assert_eq!(told.is_err(), over, "{told:?}");
        }
        self.requests.push(request);
    }

    pub fn settle(&mut self, nth: usize, facts: Uses) {
        let Some(request) = self.request(nth) else {
            return;
        };
        let facts = amounts(facts);
        let unix_ms = self.now.unix_ms;
        for (scope, hold) in request.holds {
            let view = self.actors[scope].shared.gate.view();
            let of = (request.id, scope);
            self.ledger.checkpoint(of, &view, &facts, &facts, unix_ms);
            self.ledger.end(of);
            hold.settle(&facts, unix_ms);
        }
        if let Some(seat) = request.seat {
            let used = KeyTotals {
                requests: 1,
                ..KeyTotals::default()
            };
            self.settled += 1;
            let settled = vec![Settlement {
                hold: Some(seat),
                used,
            }];
            self.step(OF_KEY, Input::Tell(QuotaTell::Settle(settled)));
        }
        self.deliver();
    }

    pub fn give_back(&mut self, nth: usize) {
        if let Some(request) = self.request(nth) {
            for (scope, hold) in request.holds {
                self.ledger.undo((request.id, scope));
                hold.give_back();
            }
            self.deliver();
        }
    }

    pub fn drop_one(&mut self, nth: usize) {
        if let Some(request) = self.request(nth) {
            for (scope, hold) in request.holds {
                match request.is_offered {
                    true => self.ledger.undo((request.id, scope)),
                    false => self.ledger.end((request.id, scope)),
                }
                drop(hold);
            }
            drop(request.seat);
            self.deliver();
        }
    }

    pub fn update(&mut self, scope: usize, variant: Variant) {
        self.floor_ms = self.now.unix_ms;
        let record = record(scope, variant);
        self.actors[scope].record = Arc::clone(&record);
        self.step(scope, Input::Tell(QuotaTell::Update(record)));
        self.deliver();
    }

    pub fn flush(&mut self, scope: usize) {
        self.ids += 1;
        if self.actors[scope].quota.is_some() {
            self.actors[scope].flushes.insert(self.ids);
            self.step(scope, Input::Ask(Ticket(self.ids), QuotaAsk::Flush));
        }
    }

    pub fn done(&mut self, scope: usize, ok: bool) {
        let Some(effect) = self.actors[scope].effects.pop_front() else {
            return;
        };
        let done = self.run(effect, ok);
        self.step(scope, Input::Done(done));
        self.deliver();
    }

    /// Some writes of which a store says that they failed were done all the same.
    fn run(&mut self, effect: QuotaEffect, ok: bool) -> QuotaDone {
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

    fn finish_effects(&mut self) {
        for scope in 0..3 {
            while !self.actors[scope].effects.is_empty() {
                self.done(scope, true);
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
