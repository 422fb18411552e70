//! Several credentials in one account: their order, and when the next is tried.

use super::*;
use crate::models::{ModelRules, Pattern};
use crate::schedule::Schedule;

const ALL: [Auth; 3] = Auth::ALL;

fn bench(preferred_auth: PreferredAuth) -> Bench {
    let record = AccountRecord {
        preferred_auth,
        ..record(&ALL)
    };
    Bench::start(record, secrets(&ALL), seed(token(1)), None, T0)
}

fn chosen(bench: &Bench) -> Auth {
    bench.fit("m").unwrap().auth
}

#[test]
fn the_preferred_credential_is_first_and_the_others_follow_in_order() {
    use Auth::{ApiKey, Oauth, Web};
    let table = [
        (PreferredAuth::Auto, [ApiKey, Oauth, Web]),
        (PreferredAuth::ApiKey, [ApiKey, Oauth, Web]),
        (PreferredAuth::Oauth, [Oauth, ApiKey, Web]),
        (PreferredAuth::Web, [Web, ApiKey, Oauth]),
    ];
    for (preferred, order) in table {
        let bench = bench(preferred);
        let mut want = bench.want("m");
        for auth in order {
            let fit = bench.account.view().fit(&want).unwrap();
            assert_eq!(fit.auth, auth, "{preferred:?}");
            let last_resort = auth == Web && preferred != PreferredAuth::Web;
            assert_eq!(fit.avoided, last_resort, "{preferred:?} {auth:?}");
            want.tried = want.tried.with(auth);
        }
        assert_eq!(bench.account.view().fit(&want), Err(Unavailable::Tried));
    }
}

#[test]
fn only_account_faults_lead_to_the_next_credential() {
    let table = [
        (Verdict::Success, Auth::ApiKey),
        (Verdict::RequestFault, Auth::ApiKey),
        (Verdict::Unknown, Auth::ApiKey),
        (Verdict::Platform, Auth::ApiKey),
        (Verdict::Overloaded, Auth::ApiKey),
        (Verdict::Unauthorized, Auth::Oauth),
        (Verdict::Forbidden, Auth::Oauth),
        (Verdict::NoModel, Auth::Oauth),
        (throttled(5_000), Auth::Oauth),
        (Verdict::Challenged, Auth::Oauth),
    ];
    for (verdict, next) in table {
        let mut bench = bench(PreferredAuth::Auto);
        bench.report(Auth::ApiKey, "m", verdict.clone());
        assert_eq!(chosen(&bench), next, "{verdict:?}");
    }
}

/// A plan that lacks a model is tried for it when no other credential is left.
#[test]
fn a_credential_that_lacks_the_model_comes_last_not_never() {
    let mut bench = bench(PreferredAuth::Auto);
    for auth in ALL {
        bench.report(auth, "m", Verdict::NoModel);
    }
    assert_eq!(chosen(&bench), Auth::ApiKey);
    assert!(bench.fit("m").unwrap().avoided && !bench.fit("other").unwrap().avoided);
}

#[test]
fn faults_stay_with_their_credential() {
    let mut bench = bench(PreferredAuth::Auto);
    bench.report(Auth::ApiKey, "m", throttled(5_000));
    bench.report(Auth::Oauth, "m", throttled(9_000));
    assert_eq!(chosen(&bench), Auth::Web);
    bench.report(Auth::Web, "m", Verdict::Challenged);
    let until_ms = T0.unix_ms + 5_000;
    // Of several reasons the one that ends the soonest.
    assert_eq!(bench.fit("m"), Err(Unavailable::Throttled { until_ms }));
    bench.pass(5_000);
    assert_eq!(chosen(&bench), Auth::ApiKey);
}

#[test]
fn the_web_surface_serves_messages_only_and_only_when_switched_on() {
    let bench = Bench::of(&[Auth::Web]);
    let view = bench.account.view();
    for (is_message, web, fits) in [
        (true, true, true),
        (false, true, false),
        (true, false, false),
    ] {
        let want = Want {
            is_message,
            web,
            ..bench.want("m")
        };
        match view.fit(&want) {
            Ok(fit) => assert!(fits && fit.avoided),
            Err(why) => assert_eq!((why, fits), (Unavailable::Unsupported, false)),
        }
    }
}

#[test]
fn the_account_itself_is_looked_at_first() {
    let closed = Schedule::parse("sat-sun").unwrap();
    let rules = ModelRules {
        allow: Vec::new(),
        deny: vec![Pattern::parse("*opus*").unwrap()],
    };
    let base = || record(&[Auth::ApiKey]);
    let fit = |record: AccountRecord, model, at_ms| {
        let now = T0.plus(at_ms);
        let bench = Bench::start(
            record,
            secrets(&[Auth::ApiKey]),
            TokenSeed::default(),
            None,
            now,
        );
        bench.fit(model)
    };
    let off = AccountRecord {
        enabled: false,
        ..base()
    };
    assert_eq!(fit(off, "m", 0), Err(Unavailable::Disabled));
    let ruled = AccountRecord { rules, ..base() };
    assert_eq!(
        fit(ruled.clone(), "claude-opus-5", 0),
        Err(Unavailable::ModelDenied)
    );
    assert!(fit(ruled, "claude-sonnet-5", 0).is_ok());
    let weekend = || AccountRecord {
        schedule: Some(closed.clone()),
        ..base()
    };
    // T0 is a Friday, 08:00 UTC.
    let until_ms = T0.unix_ms + 16 * HOUR_MS;
    assert_eq!(
        fit(weekend(), "m", 0),
        Err(Unavailable::OffSchedule { until_ms })
    );
    assert!(fit(weekend(), "m", 16 * HOUR_MS).is_ok());
    assert!(fit(weekend(), "m", 64 * HOUR_MS).is_err());
    let none = Bench::start(base(), Secrets::default(), TokenSeed::default(), None, T0);
    assert_eq!(none.fit("m"), Err(Unavailable::Unsupported));
}
