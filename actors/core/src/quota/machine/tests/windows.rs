//! Clocks that jump, and limits that come and go.

use super::*;

/// Both clocks go on by `ms`, and the wall clock is set by `set_ms` besides.
fn jump(bench: &mut Bench, ms: u64, set_ms: i64) {
    bench.now = bench.now.plus(ms);
    bench.now.unix_ms = bench.now.unix_ms.checked_add_signed(set_ms).unwrap();
}

fn full(bench: &Bench) {
    drop(bench.take(&tokens(1)).unwrap());
    assert_eq!(
        bench.take(&tokens(1)).unwrap_err(),
        Blocked::Short { limit: 0 }
    );
}

#[test]
fn a_clock_that_goes_ahead_and_back_makes_nothing_new() {
    let mut bench = Bench::new(&[(MINUTE, 1)]);
    full(&bench);
    jump(&mut bench, 10, 3_600_000);
    bench.step(Input::Wake);
    full(&bench);
    jump(&mut bench, 10, -3_600_000);
    bench.step(Input::Wake);
    assert!(bench.take(&tokens(1)).is_err(), "this window is used up");
    jump(&mut bench, 10, 3_600_000);
    bench.step(Input::Wake);
    assert!(bench.take(&tokens(1)).is_err(), "and so is that one");
}

#[test]
fn a_clock_that_goes_back_far_finds_cells_all_the_same() {
    let mut bench = Bench::new(&[(MINUTE, 1)]);
    for _ in 0..4 {
        full(&bench);
        bench.now = bench.now.plus(60_000);
        bench.step(Input::Wake);
    }
    jump(&mut bench, 10, -10 * 60_000);
    assert_eq!(bench.take(&tokens(1)).unwrap_err(), Blocked::Cold);
    bench.ask(1, tokens(1), 1_000);
    assert!(matches!(bench.replies[&1], QuotaReply::Granted(_)));
    for _ in 0..20 {
        jump(&mut bench, 10, -60_000);
        bench.step(Input::Wake);
        full(&bench);
    }
    let view = bench.shared.gate.view();
    assert!(view.limits[0].cells.len() <= 8);
}

#[test]
fn rows_of_windows_to_come_are_kept_for_them() {
    let mut bench = Bench::new(&[(MINUTE, 1)]);
    full(&bench);
    let later = bench.now;
    // The process ends; the next one starts with a clock that is three minutes behind.
    bench.disk.fold();
    let disk = Arc::clone(&bench.disk);
    bench = Bench::new(&[]);
    bench.disk = disk;
    bench.now.unix_ms -= 3 * 60_000;
    bench.update(&[(MINUTE, 1)]);
    full(&bench);
    bench.now.unix_ms = later.unix_ms;
    bench.step(Input::Wake);
    assert!(bench.take(&tokens(1)).is_err());
}

#[test]
fn limits_that_are_gone_do_not_pile_up() {
    let month = LimitName::Per(Dimension::Requests, Period::Month);
    let record = |model: usize| {
        let mut set = limits(&[]);
        let pattern = crate::models::Pattern::parse(&format!("m{model}")).unwrap();
        let rules = BTreeMap::from([(month, LimitRule::of(5))]);
        set.models.insert(pattern, rules);
        quota_record(key(set))
    };
    let mut bench = Bench::of(record(0));
    for model in 0..500 {
        bench.step(Input::Tell(QuotaTell::Update(record(model))));
        let gate = &bench.shared.gate;
        let model = format!("m{model}");
        drop(Hold::take(gate, &tokens(1), &model, bench.now.unix_ms, false).unwrap());
    }
    let kept = bench.shared.gate.cells().lock().unwrap().len();
    assert!(kept < 100, "{kept}");
    bench.step(Input::Tell(QuotaTell::Update(record(7))));
    let view = bench.shared.gate.view();
    let cell = view.limits[0].cell(bench.now.unix_ms).unwrap();
    assert_eq!(cell.used(), 1, "what was let go of is read again");
}

/// Who cannot be served in time hears so at once, with everything it would have to wait for.
#[test]
fn a_window_that_ends_too_late_is_not_waited_for() {
    let queue = |value| LimitRule {
        on_limit: crate::limit::OnLimit::Queue,
        ..LimitRule::of(value)
    };
    let mut limits = LimitSet::default();
    limits.all.insert(MINUTE, Own::Is(queue(1)));
    let mut bench = Bench::of(quota_record(key(limits)));
    full(&bench);
    bench.ask(2, tokens(1), 59_999);
    assert!(matches!(bench.replies[&2], QuotaReply::Judge));
    bench.ask(1, tokens(1), 60_000);
    assert!(!bench.replies.contains_key(&1), "its window ends in time");
    bench.ask(3, tokens(1), 90_000);
    bench.now = bench.now.plus(60_000);
    bench.step(Input::Wake);
    assert!(matches!(bench.replies[&1], QuotaReply::Granted(_)));
    assert!(
        matches!(bench.replies[&3], QuotaReply::Judge),
        "the next one does not"
    );
}
