//! Closed loop: each connection sends its next request when the last answer is whole.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::connection::Connection;
use super::{Outcome, Target, expected, name_session, request_bytes};
use crate::error::Error;
use crate::mock::Kind;

/// After so many errors a load stops: the arm is invalid anyway.
const MAX_ERRORS: u64 = 20;

/// Sends `requests` requests over `connections` connections, whose first requests are spread over
/// `spread` so that paced streams do not march in step. Must run inside a `LocalSet`.
pub async fn closed(
    target: &Target,
    kind: Kind,
    connections: usize,
    requests: u64,
    spread: Duration,
    deadline: Duration,
) -> Outcome {
    let left = Rc::new(Cell::new(requests));
    let mut tasks = JoinSet::new();
    let mut outcome = Outcome::default();
    for n in 0..connections {
        let (target, left) = (target.clone(), Rc::clone(&left));
        let delay = spread.mul_f64(n as f64 / connections as f64);
        tasks.spawn_local(async move { lane(&target, kind, delay, &left).await });
    }
    let all = async {
        while let Some(lane) = tasks.join_next().await {
            match lane {
                Ok(lane) => outcome.absorb(lane),
                Err(error) => outcome.failed(error),
            }
        }
    };
    if tokio::time::timeout(deadline, all).await.is_err() {
        outcome.failed(Error::Answer(format!("not done within {deadline:?}")));
    }
    outcome
}

async fn lane(target: &Target, kind: Kind, delay: Duration, left: &Cell<u64>) -> Outcome {
    let (mut request, expected) = (request_bytes(target, kind), expected(kind));
    let mut connection = Connection::new(target.address);
    let mut outcome = Outcome::default();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    while left.get() > 0 && outcome.errors < MAX_ERRORS {
        left.set(left.get() - 1);
        name_session(&mut request, target, left.get());
        match connection.exchange(&request, expected).await {
            Ok(()) => outcome.done += 1,
            Err(error) => outcome.failed(error),
        }
    }
    outcome
}
