//! Probes: shared, of two kinds, about the credential that stands, and with growing pauses.

use super::*;

fn test(kind: ProbeKind) -> AccountAsk {
    AccountAsk::Test {
        auth: Auth::ApiKey,
        kind,
    }
}

#[test]
fn fifty_callers_become_one_probe_and_fifty_answers() {
    let mut bench = Bench::key();
    let all: usize = (0..50)
        .map(|_| probes(&bench.ask(test(ProbeKind::Read))).len())
        .sum();
    assert_eq!(all, 1);
    let turn = bench.probed(Auth::ApiKey, ProbeKind::Read, probe_ok());
    assert_eq!((turn.replies.len(), probes(&turn).len()), (50, 0));
}

#[test]
fn each_kind_has_its_own_answer_one_after_the_other() {
    let mut bench = Bench::key();
    bench.ask(test(ProbeKind::Read));
    assert!(probes(&bench.ask(test(ProbeKind::Message))).is_empty());
    bench.ask(test(ProbeKind::Read));
    let turn = bench.probed(Auth::ApiKey, ProbeKind::Read, probe_ok());
    assert_eq!(turn.replies.len(), 2);
    assert_eq!(probes(&turn), [(Auth::ApiKey, ProbeKind::Message)]);
    let turn = bench.probed(Auth::ApiKey, ProbeKind::Message, probe_rejected());
    assert!(matches!(
        turn.replies[..],
        [(Ticket(2), AccountReply::Tested(Probe::Rejected { .. }))]
    ));
}

#[test]
fn a_credential_that_is_not_there_cannot_be_tested() {
    let turn = Bench::oauth().ask(test(ProbeKind::Read));
    assert!(probes(&turn).is_empty());
    assert!(matches!(
        turn.replies[..],
        [(_, AccountReply::Tested(Probe::Inconclusive { .. }))]
    ));
}

#[test]
fn a_probe_of_the_old_credential_says_nothing_of_the_new_one() {
    let mut bench = Bench::key();
    bench.ask(test(ProbeKind::Read));
    let new = Secrets {
        api_key: Some("key-2".into()),
        ..Secrets::default()
    };
    bench.update(record(&[Auth::ApiKey]), new, None);
    let turn = bench.probed(Auth::ApiKey, ProbeKind::Read, probe_rejected());
    assert!(turn.replies.is_empty() && probes(&turn).len() == 1);
    assert_eq!(bench.health(Auth::ApiKey), "active");
    let turn = bench.probed(Auth::ApiKey, ProbeKind::Read, probe_rejected());
    assert_eq!(turn.replies.len(), 1);
    assert_eq!(bench.health(Auth::ApiKey), "rejected");
}

/// The pauses (ms) before the next `n` probes, each answered with `probe`.
fn pauses(bench: &mut Bench, auth: Auth, n: usize, probe: &Probe) -> Vec<u64> {
    (0..n)
        .map(|_| {
            bench.probed(auth, ProbeKind::Read, probe.clone());
            let pause_ms = bench.account.deadline().unwrap() - bench.now.mono_ms;
            bench.pass(pause_ms);
            bench.step(Input::Done(AccountDone::Saved));
            assert_eq!(probes(&bench.wake()), [(auth, ProbeKind::Read)]);
            pause_ms
        })
        .collect()
}

#[test]
fn a_refused_credential_is_probed_ever_more_rarely_and_comes_back() {
    let inconclusive = Probe::Inconclusive {
        message: String::new(),
    };
    for probe in [probe_rejected(), inconclusive] {
        let mut bench = Bench::key();
        bench.report(Auth::ApiKey, "m", Verdict::Unauthorized);
        bench.step(Input::Done(AccountDone::Saved));
        // Counters that are saved now and then are not what is measured here.
        bench.account.saves = super::super::saves::Saves::new(bench.now);
        let found = pauses(&mut bench, Auth::ApiKey, 9, &probe);
        let minute = 60_000;
        assert_eq!(found[..4], [minute, 2 * minute, 4 * minute, 8 * minute]);
        assert_eq!(found[6..], [HOUR_MS, HOUR_MS, HOUR_MS]);
        bench.probed(Auth::ApiKey, ProbeKind::Read, probe_ok());
        assert_eq!(bench.health(Auth::ApiKey), "active");
    }
}

/// It probes well and is refused in use, again and again.
#[test]
fn a_credential_that_flaps_comes_back_ever_more_slowly() {
    let mut bench = Bench::key();
    let mut closed = Vec::new();
    for _ in 0..8 {
        bench.report(Auth::ApiKey, "m", Verdict::Unauthorized);
        bench.probed(Auth::ApiKey, ProbeKind::Read, probe_ok());
        assert_eq!(bench.health(Auth::ApiKey), "active");
        let until_ms = match bench.fit("m") {
            Ok(_) => bench.now.unix_ms,
            Err(Unavailable::Throttled { until_ms }) => until_ms,
            Err(why) => panic!("{why:?}"),
        };
        closed.push(until_ms - bench.now.unix_ms);
        bench.pass(until_ms - bench.now.unix_ms);
    }
    assert_eq!(closed[..3], [0, 120_000, 240_000]);
    assert_eq!(closed[7], HOUR_MS);
    bench.report(Auth::ApiKey, "m", Verdict::Success);
    bench.report(Auth::ApiKey, "m", Verdict::Unauthorized);
    bench.probed(Auth::ApiKey, ProbeKind::Read, probe_ok());
    assert!(bench.fit("m").is_ok(), "a success in use makes good");
}

#[test]
fn a_switched_off_account_is_probed_when_it_is_on_again() {
    let off = AccountRecord {
        enabled: false,
        ..record(&[Auth::ApiKey])
    };
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "m", Verdict::Unauthorized);
    bench.update(off, secrets(&[Auth::ApiKey]), None);
    bench.probed(Auth::ApiKey, ProbeKind::Read, probe_rejected());
    bench.pass(DAY_MS);
    assert!(probes(&bench.wake()).is_empty());
    bench.update(record(&[Auth::ApiKey]), secrets(&[Auth::ApiKey]), None);
    assert!(bench.account.deadline().unwrap() <= bench.now.mono_ms);
    assert_eq!(probes(&bench.wake()).len(), 1);
}

/// A token that is refused although renewed is probed while it lives; after that only a login helps.
#[test]
fn a_token_that_has_ended_is_not_probed() {
    let mut bench = Bench::oauth();
    let turn = bench.report(Auth::Oauth, "m", Verdict::Unauthorized);
    assert_eq!(probes(&turn).len(), 1);
    bench.probed(Auth::Oauth, ProbeKind::Read, probe_rejected());
    bench.pass(60_000);
    assert_eq!(probes(&bench.wake()).len(), 1);
    bench.probed(Auth::Oauth, ProbeKind::Read, probe_rejected());
    bench.pass(2 * HOUR_MS);
    let turn = bench.wake();
    assert!(probes(&turn).is_empty() && orders(&turn).is_empty());
}

/// Nobody can log in for a workload identity: it looks after itself, with the pauses of a probe.
#[test]
fn a_refused_account_with_a_reusable_grant_gets_a_token_to_probe_with() {
    let machine = AccountRecord {
        oauth: Some(oauth_settings(Grant::JwtBearer)),
        ..record(&[Auth::Oauth])
    };
    let mut bench = Bench::start(machine, Secrets::default(), seed(token(1)), None, T0);
    bench.report(Auth::Oauth, "m", Verdict::Unauthorized);
    bench.probed(Auth::Oauth, ProbeKind::Read, probe_rejected());
    bench.pass(2 * HOUR_MS);
    let turn = bench.wake();
    assert!(probes(&turn).is_empty());
    let order = order(&turn);
    let turn = bench.renewed(order, done(token_at(2, bench.now.unix_ms, HOUR_MS)));
    assert_eq!(probes(&turn), [(Auth::Oauth, ProbeKind::Read)]);
    bench.probed(Auth::Oauth, ProbeKind::Read, probe_rejected());
    let pause_ms = bench.account.deadline().unwrap() - bench.now.mono_ms;
    assert!(pause_ms <= 30_000 || pause_ms >= 120_000, "{pause_ms}");
    bench.pass(10 * 60_000);
    assert_eq!(probes(&bench.wake()).len(), 1);
    bench.probed(Auth::Oauth, ProbeKind::Read, probe_ok());
    assert_eq!(bench.health(Auth::Oauth), "active");
}

proptest::proptest! {
    #[test]
    fn every_test_is_answered_once_whatever_comes_between(
        steps in proptest::collection::vec(0u8..8, 1..200)
    ) {
        let mut bench = Bench::key();
        let (mut answered, mut in_flight) = (Vec::new(), Vec::new());
        for step in steps {
            bench.pass(10_000);
            let turn = match step {
                0 => bench.ask(test(ProbeKind::Read)),
                1 => bench.ask(test(ProbeKind::Message)),
                2 if !in_flight.is_empty() => {
                    let kind = in_flight.remove(0);
                    bench.probed(Auth::ApiKey, kind, probe_rejected())
                }
                3 => bench.report(Auth::ApiKey, "m", Verdict::Unauthorized),
                4 => bench.tell(AccountTell::Revive),
                5 => bench.update(record(&[Auth::ApiKey]), Secrets::default(), None),
                6 => bench.update(record(&[Auth::ApiKey]), secrets(&[Auth::ApiKey]), None),
                _ => bench.wake(),
            };
            in_flight.extend(probes(&turn).into_iter().map(|(_, kind)| kind));
            proptest::prop_assert!(in_flight.len() <= 1);
            answered.extend(turn.replies.into_iter().map(|(ticket, _)| ticket.0));
        }
        while let Some(kind) = in_flight.pop() {
            let turn = bench.probed(Auth::ApiKey, kind, probe_ok());
            in_flight.extend(probes(&turn).into_iter().map(|(_, kind)| kind));
            answered.extend(turn.replies.into_iter().map(|(ticket, _)| ticket.0));
        }
        answered.sort_unstable();
        let asked: Vec<u64> = (1..=bench.tickets).collect();
        proptest::prop_assert_eq!(answered, asked);
    }
}
