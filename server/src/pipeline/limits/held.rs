//! What a request holds of the limits of its gateway, group and key.
//!
//! Invariant: settled or given back once; a stream is never told to go on beyond a strict limit.

use smallvec::SmallVec;
use troupe_core::limit::{Amounts, Hold, Overrun};
use troupe_core::record::TokenUsage;

/// Output tokens that a stream may have sent and nobody has counted yet, if the process dies: counted in advance.
const AHEAD_TOKENS: u64 = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Held {
    holds: SmallVec<[Hold; 3]>,
}

impl Held {
    #[must_use]
    pub fn new(holds: SmallVec<[Hold; 3]>) -> Self {
        Self { holds }
    }

    /// What is held of each scope; of those without limits nothing.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    pub fn holds_mut(&mut self) -> &mut [Hold] {
        &mut self.holds
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

/// The output at which a stream that has sent so much is to be looked at again; most of its chunks need not be.
#[must_use]
pub fn next_look(output_tokens: u64) -> u64 {
    output_tokens.saturating_add(AHEAD_TOKENS / 2)
}

/// A request has used so much so far, which costs what `cost` says (micro-USD).
///
/// # Errors
/// A strict limit has too little left for what was used: the stream must end.
pub fn checkpoint(
    holds: &mut [&mut Hold],
    usage: &TokenUsage,
    cost: impl Fn(&TokenUsage) -> u64,
    unix_ms: u64,
) -> Result<(), Overrun> {
    let amounts = |usage: &TokenUsage| Amounts::used(usage, cost(usage));
    let ahead = TokenUsage {
        output: usage.output.saturating_add(AHEAD_TOKENS),
        ..*usage
    };
    let (facts, ahead) = (amounts(usage), amounts(&ahead));
    let mut result = Ok(());
    for hold in holds {
        result = result.and(hold.checkpoint(&facts, &ahead, unix_ms));
    }
    result
}
