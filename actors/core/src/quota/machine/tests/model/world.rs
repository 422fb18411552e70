//! Three scopes, what runs through them, and the disk below.

mod checks;
mod faults;
mod requests;

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

    fn finish_effects(&mut self) {
        for scope in 0..3 {
            while !self.actors[scope].effects.is_empty() {
                self.done(scope, true);
            }
        }
    }
}
