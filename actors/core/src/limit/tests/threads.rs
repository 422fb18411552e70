//! Eight threads take, settle, drop and give back while an actor serves those who wait on a ninth.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::*;
use crate::gate::Entry;
use crate::id::KeyId;
use crate::key::Priority;
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::port::CellRows;
use crate::quota::{
    AppliedRule, KeyLedger, Quota, QuotaAsk, QuotaDone, QuotaEffect, QuotaRecord, QuotaReply,
    QuotaShared, QuotaTell, Wanted,
};
use crate::time::Now;

const THREADS: u64 = 8;
const SLOTS: u64 = 3;

#[derive(Debug)]
struct Rows;

impl CellRows for Rows {
    fn open(&self, _: crate::LimitId, _: u64, _: u64, charged: u64) -> Arc<dyn Counter> {
        Arc::new(Plain(charged.into()))
    }
    fn in_use(&self) -> usize {
        0
    }
    fn is_durable(&self) -> bool {
        false
    }
}

enum Post {
    Ask(Box<Wanted>, mpsc::SyncSender<QuotaReply>),
    Tell(QuotaTell),
    Stop,
}

fn now() -> Now {
    Now {
        unix_ms: NOW_MS,
        mono_ms: 0,
    }
}

/// The actor: a machine, its mailbox, and who is to be answered.
fn run(mut quota: Quota, mailbox: mpsc::Receiver<Post>) {
    let mut asked = std::collections::HashMap::new();
    let mut inputs = vec![Input::Wake];
    let mut tickets = 0;
    loop {
        while let Some(input) = inputs.pop() {
            let mut turn = Turn::default();
            quota.handle(now(), input, &mut turn);
            for (ticket, reply) in turn.replies {
                let answer: mpsc::SyncSender<_> = asked.remove(&ticket).unwrap();
                let _ = answer.send(reply);
            }
            inputs.extend(turn.effects.into_iter().map(|effect| match effect {
                QuotaEffect::Load(limits) => Input::Done(QuotaDone::Loaded {
                    limits,
                    rows: Some(Vec::new()),
                }),
                QuotaEffect::Save(_) => Input::Done(QuotaDone::Saved { ok: true }),
                other => unreachable!("{other:?}"),
            }));
        }
        match mailbox.recv() {
            Ok(Post::Ask(wanted, answer)) => {
                tickets += 1;
                asked.insert(Ticket(tickets), answer);
                inputs.push(Input::Ask(Ticket(tickets), QuotaAsk::Reserve(wanted)));
            }
            Ok(Post::Tell(tell)) => inputs.push(Input::Tell(tell)),
            Ok(Post::Stop) | Err(_) => break,
        }
    }
}

fn started(rules: &[(LimitName, u64)]) -> (Quota, Arc<Gate>) {
    let record = QuotaRecord {
        scope: Scope::Gateway,
        label: "this gateway".into(),
        rules: rules
            .iter()
            .map(|&(name, value)| AppliedRule {
                name,
                models: None,
                rule: LimitRule::of(value),
                source: Source::Gateway,
            })
            .collect(),
        multiplier: Multiplier::ONE,
        key: None,
    };
    let shared = QuotaShared {
        gate: Gate::new(ScopeView::cold(Scope::Gateway, "this gateway")),
        entry: Entry::new(0),
        ledger: KeyLedger::default(),
        rows: Arc::new(Rows),
    };
    let gate = Arc::clone(&shared.gate);
    (Quota::new(Arc::new(record), &shared, 1, now()), gate)
}

/// What the threads do together.
struct Shared {
    gate: Arc<Gate>,
    mailbox: Mutex<mpsc::SyncSender<Post>>,
    /// Requests in the upstream's hands now, and what has been used for good.
    inside: AtomicU64,
    used: AtomicU64,
    admitted: AtomicU64,
}

impl Shared {
    /// One request: at the gate, or through the actor, or refused.
    fn reserve(&self, wanted: &Demand, key: u64) -> Option<Hold> {
        loop {
            match Hold::take(&self.gate, wanted, "m", NOW_MS, false) {
                Ok(hold) => return Some(hold),
                Err(blocked) => {
                    let gates = [Arc::clone(&self.gate)];
                    match judge(&gates, wanted, "m", NOW_MS, 1_000, false) {
                        Verdict::Refuse { .. } => return None,
                        Verdict::Fits if blocked != Blocked::Behind => continue,
                        _ => {}
                    }
                }
            }
            let (answer, answered) = mpsc::sync_channel(1);
            let ask = Wanted {
                demand: *wanted,
                model: "m".into(),
                key: KeyId(uuid::Uuid::from_u128(key.into())),
                priority: Priority::Normal,
                deadline_ms: 1_000,
            };
            let ask = Post::Ask(Box::new(ask), answer);
            self.mailbox.lock().unwrap().send(ask).unwrap();
            // The clock of the machine stands still: whoever is not woken waits for ever.
            match answered.recv_timeout(Duration::from_secs(30)).unwrap() {
                QuotaReply::Granted(hold) => return Some(hold),
                QuotaReply::Judge => {}
                other => unreachable!("{other:?}"),
            }
        }
    }

    fn request(&self, nth: u64, key: u64) -> bool {
        let Some(mut hold) = self.reserve(&demand(1 + nth % 4, 0), key) else {
            return false;
        };
        assert!(self.inside.fetch_add(1, SeqCst) < SLOTS);
        let used = |output_tokens| Amounts {
            requests: 1,
            output_tokens,
            ..Amounts::default()
        };
        let facts = used((nth * 7) % (2 + nth % 4));
        let told = hold.checkpoint(&facts, &facts, NOW_MS);
        assert_eq!(told, Ok(()));
        // Out before the slot is free again.
        self.inside.fetch_sub(1, SeqCst);
        match nth % 5 {
            0 => hold.give_back(),
            1 => {
                self.count(&facts);
                drop(hold);
            }
            _ => {
                self.count(&facts);
                hold.settle(&facts, NOW_MS);
            }
        }
        true
    }

    fn count(&self, facts: &Amounts) {
        self.used.fetch_add(facts.output_tokens, SeqCst);
        self.admitted.fetch_add(1, SeqCst);
    }
}

/// Runs `each` on eight threads beside the actor.
fn race(rules: &[(LimitName, u64)], each: impl Fn(&Shared, u64) + Sync) -> Shared {
    let (quota, gate) = started(rules);
    let (mailbox, posts) = mpsc::sync_channel(64);
    let waker = Mutex::new(mailbox.clone());
    gate.on_freed(move || {
        // Nobody reads any more once everything is over.
        let _ = waker.lock().unwrap().send(Post::Tell(QuotaTell::Freed));
    });
    let shared = Shared {
        gate,
        mailbox: Mutex::new(mailbox),
        inside: 0.into(),
        used: 0.into(),
        admitted: 0.into(),
    };
    std::thread::scope(|scope| {
        let actor = scope.spawn(|| run(quota, posts));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (shared, each) = (&shared, &each);
                scope.spawn(move || each(shared, thread))
            })
            .collect();
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        shared.mailbox.lock().unwrap().send(Post::Stop).unwrap();
        actor.join().unwrap();
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    assert_eq!(shared.gate.waiting(), 0);
    shared
}

#[test]
fn slots_are_passed_on_without_a_lost_wake_up() {
    let rules = [(LimitName::Concurrent, SLOTS), (MINUTE, 1 << 40)];
    let shared = race(&rules, |shared, thread| {
        for nth in 0..3_000 {
            assert!(shared.request(nth * THREADS + thread, thread % 3));
        }
    });
    let admitted = shared.admitted.load(SeqCst);
    assert_eq!(at_rest(&shared.gate, 0), (0, 0, 0, 0));
    assert_eq!(at_rest(&shared.gate, 1), (admitted, admitted, admitted, 0));
}

#[test]
fn a_limit_is_used_up_to_its_last_unit_and_not_beyond() {
    const LIMIT: u64 = 5_000;
    let rules = [
        (LimitName::Concurrent, SLOTS),
        (MINUTE, LIMIT),
        (TOKENS, 1 << 40),
    ];
    let shared = race(&rules, |shared, thread| {
        let mut refused = 0;
        let mut nth = thread;
        while refused < 50 {
            refused += u64::from(!shared.request(nth, thread % 3));
            // No multiple of what decides how a request goes on: each thread meets all kinds.
            nth += THREADS + 1;
        }
    });
    let (admitted, used) = (shared.admitted.load(SeqCst), shared.used.load(SeqCst));
    assert_eq!(admitted, LIMIT);
    assert_eq!(at_rest(&shared.gate, 0), (0, 0, 0, 0));
    assert_eq!(at_rest(&shared.gate, 1), (LIMIT, LIMIT, LIMIT, 0));
    assert_eq!(at_rest(&shared.gate, 2), (used, used, used, 0));
}

#[test]
fn tokens_are_used_up_to_the_last_that_fits_and_not_beyond() {
    const LIMIT: u64 = 20_000;
    let rules = [
        (LimitName::Concurrent, SLOTS),
        (MINUTE, 1 << 40),
        (TOKENS, LIMIT),
    ];
    let shared = race(&rules, |shared, thread| {
        let mut refused = 0;
        let mut nth = thread;
        while refused < 50 {
            refused += u64::from(!shared.request(nth, thread % 3));
            // No multiple of what decides how a request goes on: each thread meets all kinds.
            nth += THREADS + 1;
        }
    });
    let used = shared.used.load(SeqCst);
    assert!(used <= LIMIT && used + 4 > LIMIT, "{used}");
    assert_eq!(at_rest(&shared.gate, 0), (0, 0, 0, 0));
    assert_eq!(at_rest(&shared.gate, 2), (used, used, used, 0));
}
