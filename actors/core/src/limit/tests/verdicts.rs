//! What is said of a request that does not fit.

use proptest::prelude::*;

use super::*;

const END_OF_MINUTE: u64 = NOW_MS + 60_000;
const END_OF_HOUR: u64 = NOW_MS + 3_600_000;
const END_OF_DAY: u64 = 24 * 3_600_000;

fn is(value: u64, on_limit: OnLimit) -> LimitRule {
    LimitRule {
        on_limit,
        ..LimitRule::of(value)
    }
}

fn downgrade() -> OnLimit {
    OnLimit::Downgrade {
        model: "small".into(),
    }
}

/// Both clocks of the pipeline: what is now, and that it waits for 30 s.
fn verdict(gates: &[Arc<Gate>], wanted: &Demand, is_downgraded: bool) -> String {
    let said = |short: &Shortage| format!("{} {:?}", short.name, short.why);
    match judge(gates, wanted, "m", NOW_MS, 30_000, is_downgraded) {
        Verdict::Fits => "fits".into(),
        Verdict::Cold { scope } => format!("cold {scope}"),
        Verdict::Wait { scope, short } => format!("wait {scope} {}", said(&short)),
        Verdict::Downgrade { model, short } => format!("{model} {}", said(&short)),
        Verdict::Refuse { short, retry_at_ms } => {
            let at = match retry_at_ms {
                END_OF_MINUTE => "minute",
                END_OF_HOUR => "hour",
                END_OF_DAY => "day",
                _ => "?",
            };
            format!("refuse {at} {}", said(&short))
        }
        Verdict::Never { short } => format!("never {} of {}", said(&short), short.capacity),
    }
}

#[test]
fn one_limit() {
    use OnLimit::{Queue, Reject, Shadow};
    for (rule, charged, output, said) in [
        (is(10, Reject), 0, 10, "fits"),
        (is(10, Reject), 0, 11, "never tokens_per_hour Never of 10"),
        (
            is(10, Reject),
            9,
            2,
            "refuse hour tokens_per_hour TooLittle",
        ),
        (is(10, Reject), 10, 1, "refuse hour tokens_per_hour Spent"),
        (is(10, Reject), 12, 1, "refuse hour tokens_per_hour Spent"),
        (is(10, Queue), 10, 1, "refuse hour tokens_per_hour Spent"),
        (is(10, Shadow), 10, 99, "fits"),
        (is(10, downgrade()), 10, 1, "small tokens_per_hour Spent"),
        (is(10, downgrade()), 0, 11, "small tokens_per_hour Never"),
        (is(0, Reject), 0, 0, "fits"),
        (is(0, Reject), 0, 1, "never tokens_per_hour Never of 0"),
    ] {
        let gates = [gate(vec![limit(TOKENS, rule.clone(), charged)])];
        assert_eq!(verdict(&gates, &demand(output, 0), false), said, "{rule:?}");
    }
}

#[test]
fn what_is_granted_for_a_while_is_not_promised_for_later() {
    let rule = |until_ms| LimitRule {
        grant: Some(Grant { extra: 5, until_ms }),
        ..LimitRule::of(10)
    };
    for (until_ms, charged, output, said) in [
        (END_OF_HOUR, 0, 15, "fits"),
        (END_OF_HOUR, 0, 16, "never tokens_per_hour Never of 15"),
        (END_OF_HOUR, 14, 2, "refuse hour tokens_per_hour TooLittle"),
        (END_OF_HOUR, 14, 11, "never tokens_per_hour Never of 10"),
        (
            END_OF_HOUR + 1,
            14,
            11,
            "refuse hour tokens_per_hour TooLittle",
        ),
        (NOW_MS, 10, 1, "refuse hour tokens_per_hour Spent"),
    ] {
        let gates = [gate(vec![limit(TOKENS, rule(until_ms), charged)])];
        assert_eq!(verdict(&gates, &demand(output, 0), false), said);
    }
}

#[test]
fn a_grant_that_ends_while_another_limit_is_waited_for_is_not_counted_on() {
    let minute = |charged| LimitRule {
        grant: Some(Grant {
            extra: charged,
            until_ms: END_OF_MINUTE,
        }),
        ..LimitRule::of(5)
    };
    let hour = || limit(TOKENS, LimitRule::of(8), 8);
    let per_minute = LimitName::Per(Dimension::Tokens, Period::Minute);
    let gates = [gate(vec![limit(per_minute, minute(5), 0), hour()])];
    let never = "never tokens_per_minute Never of 5";
    assert_eq!(verdict(&gates, &demand(8, 0), false), never);
    let day = LimitName::Per(Dimension::Tokens, Period::Day);
    let gates = [gate(vec![limit(day, minute(50), 5), hour()])];
    let later = "refuse day tokens_per_hour Spent";
    assert_eq!(verdict(&gates, &demand(4, 0), false), later);
}

#[test]
fn reservations_of_others_are_waited_for() {
    for on_limit in [OnLimit::Reject, OnLimit::Queue, downgrade()] {
        let gates = [gate(vec![limit(TOKENS, is(10, on_limit), 3)])];
        let held = take(&gates[0], &demand(7, 0)).unwrap();
        let wait = "wait 0 tokens_per_hour Reserved";
        assert_eq!(verdict(&gates, &demand(7, 0), false), wait);
        held.give_back();
        assert_eq!(verdict(&gates, &demand(7, 0), false), "fits");
    }
    let slots = [gate(vec![limit(
        LimitName::Concurrent,
        LimitRule::of(1),
        0,
    )])];
    let _held = take(&slots[0], &demand(1, 0)).unwrap();
    assert_eq!(
        verdict(&slots, &demand(1, 0), false),
        "wait 0 concurrent Reserved"
    );
}

#[test]
fn of_several_scopes_the_last_to_end_speaks() {
    let minute = |value, on_limit, charged| gate(vec![limit(MINUTE, is(value, on_limit), charged)]);
    let spent = || gate(vec![limit(USD, LimitRule::of(100), 100)]);
    let reject = || minute(2, OnLimit::Reject, 2);
    for (gates, said) in [
        (vec![reject(), spent()], "refuse day usd_per_day Spent"),
        (vec![spent(), reject()], "refuse day usd_per_day Spent"),
        (
            vec![reject(), minute(2, OnLimit::Shadow, 9)],
            "refuse minute requests_per_minute Spent",
        ),
        (
            vec![minute(0, OnLimit::Reject, 0), spent()],
            "never requests_per_minute Never of 0",
        ),
        (
            vec![reject(), minute(2, downgrade(), 2)],
            "small requests_per_minute Spent",
        ),
        (
            vec![reject(), Gate::new(ScopeView::cold(Scope::Gateway, ""))],
            "cold 1",
        ),
    ] {
        assert_eq!(verdict(&gates, &demand(1, 1), false), said);
    }
    let gates = [minute(2, downgrade(), 2)];
    let said = "refuse minute requests_per_minute Spent";
    assert_eq!(verdict(&gates, &demand(1, 1), true), said);
}

#[test]
fn a_window_is_waited_for_where_all_that_is_short_may_be() {
    let queued = || gate(vec![limit(MINUTE, is(2, OnLimit::Queue), 2)]);
    let rejects = || gate(vec![limit(TOKENS, is(10, OnLimit::Reject), 10)]);
    let slots = || gate(vec![limit(LimitName::Concurrent, LimitRule::of(1), 0)]);
    let patience = |gates: &[Arc<Gate>], patience_ms| {
        let verdict = judge(gates, &demand(1, 0), "m", NOW_MS, patience_ms, false);
        match verdict {
            Verdict::Wait { scope, .. } => Some(scope),
            _ => None,
        }
    };
    assert_eq!(patience(&[queued()], 59_999), None);
    assert_eq!(patience(&[queued()], 60_000), Some(0));
    assert_eq!(patience(&[queued(), rejects()], u64::MAX), None);
    let both = [slots(), queued()];
    let _slot = take(&both[0], &demand(1, 0)).unwrap();
    assert_eq!(patience(&both, 60_000), Some(1), "the window takes longer");
    // A reservation does not speak for what refuses.
    let mixed = [slots(), rejects()];
    let _slot = take(&mixed[0], &demand(1, 0)).unwrap();
    let said = "refuse hour tokens_per_hour Spent";
    assert_eq!(verdict(&mixed, &demand(1, 0), false), said);
}

#[test]
fn soft_limits_are_judged_by_what_requests_use() {
    let rule = LimitRule {
        cap: Cap::Soft,
        ..LimitRule::of(100)
    };
    let gates = [gate(vec![limit(TOKENS, rule, 0)])];
    assert_eq!(
        verdict(&gates, &demand(1_000, 0), false),
        "never tokens_per_hour Never of 100"
    );
    let used = Amounts {
        requests: 1,
        output_tokens: 10,
        ..Amounts::default()
    };
    take(&gates[0], &demand(100, 0))
        .unwrap()
        .settle(&used, NOW_MS);
    assert_eq!(verdict(&gates, &demand(1_000, 0), false), "fits");
}

fn any_limit() -> impl Strategy<Value = Limit> {
    let names = LimitName::all().filter(|name| name.period() != Some(Period::Month));
    let name = prop::sample::select(names.collect::<Vec<_>>());
    let on_limit = prop_oneof![
        3 => Just(OnLimit::Reject),
        1 => Just(OnLimit::Queue),
        1 => Just(OnLimit::Shadow),
    ];
    let grant = prop::option::of((0..10u64, 0..200_000_000u64));
    (name, 0..20u64, on_limit, grant, 0..25u64).prop_map(
        |(name, value, on_limit, grant, charged)| {
            let rule = LimitRule {
                grant: grant.map(|(extra, after_ms)| Grant {
                    extra,
                    until_ms: NOW_MS + after_ms,
                }),
                ..is(value, on_limit)
            };
            limit(name, rule, charged)
        },
    )
}

/// Does it fit then? The actor has opened the windows of then.
fn at(gates: &[Arc<Gate>], wanted: &Demand, unix_ms: u64) -> bool {
    let taken: Vec<_> = gates
        .iter()
        .map(|gate| {
            let view = gate.view();
            let mut limits = view.limits.clone();
            for limit in &mut limits {
                if let (None, Some(period)) = (limit.cell(unix_ms), limit.name.period()) {
                    let (id, span) = (limit.cells[0].id, period.span(unix_ms));
                    let counter = Arc::new(Plain(0.into()));
                    limit.cells = [Arc::new(Cell::new(id, span, counter))]
                        .into_iter()
                        .collect();
                }
            }
            Hold::take(&self::gate(limits.into()), wanted, "m", unix_ms, false)
        })
        .collect();
    let fits = taken.iter().all(Result::is_ok);
    // Whether it fitted or not, it never was.
    taken.into_iter().flatten().for_each(Hold::give_back);
    fits
}

proptest! {
    #[test]
    fn a_request_fits_when_it_is_told_to_come_back_and_not_before(
        scopes in prop::collection::vec(prop::collection::vec(any_limit(), 0..4), 1..4),
        output in 0..12u64,
        usd in 0..12u64,
        part in 0..100u64,
    ) {
        let gates: Vec<_> = scopes.into_iter().map(gate).collect();
        let wanted = demand(output, usd);
        let before = |at_ms: u64| {
            NOW_MS + (at_ms - NOW_MS) * part / 100
        };
        match judge(&gates, &wanted, "m", NOW_MS, 0, false) {
            Verdict::Fits => prop_assert!(at(&gates, &wanted, NOW_MS)),
            Verdict::Refuse { retry_at_ms, .. } => {
                prop_assert!(!at(&gates, &wanted, NOW_MS));
                for early_ms in [before(retry_at_ms), retry_at_ms - 1] {
                    prop_assert!(!at(&gates, &wanted, early_ms));
                }
                prop_assert!(at(&gates, &wanted, retry_at_ms));
            }
            Verdict::Never { short } => {
                prop_assert!(short.need > short.capacity);
                prop_assert!(!at(&gates, &wanted, NOW_MS));
                if short.span != Span::ALWAYS {
                    prop_assert!(!at(&gates, &wanted, short.span.end_ms));
                }
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
