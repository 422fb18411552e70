//! What a request holds of the limits of its gateway, group and key.
//!
//! Invariant: settled or given back once; a stream is never told to go on beyond a strict limit.

use smallvec::SmallVec;
use troupe_core::limit::{Amounts, Hold, Overrun};
use troupe_core::price::{Meter, Tier};
use troupe_core::record::TokenUsage;

/// Output tokens that a stream may have sent and nobody has counted yet, if the process dies: counted in advance.
const AHEAD_TOKENS: u64 = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Held {
    holds: SmallVec<[Hold; 3]>,
    /// For those that count tokens or money.
    meter: Option<Meter>,
    /// Output at which it is time to look again.
    next_output: u64,
}

impl Held {
    #[must_use]
    pub fn new(holds: SmallVec<[Hold; 3]>, meter: Option<Meter>) -> Self {
        Self {
            holds,
            meter,
            next_output: 0,
        }
    }

    /// What is held of each scope; of those without limits nothing.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// Has a stream that has used so much to be looked at? Most of its chunks need not be.
    #[must_use]
    pub fn is_due(&self, output_tokens: u64) -> bool {
        self.meter.is_some() && output_tokens >= self.next_output
    }

    /// Another model answers than was asked for.
    pub fn set_meter(&mut self, meter: Meter) {
        if let Some(mine) = &mut self.meter {
            *mine = meter;
        }
    }

    /// The request has used so much so far.
    ///
    /// # Errors
    /// A strict limit has too little left for what was used: the stream must end.
    pub fn checkpoint(
        &mut self,
        usage: &TokenUsage,
        tier: Tier,
        also: Option<&mut Hold>,
        unix_ms: u64,
    ) -> Result<(), Overrun> {
        let Some(meter) = self.meter else {
            return Ok(());
        };
        self.next_output = usage.output.saturating_add(AHEAD_TOKENS / 2);
        let amounts = |usage: &TokenUsage| Amounts::used(usage, meter.cost(usage, tier));
        let ahead = TokenUsage {
            output: usage.output.saturating_add(AHEAD_TOKENS),
            ..*usage
        };
        let (facts, ahead) = (amounts(usage), amounts(&ahead));
        let mut result = Ok(());
        for hold in self.holds.iter_mut().chain(also) {
            result = result.and(hold.checkpoint(&facts, &ahead, unix_ms));
        }
        result
    }

    /// The request has ended and used `facts`.
    pub fn settle(self, facts: &Amounts, unix_ms: u64) {
        for hold in self.holds {
            hold.settle(facts, unix_ms);
        }
    }

    /// Nothing was used, not even a request.
    pub fn give_back(self) {
        for hold in self.holds {
            hold.give_back();
        }
    }
}
