//! The only reader of clocks for machines and the pipeline.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use troupe_core::Now;

/// Wall and monotonic time. The monotonic one follows tokio's, so that tests move it by hand.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// Wall time at `start`, from which virtual wall time is counted.
    start_wall_ms: u64,
    virtual_wall: bool,
}

impl Clock {
    /// Reads the system's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self {
            start: Instant::now(),
            start_wall_ms: wall_ms(),
            virtual_wall: false,
        }
    }

    /// Wall time moves with tokio's (paused) clock.
    #[must_use]
    pub fn virtual_time() -> Self {
        Self {
            virtual_wall: true,
            ..Self::system()
        }
    }

    #[must_use]
    pub fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unix_ms = if self.virtual_wall {
            self.start_wall_ms + mono_ms
        } else {
            wall_ms()
        };
        Now { unix_ms, mono_ms }
    }
}

fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
