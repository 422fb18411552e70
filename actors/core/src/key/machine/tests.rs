use super::*;
use crate::id::KeyId;
use crate::limit::LimitSet;
use uuid::Uuid;

fn record(concurrent: Option<u32>) -> KeyRecord {
    KeyRecord {
        prefix: "troupe-abcdefgh".into(),
        limits: LimitSet::of_concurrent(concurrent),
        version: 1,
        ..KeyRecord::new(KeyId(Uuid::nil()), "ci".into(), 0)
    }
}

struct Bench {
    key: Key,
    slots: Arc<Slots>,
    entry: Arc<Entry>,
    now: Now,
}

impl Bench {
    fn new(concurrent: Option<u32>) -> Self {
        let (slots, entry) = (Slots::new(None), Entry::new(0));
        let key = Key::new(
            Arc::new(record(concurrent)),
            slots.clone(),
            entry.clone(),
            KeyLedger::default(),
            10_000,
            Now::default(),
        );
        let mut bench = Self {
            key,
            slots,
            entry,
            now: Now::default(),
        };
        bench.step(Input::Wake);
        bench.step(Input::Done(KeyDone::Loaded(Some(KeyTotals::default()))));
        bench
    }

    fn step(&mut self, input: Input<Key>) -> Turn<Key> {
        let mut turn = Turn::default();
        self.key.handle(self.now, input, &mut turn);
        turn
    }

    fn reserve(&mut self, ticket: u64, wait_ms: u64) -> Turn<Key> {
        let deadline_ms = self.now.mono_ms + wait_ms;
        self.step(Input::Ask(Ticket(ticket), KeyAsk::Reserve { deadline_ms }))
    }
}

#[test]
fn waiting_is_first_come_first_served_and_ends_in_time() {
    let mut bench = Bench::new(Some(1));
    let first = bench.slots.try_take();
    assert!(bench.reserve(1, 100).replies.is_empty());
    assert!(bench.reserve(2, 50).replies.is_empty());
    drop(first);
    let turn = bench.step(Input::Tell(KeyTell::SlotFreed));
    assert!(matches!(
        turn.replies[..],
        [(Ticket(1), KeyReply::Granted(_))]
    ));
    bench.now = bench.now.plus(60);
    let late = bench.step(Input::Wake);
    assert!(
        matches!(
            late.replies[..],
            [(
                Ticket(2),
                KeyReply::Refused(Refusal::Concurrent { limit: 1 })
            )]
        ),
        "{late:?}"
    );
    drop(turn);
    assert_eq!(bench.slots.in_use(), 0);
    assert!(bench.slots.try_take().is_some(), "nobody waits any more");
}

#[test]
fn the_queue_is_bounded() {
    let mut bench = Bench::new(Some(1));
    let _held = bench.slots.try_take();
    for ticket in 0..MAX_QUEUE as u64 {
        assert!(bench.reserve(ticket, 1_000).replies.is_empty());
    }
    let over = bench.reserve(9_999, 1_000);
    assert!(matches!(
        over.replies[..],
        [(_, KeyReply::Refused(Refusal::QueueFull))]
    ));
}

#[test]
fn revoking_refuses_those_who_wait() {
    let mut bench = Bench::new(Some(1));
    let _held = bench.slots.try_take();
    bench.reserve(1, 1_000);
    let revoked = KeyRecord {
        revoked_ms: Some(1),
        ..record(Some(1))
    };
    let turn = bench.step(Input::Tell(KeyTell::Update(Arc::new(revoked))));
    assert!(matches!(
        turn.replies[..],
        [(Ticket(1), KeyReply::Refused(Refusal::Unusable("revoked")))]
    ));
}

#[test]
fn totals_are_saved_before_the_actor_leaves() {
    let mut bench = Bench::new(None);
    let hold = bench.entry.enter(0);
    let used = KeyTotals {
        requests: 1,
        ..KeyTotals::default()
    };
    bench.step(Input::Tell(KeyTell::Settle(vec![Settlement {
        hold,
        used,
    }])));
    bench.now = bench.now.plus(20_000);
    let turn = bench.step(Input::Wake);
    assert!(
        !turn.stop
            && matches!(
                turn.effects[..],
                [KeyEffect::SaveTotals(KeyTotals { requests: 1, .. })]
            )
    );
    bench.step(Input::Done(KeyDone::Saved { ok: false }));
    bench.now = bench.now.plus(2_000);
    let again = bench.step(Input::Wake);
    assert!(
        matches!(
            again.effects[..],
            [KeyEffect::SaveTotals(KeyTotals { requests: 1, .. })]
        ),
        "{again:?}"
    );
    let last = bench.step(Input::Done(KeyDone::Saved { ok: true }));
    assert!(last.stop);
    assert!(bench.entry.enter(1).is_none());
}

#[test]
fn an_actor_with_somebody_inside_stays() {
    let mut bench = Bench::new(None);
    let inside = bench.entry.enter(0);
    bench.now = bench.now.plus(60_000);
    assert!(!bench.step(Input::Wake).stop);
    drop(inside);
    bench.now = bench.now.plus(60_000);
    assert!(bench.step(Input::Wake).stop);
}

#[test]
fn a_flush_saves_at_once_and_is_answered_after() {
    let mut bench = Bench::new(None);
    assert!(matches!(
        bench.step(Input::Ask(Ticket(1), KeyAsk::Flush)).replies[..],
        [(Ticket(1), KeyReply::Flushed)]
    ));
    let used = KeyTotals {
        requests: 1,
        ..KeyTotals::default()
    };
    bench.step(Input::Tell(KeyTell::Settle(vec![Settlement {
        hold: None,
        used,
    }])));
    let turn = bench.step(Input::Ask(Ticket(2), KeyAsk::Flush));
    assert!(turn.replies.is_empty() && matches!(turn.effects[..], [KeyEffect::SaveTotals(_)]));
    let saved = bench.step(Input::Done(KeyDone::Saved { ok: true }));
    assert!(matches!(
        saved.replies[..],
        [(Ticket(2), KeyReply::Flushed)]
    ));
}
