//! The published standing against the view: it may be too hopeful, never too dark.

use proptest::prelude::*;

use super::health_model::report;
use super::*;
use crate::models::{ModelRules, Pattern};
use crate::schedule::Schedule;

fn auths() -> impl Strategy<Value = Vec<Auth>> {
    prop_oneof![
        3 => Just(vec![Auth::ApiKey]),
        1 => Just(vec![Auth::Oauth]),
        1 => Just(vec![Auth::Web]),
        2 => prop::sample::subsequence(Auth::ALL.to_vec(), 0..=3),
    ]
}

fn settings() -> impl Strategy<Value = (Vec<Auth>, AccountRecord)> {
    let preferred = prop::sample::select(vec![
        PreferredAuth::Auto,
        PreferredAuth::Oauth,
        PreferredAuth::Web,
    ]);
    (
        auths(),
        preferred,
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, 0..=100u8),
    )
        .prop_map(
            |(auths, preferred_auth, enabled, ruled, timed, reserve_percent)| {
                let rules = ModelRules {
                    allow: Vec::new(),
                    deny: ruled
                        .then(|| Pattern::parse("n*").unwrap())
                        .into_iter()
                        .collect(),
                };
                let record = AccountRecord {
                    preferred_auth,
                    enabled,
                    rules,
                    schedule: timed
                        .then(|| Schedule::parse("fri 08:00-09:00; sun 00:00-24:00").unwrap()),
                    reserve_percent,
                    ..record(&auths)
                };
                (auths, record)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_standing_is_never_darker_than_its_view(
        (auths, record) in settings(),
        steps in prop::collection::vec((report(), 0..30_000u64), 0..12),
        later in prop::collection::vec(0..40 * DAY_MS, 1..6),
    ) {
        let token = match auths.contains(&Auth::Oauth) {
            true => seed(token(1)),
            false => TokenSeed::default(),
        };
        let mut bench = Bench::start(record, secrets(&auths), token, None, T0);
        for (report, ms) in steps {
            bench.pass(ms);
            bench.tell(AccountTell::Reports(vec![report]));
        }
        let view = bench.account.view();
        let standing = view.standing();
        for ms in std::iter::once(0).chain(later) {
            let unix_ms = bench.now.unix_ms + ms;
            let open = standing.closed_until_ms <= unix_ms;
            for model in [None, Some("m"), Some("n"), Some("never seen")] {
                for betas in 0..3 {
                    let want = Want { model, betas, unix_ms, ..bench.want("") };
                    let fit = view.fit(&want);
                    prop_assert!(open || fit.is_err(), "{model:?} {standing:?}");
                    if !standing.look {
                        prop_assert_eq!(open, fit.is_ok(), "{:?} {:?}", model, standing);
                        if let Ok(fit) = fit {
                            prop_assert_eq!(fit.avoided, standing.avoided_until_ms > unix_ms);
                            prop_assert_eq!(fit.used_ppm, standing.utilisation_ppm);
                            prop_assert!(!fit.trial && !fit.stale);
                        }
                    }
                }
            }
        }
    }
}
