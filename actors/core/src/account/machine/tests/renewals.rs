//! The life of tokens: early renewal, the 401, unknown outcomes, and when a login is needed.

use super::*;

#[test]
fn two_hundred_401s_are_one_renewal_and_two_hundred_answers() {
    let mut bench = Bench::oauth();
    let first = order(&bench.renew(1, true));
    assert_eq!(
        first,
        Renewal {
            generation: 1,
            last: false
        }
    );
    for _ in 1..200 {
        assert!(orders(&bench.renew(1, true)).is_empty());
    }
    let turn = bench.renewed(first, done(token(2)));
    let renewed = |(_, reply): &&(Ticket, AccountReply)| matches!(reply, AccountReply::Renewed);
    assert_eq!(turn.replies.iter().filter(renewed).count(), 200);
    // The latecomer has been helped already.
    let late = bench.renew(1, true);
    assert!(orders(&late).is_empty());
    assert!(matches!(late.replies[..], [(_, AccountReply::Renewed)]));
}

#[test]
fn renewal_begins_early_and_by_itself() {
    let table = [
        // grant, life, earliest, latest
        (Grant::RefreshToken, HOUR_MS, 46 * 60_000, 48 * 60_000),
        (Grant::RefreshToken, 8 * HOUR_MS, 458 * 60_000, 460 * 60_000),
        (Grant::ClientCredentials, HOUR_MS, 46 * 60_000, 48 * 60_000),
        (Grant::JwtBearer, HOUR_MS, 58 * 60_000 - 12_000, 58 * 60_000),
    ];
    for (grant, life_ms, earliest_ms, latest_ms) in table {
        let record = AccountRecord {
            oauth: Some(oauth_settings(grant)),
            ..record(&[Auth::Oauth])
        };
        let token = token_at(1, T0.unix_ms, life_ms);
        let mut bench = Bench::start(record, Secrets::default(), seed(token), None, T0);
        let mut waited_ms = 0;
        let turn = loop {
            let pause_ms = bench.account.deadline().unwrap() - bench.now.mono_ms;
            bench.pass(pause_ms);
            waited_ms += pause_ms;
            let turn = bench.wake();
            if !orders(&turn).is_empty() {
                break turn;
            }
        };
        assert!(
            (earliest_ms..=latest_ms).contains(&waited_ms),
            "{grant:?}: {waited_ms}"
        );
        assert_eq!(orders(&turn).len(), 1);
        assert!(bench.fit("m").is_ok_and(|fit| !fit.stale));
    }
}

#[test]
fn a_switched_off_account_is_not_renewed() {
    let off = AccountRecord {
        enabled: false,
        ..record(&[Auth::Oauth])
    };
    let mut bench = Bench::oauth();
    bench.update(off, Secrets::default(), None);
    bench.pass(HOUR_MS);
    assert_eq!(bench.account.deadline(), None);
    assert!(orders(&bench.wake()).is_empty());
    let turn = bench.update(record(&[Auth::Oauth]), Secrets::default(), None);
    assert_eq!(orders(&turn).len(), 1);
}

/// A network error is not a refusal: the token stays, and the next try waits ever longer.
#[test]
fn a_failed_renewal_is_repeated_with_growing_pauses_and_loses_nothing() {
    let mut bench = Bench::oauth();
    bench.pass(50 * 60_000);
    for pause_ms in [
        5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000,
    ] {
        let order = order(&bench.wake());
        assert!(!order.last);
        bench.renewed(order, postponed());
        assert_eq!(bench.account.deadline(), Some(bench.now.mono_ms + pause_ms));
        assert!(orders(&bench.wake()).is_empty());
        bench.pass(pause_ms);
        let view = bench.account.view();
        let credential = view.lane(Auth::Oauth).unwrap().credential.clone();
        assert!(credential.is_some());
    }
    let order = order(&bench.wake());
    let after = Renewed::Postponed {
        reason: String::new(),
        after_ms: Some(u64::MAX),
    };
    bench.renewed(order, after);
    assert_eq!(bench.account.deadline(), Some(bench.now.mono_ms + 300_000));
}

#[test]
fn an_unknown_outcome_waits_for_the_end_and_then_there_is_one_more() {
    let mut bench = Bench::oauth();
    bench.pass(50 * 60_000);
    let first = order(&bench.wake());
    bench.renewed(first, unknown());
    assert_eq!(bench.phase(), TokenPhase::Unknown);
    // Whoever asks, it is not repeated while the old token lives.
    let until_ms = T0.unix_ms + HOUR_MS;
    assert_eq!(
        refusals(&bench.renew(1, false)),
        [Unavailable::Renewing { until_ms }]
    );
    assert_eq!(
        bench.account.deadline(),
        Some(bench.now.mono_ms + 10 * 60_000)
    );
    bench.pass(10 * 60_000);
    let last = order(&bench.wake());
    assert!(last.last && bench.fit("m").is_ok_and(|fit| fit.stale));
    // It was not made: it is still to come.
    bench.renewed(last, postponed());
    bench.pass(5_000);
    let last = order(&bench.wake());
    assert!(last.last);
    bench.renewed(last, unknown());
    assert_eq!(bench.fit("m"), Err(Unavailable::NeedsLogin));
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
    bench.pass(DAY_MS);
    assert!(orders(&bench.wake()).is_empty() && orders(&bench.lease("m")).is_empty());
    assert_eq!(refusals(&bench.renew(1, true)), [Unavailable::NeedsLogin]);
}

/// Grants that are not used up are simply tried again.
#[test]
fn an_unknown_outcome_of_a_reusable_grant_is_a_pause() {
    for grant in [Grant::JwtBearer, Grant::ClientCredentials] {
        let record = AccountRecord {
            oauth: Some(oauth_settings(grant)),
            ..record(&[Auth::Oauth])
        };
        let mut bench = Bench::start(record, Secrets::default(), TokenSeed::default(), None, T0);
        for _ in 0..5 {
            let order = order(&bench.wake());
            assert!(!order.last && order.generation == 0);
            bench.renewed(order, unknown());
            let pause_ms = bench.account.deadline().unwrap() - bench.now.mono_ms;
            bench.pass(pause_ms);
        }
        let first = order(&bench.wake());
        bench.renewed(first, done(token_at(1, bench.now.unix_ms, HOUR_MS)));
        assert!(bench.fit("m").is_ok());
    }
}

#[test]
fn a_refused_renewal_serves_to_the_end_and_then_says_so() {
    let mut bench = Bench::oauth();
    bench.pass(50 * 60_000);
    let order = order(&bench.wake());
    bench.renewed(order, refused());
    assert_eq!(bench.health(Auth::Oauth), "active");
    assert_eq!(leased(&bench.lease("m")), [Auth::Oauth]);
    assert_eq!(
        bench.account.deadline(),
        Some(bench.now.mono_ms + 10 * 60_000)
    );
    bench.pass(10 * 60_000);
    bench.step(Input::Done(AccountDone::Saved));
    let turn = bench.wake();
    let told = |e: &AccountEffect| {
        matches!(e, AccountEffect::Save { changes, .. }
            if matches!(&changes[..], [EventKind::AccountStateChanged { to, .. }] if to == "needs_login"))
    };
    assert!(turn.effects.iter().any(told), "{:?}", turn.effects);
    assert_eq!(bench.account.view().state(), "needs_login");
    assert_eq!(bench.account.deadline(), None);
}

/// The upstream's word counts more than the clock: a token that was refused is not tried on further requests.
#[test]
fn a_dead_token_is_not_used_while_its_renewal_waits() {
    let until_ms = T0.unix_ms + 5_000;
    for outcome in [postponed(), unknown()] {
        let mut bench = Bench::oauth();
        let order = order(&bench.renew(1, true));
        let turn = bench.renewed(order, outcome.clone());
        assert_eq!(refusals(&turn), [Unavailable::Renewing { until_ms }]);
        assert_eq!(bench.fit("m"), Err(Unavailable::Renewing { until_ms }));
        // Its 401, reported by a request that could not get a new one, is no refusal of a renewed token.
        bench.report(Auth::Oauth, "m", Verdict::Unauthorized);
        assert_eq!(bench.health(Auth::Oauth), "active");
        bench.pass(5_000);
        let again = super::order(&bench.lease("m"));
        assert_eq!(again.last, matches!(outcome, Renewed::Unknown { .. }));
        assert_eq!(leased(&bench.renewed(again, done(token(2)))), [Auth::Oauth]);
    }
}

#[test]
fn a_401_during_an_early_renewal_is_remembered() {
    let mut bench = Bench::oauth();
    bench.pass(50 * 60_000);
    let order = order(&bench.wake());
    bench.renew(1, true);
    bench.renewed(order, unknown());
    assert!(matches!(bench.fit("m"), Err(Unavailable::Renewing { .. })));
}

#[test]
fn a_401_and_a_refused_renewal_need_a_login_at_once() {
    let mut bench = Bench::oauth();
    let order = order(&bench.renew(1, true));
    let turn = bench.renewed(order, refused());
    assert_eq!(refusals(&turn), [Unavailable::NeedsLogin]);
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
}

/// Refreshed once, retried once; what is refused then is not refreshed for ever.
#[test]
fn a_renewed_token_that_is_refused_needs_a_login() {
    let mut bench = Bench::oauth();
    let order = order(&bench.renew(1, true));
    bench.renewed(order, done(token(2)));
    bench.report(Auth::Oauth, "m", Verdict::Unauthorized);
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
    // Others that had the same token.
    assert_eq!(refusals(&bench.renew(2, true)), [Unavailable::NeedsLogin]);
    bench.pass(2 * HOUR_MS);
    assert!(orders(&bench.wake()).is_empty());
}

#[test]
fn an_account_without_tokens_has_none_to_renew() {
    assert_eq!(
        refusals(&Bench::key().renew(0, true)),
        [Unavailable::Unsupported]
    );
}

#[test]
fn a_clock_set_back_does_not_postpone_for_ever() {
    let mut bench = Bench::oauth();
    let order = order(&bench.renew(1, true));
    bench.renewed(order, postponed());
    bench.now.unix_ms -= 30 * DAY_MS;
    bench.pass(1);
    assert_eq!(orders(&bench.lease("m")).len(), 1);
}

#[test]
fn what_renewals_did_is_kept_with_their_reasons() {
    let mut bench = Bench::oauth();
    for outcome in [postponed(), unknown(), done(token(2))] {
        let order = order(&bench.renew(1, true));
        bench.renewed(order, outcome);
        bench.pass(5_000 + 5_000);
    }
    let turn = bench.ask(AccountAsk::Stats);
    let [(_, AccountReply::Stats(stats))] = &turn.replies[..] else {
        panic!("{:?}", turn.replies);
    };
    let words: Vec<_> = stats.renewals.iter().map(|r| &*r.outcome).collect();
    assert_eq!(words, ["postponed", "unknown", "renewed"]);
    assert_eq!(stats.renewals[1].why.as_deref(), Some("timed out"));
}

mod early {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever an endpoint says about lives, and whatever the clock was: the time to renew lies within the life.
        #[test]
        fn the_time_to_renew_is_within_the_life(
            grant in prop::sample::select(vec![Grant::JwtBearer, Grant::RefreshToken, Grant::ClientCredentials]),
            obtained_ms in prop_oneof![0..=u64::MAX, Just(0), Just(T0.unix_ms)],
            life_ms in prop_oneof![0..=u64::MAX, 0..200_000u64, Just(0), Just(1)],
            backwards in any::<bool>(),
            generation in any::<u64>(),
            spread in any::<u128>(),
        ) {
            let (obtained_ms, expires_ms) = match backwards {
                false => (obtained_ms, obtained_ms.saturating_add(life_ms)),
                true => (obtained_ms, obtained_ms.saturating_sub(life_ms)),
            };
            let token = Token { generation, obtained_ms, expires_ms, ..token(1) };
            let tokens = Tokens::new(grant, seed(token), AccountId(Uuid::from_u128(spread)));
            let due_ms = tokens.due_ms(0).unwrap();
            let stale_ms = tokens.stale_ms();
            prop_assert!(due_ms <= stale_ms && stale_ms <= expires_ms);
            prop_assert!(due_ms >= obtained_ms.min(expires_ms));
            if expires_ms > obtained_ms.saturating_add(100) {
                prop_assert!(due_ms < stale_ms, "{due_ms} {stale_ms}");
            }
        }
    }
}
