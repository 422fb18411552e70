use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::id::KeyId;
use crate::key::{KeyRecord, KeyTotals, Priority};
use crate::limit::{Amounts, Demand, Dimension, LimitRule, LimitSet, Own, Period};
use crate::port::Counter;
use crate::quota::{LimitPolicy, QuotaRecord};
use uuid::Uuid;

#[derive(Default)]
struct Rows;

#[derive(Default)]
struct Row(AtomicU64);

impl Counter for Row {
    fn value(&self) -> &AtomicU64 {
        &self.0
    }
}

impl CellRows for Rows {
    fn open(&self, _: crate::LimitId, _: u64, _: u64, charged: u64) -> Arc<dyn Counter> {
        Arc::new(Row(charged.into()))
    }
    fn in_use(&self) -> usize {
        0
    }
    fn is_durable(&self) -> bool {
        true
    }
}

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
    now: Now,
    replies: BTreeMap<u64, QuotaReply>,
    stopped: bool,
    saved: Vec<crate::port::QuotaRow>,
}

impl Bench {
    fn new(rules: &[(LimitName, u64)]) -> Self {
        let now = Now {
            unix_ms: 60_000_000,
            mono_ms: 0,
        };
        let record = quota_record(key(limits(rules)));
        let shared = QuotaShared {
            gate: Gate::new(ScopeView::cold(record.scope.clone(), &record.label)),
            entry: Entry::new(0),
            ledger: KeyLedger::default(),
            rows: Arc::new(Rows),
        };
        let quota = Quota::new(record, &shared, 10_000, now);
        let mut bench = Self {
            quota,
            shared,
            now,
            replies: BTreeMap::new(),
            stopped: false,
            saved: Vec::new(),
        };
        bench.step(Input::Wake);
        bench
    }

    /// One step and all that follows from its effects.
    fn step(&mut self, input: Input<Quota>) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut turn = Turn::default();
            self.quota.handle(self.now, input, &mut turn);
            self.replies
                .extend(turn.replies.into_iter().map(|(t, reply)| (t.0, reply)));
            self.stopped |= turn.stop;
            inputs.extend(turn.effects.into_iter().map(|effect| {
                Input::Done(match effect {
                    QuotaEffect::Load(limits) => QuotaDone::Loaded {
                        limits,
                        rows: Some(Vec::new()),
                    },
                    QuotaEffect::Save(rows) => {
                        self.saved = rows;
                        QuotaDone::Saved { ok: true }
                    }
                    QuotaEffect::LoadTotals => QuotaDone::TotalsLoaded(Some(KeyTotals::default())),
                    QuotaEffect::SaveTotals(_) => QuotaDone::TotalsSaved { ok: true },
                })
            }));
        }
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
    let charged: Vec<_> = bench.saved.iter().map(|row| row.charged).collect();
    assert_eq!(charged, [4]);
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
