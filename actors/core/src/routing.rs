//! Which account first: a pure ranking over what accounts publish and what their slots hold.
//!
//! The order, most important term first: a free slot, not avoided, preferred (affinity), then the strategy's own terms,
//! then turns among those that are equal. A request needs only the first few, so only those are ordered.
//!
//! Invariant: the same candidates and the same turn give the same order on every machine; ordering the first few of
//! `n` takes time linear in `n`; whoever has a free slot stands before all who have none, so nobody idles while
//! others are asked; affinity is a preference, health beats it.

mod choice;
mod explain;
mod few;
mod order;
mod race;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use choice::{Choice, ChosenBy};
pub use explain::{Ranked, Term, explain};

/// What decides among candidates of equal health and affinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The least used window or share of slots, whichever is fuller; then the least share of slots.
    #[default]
    LeastUtilized,
    /// Turns only.
    RoundRobin,
    /// Each is first as often as its weight says; weight 0 stands behind every other weight.
    Weighted,
    /// The lowest number until it is full, then the next; least utilised among equal numbers.
    Priority,
}

impl Strategy {
    /// The name in configuration and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeastUtilized => "least_utilized",
            Self::RoundRobin => "round_robin",
            Self::Weighted => "weighted",
            Self::Priority => "priority",
        }
    }
}

/// What the ranking looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The caller's number of the account.
    pub index: usize,
    /// Requests in flight.
    pub in_use: u32,
    /// How many fit; [`crate::gate::UNLIMITED`] when unlimited, which counts as 1 000.
    pub limit: u32,
    /// The fullest window that counts for this model, as the upstream told it, in parts per million; 0 when unknown.
    pub utilisation_ppm: u32,
    pub weight: u32,
    /// The lowest goes first.
    pub priority: u32,
    /// A recent soft fault: others first.
    pub avoided: bool,
    /// The session was served here before. Not for an account whose reserve is reached.
    pub preferred: bool,
}

/// Slots that an unlimited account is counted as having.
const UNLIMITED_AS: u32 = 1_000;

impl Candidate {
    /// Is every slot taken?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.in_use >= self.limit
    }

    /// Share of the slots in use, in parts per million.
    #[must_use]
    pub fn slots_ppm(&self) -> u32 {
        let limit = match self.limit {
            crate::gate::UNLIMITED => UNLIMITED_AS,
            limit => limit.max(1),
        };
        let ppm = u64::from(self.in_use) * 1_000_000 / u64::from(limit);
        u32::try_from(ppm).unwrap_or(u32::MAX)
    }

    /// The fuller of the window and the slots, in parts per million.
    #[must_use]
    pub fn load_ppm(&self) -> u32 {
        self.slots_ppm().max(self.utilisation_ppm)
    }
}

/// The first `most` candidates in the order to try them, by the caller's index.
///
/// `turn` is a number that grows by one with each choice among the same accounts.
#[must_use]
pub fn rank(
    strategy: Strategy,
    candidates: &[Candidate],
    turn: usize,
    most: usize,
) -> SmallVec<[usize; 4]> {
    let keys = order::keys(strategy, candidates, turn);
    let places = if most <= few::FEW {
        few::first(&keys, turn, most)
    } else {
        let mut all = few::all(&keys, turn);
        all.truncate(most);
        SmallVec::from_vec(all)
    };
    places
        .into_iter()
        .filter_map(|place| candidates.get(place))
        .map(|candidate| candidate.index)
        .collect()
}

#[cfg(test)]
mod tests;
