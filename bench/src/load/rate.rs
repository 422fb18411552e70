//! Open loop: a request is due every so many µs, whatever became of the one before.
//!
//! Latency runs from the moment a request was *due*, so a gateway that falls behind is charged for the
//! waiting it causes. Lanes are plain threads with blocking sockets: tokio's timer is too coarse.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::response::Response;
use super::{Expected, Outcome, Target, expected, name_session, request_bytes};
use crate::mock::Kind;

/// Lanes take turns; a lane is free again if its answer came within `LANES` intervals.
const LANES: u32 = 4;
/// The rest of the wait is spun, so that a late timer is not the gateway's latency.
const SPIN: Duration = Duration::from_micros(200);
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends `requests` JSON requests at `per_second`. Blocks for their duration.
pub fn rate(target: &Target, per_second: u32, requests: u32) -> Outcome {
    let interval = Duration::from_secs(1) / per_second.max(1);
    let start = Instant::now() + Duration::from_millis(50);
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let due = (lane..requests)
                    .step_by(LANES as usize)
                    .map(move |n| start + interval * n);
                scope.spawn(move || run_lane(target, due))
            })
            .collect();
        for lane in lanes {
            match lane.join() {
                Ok(lane) => outcome.absorb(lane),
                Err(_) => outcome.failed("a lane panicked"),
            }
        }
    });
    outcome
}

fn run_lane(target: &Target, due: impl Iterator<Item = Instant>) -> Outcome {
    let (mut request, expected) = (request_bytes(target, Kind::Json), expected(Kind::Json));
    let mut outcome = Outcome::default();
    let mut lane = match Lane::connect(target) {
        Ok(lane) => lane,
        Err(error) => {
            outcome.failed(error);
            return outcome;
        }
    };
    for due in due {
        name_session(&mut request, target, outcome.done);
        wait_until(due);
        match lane.exchange(&request, expected) {
            Ok(()) => {
                outcome.done += 1;
                outcome.latencies_us.push(due.elapsed().as_secs_f64() * 1e6);
            }
            Err(error) => {
                outcome.failed(error);
                return outcome;
            }
        }
    }
    outcome
}

struct Lane {
    stream: TcpStream,
    buffer: Vec<u8>,
    response: Response,
}

impl Lane {
    fn connect(target: &Target) -> std::io::Result<Self> {
        let stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self {
            stream,
            buffer: vec![0; 16 << 10],
            response: Response::default(),
        })
    }

    fn exchange(&mut self, request: &[u8], expected: Expected) -> Result<(), String> {
        self.response.reset();
        self.stream
            .write_all(request)
            .map_err(|error| error.to_string())?;
        while !self.response.is_done() {
            let read = self
                .stream
                .read(&mut self.buffer)
                .map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("connection closed within an answer".to_owned());
            }
            self.response.feed(&self.buffer[..read])?;
        }
        self.response.check(expected)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lane is a thread of its own with nothing else on it"
)]
fn wait_until(due: Instant) {
    let now = Instant::now();
    if due > now + SPIN {
        std::thread::sleep(due - now - SPIN);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}
