//! Leases: slots, and requests that wait for a renewal.

use super::*;

const BOTH: [Auth; 2] = [Auth::ApiKey, Auth::Oauth];

/// Tokens first, a key second; the token has ended.
fn ended() -> Bench {
    let record = AccountRecord {
        preferred_auth: PreferredAuth::Oauth,
        ..record(&BOTH)
    };
    let old = token_at(1, T0.unix_ms - HOUR_MS, HOUR_MS);
    Bench::start(record, secrets(&BOTH), seed(old), None, T0)
}

fn ended_oauth() -> Bench {
    let old = token_at(1, T0.unix_ms - HOUR_MS, HOUR_MS);
    Bench::start(
        record(&[Auth::Oauth]),
        Secrets::default(),
        seed(old),
        None,
        T0,
    )
}

#[test]
fn a_lease_is_refused_when_full_and_the_slot_comes_back() {
    let mut bench = Bench::key();
    bench.slots.set_limit(Some(1));
    let first = bench.lease("m");
    assert_eq!(leased(&first), [Auth::ApiKey]);
    assert_eq!(refusals(&bench.lease("m")), [Unavailable::Full]);
    drop(first);
    assert_eq!(leased(&bench.lease("m")), [Auth::ApiKey]);
}

#[test]
fn two_hundred_requests_on_an_ended_token_are_one_renewal_and_two_hundred_leases() {
    let mut bench = ended_oauth();
    let first = order(&bench.lease("m"));
    for _ in 1..200 {
        let turn = bench.lease("m");
        assert!(turn.effects.is_empty() && turn.replies.is_empty());
    }
    let turn = bench.renewed(first, done(token(2)));
    assert_eq!(leased(&turn).len(), 200);
    assert!(orders(&turn).is_empty() && turn.publish);
    assert_eq!(bench.slots.in_use(), 200);
}

#[test]
fn each_outcome_answers_those_who_wait() {
    let until_ms = T0.unix_ms + 5_000;
    let renewing = || Unavailable::Renewing { until_ms };
    // outcome, refusal with tokens alone
    let table = [
        (postponed(), renewing()),
        // Not repeated on the heels of the attempt that may have been done.
        (unknown(), renewing()),
        (refused(), Unavailable::NeedsLogin),
    ];
    for (outcome, why) in table {
        let mut bench = ended_oauth();
        let order = order(&bench.lease("m"));
        let turn = bench.renewed(order, outcome.clone());
        assert_eq!(refusals(&turn), [why], "{outcome:?}");
        let mut bench = ended();
        let order = super::order(&bench.lease("m"));
        let turn = bench.renewed(order, outcome.clone());
        assert_eq!(leased(&turn), [Auth::ApiKey], "{outcome:?}");
    }
}

#[test]
fn waiting_requests_share_the_slots_there_are() {
    let mut bench = ended_oauth();
    bench.slots.set_limit(Some(3));
    let order = order(&bench.lease("m"));
    for _ in 1..10 {
        bench.lease("m");
    }
    let turn = bench.renewed(order, done(token(2)));
    assert_eq!((leased(&turn).len(), refusals(&turn).len()), (3, 7));
}

#[test]
fn who_has_left_is_not_answered_and_takes_no_slot() {
    let mut bench = ended_oauth();
    let order = order(&bench.lease("m"));
    bench.renew(1, true);
    bench.step(Input::Left(Ticket(1)));
    bench.step(Input::Left(Ticket(2)));
    let turn = bench.renewed(order, done(token(2)));
    assert!(turn.replies.is_empty());
    assert_eq!(bench.slots.in_use(), 0);
}

#[test]
fn a_token_that_lives_is_leased_while_it_is_renewed() {
    let mut bench = Bench::oauth();
    bench.pass(HOUR_MS - 60_000);
    let order = order(&bench.wake());
    assert_eq!(leased(&bench.lease("m")), [Auth::Oauth]);
    bench.renewed(order, unknown());
    assert_eq!(leased(&bench.lease("m")), [Auth::Oauth]);
    assert_eq!(bench.phase(), TokenPhase::Unknown);
}

/// Dead on arrival: an endpoint whose tokens have no life is asked with growing pauses, not as fast as it answers.
#[test]
fn tokens_without_a_life_are_not_asked_for_without_a_pause() {
    let mut bench = ended_oauth();
    let (mut pauses, mut generation) = (Vec::new(), 1);
    for _ in 0..12 {
        let order = order(&bench.wake());
        generation += 1;
        let turn = bench.renewed(order, done(token_at(generation, bench.now.unix_ms, 0)));
        assert!(orders(&turn).is_empty());
        let pause_ms = bench.account.deadline().unwrap() - bench.now.mono_ms;
        pauses.push(pause_ms);
        bench.pass(pause_ms);
    }
    assert_eq!(pauses[..3], [5_000, 10_000, 20_000]);
    assert_eq!(pauses[11], 300_000);
}

/// Another node's token, which has ended as well: those who wait get a renewal of their own.
#[test]
fn an_adopted_token_that_has_ended_is_renewed_at_once() {
    let mut bench = ended_oauth();
    let first = order(&bench.lease("m"));
    let adopted = Renewed::Done {
        token: token_at(5, T0.unix_ms - 2 * HOUR_MS, HOUR_MS),
        adopted: true,
    };
    let turn = bench.renewed(first, adopted);
    assert!(turn.replies.is_empty());
    let turn = bench.renewed(order(&turn), done(token(6)));
    assert_eq!(leased(&turn), [Auth::Oauth]);
}
