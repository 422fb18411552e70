//! The store is away, or fails, or the machine panics.

use super::*;

fn used(output_tokens: u64) -> Amounts {
    Amounts {
        requests: 1,
        output_tokens,
        ..Amounts::default()
    }
}

fn flush(bench: &mut Bench, ticket: u64) {
    bench.step(Input::Ask(Ticket(ticket), QuotaAsk::Flush));
}

fn settle(bench: &mut Bench, requests: u64) {
    let used = KeyTotals {
        requests,
        ..KeyTotals::default()
    };
    let settled = vec![Settlement { hold: None, used }];
    bench.step(Input::Tell(QuotaTell::Settle(settled)));
}

#[test]
fn what_cannot_be_read_is_read_again_soon_but_not_at_once() {
    let mut bench = Bench::new(&[]);
    bench.down = true;
    bench.update(&[(MINUTE, 2)]);
    assert_eq!(bench.calls, 2, "totals at the start, then the rows");
    bench.ask(1, tokens(1), 30_000);
    assert!(bench.replies.is_empty(), "it is tried again in a moment");
    bench.now = bench.now.plus(TRY_AGAIN_MS);
    assert!(bench.quota.deadline() <= Some(bench.now.mono_ms));
    bench.step(Input::Wake);
    assert!(matches!(bench.replies[&1], QuotaReply::Unread));
    bench.down = false;
    bench.now = bench.now.plus(TRY_AGAIN_MS);
    bench.step(Input::Wake);
    assert!(bench.take(&tokens(1)).is_ok());
}

#[test]
fn the_edge_of_a_window_wakes_nobody_who_cannot_open_it() {
    let mut bench = Bench::new(&[(MINUTE, 2)]);
    bench.down = true;
    bench.update(&[(MINUTE, 2), (TOKENS, 5)]);
    for _ in 0..3 {
        bench.now = bench.now.plus(60_000);
        bench.step(Input::Wake);
    }
}

#[test]
fn a_flush_makes_one_attempt_of_each_kind() {
    let mut bench = Bench::new(&[(MINUTE, 2)]);
    drop(bench.take(&tokens(1)).unwrap());
    settle(&mut bench, 1);
    bench.down = true;
    flush(&mut bench, 1);
    assert!(matches!(bench.replies[&1], QuotaReply::Flushed));
    assert!(bench.stored().is_empty());
    bench.down = false;
    flush(&mut bench, 2);
    assert!(matches!(bench.replies[&2], QuotaReply::Flushed));
    assert_eq!((bench.stored(), bench.totals.requests), (vec![1], 1));
}

#[test]
fn a_flush_waits_for_totals_that_are_being_read() {
    let mut bench = Bench::new(&[]);
    let (quota, now) = (&mut bench.quota, bench.now);
    // A machine that has just been built, and whose totals are on their way.
    *quota = Quota::new(Arc::clone(&quota.record), &bench.shared, 10_000, now);
    bench.shared.ledger = KeyLedger::default();
    bench.quota.totals = Some(Totals::new(bench.shared.ledger.clone(), now));
    let mut step = |input| {
        let mut turn = Turn::default();
        bench.quota.handle(now, input, &mut turn);
        turn
    };
    let turn = step(Input::Wake);
    assert!(matches!(turn.effects[..], [QuotaEffect::LoadTotals]));
    let used = KeyTotals {
        requests: 3,
        ..KeyTotals::default()
    };
    let settled = vec![Settlement { hold: None, used }];
    step(Input::Tell(QuotaTell::Settle(settled)));
    assert!(
        step(Input::Ask(Ticket(1), QuotaAsk::Flush))
            .replies
            .is_empty()
    );
    let read = QuotaDone::TotalsLoaded(Some(KeyTotals::default()));
    let turn = step(Input::Done(read));
    assert!(turn.replies.is_empty());
    assert!(matches!(turn.effects[..], [QuotaEffect::SaveTotals(_)]));
    let turn = step(Input::Done(QuotaDone::TotalsSaved { ok: true }));
    assert!(matches!(
        turn.replies[..],
        [(Ticket(1), QuotaReply::Flushed)]
    ));
}

#[test]
fn an_idle_quota_whose_store_is_away_tries_again_in_a_moment_and_stays() {
    let mut bench = Bench::new(&[(MINUTE, 2)]);
    drop(bench.take(&tokens(1)).unwrap());
    bench.down = true;
    for _ in 0..3 {
        bench.now = bench.now.plus(11_000);
        bench.step(Input::Wake);
    }
    assert!(!bench.stopped);
    bench.down = false;
    bench.now = bench.now.plus(2 * TRY_AGAIN_MS);
    bench.step(Input::Wake);
    assert!(bench.stopped);
}

#[test]
fn what_was_saved_at_stake_and_is_given_back_is_saved_again() {
    let mut bench = Bench::new(&[(TOKENS, 10)]);
    let mut hold = bench.take(&tokens(8)).unwrap();
    hold.checkpoint(&used(2), &used(6), bench.now.unix_ms)
        .unwrap();
    flush(&mut bench, 1);
    assert_eq!(bench.stored(), [6]);
    hold.give_back();
    bench.now = bench.now.plus(20_000);
    bench.step(Input::Wake);
    assert!(bench.stopped);
    assert_eq!(bench.stored(), [0]);
}

#[test]
fn a_panic_forgets_no_limit_that_is_gone_for_a_while() {
    let mut bench = Bench::new(&[(MINUTE, 3)]);
    let hold = bench.take(&tokens(1)).unwrap();
    bench.update(&[]);
    bench.panic();
    bench.update(&[(MINUTE, 3)]);
    let view = bench.shared.gate.view();
    let cell = view.limits[0].cell(bench.now.unix_ms).unwrap();
    assert_eq!((cell.taken(), cell.open()), (1, 1));
    drop(hold);
    assert_eq!(cell.open(), 0);
}

#[test]
fn totals_of_which_nobody_knows_whether_they_were_saved_are_saved_again() {
    let mut bench = Bench::new(&[]);
    settle(&mut bench, 1);
    let now = bench.now.plus(5_000);
    let mut turn = Turn::default();
    bench.quota.handle(now, Input::Wake, &mut turn);
    assert!(matches!(turn.effects[..], [QuotaEffect::SaveTotals(_)]));
    bench.now = now;
    bench.panic();
    assert_eq!(bench.totals.requests, 1);
}

#[test]
fn a_grant_that_nobody_takes_comes_back_whole() {
    let mut bench = Bench::new(&[(LimitName::Concurrent, 1), (MINUTE, 2)]);
    let first = bench.take(&tokens(1)).unwrap();
    bench.ask(1, tokens(1), 1_000);
    drop(first);
    bench.step(Input::Tell(QuotaTell::Freed));
    assert!(matches!(
        bench.replies.remove(&1),
        Some(QuotaReply::Granted(_))
    ));
    let view = bench.shared.gate.view();
    for limit in &view.limits {
        let cell = limit.cell(bench.now.unix_ms).unwrap();
        let first_only = u64::from(limit.name == MINUTE);
        assert_eq!(
            (cell.used(), cell.charged(), cell.open()),
            (first_only, first_only, 0)
        );
    }
}
