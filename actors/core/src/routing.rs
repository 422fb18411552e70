//! Which account first: a pure ranking over published views and slots.
//!
//! Invariant: an account that cannot serve is never ranked; affinity is a preference, health beats it.

use smallvec::SmallVec;

/// What the ranking looks at. `index` is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub index: usize,
    /// Requests in flight, and how many fit ([`crate::gate::UNLIMITED`] when unlimited).
    pub in_use: u32,
    pub limit: u32,
    /// A recent soft fault: others first.
    pub avoided: bool,
    /// The session was served here before.
    pub preferred: bool,
}

/// Avoided, not preferred, utilisation, turn, and the caller's index: the smallest goes first.
type Rank = (bool, bool, u32, usize, usize);

/// Order in which to try the candidates: unavoided before avoided, the preferred one, then the least utilised;
/// ties rotate by `turn`, so that equal accounts share the load.
#[must_use]
pub fn rank(candidates: &[Candidate], turn: usize) -> SmallVec<[usize; 8]> {
    let count = candidates.len().max(1);
    let mut order: SmallVec<[Rank; 8]> = candidates
        .iter()
        .enumerate()
        .map(|(place, c)| {
            (
                c.avoided,
                !c.preferred,
                utilisation_ppm(c),
                (place + count - turn % count) % count,
                c.index,
            )
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(.., index)| index).collect()
}

/// Parts per million of the slots in use; an unlimited account counts as one with 1 000.
fn utilisation_ppm(candidate: &Candidate) -> u32 {
    let limit = u64::from(if candidate.limit == crate::gate::UNLIMITED {
        1_000
    } else {
        candidate.limit.max(1)
    });
    u32::try_from(u64::from(candidate.in_use) * 1_000_000 / limit).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(index: usize) -> Candidate {
        Candidate {
            index,
            in_use: 0,
            limit: 10,
            avoided: false,
            preferred: false,
        }
    }

    #[test]
    fn order_is_health_then_affinity_then_load() {
        let busy = Candidate {
            in_use: 5,
            ..candidate(0)
        };
        let idle = candidate(1);
        let home = Candidate {
            in_use: 9,
            preferred: true,
            ..candidate(2)
        };
        let sick_home = Candidate {
            avoided: true,
            preferred: true,
            ..candidate(3)
        };
        assert_eq!(
            rank(&[sick_home, busy, idle, home], 0).as_slice(),
            [2, 1, 0, 3]
        );
    }

    #[test]
    fn equal_accounts_take_turns() {
        let three = [candidate(0), candidate(1), candidate(2)];
        let firsts: Vec<_> = (0..6).map(|turn| rank(&three, turn)[0]).collect();
        assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
    }

    proptest::proptest! {
        #[test]
        fn every_candidate_is_ranked_once(load in proptest::collection::vec((0u32..20, 1u32..20, proptest::bool::ANY, proptest::bool::ANY), 0..12), turn in 0usize..100) {
            let all: Vec<_> = load.iter().enumerate().map(|(index, &(in_use, limit, avoided, preferred))| Candidate { index, in_use, limit, avoided, preferred }).collect();
            let mut ranked = rank(&all, turn).to_vec();
            ranked.sort_unstable();
            proptest::prop_assert_eq!(ranked, (0..all.len()).collect::<Vec<_>>());
        }
    }
}
