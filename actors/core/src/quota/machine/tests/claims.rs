//! Who is served when, among those who wait.

use super::*;
use crate::limit::Scope;

fn shared(value: u64) -> Bench {
    let mut bench = Bench::new(&[]);
    let record = QuotaRecord {
        scope: Scope::Gateway,
        label: "this gateway".into(),
        ..QuotaRecord::clone(&quota_record(key(limits(&[(TOKENS, value)]))))
    };
    let record = QuotaRecord {
        key: None,
        ..record
    };
    bench.quota = Quota::new(Arc::new(record), &bench.shared, 10_000, bench.now);
    bench.step(Input::Wake);
    bench
}

fn ask(bench: &mut Bench, ticket: u64, of_key: u128, count: u64, wait_ms: u64) {
    let wanted = Wanted {
        demand: tokens(count),
        model: "m".into(),
        key: KeyId(Uuid::from_u128(of_key)),
        priority: Priority::Normal,
        deadline_ms: bench.now.mono_ms + wait_ms,
    };
    let ask = QuotaAsk::Reserve(Box::new(wanted));
    bench.step(Input::Ask(Ticket(ticket), ask));
}

fn granted(bench: &mut Bench, ticket: u64) -> Option<Hold> {
    match bench.replies.remove(&ticket)? {
        QuotaReply::Granted(mut hold) => {
            let _ = hold.checkpoint(&Amounts::default(), &Amounts::default(), 0);
            Some(hold)
        }
        _ => None,
    }
}

#[test]
fn many_small_requests_do_not_keep_a_large_one_out_for_ever() {
    let mut bench = shared(10);
    let mut small: Vec<_> = (0..2).map(|_| bench.take(&tokens(5)).unwrap()).collect();
    ask(&mut bench, 0, 1, 10, 60_000);
    let mut passed = 0;
    for ticket in 1..200 {
        bench.now = bench.now.plus(100);
        ask(&mut bench, ticket, 2, 5, 60_000);
        if let Some(hold) = small.pop() {
            hold.give_back();
        }
        bench.step(Input::Tell(QuotaTell::Freed));
        if granted(&mut bench, 0).is_some() {
            assert!((1..30).contains(&passed), "{passed}");
            return;
        }
        let next: Vec<_> = (1..=ticket)
            .filter_map(|ticket| granted(&mut bench, ticket))
            .collect();
        passed += next.len();
        small.extend(next);
    }
    unreachable!("the large one was never served");
}

#[test]
fn who_stood_behind_one_whose_time_is_over_has_a_look_at_once() {
    let mut bench = shared(10);
    let _most = bench.take(&tokens(7)).unwrap();
    ask(&mut bench, 1, 1, 8, 50);
    ask(&mut bench, 2, 1, 3, 1_000);
    assert!(bench.replies.is_empty(), "of one key the first goes first");
    bench.now = bench.now.plus(50);
    bench.step(Input::Wake);
    assert!(matches!(bench.replies[&1], QuotaReply::Late));
    assert!(granted(&mut bench, 2).is_some());
}

#[test]
fn a_key_that_expires_while_it_waits_is_told_so() {
    let rules = [(LimitName::Concurrent, 1)];
    let record = KeyRecord {
        expires_ms: Some(60_000_100),
        ..key(limits(&rules))
    };
    let mut bench = Bench::of(quota_record(record));
    let first = bench.take(&tokens(1)).unwrap();
    bench.ask(1, tokens(1), 1_000);
    bench.now = bench.now.plus(200);
    drop(first);
    bench.step(Input::Tell(QuotaTell::Freed));
    assert!(matches!(bench.replies[&1], QuotaReply::Unusable("expired")));
}

#[test]
fn who_waits_is_told_once_until_the_actor_looks() {
    let mut bench = shared(10);
    let told = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = Arc::clone(&told);
    bench.shared.gate.on_freed(move || {
        seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    let holds: Vec<_> = (0..10).map(|_| bench.take(&tokens(1)).unwrap()).collect();
    ask(&mut bench, 1, 1, 10, 1_000);
    let mut holds = holds.into_iter();
    holds.by_ref().take(5).for_each(Hold::give_back);
    let told = || told.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(told(), 1);
    bench.step(Input::Tell(QuotaTell::Freed));
    holds.for_each(Hold::give_back);
    assert_eq!(told(), 2);
    bench.step(Input::Tell(QuotaTell::Freed));
    assert!(granted(&mut bench, 1).is_some());
}
