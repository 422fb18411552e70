//! The driver: rounds of a memory phase (each arm alone) and a load phase (all arms side by side).
//!
//! ```text
//! round ─┬─ per thread count ─┬─ memory: arm A alone · arm B alone · …          order rotated
//!        │                    └─ load:   all started; JSON A,B,… · burst A,B,… · paced · fixed rate
//! ```
//! Within a load the arms take turns in slices, so that those compared were measured seconds apart.

mod loads;
mod memory;

use crate::arms::{Arm, Running, Upstream};
use crate::error::Result;
use crate::results::Results;

/// How much of everything.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// JSON requests.
    pub json: u64,
    /// Burst streams.
    pub burst: u64,
    /// Paced streams, 100 at a time.
    pub paced: u64,
    /// Requests at the fixed rate.
    pub at_rate: u32,
    /// JSON requests of the memory phase.
    pub memory: u64,
    /// Counts of open streams, ascending.
    pub open: Vec<usize>,
}

impl Sizes {
    /// What results are written from.
    #[must_use]
    pub fn full() -> Self {
        Self {
            json: 40_000,
            burst: 20_000,
            paced: 1_000,
            at_rate: 1_000,
            memory: 20_000,
            open: vec![250, 500, 1_000],
        }
    }

    /// Enough to see that everything works, too little to judge by.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            json: 8_000,
            burst: 4_000,
            paced: 200,
            at_rate: 200,
            memory: 4_000,
            open: vec![100, 250],
        }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The arms, in the order of the first round.
    pub arms: Vec<Arm>,
    /// HTTP threads per gateway, one after another.
    pub threads: Vec<u32>,
    /// How often.
    pub rounds: u32,
    /// How much.
    pub sizes: Sizes,
}

/// Runs the plan, telling `progress` what comes next. Must run inside a `LocalSet`.
///
/// # Errors
/// When the mock cannot run. What goes wrong with an arm is noted in the results.
pub async fn run(plan: &Plan, progress: &dyn Fn(&str)) -> Result<Results> {
    let upstream = Upstream::start().await?;
    let mut results = Results::default();
    for round in 0..plan.rounds {
        for &threads in &plan.threads {
            progress(&format!(
                "round {}/{}, threads {threads}",
                round + 1,
                plan.rounds
            ));
            let arms = rotated(&plan.arms, round as usize);
            for arm in &arms {
                let sample = results.sample(round, threads, &arm.name);
                if let Err(error) = memory::phase(arm, &upstream, &plan.sizes, sample).await {
                    sample.problems.push(error.to_string());
                }
            }
            let mut running = Vec::new();
            for arm in arms {
                match Running::start(arm, threads, &upstream).await {
                    Ok(started) => running.push((arm.name.as_str(), started)),
                    Err(error) => {
                        results
                            .sample(round, threads, &arm.name)
                            .problems
                            .push(error.to_string());
                    }
                }
            }
            loads::phase(&running, &plan.sizes, (round, threads), &mut results).await;
        }
    }
    Ok(results)
}

fn rotated(arms: &[Arm], by: usize) -> Vec<&Arm> {
    let mut order: Vec<&Arm> = arms.iter().collect();
    let by = by % order.len().max(1);
    order.rotate_left(by);
    order
}
