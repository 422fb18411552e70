//! What Troupe has to reach, beside what it reached.

use std::fmt::Write;

use super::binary_mib;
use crate::arms::{LIMITS, POOL, TROUPE, UNLOGGED};
use crate::results::{Metric, Results};
use crate::run::Plan;
use crate::stats::spread;

const JUDGED: &str = TROUPE;

/// A table of targets for the judged arm; empty when it is not in the plan.
pub fn judged(plan: &Plan, threads: u32, results: &Results) -> String {
    let Some(arm) = plan.arms.iter().find(|arm| arm.name == JUDGED) else {
        return String::new();
    };
    let figure = |metric| results.series(threads, JUDGED, metric);
    let ratio = |metric| results.ratios(threads, JUDGED, metric);
    let between = |arm, base| match results.problems(threads, arm).is_empty()
        && results.problems(threads, base).is_empty()
    {
        true => results.ratios_to(threads, arm, base, Metric::JsonUs),
        false => Vec::new(),
    };
    let rows = [
        ("JSON, × nginx", 2.0, ratio(Metric::JsonUs)),
        (
            "JSON with the pool, × one account",
            1.15,
            between(POOL, TROUPE),
        ),
        (
            "JSON with all limits, × none",
            1.15,
            between(LIMITS, TROUPE),
        ),
        (
            "JSON with all limits, × nginx",
            2.0,
            results.ratios(threads, LIMITS, Metric::JsonUs),
        ),
        (
            "JSON with records, × without",
            1.2,
            between(TROUPE, UNLOGGED),
        ),
        ("burst stream, × nginx", 2.0, ratio(Metric::BurstUs)),
        ("paced stream, × nginx", 1.3, ratio(Metric::PacedUs)),
        (
            "added p50 at 200/s, × nginx",
            1.5,
            results.added_p50_ratios(threads, JUDGED),
        ),
        ("idle PSS, MiB", 15.0, figure(Metric::IdleMib)),
        ("per open stream, KiB", 40.0, figure(Metric::StreamKib)),
        ("cold start, s", 0.3, figure(Metric::ColdStartS)),
        ("binary, MiB", 25.0, binary_mib(arm).into_iter().collect()),
    ];
    let invalid = !results.problems(threads, JUDGED).is_empty();
    let mut text =
        "\nTargets (by the median):\n\n| figure | at most | measured | met |\n|---|---|---|---|\n"
            .to_owned();
    for (name, limit, values) in rows {
        // Writing to a String does not fail.
        let _ = match spread(&values).filter(|_| !invalid) {
            Some(s) => writeln!(
                text,
                "| {name} | {limit} | {:.2} | {} |",
                s.median,
                yes(s.median <= limit)
            ),
            None => writeln!(text, "| {name} | {limit} | – | not measured |"),
        };
    }
    text
}

fn yes(met: bool) -> &'static str {
    if met { "yes" } else { "**no**" }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::arms::Arm;
    use crate::run::Sizes;

    #[test]
    fn a_target_is_met_missed_or_not_measured() {
        let text = r#"{"name":"troupe","program":"/no/such","ready_path":"/"}"#;
        let arm: Arm = serde_json::from_str(text).expect("an arm");
        let plan = Plan {
            arms: vec![arm],
            threads: vec![1],
            rounds: 1,
            sizes: Sizes::quick(),
        };
        let mut results = Results::default();
        let sample = results.sample(0, 1, JUDGED);
        sample
            .values
            .extend([(Metric::IdleMib, 14.0), (Metric::ColdStartS, 0.4)]);
        let text = judged(&plan, 1, &results);
        assert!(
            text.contains("| idle PSS, MiB | 15 | 14.00 | yes |"),
            "{text}"
        );
        assert!(text.contains("| cold start, s | 0.3 | 0.40 | **no** |"));
        assert!(text.contains("| binary, MiB | 25 | – | not measured |"));
        results
            .sample(0, 1, JUDGED)
            .problems
            .push("an error".to_owned());
        assert!(!judged(&plan, 1, &results).contains("yes"));
        assert!(
            judged(
                &Plan {
                    arms: vec![],
                    ..plan
                },
                1,
                &results
            )
            .is_empty()
        );
        assert!(Arm::named(JUDGED, Path::new("/no/such"), &[]).is_err());
    }
}
