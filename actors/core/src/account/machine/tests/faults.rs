//! What each verdict changes (WIRE §1), for which model, which betas, and of which credential.

use super::*;

/// What a request for a model meets.
#[derive(Debug, PartialEq, Eq)]
enum Meets {
    Open,
    Avoided,
    Closed,
}

fn meets(bench: &Bench, model: Option<&str>, betas: u64) -> Meets {
    let want = Want {
        model,
        betas,
        ..bench.want("")
    };
    match bench.account.view().fit(&want) {
        Ok(fit) if fit.avoided => Meets::Avoided,
        Ok(_) => Meets::Open,
        Err(_) => Meets::Closed,
    }
}

fn scoped(scope: Scope) -> Verdict {
    Verdict::Throttled {
        for_ms: Some(5_000),
        scope,
    }
}

fn out() -> Verdict {
    Verdict::OutOfService {
        reason: "credit".into(),
    }
}

#[test]
fn each_verdict_does_what_the_fault_table_says() {
    use Meets::{Avoided, Closed, Open};
    // verdict, betas of the report; then: same model and betas, same model other betas, other model, no model
    let table = [
        (Verdict::Success, 7, [Open, Open, Open, Open]),
        (Verdict::RequestFault, 7, [Open, Open, Open, Open]),
        (Verdict::Unknown, 7, [Open, Open, Open, Open]),
        (Verdict::Platform, 7, [Avoided, Avoided, Avoided, Avoided]),
        (Verdict::Overloaded, 7, [Avoided, Avoided, Avoided, Avoided]),
        (Verdict::NoModel, 0, [Avoided, Avoided, Open, Open]),
        (Verdict::NoModel, 7, [Avoided, Open, Open, Open]),
        (Verdict::Forbidden, 0, [Avoided, Avoided, Open, Open]),
        (Verdict::Forbidden, 7, [Avoided, Open, Open, Open]),
        (scoped(Scope::Account), 7, [Closed, Closed, Closed, Closed]),
        (scoped(Scope::Model), 7, [Closed, Closed, Open, Open]),
        (Verdict::Unauthorized, 7, [Closed, Closed, Closed, Closed]),
        (Verdict::Challenged, 7, [Closed, Closed, Closed, Closed]),
        (out(), 7, [Closed, Closed, Closed, Closed]),
    ];
    for auth in [Auth::ApiKey, Auth::Oauth] {
        for (verdict, betas, expected) in &table {
            let mut bench = Bench::of(&[auth]);
            let generation = bench.account.view().lane(auth).unwrap().generation;
            let report = Report {
                betas: *betas,
                ..Report::new(auth, generation, Some("m".into()), verdict.clone())
            };
            bench.tell(AccountTell::Reports(vec![report]));
            let found = [
                meets(&bench, Some("m"), *betas),
                meets(&bench, Some("m"), 8),
                meets(&bench, Some("other"), *betas),
                meets(&bench, None, *betas),
            ];
            assert_eq!(&found, expected, "{auth:?} {verdict:?} betas {betas}");
        }
    }
}

#[test]
fn soft_faults_are_short_and_shorter_with_betas() {
    // verdict, betas, ends after
    let table = [
        (Verdict::Platform, 0, 5_000),
        (Verdict::Overloaded, 0, 5_000),
        (Verdict::Forbidden, 0, 300_000),
        (Verdict::Forbidden, 7, 60_000),
        (Verdict::NoModel, 0, 300_000),
    ];
    for (verdict, betas, ends_ms) in table {
        let mut bench = Bench::key();
        let report = Report {
            betas,
            ..Report::new(Auth::ApiKey, 0, Some("m".into()), verdict.clone())
        };
        bench.tell(AccountTell::Reports(vec![report]));
        bench.pass(ends_ms - 1);
        assert_eq!(
            meets(&bench, Some("m"), betas),
            Meets::Avoided,
            "{verdict:?}"
        );
        bench.pass(1);
        assert_eq!(meets(&bench, Some("m"), betas), Meets::Open, "{verdict:?}");
        assert!(
            !bench.fit("m").unwrap().trial,
            "a soft pause needs no trial"
        );
    }
}

/// A 404 or 403 of a path without a model is about a file or a batch that is not there.
#[test]
fn without_a_model_a_missing_thing_is_no_fault() {
    for verdict in [Verdict::NoModel, Verdict::Forbidden] {
        let mut bench = Bench::key();
        let report = Report::new(Auth::ApiKey, 0, None, verdict);
        let turn = bench.tell(AccountTell::Reports(vec![report]));
        assert!(!turn.publish && turn.effects.is_empty());
        assert_eq!(meets(&bench, None, 0), Meets::Open);
    }
}

#[test]
fn a_pause_without_a_length_is_half_a_minute_and_none_is_longer_than_a_month() {
    let cases = [
        (None, 30_000),
        (Some(0), 0),
        (Some(18 * DAY_MS), 18 * DAY_MS),
        (Some(u64::MAX), MAX_COOL_DOWN_MS),
    ];
    for (for_ms, expected_ms) in cases {
        let mut bench = Bench::key();
        let verdict = Verdict::Throttled {
            for_ms,
            scope: Scope::Account,
        };
        bench.report(Auth::ApiKey, "m", verdict);
        if expected_ms > 0 {
            let until_ms = T0.unix_ms + expected_ms;
            assert_eq!(bench.fit("m"), Err(Unavailable::Throttled { until_ms }));
        }
        bench.pass(expected_ms);
        assert!(bench.fit("m").is_ok_and(|fit| fit.trial), "{for_ms:?}");
    }
}

/// A 429 without a header never re-uses an earlier one's reset, and a shorter pause never shortens a longer.
#[test]
fn pauses_do_not_inherit_and_do_not_shrink() {
    let unsaid = || Verdict::Throttled {
        for_ms: None,
        scope: Scope::Account,
    };
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "m", throttled(HOUR_MS));
    bench.report(Auth::ApiKey, "m", unsaid());
    bench.pass(HOUR_MS - 1);
    assert!(bench.fit("m").is_err());
    bench.pass(1);
    bench.report(Auth::ApiKey, "m", unsaid());
    bench.pass(30_000);
    assert!(bench.fit("m").is_ok(), "a new pause has its own length");
}

/// The token was renewed, or the key replaced, while the answer was under way.
#[test]
fn a_fault_of_a_replaced_credential_is_nobodys() {
    let faults = [
        Verdict::Success,
        Verdict::Unauthorized,
        out(),
        Verdict::Challenged,
        Verdict::Forbidden,
        throttled(5_000),
        Verdict::Platform,
    ];
    for auth in [Auth::ApiKey, Auth::Oauth] {
        for verdict in &faults {
            let mut bench = Bench::of(&[auth]);
            let old = bench.account.view().lane(auth).unwrap().generation;
            let mut new = secrets(&[auth]);
            let login = match auth {
                Auth::Oauth => Some(seed(token(2))),
                _ => {
                    new.api_key = Some("key-2".into());
                    None
                }
            };
            bench.update(record(&[auth]), new, login);
            let stale = Report {
                windows: vec![window("5h", None, 990_000, T0.unix_ms + HOUR_MS)],
                ..Report::new(auth, old, Some("m".into()), verdict.clone())
            };
            let turn = bench.tell(AccountTell::Reports(vec![stale]));
            assert!(turn.effects.is_empty() && !turn.publish, "{verdict:?}");
            let fit = bench.fit("m").unwrap();
            assert!(!fit.avoided && fit.used_ppm == 0, "{auth:?} {verdict:?}");
        }
    }
}

/// An operator must look at these; what a late answer of another request says does not open them again.
#[test]
fn what_an_operator_must_look_at_is_not_overwritten() {
    for (fault, word) in [
        (out(), "out_of_service"),
        (Verdict::Challenged, "challenged"),
    ] {
        for late in [
            Verdict::Unauthorized,
            out(),
            Verdict::Challenged,
            Verdict::Success,
        ] {
            let mut bench = Bench::key();
            bench.report(Auth::ApiKey, "m", fault.clone());
            let turn = bench.report(Auth::ApiKey, "m", late.clone());
            assert!(probes(&turn).is_empty());
            assert_eq!(bench.health(Auth::ApiKey), word, "{late:?}");
            bench.probed(Auth::ApiKey, ProbeKind::Read, probe_ok());
            assert_eq!(bench.health(Auth::ApiKey), word);
        }
    }
}

#[test]
fn a_request_of_many_that_fail_at_once_starts_one_probe() {
    let mut bench = Bench::key();
    let reports = vec![Report::new(Auth::ApiKey, 0, None, Verdict::Unauthorized); 50];
    let turn = bench.tell(AccountTell::Reports(reports));
    assert_eq!(probes(&turn), [(Auth::ApiKey, ProbeKind::Read)]);
    bench.probed(Auth::ApiKey, ProbeKind::Read, probe_rejected());
    let late = bench.report(Auth::ApiKey, "m", Verdict::Unauthorized);
    assert!(probes(&late).is_empty(), "the next probe has its time");
}

/// Half-open: after a pause one request goes ahead; its answer decides for all.
#[test]
fn the_first_after_a_pause_is_a_trial_and_its_success_clears_it() {
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "m", throttled(5_000));
    bench.pass(5_000);
    let first = bench.lease("m");
    let [(_, AccountReply::Leased { trial: Some(_), .. })] = &first.replies[..] else {
        panic!("{:?}", first.replies);
    };
    let second = bench.lease("m");
    assert!(matches!(
        second.replies[..],
        [(_, AccountReply::Leased { trial: None, .. })]
    ));
    let recovered = bench.tell(AccountTell::Recovered {
        auth: Auth::ApiKey,
        model: Some("m".into()),
    });
    assert!(recovered.publish && !bench.fit("m").unwrap().trial);
    drop(first);
    assert!(bench.account.view().lanes[0].trial.try_take().is_some());
}

#[test]
fn a_trial_that_fails_pauses_again_and_one_that_says_nothing_leaves_its_place() {
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "m", throttled(5_000));
    bench.pass(5_000);
    drop(bench.lease("m"));
    bench.report(Auth::ApiKey, "m", Verdict::Unknown);
    assert!(bench.fit("m").unwrap().trial);
    bench.report(Auth::ApiKey, "m", throttled(7_000));
    let until_ms = bench.now.unix_ms + 7_000;
    assert_eq!(bench.fit("m"), Err(Unavailable::Throttled { until_ms }));
    // A success that was under way since before does not end a pause that runs.
    bench.report(Auth::ApiKey, "m", Verdict::Success);
    assert!(bench.fit("m").is_err());
}

#[test]
fn a_success_of_one_model_is_no_trial_of_another() {
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "a", scoped(Scope::Model));
    bench.pass(5_000);
    bench.report(Auth::ApiKey, "b", Verdict::Success);
    assert!(bench.fit("a").unwrap().trial && !bench.fit("b").unwrap().trial);
}

#[test]
fn windows_close_at_the_reserve_and_open_at_their_reset() {
    let mut bench = Bench::start(
        AccountRecord {
            reserve_percent: Some(90),
            ..record(&[Auth::ApiKey])
        },
        secrets(&[Auth::ApiKey]),
        TokenSeed::default(),
        None,
        T0,
    );
    let reset_ms = T0.unix_ms + HOUR_MS;
    let seen = |bench: &mut Bench, model: Option<Arc<str>>, used_ppm| {
        let report = Report {
            windows: vec![window("7d", model, used_ppm, reset_ms)],
            ..Report::new(Auth::ApiKey, 0, Some("m".into()), Verdict::Success)
        };
        bench.tell(AccountTell::Reports(vec![report]));
    };
    seen(&mut bench, None, 899_999);
    assert_eq!(bench.fit("m").unwrap().used_ppm, 899_999);
    seen(&mut bench, Some("m".into()), 900_000);
    let until_ms = reset_ms;
    assert_eq!(bench.fit("m"), Err(Unavailable::Reserved { until_ms }));
    assert!(bench.fit("other").is_ok(), "the window is the model's");
    seen(&mut bench, None, 900_000);
    assert_eq!(bench.fit("other"), Err(Unavailable::Reserved { until_ms }));
    bench.pass(HOUR_MS);
    assert_eq!(bench.fit("m").unwrap().used_ppm, 0);
}

#[test]
fn a_clock_that_is_set_back_does_not_prolong_a_pause() {
    let mut bench = Bench::key();
    bench.report(Auth::ApiKey, "m", throttled(60_000));
    bench.now.unix_ms -= 365 * DAY_MS;
    bench.pass(10_000);
    bench.wake();
    let until_ms = bench.now.unix_ms + 50_000;
    assert_eq!(bench.fit("m"), Err(Unavailable::Throttled { until_ms }));
}
