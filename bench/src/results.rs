//! What a run measured, and what follows from it: ratios and differences within a round.
//!
//! Invariant: a ratio is only ever taken between two arms of the same round and thread count, so that
//! a slow spell of the machine hits both sides of it.

use std::collections::BTreeMap;

use crate::arms::{DIRECT, YARDSTICK};

/// A figure read for one arm in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// CPU µs per JSON request.
    JsonUs,
    /// CPU µs per burst stream.
    BurstUs,
    /// CPU µs per paced stream.
    PacedUs,
    /// Median latency at the fixed rate, µs.
    P50Us,
    /// 99th percentile of it, µs.
    P99Us,
    /// Start to ready, seconds.
    ColdStartS,
    /// PSS before any request, MiB.
    IdleMib,
    /// PSS after the JSON requests of the memory phase, no stream open, MiB.
    LoadedMib,
    /// PSS with so many open streams, MiB.
    OpenMib(usize),
    /// Growth per open stream, KiB.
    StreamKib,
}

/// One arm in one round.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The round, from 0.
    pub round: u32,
    /// HTTP threads of the gateway.
    pub threads: u32,
    /// The arm's name.
    pub arm: String,
    /// What was read.
    pub values: BTreeMap<Metric, f64>,
    /// What went wrong; any makes the arm invalid.
    pub problems: Vec<String>,
}

/// A whole run.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// All arms of all rounds.
    pub samples: Vec<Sample>,
}

impl Results {
    /// The sample of an arm in a round, made if there is none yet.
    pub fn sample(&mut self, round: u32, threads: u32, arm: &str) -> &mut Sample {
        let is = |s: &Sample| s.round == round && s.threads == threads && s.arm == arm;
        let at = self.samples.iter().position(is).unwrap_or_else(|| {
            self.samples.push(Sample {
                round,
                threads,
                arm: arm.to_owned(),
                ..Sample::default()
            });
            self.samples.len() - 1
        });
        &mut self.samples[at]
    }

    /// A figure over the rounds.
    #[must_use]
    pub fn series(&self, threads: u32, arm: &str, metric: Metric) -> Vec<f64> {
        self.of(threads, arm)
            .filter_map(|sample| sample.values.get(&metric).copied())
            .collect()
    }

    /// A figure as a multiple of the yardstick's in the same round.
    #[must_use]
    pub fn ratios(&self, threads: u32, arm: &str, metric: Metric) -> Vec<f64> {
        self.ratios_to(threads, arm, YARDSTICK, metric)
    }

    /// A figure as a multiple of another arm's in the same round.
    #[must_use]
    pub fn ratios_to(&self, threads: u32, arm: &str, to: &str, metric: Metric) -> Vec<f64> {
        let get = |sample: &Sample| sample.values.get(&metric).copied();
        self.of(threads, arm)
            .filter_map(|own| Some(get(own)? / get(self.beside(own, to)?)?))
            .collect()
    }

    /// Median latency above the direct arm's in the same round, µs.
    #[must_use]
    pub fn added_p50_us(&self, threads: u32, arm: &str) -> Vec<f64> {
        self.of(threads, arm)
            .filter_map(|own| self.added(own))
            .collect()
    }

    /// Added median latency as a multiple of the yardstick's in the same round.
    #[must_use]
    pub fn added_p50_ratios(&self, threads: u32, arm: &str) -> Vec<f64> {
        self.of(threads, arm)
            .filter_map(|own| Some(self.added(own)? / self.added(self.beside(own, YARDSTICK)?)?))
            .collect()
    }

    /// What went wrong with an arm, each with its round.
    #[must_use]
    pub fn problems(&self, threads: u32, arm: &str) -> Vec<String> {
        self.of(threads, arm)
            .flat_map(|s| {
                s.problems
                    .iter()
                    .map(|what| format!("round {}: {what}", s.round + 1))
            })
            .collect()
    }

    /// Whether every arm of every round is valid.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.samples.iter().all(|sample| sample.problems.is_empty())
    }

    fn of<'a>(&'a self, threads: u32, arm: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples
            .iter()
            .filter(move |s| s.threads == threads && s.arm == arm)
    }

    fn beside(&self, own: &Sample, arm: &str) -> Option<&Sample> {
        self.samples
            .iter()
            .find(|s| s.round == own.round && s.threads == own.threads && s.arm == arm)
    }

    fn added(&self, own: &Sample) -> Option<f64> {
        let p50 = |sample: &Sample| sample.values.get(&Metric::P50Us).copied();
        Some(p50(own)? - p50(self.beside(own, DIRECT)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results::default();
        for (round, arm, json, p50) in [
            (0, "direct", 4.0, 15.0),
            (0, "nginx", 10.0, 65.0),
            (0, "troupe", 18.0, 85.0),
            (1, "direct", 4.0, 20.0),
            (1, "nginx", 20.0, 60.0),
            (1, "troupe", 38.0, 100.0),
        ] {
            let sample = results.sample(round, 1, arm);
            sample.values.insert(Metric::JsonUs, json);
            sample.values.insert(Metric::P50Us, p50);
        }
        results
    }

    #[test]
    fn ratios_stay_within_a_round() {
        let results = results();
        assert_eq!(results.ratios(1, "troupe", Metric::JsonUs), [1.8, 1.9]);
        assert_eq!(results.added_p50_us(1, "troupe"), [70.0, 80.0]);
        assert_eq!(results.added_p50_ratios(1, "troupe"), [1.4, 2.0]);
        assert!(results.ratios(2, "troupe", Metric::JsonUs).is_empty());
    }

    #[test]
    fn one_problem_makes_a_run_invalid() {
        let mut results = results();
        assert!(results.is_valid());
        results
            .sample(1, 1, "troupe")
            .problems
            .push("3 errors".to_owned());
        assert!(!results.is_valid());
        assert_eq!(results.problems(1, "troupe"), ["round 2: 3 errors"]);
    }
}
