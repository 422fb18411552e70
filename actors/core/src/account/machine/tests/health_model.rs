//! Health and pauses under any mix of reports: what never changes anything, and what is always bounded.

use proptest::prelude::*;

use super::*;

const MODELS: [Option<&str>; 3] = [None, Some("m"), Some("n")];

pub(super) fn verdict() -> impl Strategy<Value = Verdict> {
    let scope = prop::sample::select(vec![Scope::Account, Scope::Model]);
    let for_ms = prop_oneof![
        Just(None),
        any::<u64>().prop_map(Some),
        (0..600_000u64).prop_map(Some)
    ];
    prop_oneof![
        2 => Just(Verdict::Success),
        2 => Just(Verdict::RequestFault),
        1 => Just(Verdict::Unauthorized),
        1 => Just(Verdict::OutOfService { reason: "credit".into() }),
        1 => Just(Verdict::Challenged),
        2 => Just(Verdict::Forbidden),
        2 => Just(Verdict::NoModel),
        2 => Just(Verdict::Platform),
        2 => Just(Verdict::Overloaded),
        1 => Just(Verdict::Unknown),
        3 => (for_ms, scope).prop_map(|(for_ms, scope)| Verdict::Throttled { for_ms, scope }),
    ]
}

pub(super) fn report() -> impl Strategy<Value = Report> {
    let model = prop::sample::select(MODELS.to_vec());
    let auth = prop::sample::select(Auth::ALL.to_vec());
    let used = prop::option::of((0..1_200_000u32, any::<bool>(), 0..90 * DAY_MS));
    (auth, 0..4u64, model, 0..3u64, verdict(), used).prop_map(
        |(auth, generation, model, betas, verdict, used)| {
            let model: Option<Arc<str>> = model.map(Into::into);
            let windows = used.map(|(used_ppm, own, in_ms)| {
                let whose = model.clone().filter(|_| own);
                window("5h", whose, used_ppm, T0.unix_ms + in_ms)
            });
            Report {
                betas,
                windows: windows.into_iter().collect(),
                ..Report::new(auth, generation, model, verdict)
            }
        },
    )
}

/// What was learnt, to be compared.
fn known(bench: &Bench) -> Vec<LaneState> {
    let view = bench.account.view();
    let lane = |lane: &LaneView| LaneState {
        health: lane.health.clone(),
        cooldowns: lane.cooldowns.to_vec(),
        windows: lane.windows.to_vec(),
    };
    view.lanes.iter().map(lane).collect()
}

fn fits(bench: &Bench) -> Vec<bool> {
    let view = bench.account.view();
    let each = MODELS
        .iter()
        .flat_map(|model| [0, 1, 2].map(|betas| (*model, betas)));
    each.map(|(model, betas)| {
        let want = Want {
            model,
            betas,
            ..bench.want("")
        };
        view.fit(&want).is_ok()
    })
    .collect()
}

proptest! {
    #[test]
    fn faults_reach_as_far_as_they_should(
        steps in prop::collection::vec((report(), 0..120_000u64, any::<bool>()), 1..80),
    ) {
        let mut bench = Bench::of(&Auth::ALL);
        for (report, ms, well) in steps {
            bench.pass(ms);
            let (before, open) = (known(&bench), fits(&bench));
            let verdict = report.verdict.clone();
            let stale = report.auth == Auth::Oauth && report.generation != 1;
            let said = !report.windows.is_empty();
            let turn = bench.tell(AccountTell::Reports(vec![report]));
            if stale || (verdict == Verdict::RequestFault && !said) {
                prop_assert_eq!(&known(&bench), &before);
                prop_assert!(!turn.publish && turn.effects.is_empty());
            }
            if matches!(verdict, Verdict::Platform | Verdict::Overloaded | Verdict::Unknown | Verdict::RequestFault) {
                prop_assert_eq!(fits(&bench), open);
            }
            for lane in known(&bench) {
                prop_assert!(lane.cooldowns.len() <= 64 && lane.windows.len() <= 64);
                for pause in &lane.cooldowns {
                    prop_assert!(pause.until_ms <= bench.now.unix_ms + MAX_COOL_DOWN_MS);
                }
            }
            for (auth, kind) in probes(&turn) {
                let probe = if well { probe_ok() } else { probe_rejected() };
                bench.probed(auth, kind, probe);
            }
        }
    }
}
