//! A candidate's place in the order as one number: the smallest goes first.
//!
//! ```text
//!  98    97       96               95 … 64    63 … 32    31 … 0
//!  full  avoided  not preferred    priority   load ppm   slots ppm    (weighted: 63 … 0 the race)
//! ```

use smallvec::SmallVec;

use super::{Candidate, Strategy, race};

/// Keys of a small pool stay on the stack.
pub(super) type Keys = SmallVec<[u128; 16]>;

const FULL: u128 = 1 << 98;
const AVOIDED: u128 = 1 << 97;
const NOT_PREFERRED: u128 = 1 << 96;

pub(super) fn keys(strategy: Strategy, candidates: &[Candidate], turn: usize) -> Keys {
    // One loop per strategy: the choice is not made again for each candidate.
    match strategy {
        Strategy::RoundRobin => candidates.iter().map(class).collect(),
        Strategy::LeastUtilized => candidates.iter().map(|c| class(c) | load(c)).collect(),
        Strategy::Priority => candidates
            .iter()
            .map(|c| class(c) | u128::from(c.priority) << 64 | load(c))
            .collect(),
        Strategy::Weighted => {
            let race = race::Race::new(turn);
            candidates
                .iter()
                .map(|c| class(c) | u128::from(race.time(c.index, c.weight)))
                .collect()
        }
    }
}

fn class(candidate: &Candidate) -> u128 {
    let bit = |is: bool, bit: u128| if is { bit } else { 0 };
    bit(candidate.is_full(), FULL)
        | bit(candidate.avoided, AVOIDED)
        | bit(!candidate.preferred, NOT_PREFERRED)
}

fn load(candidate: &Candidate) -> u128 {
    let slots = candidate.slots_ppm();
    u128::from(slots.max(candidate.utilisation_ppm)) << 32 | u128::from(slots)
}
