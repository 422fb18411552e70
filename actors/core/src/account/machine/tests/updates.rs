//! New settings, new credentials, logins, and the operator's word.

use super::*;

const KEY: [Auth; 1] = [Auth::ApiKey];
const OAUTH: [Auth; 1] = [Auth::Oauth];

fn key_2() -> Secrets {
    Secrets {
        api_key: Some("key-2".into()),
        ..Secrets::default()
    }
}

fn out() -> Verdict {
    Verdict::OutOfService {
        reason: "credit".into(),
    }
}

#[test]
fn a_new_key_and_an_operator_revive() {
    for verdict in [
        out(),
        Verdict::Challenged,
        Verdict::Unauthorized,
        throttled(HOUR_MS),
    ] {
        let mut bench = Bench::key();
        bench.report(Auth::ApiKey, "m", verdict.clone());
        assert!(bench.fit("m").is_err());
        bench.update(record(&KEY), key_2(), None);
        assert!(bench.fit("m").is_ok(), "{verdict:?}");
        let mut bench = Bench::key();
        bench.report(Auth::ApiKey, "m", verdict.clone());
        bench.tell(AccountTell::Revive);
        assert!(bench.fit("m").is_ok(), "{verdict:?}");
    }
}

#[test]
fn other_settings_keep_what_was_learnt() {
    let changes: [fn(&mut AccountRecord); 5] = [
        |r| r.name = "renamed".into(),
        |r| r.weight = 9,
        |r| r.preferred_auth = PreferredAuth::Oauth,
        |r| r.concurrent = Some(4),
        |r| r.enabled = false,
    ];
    for change in changes {
        for verdict in [out(), Verdict::Unauthorized, throttled(HOUR_MS)] {
            let mut bench = Bench::key();
            bench.report(Auth::ApiKey, "m", verdict);
            let (before, why) = (bench.health(Auth::ApiKey), bench.fit("m"));
            let mut changed = record(&KEY);
            change(&mut changed);
            bench.update(changed, secrets(&KEY), None);
            assert_eq!(bench.health(Auth::ApiKey), before);
            bench.update(record(&KEY), secrets(&KEY), None);
            assert_eq!(bench.fit("m"), why);
        }
    }
}

#[test]
fn a_pause_that_a_new_credential_ended_stays_ended_after_a_restart() {
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "m", throttled(60_000));
    bench.update(record(&KEY), key_2(), None);
    let turn = bench.step(Input::Done(AccountDone::Saved));
    assert!(saves(&turn)[0].lanes.is_empty());
}

#[test]
fn a_limit_holds_from_now_on() {
    let mut bench = Bench::key();
    let limited = AccountRecord {
        concurrent: Some(1),
        ..record(&KEY)
    };
    bench.update(limited, secrets(&KEY), None);
    let _first = bench.lease("m");
    assert_eq!(refusals(&bench.lease("m")), [Unavailable::Full]);
}

#[test]
fn a_login_revives_and_serves_those_who_wait() {
    let mut bench = Bench::oauth();
    bench.pass(HOUR_MS);
    let order = order(&bench.lease("m"));
    bench.renew(1, true);
    let login = seed(token_at(2, bench.now.unix_ms, HOUR_MS));
    let turn = bench.update(record(&OAUTH), Secrets::default(), Some(login));
    assert_eq!(leased(&turn), [Auth::Oauth]);
    assert!(matches!(turn.replies[..], [(_, AccountReply::Renewed), _]));
    assert!(orders(&turn).is_empty());
    // The outcome of the older generation is nobody's.
    for outcome in [
        done(token(9)),
        refused(),
        unknown(),
        postponed(),
        done(token_at(2, 0, 1)),
    ] {
        let turn = bench.renewed(order, outcome);
        assert!(turn.replies.is_empty() && orders(&turn).is_empty());
        assert_eq!(bench.account.generation(), 2);
        assert_eq!(bench.phase(), TokenPhase::Idle);
        assert!(bench.fit("m").is_ok());
    }
}

/// A late outcome must not hide a renewal of the new token that has begun meanwhile: there would be two.
#[test]
fn a_late_outcome_does_not_make_room_for_a_second_renewal() {
    let mut bench = Bench::oauth();
    let old = order(&bench.renew(1, true));
    bench.update(record(&OAUTH), Secrets::default(), Some(seed(token(2))));
    // A 401 of the new one waits until the old renewal has ended.
    let waits = bench.renew(2, true);
    assert!(orders(&waits).is_empty() && waits.replies.is_empty());
    let turn = bench.renewed(old, refused());
    let new = order(&turn);
    assert_eq!(new.generation, 2);
    assert!(turn.replies.is_empty());
    assert!(orders(&bench.renew(2, true)).is_empty());
    let turn = bench.renewed(new, done(token(3)));
    assert_eq!(turn.replies.len(), 2);
}

#[test]
fn a_login_after_the_need_for_one() {
    let mut bench = Bench::oauth();
    let order = order(&bench.renew(1, true));
    bench.renewed(order, refused());
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
    bench.update(record(&OAUTH), Secrets::default(), Some(seed(token(2))));
    assert_eq!(
        (bench.health(Auth::Oauth), bench.phase()),
        ("active", TokenPhase::Idle)
    );
    assert_eq!(leased(&bench.lease("m")), [Auth::Oauth]);
}

/// Re-adding an account takes its new token; what was read before a renewal wrote does not bring the old one back.
#[test]
fn a_newer_token_is_taken_and_an_older_one_is_not() {
    let mut bench = Bench::oauth();
    let order = order(&bench.renew(1, true));
    bench.renewed(order, done(token(5)));
    bench.report(Auth::Oauth, "m", out());
    for (generation, stands, health) in [
        (4, 5, "out_of_service"),
        (5, 5, "out_of_service"),
        (6, 6, "active"),
    ] {
        let again = seed(token(generation));
        bench.update(record(&OAUTH), Secrets::default(), Some(again));
        assert_eq!(bench.account.generation(), stands);
        assert_eq!(bench.health(Auth::Oauth), health);
        let view = bench.account.view();
        let secret = view.secret_of(Auth::Oauth).unwrap();
        use secrecy::ExposeSecret;
        assert_eq!(secret.expose_secret(), format!("access-{stands}"));
    }
}

/// A login may come with another grant; single-use grants are treated as such from then on.
#[test]
fn a_login_may_change_the_grant() {
    let machine = AccountRecord {
        oauth: Some(oauth_settings(Grant::ClientCredentials)),
        ..record(&OAUTH)
    };
    let mut bench = Bench::start(machine, Secrets::default(), seed(token(1)), None, T0);
    bench.update(record(&OAUTH), Secrets::default(), Some(seed(token(2))));
    bench.pass(50 * 60_000);
    let order = order(&bench.wake());
    bench.renewed(order, unknown());
    assert_eq!(bench.phase(), TokenPhase::Unknown);
}

/// Wishing for another try does not make a grant unspent.
#[test]
fn a_revival_does_not_forget_that_the_grant_may_be_spent() {
    let mut bench = Bench::oauth();
    bench.pass(50 * 60_000);
    let first = order(&bench.wake());
    bench.renewed(first, unknown());
    assert!(orders(&bench.tell(AccountTell::Revive)).is_empty());
    assert_eq!(bench.phase(), TokenPhase::Unknown);
    bench.pass(10 * 60_000);
    let last = order(&bench.wake());
    bench.renewed(last, unknown());
    assert_eq!(bench.health(Auth::Oauth), "needs_login");
    assert!(order(&bench.tell(AccountTell::Revive)).last);
}

#[test]
fn a_credential_that_is_taken_away_leaves_nobody_waiting() {
    let mut bench = Bench::of(&[Auth::ApiKey, Auth::Oauth]);
    bench.ask(AccountAsk::Test {
        auth: Auth::ApiKey,
        kind: ProbeKind::Read,
    });
    let turn = bench.update(record(&OAUTH), Secrets::default(), None);
    assert!(matches!(
        turn.replies[..],
        [(Ticket(1), AccountReply::Tested(Probe::Inconclusive { .. }))]
    ));
    let order = order(&bench.renew(1, true));
    let turn = bench.update(record(&KEY), secrets(&KEY), None);
    assert_eq!(refusals(&turn), [Unavailable::Unsupported]);
    // It comes back, with tokens of its own: the outcomes of before are not theirs.
    bench.update(
        record(&[Auth::ApiKey, Auth::Oauth]),
        secrets(&KEY),
        Some(seed(token(1))),
    );
    bench.renewed(order, refused());
    assert_eq!(bench.phase(), TokenPhase::Idle);
    bench.probed(Auth::ApiKey, ProbeKind::Read, probe_rejected());
    assert_eq!(bench.health(Auth::ApiKey), "active");
}

/// What was learnt of a key that was taken away is not its successor's, not after a restart either.
#[test]
fn a_credential_that_is_taken_away_is_forgotten_in_the_store() {
    let mut bench = Bench::of(&[Auth::ApiKey, Auth::Oauth]);
    bench.report(Auth::ApiKey, "m", out());
    bench.update(record(&OAUTH), Secrets::default(), None);
    let turn = bench.step(Input::Done(AccountDone::Saved));
    assert!(saves(&turn)[0].lanes.is_empty());
    bench.update(record(&[Auth::ApiKey, Auth::Oauth]), key_2(), None);
    assert_eq!(bench.health(Auth::ApiKey), "active");
}

/// A grant without an access token is presented at once, by an account that needs a login and by one that does not.
#[test]
fn a_grant_that_is_brought_alone_is_presented() {
    for refuse in [true, false] {
        let mut bench = Bench::oauth();
        bench.pass(HOUR_MS);
        let first = order(&bench.wake());
        if refuse {
            bench.renewed(first, refused());
            assert_eq!(bench.health(Auth::Oauth), "needs_login");
        }
        let turn = bench.update(
            record(&OAUTH),
            Secrets::default(),
            Some(TokenSeed::default()),
        );
        if !refuse {
            // Of the renewal that was under way nothing counts.
            assert!(orders(&turn).is_empty());
            let turn = bench.renewed(first, refused());
            let own = order(&if orders(&turn).is_empty() {
                bench.wake()
            } else {
                turn
            });
            assert!(!own.last);
            bench.renewed(own, done(token(9)));
        } else {
            let own = order(&turn);
            assert!(!own.last);
            bench.renewed(own, done(token(9)));
        }
        assert_eq!(bench.health(Auth::Oauth), "active");
        assert_eq!(bench.account.generation(), 9);
    }
}
