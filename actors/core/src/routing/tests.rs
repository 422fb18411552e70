use std::cell::Cell;
use std::cmp::Ordering;

use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;

use super::*;

const STRATEGIES: [Strategy; 4] = [
    Strategy::LeastUtilized,
    Strategy::RoundRobin,
    Strategy::Weighted,
    Strategy::Priority,
];

fn candidate(index: usize) -> Candidate {
    Candidate {
        index,
        in_use: 0,
        limit: 10,
        utilisation_ppm: 0,
        weight: 1,
        priority: 0,
        avoided: false,
        preferred: false,
    }
}

fn firsts(strategy: Strategy, all: &[Candidate], turns: usize) -> Vec<usize> {
    let mut count = vec![0; all.len()];
    for turn in 0..turns {
        count[rank(strategy, all, turn, 1)[0]] += 1;
    }
    count
}

#[test]
fn health_and_affinity_go_before_every_strategy() {
    let idle = candidate(0);
    let home = Candidate {
        in_use: 9,
        priority: 7,
        utilisation_ppm: 900_000,
        preferred: true,
        ..candidate(1)
    };
    let sick_home = Candidate {
        avoided: true,
        preferred: true,
        ..candidate(2)
    };
    let sick = Candidate {
        avoided: true,
        weight: 1_000,
        ..candidate(3)
    };
    let full = Candidate {
        in_use: 10,
        weight: 1_000_000,
        preferred: true,
        ..candidate(4)
    };
    for strategy in STRATEGIES {
        let order = rank(strategy, &[full, sick, sick_home, idle, home], 3, 8);
        assert_eq!(order.as_slice(), [1, 0, 2, 3, 4], "{strategy:?}");
    }
}

#[test]
fn the_fuller_of_window_and_slots_is_the_load() {
    let window = Candidate {
        utilisation_ppm: 400_000,
        ..candidate(0)
    };
    let slots = Candidate {
        in_use: 5,
        ..candidate(1)
    };
    let unlimited = Candidate {
        in_use: 300,
        limit: crate::gate::UNLIMITED,
        ..candidate(2)
    };
    let busier = Candidate {
        in_use: 1,
        utilisation_ppm: 400_000,
        ..candidate(3)
    };
    let order = rank(
        Strategy::LeastUtilized,
        &[busier, slots, window, unlimited],
        0,
        4,
    );
    assert_eq!(order.as_slice(), [2, 0, 3, 1]);
}

#[test]
fn a_lower_number_is_filled_before_the_next() {
    let mut all = [
        Candidate {
            limit: 2,
            priority: 2,
            ..candidate(0)
        },
        Candidate {
            limit: 2,
            priority: 1,
            ..candidate(1)
        },
        Candidate {
            limit: 4,
            priority: 1,
            ..candidate(2)
        },
    ];
    let mut served = Vec::new();
    for turn in 0..8 {
        let first = rank(Strategy::Priority, &all, turn, 1)[0];
        all[first].in_use += 1;
        served.push(first);
    }
    assert_eq!(served[6..], [0, 0]);
    assert_eq!(
        [1, 2].map(|index| served[..3].iter().filter(|&&i| i == index).count()),
        [1, 2]
    );
}

#[test]
fn equal_accounts_take_turns() {
    let three = [candidate(0), candidate(1), candidate(2)];
    for strategy in [
        Strategy::LeastUtilized,
        Strategy::RoundRobin,
        Strategy::Priority,
    ] {
        let order: Vec<_> = (0..6)
            .map(|turn| rank(strategy, &three, turn, 1)[0])
            .collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2], "{strategy:?}");
    }
}

#[test]
fn turns_are_fair_among_equals_that_stand_apart() {
    // The equal ones are neighbours of busier ones, whose turns nobody inherits.
    let all: Vec<_> = (0..10)
        .map(|index| Candidate {
            in_use: if [1, 2, 7].contains(&index) { 0 } else { 3 },
            ..candidate(index)
        })
        .collect();
    let count = firsts(Strategy::LeastUtilized, &all, 3 * 64 * 20);
    assert_eq!([1, 2, 7].map(|index| count[index]), [1_280; 3], "{count:?}");
}

#[test]
fn turns_that_keep_step_with_something_are_fair_in_the_long_run() {
    let two = [candidate(0), candidate(1)];
    let first = (0..40_000)
        .filter(|turn| rank(Strategy::RoundRobin, &two, turn * 2, 1)[0] == 0)
        .count();
    assert!((15_000..25_000).contains(&first), "{first}");
}

#[test]
fn first_places_follow_the_weights() {
    let all: Vec<_> = [1, 2, 5, 0, 12]
        .iter()
        .enumerate()
        .map(|(index, &weight)| Candidate {
            weight,
            ..candidate(index)
        })
        .collect();
    let turns = 40_000;
    let count = firsts(Strategy::Weighted, &all, turns);
    for (c, &got) in all.iter().zip(&count) {
        let due = turns * c.weight as usize / 20;
        assert!(got.abs_diff(due) <= turns / 100, "{count:?}");
    }
    assert_eq!(count[3], 0);
    assert_eq!(rank(Strategy::Weighted, &all[3..4], 0, 1).as_slice(), [3]);
}

#[test]
fn the_share_of_one_that_leaves_goes_to_the_others_by_weight() {
    let all: Vec<_> = (0..3)
        .map(|index| Candidate {
            weight: index as u32 + 1,
            avoided: index == 2,
            ..candidate(index)
        })
        .collect();
    let count = firsts(Strategy::Weighted, &all, 30_000);
    assert!(
        count[1].abs_diff(20_000) < 300 && count[2] == 0,
        "{count:?}"
    );
}

#[test]
fn spares_take_turns_when_nothing_else_is_there() {
    let spares = [0, 1].map(|index| Candidate {
        weight: 0,
        ..candidate(index)
    });
    assert_eq!(firsts(Strategy::Weighted, &spares, 100), [50, 50]);
}

#[test]
fn reasons_name_the_first_difference() {
    let all = [
        candidate(0),
        Candidate {
            in_use: 4,
            ..candidate(1)
        },
        Candidate {
            preferred: true,
            ..candidate(2)
        },
        Candidate {
            avoided: true,
            ..candidate(3)
        },
        candidate(4),
        Candidate {
            in_use: 10,
            limit: 10,
            ..candidate(5)
        },
    ];
    let told: Vec<_> = explain(Strategy::LeastUtilized, &all, 0, 2)
        .into_iter()
        .map(|r| (r.index, r.place, r.behind_by))
        .collect();
    assert_eq!(
        told,
        [
            (2, Some(0), None),
            (0, Some(1), Some(Term::Affinity)),
            (4, None, Some(Term::Turn)),
            (1, None, Some(Term::Load)),
            (3, None, Some(Term::Avoided)),
            (5, None, Some(Term::Full)),
        ]
    );
}

#[test]
fn a_choice_is_short_and_readable() {
    let choice = Choice::new(ChosenBy::Affinity, Strategy::Weighted, 100_000, 1);
    let text = serde_json::to_string(&choice).unwrap();
    assert_eq!(
        text,
        r#"{"by":"affinity","strategy":"weighted","considered":65535,"place":1}"#
    );
    assert_eq!(serde_json::from_str::<Choice>(&text).unwrap(), choice);
    for strategy in STRATEGIES {
        let text = serde_json::to_string(&strategy).unwrap();
        assert_eq!(text, format!("\"{}\"", strategy.as_str()));
    }
    for by in [
        ChosenBy::Affinity,
        ChosenBy::Strategy,
        ChosenBy::Only,
        ChosenBy::Bound,
    ] {
        let text = serde_json::to_string(&by).unwrap();
        assert_eq!(text, format!("\"{}\"", by.as_str()));
    }
}

thread_local!(static COMPARED: Cell<usize> = const { Cell::new(0) });

/// A key that counts how often it is looked at.
#[derive(Clone, Copy, Debug)]
struct Counted(u64);

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Counted {}
impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.with(|count| count.set(count.get() + 1));
        self.0.cmp(&other.0)
    }
}

#[test]
fn the_first_four_take_a_few_comparisons_each() {
    let many = 10_000u64;
    let compared = |key: &dyn Fn(u64) -> u64| {
        let keys: Vec<_> = (0..many).map(|i| Counted(key(i))).collect();
        COMPARED.with(|count| count.set(0));
        assert_eq!(few::first(&keys, 5, 4).len(), 4);
        COMPARED.with(Cell::get)
    };
    let linear = many as usize;
    assert!(compared(&|i| race::mix(i + 1)) < 3 * linear);
    assert!(compared(&|_| 7) < 5 * linear);
    assert!(compared(&|i| i) < 3 * linear);
    // Each one better than all before: the worst there is.
    assert!(compared(&|i| many - i) < 6 * linear);
}

fn candidates(most: usize) -> impl proptest::strategy::Strategy<Value = Vec<Candidate>> {
    let one = (
        0u32..4,
        1u32..4,
        0u32..3,
        0u32..3,
        0u32..2,
        any::<bool>(),
        any::<bool>(),
    );
    proptest::collection::vec(one, 0..most).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(
                |(index, (in_use, limit, used, weight, priority, avoided, preferred))| Candidate {
                    index,
                    in_use,
                    limit,
                    utilisation_ppm: used * 100_000,
                    weight,
                    priority,
                    avoided,
                    preferred,
                },
            )
            .collect()
    })
}

proptest! {
    #[test]
    fn the_first_few_begin_the_whole_order(all in candidates(60), turn in 0usize..5_000, most in 0usize..12) {
        for strategy in STRATEGIES {
            let mut whole: Vec<_> = explain(strategy, &all, turn, most).iter().map(|r| r.index).collect();
            let few = rank(strategy, &all, turn, most);
            prop_assert_eq!(few.as_slice(), &whole[..most.min(all.len())]);
            whole.sort_unstable();
            prop_assert_eq!(whole, (0..all.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_could_serve_at_once_is_first(all in candidates(30), turn in any::<usize>()) {
        for strategy in STRATEGIES {
            if let Some(&first) = rank(strategy, &all, turn, 1).first() {
                let best = all.iter().map(|c| (c.is_full(), c.avoided, !c.preferred)).min();
                prop_assert_eq!(Some((all[first].is_full(), all[first].avoided, !all[first].preferred)), best);
            }
        }
    }
}

#[test]
fn ten_thousand_are_ranked_like_ten() {
    let all: Vec<_> = (0..10_000)
        .map(|index| Candidate {
            utilisation_ppm: (race::mix(index as u64) % 1_000_000) as u32,
            ..candidate(index)
        })
        .collect();
    for strategy in STRATEGIES {
        let whole = explain(strategy, &all, 9, 4);
        let few = rank(strategy, &all, 9, 4);
        assert!(few.iter().eq(whole[..4].iter().map(|r| &r.index)));
    }
}
