//! What a new incarnation knows: from the store after an end, from the view after a panic.

use super::*;

/// The state that is in the store now, as bytes and back.
fn stored(bench: &mut Bench) -> AccountState {
    // The second waits for the first, if there was none under way already.
    for _ in 0..2 {
        bench.account.save(None, &mut Turn::default());
    }
    let turn = bench.step(Input::Done(AccountDone::Saved));
    let state = saves(&turn)[0];
    let text = serde_json::to_string(state).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn again(auths: &[Auth], token: TokenSeed, state: Option<AccountState>, now: Now) -> Bench {
    Bench::start(record(auths), secrets(auths), token, state, now)
}

#[test]
fn pauses_health_windows_and_counters_come_back() {
    let auths = [Auth::ApiKey, Auth::Oauth];
    let mut bench = Bench::of(&auths);
    let report = Report {
        windows: vec![window("5h", None, 250_000, T0.unix_ms + HOUR_MS)],
        ..Report::new(Auth::ApiKey, 0, Some("m".into()), throttled(60_000))
    };
    bench.tell(AccountTell::Reports(vec![report]));
    bench.report(Auth::ApiKey, "m", Verdict::Platform);
    let out = Verdict::OutOfService {
        reason: "credit".into(),
    };
    bench.report(Auth::Oauth, "m", out);
    let state = stored(&mut bench);
    let mut new = again(&auths, seed(token(1)), Some(state), T0.plus(1_000));
    let until_ms = T0.unix_ms + 60_000;
    assert_eq!(new.fit("m"), Err(Unavailable::Throttled { until_ms }));
    assert_eq!(new.health(Auth::Oauth), "out_of_service");
    let turn = new.ask(AccountAsk::Stats);
    assert!(matches!(&turn.replies[..], [(_, AccountReply::Stats(s))] if s.account_faults == 2));
    new.pass(60_000);
    let fit = new.fit("m").unwrap();
    assert!(!fit.avoided, "soft preferences of the moment are not kept");
    assert_eq!(fit.used_ppm, 250_000);
}

#[test]
fn a_pause_that_ended_meanwhile_is_not_one_any_more() {
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "m", throttled(60_000));
    let state = stored(&mut bench);
    let late = again(
        &[Auth::ApiKey],
        TokenSeed::default(),
        Some(state.clone()),
        T0.plus(DAY_MS),
    );
    assert!(late.fit("m").is_ok_and(|fit| fit.trial));
    // Nor is one of a clock that was a year ahead a year long.
    let mut back = T0.plus(0);
    back.unix_ms -= 365 * DAY_MS;
    let early = again(&[Auth::ApiKey], TokenSeed::default(), Some(state), back);
    let until_ms = back.unix_ms + MAX_COOL_DOWN_MS;
    assert_eq!(early.fit("m"), Err(Unavailable::Throttled { until_ms }));
}

#[test]
fn a_state_of_the_first_version_is_read() {
    let text = format!(
        r#"{{"id":"{}","health":{{"state":"rejected","since_ms":5}},"cooldowns":[],"updated_ms":9}}"#,
        id().0
    );
    let state: AccountState = serde_json::from_str(&text).unwrap();
    let bench = again(&[Auth::ApiKey], TokenSeed::default(), Some(state), T0);
    assert_eq!(bench.health(Auth::ApiKey), "rejected");
    assert_eq!(bench.account.deadline(), Some(T0.mono_ms), "probed at once");
}

#[test]
fn the_need_for_a_login_is_kept() {
    let mut bench = Bench::oauth();
    let order = order(&bench.renew(1, true));
    bench.renewed(order, refused());
    let state = stored(&mut bench);
    let row = TokenSeed {
        needs_login: Some("invalid_grant".into()),
        ..seed(token(1))
    };
    let later = T0.plus(2 * HOUR_MS);
    for state in [Some(state), None] {
        let mut new = again(&[Auth::Oauth], row.clone(), state, later);
        let turn = new.wake();
        assert!(orders(&turn).is_empty() && probes(&turn).is_empty());
        assert_eq!(new.health(Auth::Oauth), "needs_login");
        assert_eq!(new.account.deadline(), None);
        assert_eq!(refusals(&new.lease("m")), [Unavailable::NeedsLogin]);
    }
}

/// Somebody logged in while the process was down.
#[test]
fn a_login_while_down_is_found_by_a_probe() {
    let mut bench = Bench::oauth();
    let order = order(&bench.renew(1, true));
    bench.renewed(order, refused());
    let state = stored(&mut bench);
    let mut new = again(&[Auth::Oauth], seed(token(2)), Some(state), T0);
    assert_eq!(probes(&new.wake()), [(Auth::Oauth, ProbeKind::Read)]);
    new.probed(Auth::Oauth, ProbeKind::Read, probe_ok());
    assert_eq!(leased(&new.lease("m")), [Auth::Oauth]);
}

fn unconcluded(last: bool) -> TokenSeed {
    TokenSeed {
        unconcluded: Some(last),
        ..seed(token(1))
    }
}

#[test]
fn an_intent_without_an_outcome_gets_one_last_attempt_at_the_end() {
    let mut bench = again(&[Auth::Oauth], unconcluded(false), None, T0);
    assert_eq!(bench.phase(), TokenPhase::Unknown);
    bench.pass(HOUR_MS - 1);
    assert!(orders(&bench.wake()).is_empty());
    assert_eq!(leased(&bench.lease("m")), [Auth::Oauth]);
    bench.pass(1);
    let last = order(&bench.wake());
    assert!(last.last);
    bench.renewed(last, unknown());
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
}

#[test]
fn a_last_attempt_without_an_outcome_serves_to_the_end_and_is_not_repeated() {
    let mut bench = again(&[Auth::Oauth], unconcluded(true), None, T0);
    assert_eq!(leased(&bench.lease("m")), [Auth::Oauth]);
    bench.pass(HOUR_MS);
    assert!(orders(&bench.wake()).is_empty());
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
    assert_eq!(refusals(&bench.lease("m")), [Unavailable::NeedsLogin]);
}

#[test]
fn an_intent_of_a_reusable_grant_is_no_obstacle() {
    let machine = AccountRecord {
        oauth: Some(oauth_settings(Grant::JwtBearer)),
        ..record(&[Auth::Oauth])
    };
    let mut bench = Bench::start(machine, Secrets::default(), unconcluded(true), None, T0);
    bench.pass(HOUR_MS);
    assert!(!order(&bench.wake()).last);
}

/// After a panic the view is all there is: it must tell as much as a store would.
#[test]
fn a_panic_at_any_moment_repeats_no_last_attempt() {
    let of_view = |bench: &Bench| {
        let view = bench.account.view();
        let lane = view.lane(Auth::Oauth).unwrap();
        TokenSeed::of_view(lane.token.as_ref().unwrap(), lane.credential.clone())
    };
    let mut bench = Bench::oauth();
    assert_eq!(of_view(&bench).unconcluded, None);
    bench.pass(50 * 60_000);
    let first = order(&bench.wake());
    assert_eq!(of_view(&bench).unconcluded, Some(false), "under way");
    bench.renewed(first, unknown());
    assert_eq!(of_view(&bench).unconcluded, Some(false), "unknown");
    bench.pass(10 * 60_000);
    let last = order(&bench.wake());
    assert_eq!(
        of_view(&bench).unconcluded,
        Some(true),
        "the last under way"
    );
    let mut new = again(&[Auth::Oauth], of_view(&bench), None, bench.now);
    assert!(orders(&new.wake()).is_empty());
    assert_eq!(new.health(Auth::Oauth), "needs_login");
    bench.renewed(last, postponed());
    assert_eq!(of_view(&bench).unconcluded, Some(false), "postponed");
    bench.pass(5_000);
    let last = order(&bench.wake());
    bench.renewed(last, refused());
    assert!(of_view(&bench).needs_login.is_some());
}

/// A grant that was brought while nothing ran is presented, whatever was refused before it.
#[test]
fn a_grant_that_was_brought_meanwhile_ends_the_need_of_a_login() {
    let mut state = AccountState::new(id(), T0.unix_ms);
    let health = Health::NeedsLogin {
        since_ms: T0.unix_ms,
        reason: "refused".into(),
    };
    let lane = LaneState {
        health,
        ..LaneState::default()
    };
    state.lanes.insert(Auth::Oauth, lane);
    let mut bench = again(
        &[Auth::Oauth],
        TokenSeed::default(),
        Some(state.clone()),
        T0,
    );
    let order = order(&bench.wake());
    bench.renewed(order, done(token(2)));
    assert_eq!(leased(&bench.lease("m")), [Auth::Oauth]);
    let still = TokenSeed {
        needs_login: Some("refused".into()),
        ..TokenSeed::default()
    };
    let mut bench = again(&[Auth::Oauth], still, Some(state), T0);
    assert!(orders(&bench.wake()).is_empty());
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
}
