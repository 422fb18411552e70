//! The whole order with its reasons, for an operator who asks. Not on the request path.

use serde::{Deserialize, Serialize};

use super::{Candidate, Strategy, few, order};

/// What put a candidate behind the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// All its slots are taken.
    Full,
    /// A recent soft fault.
    Avoided,
    /// The other is the session's.
    Affinity,
    Priority,
    /// A fuller window or fuller slots.
    Load,
    /// The draw by weight.
    Weight,
    /// Equal in everything; it is the other's turn.
    Turn,
}

/// One candidate and why it stands where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// The caller's number of the account.
    pub index: usize,
    /// The how-manieth to be tried, from 0; `None` when the request would give up before.
    pub place: Option<usize>,
    /// What put it behind the one before; `None` for the first.
    pub behind_by: Option<Term>,
    pub full: bool,
    pub avoided: bool,
    pub preferred: bool,
    /// The fuller of window and slots, in parts per million.
    pub load_ppm: u32,
    /// The window alone, in parts per million.
    pub utilisation_ppm: u32,
    pub in_use: u32,
    /// `None` is no limit.
    pub limit: Option<u32>,
    pub weight: u32,
    pub priority: u32,
}

/// All candidates in order. The first `most` are those that [`super::rank`] gives for the same arguments.
#[must_use]
pub fn explain(
    strategy: Strategy,
    candidates: &[Candidate],
    turn: usize,
    most: usize,
) -> Vec<Ranked> {
    let keys = order::keys(strategy, candidates, turn);
    let mut before: Option<(&Candidate, u128)> = None;
    few::all(&keys, turn)
        .into_iter()
        .filter_map(|position| candidates.get(position).zip(keys.get(position)))
        .enumerate()
        .map(|(place, (candidate, &key))| {
            let behind_by = before.map(|ahead| behind(strategy, ahead, (candidate, key)));
            before = Some((candidate, key));
            Ranked {
                index: candidate.index,
                place: (place < most).then_some(place),
                behind_by,
                full: candidate.is_full(),
                avoided: candidate.avoided,
                preferred: candidate.preferred,
                load_ppm: candidate.load_ppm(),
                utilisation_ppm: candidate.utilisation_ppm,
                in_use: candidate.in_use,
                limit: (candidate.limit != crate::gate::UNLIMITED).then_some(candidate.limit),
                weight: candidate.weight,
                priority: candidate.priority,
            }
        })
        .collect()
}

fn behind(
    strategy: Strategy,
    (ahead, ahead_key): (&Candidate, u128),
    (this, key): (&Candidate, u128),
) -> Term {
    if ahead.is_full() != this.is_full() {
        Term::Full
    } else if ahead.avoided != this.avoided {
        Term::Avoided
    } else if ahead.preferred != this.preferred {
        Term::Affinity
    } else if ahead_key == key {
        Term::Turn
    } else {
        match strategy {
            Strategy::Priority if ahead.priority != this.priority => Term::Priority,
            Strategy::Priority | Strategy::LeastUtilized => Term::Load,
            Strategy::Weighted => Term::Weight,
            Strategy::RoundRobin => Term::Turn,
        }
    }
}
