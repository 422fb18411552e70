//! Time as an argument. Invariant: only the shell reads a clock.

/// One reading of both clocks, taken by the shell before each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, milliseconds since the Unix epoch: what is stored, compared across nodes and shown.
    pub unix_ms: u64,
    /// Monotonic clock, milliseconds since an arbitrary start: what timers and idleness use.
    pub mono_ms: u64,
}

impl Now {
    /// Both clocks moved on by `ms`; for tests and for deadlines.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self {
            unix_ms: self.unix_ms.saturating_add(ms),
            mono_ms: self.mono_ms.saturating_add(ms),
        }
    }
}
