//! What is learnt is saved: one save at a time, the latest state last, counters now and then.

use super::*;

fn saved(bench: &mut Bench) -> Turn<Account> {
    bench.step(Input::Done(AccountDone::Saved))
}

#[test]
fn one_save_at_a_time_and_the_latest_state_last() {
    let mut bench = Bench::key();
    let first = bench.report(Auth::ApiKey, "m", throttled(5_000));
    assert_eq!(saves(&first).len(), 1);
    for ms in [9_000, 12_000] {
        assert!(saves(&bench.report(Auth::ApiKey, "m", throttled(ms))).is_empty());
    }
    assert!(saves(&bench.tell(AccountTell::Revive)).is_empty());
    let last = saved(&mut bench);
    assert!(saves(&last)[0].lanes.is_empty());
    assert!(saves(&saved(&mut bench)).is_empty());
}

#[test]
fn counters_are_saved_at_most_every_half_minute() {
    let mut bench = Bench::key();
    let mut count = 0;
    for _ in 0..600 {
        bench.pass(1_000);
        count += saves(&bench.report(Auth::ApiKey, "m", Verdict::Success)).len();
        if bench
            .account
            .deadline()
            .is_some_and(|at| at <= bench.now.mono_ms)
        {
            let turn = bench.wake();
            assert_eq!(saves(&turn)[0].stats.succeeded % 30, 0);
            count += 1;
            saved(&mut bench);
        }
    }
    assert_eq!(count, 600 / 30);
    bench.pass(DAY_MS);
    bench.wake();
    saved(&mut bench);
    assert_eq!(bench.account.deadline(), None, "nothing is left to save");
}

#[test]
fn a_flush_is_answered_when_all_is_saved() {
    let mut bench = Bench::key();
    let nothing = bench.ask(AccountAsk::Flush);
    assert!(matches!(nothing.replies[..], [(_, AccountReply::Flushed)]));
    bench.report(Auth::ApiKey, "m", throttled(5_000));
    bench.report(Auth::ApiKey, "m", Verdict::Success);
    let waits = bench.ask(AccountAsk::Flush);
    assert!(waits.replies.is_empty() && saves(&waits).is_empty());
    bench.ask(AccountAsk::Flush);
    bench.step(Input::Left(Ticket(3)));
    let turn = saved(&mut bench);
    assert!(turn.replies.is_empty());
    let stats = &saves(&turn)[0].stats;
    assert_eq!((stats.account_faults, stats.succeeded), (1, 1));
    let turn = saved(&mut bench);
    assert!(matches!(
        turn.replies[..],
        [(Ticket(2), AccountReply::Flushed)]
    ));
}

#[test]
fn changes_that_a_slow_store_keeps_waiting_are_bounded_and_told_once() {
    let mut bench = Bench::key();
    let mut told = Vec::new();
    let mut take = |turn: &Turn<Account>| {
        for effect in &turn.effects {
            if let AccountEffect::Save { changes, .. } = effect {
                told.push(changes.len());
            }
        }
    };
    for _ in 0..100 {
        let verdict = Verdict::OutOfService {
            reason: String::new(),
        };
        take(&bench.report(Auth::ApiKey, "m", verdict));
        take(&bench.tell(AccountTell::Revive));
    }
    take(&saved(&mut bench));
    take(&saved(&mut bench));
    assert_eq!(told, [1, 64]);
}

#[test]
fn request_faults_are_counted_and_change_nothing() {
    let mut bench = Bench::key();
    let turn = bench.report(Auth::ApiKey, "m", Verdict::RequestFault);
    assert!(turn.effects.is_empty() && !turn.publish);
    let turn = bench.ask(AccountAsk::Stats);
    assert!(matches!(&turn.replies[..], [(_, AccountReply::Stats(s))] if s.request_faults == 1));
}

#[test]
fn hostile_numbers_and_texts_fit_a_row() {
    let mut bench = Bench::key();
    for _ in 0..2 {
        let mut report = Report::new(Auth::ApiKey, 0, Some("m".into()), Verdict::Platform);
        report.facts = AttemptFacts {
            duration_ms: Some(u64::MAX),
            first_event_ms: Some(u64::MAX),
            usage: crate::record::TokenUsage {
                input: u64::MAX,
                output: u64::MAX,
                cache_read: u64::MAX,
                cache_write_5m: u64::MAX,
                cache_write_1h: u64::MAX,
                web_searches: u64::MAX,
            },
            cost_micro_usd: u64::MAX,
            error: Some("é".repeat(10_000)),
            moved_tokens: Some(u64::MAX),
            ..AttemptFacts::default()
        };
        bench.tell(AccountTell::Reports(vec![report]));
    }
    let turn = bench.ask(AccountAsk::Flush);
    let stats = &saves(&turn)[0].stats;
    assert!(
        stats
            .last_error
            .as_ref()
            .is_some_and(|e| e.what.len() <= 512)
    );
    assert_eq!(stats.cache_hit_ppm(), Some(250_000));
}
