//! Asks the gateway how it is.
//!
//! Invariant: ends within twice [`DEADLINE_MS`], whatever the network does, and always with one
//! event.

use gloo_net::http::Request;
use web_sys::{AbortSignal, RequestCache};

use crate::board::{Event, Snapshot};
use crate::browser::{monotonic_ms, now_ms};
use crate::decode::{self, Fault, HEALTH_PATH, Problem, READINESS_PATH};

/// For each of the two questions.
const DEADLINE_MS: u32 = 4_000;

pub(crate) async fn probe() -> Event {
    let asked = ask().await;
    let at_ms = now_ms();
    match asked {
        Ok(snapshot) => Event::Answered { at_ms, snapshot },
        Err(problem) => Event::Failed { at_ms, problem },
    }
}

async fn ask() -> Result<Snapshot, Problem> {
    let started_ms = monotonic_ms();
    let (status, body) = get(HEALTH_PATH).await?;
    let round_trip_ms = monotonic_ms() - started_ms;
    let health = decode::health(status, &body)?;
    let (status, body) = get(READINESS_PATH).await?;
    let readiness = decode::readiness(status, &body)?;
    Ok(Snapshot {
        health,
        readiness,
        round_trip_ms,
    })
}

async fn get(path: &'static str) -> Result<(u16, String), Problem> {
    let no_answer = |_| Problem {
        path,
        fault: Fault::NoAnswer,
    };
    let deadline = AbortSignal::timeout_with_u32(DEADLINE_MS);
    let response = Request::get(path)
        .cache(RequestCache::NoStore)
        .abort_signal(Some(&deadline))
        .send()
        .await
        .map_err(no_answer)?;
    let body = response.text().await.map_err(no_answer)?;
    Ok((response.status(), body))
}
