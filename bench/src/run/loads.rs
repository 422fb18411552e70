//! Load phase: CPU per request of each load, and latency at a fixed rate.
//!
//! A load is cut into slices that the arms take in turn, so that a slow spell of the machine, which
//! lasts seconds, hits all of them.

use std::time::{Duration, Instant};

use super::Sizes;
use crate::arms::Running;
use crate::error::{Error, Result};
use crate::load::{Outcome, Target, closed, rate};
use crate::measure::cpu_us;
use crate::mock::Kind;
use crate::results::{Metric, Results};
use crate::stats::percentile;

/// Requests per second of the fixed rate.
const PER_SECOND: u32 = 200;
/// Uncounted requests before each slice at the fixed rate: connections and caches are warm again.
const RATE_WARM_UP: u32 = 40;
const RATE_SLICES: u32 = 5;
const DEADLINE: Duration = Duration::from_secs(120);
/// A slow gateway gets fewer requests, so that a load takes about this long at most.
const BUDGET: Duration = Duration::from_secs(10);
/// Work that a gateway puts off for a moment (batched settlements) is still the load's.
const AFTERMATH: Duration = Duration::from_millis(50);

struct Load {
    metric: Metric,
    kind: Kind,
    connections: usize,
    spread: Duration,
    warm_up: u64,
    requests: u64,
    slices: u64,
}

/// Each load over all arms in turn.
pub async fn phase(
    running: &[(&str, Running)],
    sizes: &Sizes,
    (round, threads): (u32, u32),
    results: &mut Results,
) {
    for load in loads(sizes) {
        for (arm, us) in cpu_per_request(running, &load).await {
            let sample = results.sample(round, threads, arm);
            match us {
                Ok(us) => drop(sample.values.insert(load.metric, us)),
                Err(error) => sample.problems.push(format!("{:?}: {error}", load.kind)),
            }
        }
    }
    for (arm, latencies) in latencies(running, sizes.at_rate).await {
        let sample = results.sample(round, threads, arm);
        match latencies {
            Ok(latencies) => {
                for (metric, p) in [(Metric::P50Us, 50.0), (Metric::P99Us, 99.0)] {
                    percentile(&latencies, p).map(|us| sample.values.insert(metric, us));
                }
            }
            Err(error) => sample.problems.push(format!("fixed rate: {error}")),
        }
    }
}

fn loads(sizes: &Sizes) -> [Load; 3] {
    let load = |metric, kind, requests| Load {
        metric,
        kind,
        connections: 32,
        spread: Duration::ZERO,
        warm_up: 1_000,
        requests,
        slices: 4,
    };
    [
        load(Metric::JsonUs, Kind::Json, sizes.json),
        load(Metric::BurstUs, Kind::Burst, sizes.burst),
        // Few slices: at each one's end fewer than 100 streams are left.
        Load {
            connections: 100,
            spread: Duration::from_millis(320),
            warm_up: 100,
            slices: 2,
            ..load(Metric::PacedUs, Kind::Paced, sizes.paced)
        },
    ]
}

/// CPU used and requests served so far.
#[derive(Clone, Copy, Default)]
struct Used {
    cpu_us: f64,
    done: u64,
}

async fn cpu_per_request<'a>(
    running: &[(&'a str, Running)],
    load: &Load,
) -> Vec<(&'a str, Result<f64>)> {
    let mut slice_sizes = Vec::new();
    for (_, running) in running {
        slice_sizes.push(warm_up(running, load).await);
    }
    let mut used: Vec<Result<Used>> = running.iter().map(|_| Ok(Used::default())).collect();
    for _ in 0..load.slices {
        for ((used, size), (_, running)) in used.iter_mut().zip(&slice_sizes).zip(running) {
            if let (Ok(before), Ok(size)) = (&used, size) {
                *used = slice(running, load, *size, *before).await;
            }
        }
    }
    let per_request = |used: Used| used.cpu_us / used.done as f64;
    let names = running.iter().map(|(arm, _)| *arm);
    let figures = slice_sizes
        .into_iter()
        .zip(used)
        .map(|(size, used)| Ok(per_request(size.and(used)?)));
    names.zip(figures).collect()
}

/// Serves the uncounted requests; gives the size of a slice the gateway can serve in time.
async fn warm_up(running: &Running, load: &Load) -> Result<u64> {
    // Every session is at home before anything is counted. JSON comes first.
    let warm_up = match load.kind {
        Kind::Json => load.warm_up.max(u64::from(running.target.sessions)),
        _ => load.warm_up,
    };
    let began = Instant::now();
    checked(drive(running, load, warm_up).await)?;
    let per_second = warm_up as f64 / began.elapsed().as_secs_f64();
    let affordable = (per_second * BUDGET.as_secs_f64()) as u64;
    tokio::time::sleep(AFTERMATH).await;
    Ok((load.requests.min(affordable) / load.slices).max(1))
}

async fn slice(running: &Running, load: &Load, requests: u64, so_far: Used) -> Result<Used> {
    let before = cpu_us(running.pid)?;
    let outcome = checked(drive(running, load, requests).await)?;
    tokio::time::sleep(AFTERMATH).await;
    Ok(Used {
        cpu_us: so_far.cpu_us + cpu_us(running.pid)? - before,
        done: so_far.done + outcome.done,
    })
}

async fn drive(running: &Running, load: &Load, requests: u64) -> Outcome {
    closed(
        &running.target,
        load.kind,
        load.connections,
        requests,
        load.spread,
        DEADLINE,
    )
    .await
}

async fn latencies<'a>(
    running: &[(&'a str, Running)],
    requests: u32,
) -> Vec<(&'a str, Result<Vec<f64>>)> {
    let mut all: Vec<(&str, Result<Vec<f64>>)> = running
        .iter()
        .map(|(arm, _)| (*arm, Ok(Vec::new())))
        .collect();
    for _ in 0..RATE_SLICES {
        for ((_, latencies), (_, running)) in all.iter_mut().zip(running) {
            let Ok(so_far) = latencies else { continue };
            match at_rate(&running.target, requests / RATE_SLICES).await {
                Ok(slice) => so_far.extend(slice),
                Err(error) => *latencies = Err(error),
            }
        }
    }
    all
}

async fn at_rate(target: &Target, requests: u32) -> Result<Vec<f64>> {
    let target = target.clone();
    let load = tokio::task::spawn_blocking(move || {
        let warm_up = rate(&target, PER_SECOND, RATE_WARM_UP);
        if warm_up.errors > 0 {
            warm_up
        } else {
            rate(&target, PER_SECOND, requests)
        }
    });
    let outcome = load
        .await
        .map_err(|error| Error::Child(error.to_string()))?;
    Ok(checked(outcome)?.latencies_us)
}

fn checked(outcome: Outcome) -> Result<Outcome> {
    match &outcome.first_error {
        None => Ok(outcome),
        Some(first) => Err(Error::Answer(format!(
            "{} errors beside {} right answers, first: {first}",
            outcome.errors, outcome.done
        ))),
    }
}
