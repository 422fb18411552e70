//! Ends of numbers, shadows, and what a request has that is turned away at its second limit.

use super::*;

const MOST: u64 = u64::MAX;

fn all(units: u64) -> Amounts {
    Amounts {
        requests: units,
        input_tokens: units,
        output_tokens: units,
        micro_usd: units,
    }
}

#[test]
fn an_upstream_that_says_it_used_everything_makes_no_room() {
    for factor in [1, 1_000_000, 1_000_000_000] {
        for cap in [Cap::Strict, Cap::Soft] {
            let rule = LimitRule {
                cap,
                ..LimitRule::of(100_000)
            };
            let limits = [TOKENS, USD].map(|name| limit(name, rule.clone(), 0));
            let gate = gate(limits.into());
            gate.publish(ScopeView {
                limits: gate.view().limits.clone(),
                multiplier: Multiplier::from_ppm(factor),
                ready: true,
                ..ScopeView::cold(Scope::Gateway, "this gateway")
            });
            let holds: Vec<_> = (0..8)
                .map(|_| take(&gate, &demand(1, 1)).unwrap())
                .collect();
            for (nth, mut hold) in holds.into_iter().enumerate() {
                let told = hold.checkpoint(&all(MOST), &all(MOST), NOW_MS);
                assert_eq!(told.is_err(), cap == Cap::Strict);
                match nth % 3 {
                    0 => hold.settle(&all(MOST), NOW_MS),
                    1 => drop(hold),
                    _ => hold.give_back(),
                }
                assert!(take(&gate, &demand(1, 1)).is_err());
                let left = gate.left(&gate.view().limits[0], &gate.view(), NOW_MS);
                assert_eq!(left, 0);
            }
            let (taken, used, charged, open) = at_rest(&gate, 0);
            assert!(taken == used && used == charged && open == 0);
        }
    }
}

#[test]
fn counters_that_reach_their_end_stay_there() {
    let gate = gate(vec![limit(TOKENS, LimitRule::of(MOST), MOST - 5)]);
    let over = demand(MOST, 0);
    assert!(take(&gate, &over).is_err());
    let mut hold = take(&gate, &demand(2, 0)).unwrap();
    assert!(hold.checkpoint(&all(9), &all(MOST), NOW_MS).is_err());
    hold.give_back();
    assert_eq!(cell(&gate, 0).taken(), MOST);
    assert!(take(&gate, &demand(1, 0)).is_err());
}

#[test]
fn a_bound_without_end_blocks_no_limit_that_only_reports() {
    let shadow = LimitRule {
        on_limit: OnLimit::Shadow,
        ..LimitRule::of(5)
    };
    let gate = gate(vec![limit(TOKENS, shadow, 0)]);
    let holds: Vec<_> = (0..3)
        .map(|_| take(&gate, &demand(MOST, MOST)).unwrap())
        .collect();
    assert!(holds.iter().all(|hold| hold.shadowed() == [TOKENS]));
    holds.into_iter().for_each(Hold::give_back);
    assert_eq!(at_rest(&gate, 0), (0, 0, 0, 0));
    let hold = take(&gate, &demand(5, 0)).unwrap();
    assert!(hold.shadowed().is_empty());
}

#[test]
fn who_is_turned_away_at_the_second_limit_uses_nothing_of_the_first() {
    let limits = vec![
        limit(MINUTE, LimitRule::of(5), 0),
        limit(LimitName::Concurrent, LimitRule::of(0), 0),
    ];
    let gate = gate(limits);
    assert_eq!(
        take(&gate, &demand(1, 0)).unwrap_err(),
        Blocked::Short { limit: 1 }
    );
    assert_eq!(at_rest(&gate, 0), (0, 0, 0, 0));
}

#[test]
fn what_grows_is_held_against_the_limit_of_now() {
    let gate = gate(vec![limit(TOKENS, LimitRule::of(100), 0)]);
    let mut hold = take(&gate, &demand(10, 0)).unwrap();
    let publish = |value: u64| {
        let mut limits = gate.view().limits.clone();
        limits[0].rule = LimitRule::of(value);
        gate.publish(ScopeView {
            limits,
            ready: true,
            ..ScopeView::cold(Scope::Gateway, "this gateway")
        });
    };
    let used = |output_tokens| Amounts {
        output_tokens,
        ..Amounts::default()
    };
    publish(20);
    assert!(hold.checkpoint(&used(20), &used(20), NOW_MS).is_ok());
    assert!(hold.checkpoint(&used(21), &used(21), NOW_MS).is_err());
    publish(200);
    assert!(hold.checkpoint(&used(200), &used(200), NOW_MS).is_ok());
    gate.publish(ScopeView {
        ready: true,
        ..ScopeView::cold(Scope::Gateway, "this gateway")
    });
    assert!(hold.checkpoint(&used(300), &used(300), NOW_MS).is_ok());
    assert_eq!(hold.view().limits[0].cells[0].taken(), 300);
}
