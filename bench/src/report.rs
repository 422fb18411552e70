//! The results as Markdown: the same text on the terminal and in `bench/results/`.

mod targets;

use std::fmt::Write;

use crate::arms::{Arm, DIRECT};
use crate::results::{Metric, Results};
use crate::run::Plan;
use crate::stats::spread;

/// Where and when a run took place, as far as a reader must know.
#[derive(Debug, Clone)]
pub struct Setting {
    /// `2026-11-24`.
    pub date: String,
    /// Class of machine, never its name: `2-core-linux`.
    pub machine: String,
}

/// The whole report.
#[must_use]
pub fn markdown(plan: &Plan, setting: &Setting, results: &Results) -> String {
    let mut text = format!(
        "# Bench, {}, {}\n\n{}\n",
        setting.date,
        setting.machine,
        method(plan)
    );
    for &threads in &plan.threads {
        let title = if threads == 1 {
            "One worker".to_owned()
        } else {
            format!("{threads} workers")
        };
        // Writing to a String does not fail.
        let _ = write!(text, "\n## {title}\n");
        for (title, columns) in tables(plan) {
            let _ = write!(
                text,
                "\n{title}\n\n{}",
                table(plan, threads, &columns, results)
            );
        }
        text.push_str(&targets::judged(plan, threads, results));
        text.push_str(&problems(plan, threads, results));
    }
    text
}

fn method(plan: &Plan) -> String {
    let sizes = &plan.sizes;
    format!(
        "{} rounds, arms interleaved and their order rotated; median (min–max) over the rounds; ratios \
         are to nginx in the same round and at the same number of workers. CPU is user + kernel of the \
         gateway's process tree per request; the mock and the load generator are processes of their own \
         and not in it (the direct arm's CPU is the mock's). JSON: {} requests of a 1.2 KB answer, 32 \
         connections, closed loop. Burst: {} streams of 64 deltas written at once, 32 connections. \
         Paced: {} streams, a delta every 5 ms, 100 at a time. Latency: {} JSON requests at 200/s, from \
         due to whole. Memory: PSS of the tree, a fresh process. Every answer was checked. More in \
         `bench/README.md`.",
        plan.rounds, sizes.json, sizes.burst, sizes.paced, sizes.at_rate
    )
}

type Cell = Box<dyn Fn(&Results, u32, &Arm) -> String>;
type Column = (String, Cell);

fn tables(plan: &Plan) -> Vec<(&'static str, Vec<Column>)> {
    let mut cpu = Vec::new();
    for (name, metric) in [
        ("JSON", Metric::JsonUs),
        ("burst", Metric::BurstUs),
        ("paced", Metric::PacedUs),
    ] {
        cpu.push(figure(format!("{name} µs"), metric, 1));
        cpu.push(column(
            format!("{name} × nginx"),
            move |r, threads, arm| cell(&r.ratios(threads, &arm.name, metric), 2),
        ));
    }
    let latency = vec![
        figure("p50 µs".into(), Metric::P50Us, 0),
        figure("p99 µs".into(), Metric::P99Us, 0),
        column("added p50 µs".into(), |r, threads, arm| {
            let added = if arm.name == DIRECT {
                vec![]
            } else {
                r.added_p50_us(threads, &arm.name)
            };
            cell(&added, 0)
        }),
        column("added p50 × nginx".into(), |r, threads, arm| {
            let added = if arm.name == DIRECT {
                vec![]
            } else {
                r.added_p50_ratios(threads, &arm.name)
            };
            cell(&added, 2)
        }),
    ];
    let mut memory = vec![
        figure("idle MiB".into(), Metric::IdleMib, 1),
        figure(
            format!("after {} requests, 0 open", plan.sizes.memory),
            Metric::LoadedMib,
            1,
        ),
    ];
    for &open in &plan.sizes.open {
        memory.push(figure(format!("{open} open"), Metric::OpenMib(open), 1));
    }
    memory.extend([
        figure("KiB per open stream".into(), Metric::StreamKib, 1),
        figure("cold start s".into(), Metric::ColdStartS, 3),
        column("binary MiB".into(), |_, _, arm| {
            binary_mib(arm).map_or("–".into(), |m| format!("{m:.1}"))
        }),
    ]);
    vec![
        ("CPU per request:", cpu),
        ("Latency at 200 requests per second:", latency),
        ("Memory, start and size:", memory),
    ]
}

fn column(name: String, cell: impl Fn(&Results, u32, &Arm) -> String + 'static) -> Column {
    (name, Box::new(cell))
}

fn figure(name: String, metric: Metric, digits: usize) -> Column {
    column(name, move |r, threads, arm| {
        cell(&r.series(threads, &arm.name, metric), digits)
    })
}

fn cell(values: &[f64], digits: usize) -> String {
    spread(values).map_or("–".to_owned(), |s| {
        format!(
            "{:.digits$} ({:.digits$}–{:.digits$})",
            s.median, s.min, s.max
        )
    })
}

fn binary_mib(arm: &Arm) -> Option<f64> {
    Some(arm.binary_bytes().ok()?? as f64 / f64::from(1 << 20))
}

fn table(plan: &Plan, threads: u32, columns: &[Column], results: &Results) -> String {
    let mut text = "| arm |".to_owned();
    columns
        .iter()
        .for_each(|(name, _)| text.extend([" ", name, " |"]));
    text.push_str("\n|---|");
    columns.iter().for_each(|_| text.push_str("---|"));
    for arm in &plan.arms {
        let invalid = !results.problems(threads, &arm.name).is_empty();
        text.extend([
            "\n| ",
            &arm.name,
            if invalid { " (INVALID) |" } else { " |" },
        ]);
        columns
            .iter()
            .for_each(|(_, cell)| text.extend([" ", &cell(results, threads, arm), " |"]));
    }
    text.push('\n');
    text
}

fn problems(plan: &Plan, threads: u32, results: &Results) -> String {
    let mut text = String::new();
    for arm in &plan.arms {
        for problem in results.problems(threads, &arm.name) {
            let _ = writeln!(text, "\n**{} is invalid**, {problem}", arm.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run::Sizes;

    fn plan() -> Plan {
        let arm = |name| Arm::named(name, Path::new("none"), &[]);
        let text = r#"{"name":"other","program":"/bin/true","ready_path":"/"}"#;
        let other = serde_json::from_str(text).expect("an arm");
        let arms = vec![arm("direct").expect("direct"), other];
        Plan {
            arms,
            threads: vec![1],
            rounds: 2,
            sizes: Sizes::full(),
        }
    }

    #[test]
    fn a_cell_is_median_and_range_or_a_dash() {
        assert_eq!(cell(&[2.0, 1.0, 4.0], 1), "2.0 (1.0–4.0)");
        assert_eq!(cell(&[], 1), "–");
    }

    #[test]
    fn an_arm_with_a_problem_is_marked_and_the_problem_told() {
        let mut results = Results::default();
        results
            .sample(0, 1, "direct")
            .values
            .insert(Metric::JsonUs, 4.04);
        results
            .sample(1, 1, "other")
            .problems
            .push("2 errors".to_owned());
        let setting = Setting {
            date: "2026-11-24".into(),
            machine: "2-core-linux".into(),
        };
        let text = markdown(&plan(), &setting, &results);
        assert!(text.starts_with("# Bench, 2026-11-24, 2-core-linux\n"));
        assert!(text.contains("\n| direct | 4.0 (4.0–4.0) | – |"), "{text}");
        assert!(text.contains("\n| other (INVALID) |"));
        assert!(text.contains("**other is invalid**, round 2: 2 errors"));
    }
}
