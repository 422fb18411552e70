mod claims;
mod disk;
mod failures;
mod model;
mod windows;

use std::collections::BTreeMap;

use super::*;
use crate::id::KeyId;
use crate::key::{KeyRecord, KeyTotals, Priority};
use crate::limit::{
    Amounts, Blocked, Demand, Dimension, Hold, LimitName, LimitRule, LimitSet, Own, Period,
};
use crate::quota::{LimitPolicy, QuotaRecord};
use disk::Disk;
use uuid::Uuid;

const MINUTE: LimitName = LimitName::Per(Dimension::Requests, Period::Minute);
const TOKENS: LimitName = LimitName::Per(Dimension::Tokens, Period::Hour);
const KEY: KeyId = KeyId(Uuid::nil());

fn limits(rules: &[(LimitName, u64)]) -> LimitSet {
    LimitSet {
        all: rules
            .iter()
            .map(|&(name, value)| (name, Own::Is(LimitRule::of(value))))
            .collect(),
        models: BTreeMap::new(),
    }
}

fn key(limits: LimitSet) -> KeyRecord {
    KeyRecord {
        prefix: "troupe-abcdefgh".into(),
        limits,
        ..KeyRecord::new(KEY, "ci".into(), 0)
    }
}

fn quota_record(key: KeyRecord) -> Arc<QuotaRecord> {
    Arc::new(QuotaRecord::of_key(&Arc::new(key), &LimitPolicy::default()))
}

struct Bench {
    quota: Quota,
    shared: QuotaShared,
    disk: Arc<Disk>,
    now: Now,
    replies: BTreeMap<u64, QuotaReply>,
    stopped: bool,
    /// The store refuses everything.
    down: bool,
    /// What was asked of the store.
    calls: usize,
    totals: KeyTotals,
}

impl Bench {
    fn new(rules: &[(LimitName, u64)]) -> Self {
        Self::of(quota_record(key(limits(rules))))
    }

    fn of(record: Arc<QuotaRecord>) -> Self {
        let now = Now {
            unix_ms: 60_000_000,
            mono_ms: 0,
        };
        let disk = Arc::new(Disk::default());
        let shared = QuotaShared {
            gate: Gate::new(ScopeView::cold(record.scope.clone(), &record.label)),
            entry: Entry::new(0),
            ledger: KeyLedger::default(),
            rows: Arc::clone(&disk) as Arc<dyn CellRows>,
        };
        let quota = Quota::new(record, &shared, 10_000, now);
        let mut bench = Self {
            quota,
            shared,
            disk,
            now,
            replies: BTreeMap::new(),
            stopped: false,
            down: false,
            calls: 0,
            totals: KeyTotals::default(),
        };
        bench.step(Input::Wake);
        bench
    }

    /// One step and all that follows from its effects.
    fn step(&mut self, input: Input<Quota>) {
        let mut inputs = vec![input];
        let before = self.calls;
        while let Some(input) = inputs.pop() {
            let mut turn = Turn::default();
            self.quota.handle(self.now, input, &mut turn);
            for (ticket, reply) in turn.replies {
                let twice = self.replies.insert(ticket.0, reply);
                assert!(twice.is_none(), "answered twice");
            }
            self.stopped |= turn.stop;
            inputs.extend(
                turn.effects
                    .into_iter()
                    .map(|effect| Input::Done(self.run(effect))),
            );
            assert!(self.calls < before + 10, "the store is asked without end");
        }
        let deadline = self.quota.deadline();
        assert!(
            deadline.is_none_or(|at| at > self.now.mono_ms) || self.now.mono_ms == 0,
            "wakes itself without end"
        );
    }

    fn run(&mut self, effect: QuotaEffect) -> QuotaDone {
        self.calls += 1;
        match effect {
            QuotaEffect::Load(limits) => {
                let rows = self.disk.load(&limits, self.now.unix_ms);
                QuotaDone::Loaded {
                    limits,
                    rows: (!self.down).then_some(rows),
                }
            }
            QuotaEffect::Save(rows) => {
                if !self.down {
                    self.disk.save(&rows);
                }
                QuotaDone::Saved { ok: !self.down }
            }
            QuotaEffect::LoadTotals => QuotaDone::TotalsLoaded((!self.down).then_some(self.totals)),
            QuotaEffect::SaveTotals(totals) => {
                if !self.down {
                    self.totals = totals;
                }
                QuotaDone::TotalsSaved { ok: !self.down }
            }
        }
    }

    fn update(&mut self, rules: &[(LimitName, u64)]) {
        let record = quota_record(key(limits(rules)));
        self.step(Input::Tell(QuotaTell::Update(record)));
    }

    /// The machine is rebuilt over what outlives its panic.
    fn panic(&mut self) {
        let record = Arc::clone(&self.quota.record);
        self.quota = Quota::new(record, &self.shared, 10_000, self.now);
        self.step(Input::Wake);
    }

    fn stored(&self) -> Vec<u64> {
        let store = self.disk.store.lock().unwrap();
        store.values().map(|row| row.charged).collect()
    }

    fn take(&self, demand: &Demand) -> Result<Hold, Blocked> {
        Hold::take(&self.shared.gate, demand, "m", self.now.unix_ms, false)
    }

    fn ask(&mut self, ticket: u64, demand: Demand, wait_ms: u64) {
        let wanted = Wanted {
            demand,
            model: "m".into(),
            key: KEY,
            priority: Priority::Normal,
            deadline_ms: self.now.mono_ms + wait_ms,
        };
        self.step(Input::Ask(
            Ticket(ticket),
            QuotaAsk::Reserve(Box::new(wanted)),
        ));
    }
}

fn tokens(count: u64) -> Demand {
    let bound = Amounts {
        requests: 1,
        output_tokens: count,
        ..Amounts::default()
    };
    let at_once = Amounts {
        requests: 1,
        ..Amounts::default()
    };
    Demand { bound, at_once }
}

#[test]
fn a_window_admits_its_limit_and_the_next_one_again() {
    let mut bench = Bench::new(&[(MINUTE, 3)]);
    for _ in 0..3 {
        bench
            .take(&tokens(1))
            .unwrap()
            .settle(&Amounts::default(), 0);
    }
    assert_eq!(
        bench.take(&tokens(1)).unwrap_err(),
        Blocked::Short { limit: 0 }
    );
    bench.now = bench.now.plus(59_999);
    assert!(bench.take(&tokens(1)).is_err());
    bench.now = bench.now.plus(1);
    assert!(
        bench.take(&tokens(1)).is_ok(),
        "the next cell was open already"
    );
    bench.step(Input::Wake);
    assert!(bench.take(&tokens(1)).is_ok());
}

#[test]
fn a_slot_is_waited_for_in_turn_and_not_beyond_the_deadline() {
    let mut bench = Bench::new(&[(LimitName::Concurrent, 1)]);
    let first = bench.take(&tokens(1)).unwrap();
    bench.ask(1, tokens(1), 100);
    bench.ask(2, tokens(1), 50);
    assert!(bench.replies.is_empty());
    drop(first);
    assert!(bench.take(&tokens(1)).is_err(), "nobody jumps the queue");
    bench.step(Input::Tell(QuotaTell::Freed));
    assert!(matches!(bench.replies[&1], QuotaReply::Granted(_)));
    bench.now = bench.now.plus(60);
    bench.step(Input::Wake);
    assert!(matches!(bench.replies[&2], QuotaReply::Late));
    bench.replies.clear();
    assert!(bench.take(&tokens(1)).is_ok());
}

#[test]
fn what_only_reservations_keep_out_waits_and_what_is_spent_does_not() {
    let mut bench = Bench::new(&[(TOKENS, 10)]);
    let used = |output_tokens| Amounts {
        requests: 1,
        output_tokens,
        ..Amounts::default()
    };
    let first = bench.take(&tokens(8)).unwrap();
    bench.ask(1, tokens(8), 1_000);
    assert!(bench.replies.is_empty());
    first.settle(&used(2), bench.now.unix_ms);
    bench.step(Input::Tell(QuotaTell::Freed));
    let granted = bench.replies.remove(&1);
    assert!(
        matches!(granted, Some(QuotaReply::Granted(_))),
        "{granted:?}"
    );
    let Some(QuotaReply::Granted(second)) = granted else {
        return;
    };
    second.settle(&used(8), bench.now.unix_ms);
    bench.ask(2, tokens(1), 1_000);
    assert!(matches!(bench.replies[&2], QuotaReply::Judge));
}

#[test]
fn a_revoked_key_refuses_those_who_wait() {
    let mut bench = Bench::new(&[(LimitName::Concurrent, 1)]);
    let _first = bench.take(&tokens(1)).unwrap();
    bench.ask(1, tokens(1), 1_000);
    let revoked = KeyRecord {
        revoked_ms: Some(1),
        ..key(limits(&[(LimitName::Concurrent, 1)]))
    };
    bench.step(Input::Tell(QuotaTell::Update(quota_record(revoked))));
    assert!(matches!(bench.replies[&1], QuotaReply::Unusable("revoked")));
}

#[test]
fn an_idle_quota_is_saved_before_it_leaves() {
    let mut bench = Bench::new(&[(TOKENS, 10)]);
    let inside = bench.shared.entry.enter(0);
    let used = Amounts {
        requests: 1,
        output_tokens: 4,
        ..Amounts::default()
    };
    bench
        .take(&tokens(8))
        .unwrap()
        .settle(&used, bench.now.unix_ms);
    bench.now = bench.now.plus(20_000);
    bench.step(Input::Wake);
    assert!(!bench.stopped, "somebody is inside");
    drop(inside);
    bench.step(Input::Wake);
    bench.now = bench.now.plus(2_000);
    bench.step(Input::Wake);
    assert!(bench.stopped);
    assert_eq!(bench.stored(), [4]);
    assert!(bench.shared.entry.enter(1).is_none());
}

#[test]
fn a_limit_that_goes_and_comes_back_remembers_its_window() {
    let mut bench = Bench::new(&[(MINUTE, 3)]);
    drop(bench.take(&tokens(1)).unwrap());
    let update = |rules| QuotaTell::Update(quota_record(key(limits(rules))));
    bench.step(Input::Tell(update(&[])));
    assert!(bench.shared.gate.look().limits.is_empty());
    bench.step(Input::Tell(update(&[(MINUTE, 2)])));
    drop(bench.take(&tokens(1)).unwrap());
    assert!(bench.take(&tokens(1)).is_err());
}
