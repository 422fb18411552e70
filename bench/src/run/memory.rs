//! Memory phase: a fresh process, alone with the mock, so that no page is shared with another arm.

use std::time::Duration;

use super::Sizes;
use crate::arms::{Arm, Running, Upstream};
use crate::error::{Error, Result};
use crate::load::{Held, closed};
use crate::measure::pss_kib;
use crate::mock::Kind;
use crate::results::{Metric, Sample};

/// How long a process may tidy up before it is looked at.
const SETTLE: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 32;
const DEADLINE: Duration = Duration::from_secs(300);

/// Cold start, idle, loaded and per-stream memory of one arm. Nothing for the direct arm.
pub async fn phase(
    arm: &Arm,
    upstream: &Upstream,
    sizes: &Sizes,
    sample: &mut Sample,
) -> Result<()> {
    if arm.program.is_none() {
        return Ok(());
    }
    let running = Running::start(arm, sample.threads, upstream).await?;
    let mut note = |metric, value| sample.values.insert(metric, value);
    if let Some(cold_start) = running.cold_start {
        note(Metric::ColdStartS, cold_start.as_secs_f64());
    }
    note(Metric::IdleMib, settled_kib(running.pid).await? / 1024.0);

    let target = &running.target;
    let load = closed(
        target,
        Kind::Json,
        CONNECTIONS,
        sizes.memory,
        Duration::ZERO,
        DEADLINE,
    )
    .await;
    if let Some(error) = load.first_error {
        return Err(Error::Answer(format!(
            "memory phase: {} errors, first: {error}",
            load.errors
        )));
    }
    let none_open = settled_kib(running.pid).await?;
    note(Metric::LoadedMib, none_open / 1024.0);

    let mut held = Held::default();
    for &count in &sizes.open {
        held.grow_to(target, count).await?;
        let kib = settled_kib(running.pid).await?;
        held.check()?;
        note(Metric::OpenMib(count), kib / 1024.0);
        // The last and largest count stands.
        note(Metric::StreamKib, (kib - none_open) / count as f64);
    }
    Ok(())
}

async fn settled_kib(pid: u32) -> Result<f64> {
    tokio::time::sleep(SETTLE).await;
    pss_kib(pid)
}
