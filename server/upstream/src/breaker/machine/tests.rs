use proptest::prelude::*;

use super::*;

const SETTINGS: Settings = Settings {
    failures: 3,
    window_ms: 10_000,
    open_ms: 2_000,
    open_most_ms: 30_000,
    trial_ms: 10_000,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Asks; so many milliseconds of refusal are expected.
    Ask(Option<u64>),
    /// A request from before fails or succeeds.
    Fails,
    Succeeds,
    /// The last trial.
    TrialFails,
    TrialLeaves,
}

/// Each step at its time, and the state after it.
fn play(steps: &[(u64, Step, BreakerState)]) {
    let (mut machine, mut trial) = (Machine::new(SETTINGS), Way::Free);
    for (at, (now_ms, step, state)) in steps.iter().enumerate() {
        match step {
            Step::Ask(refused_ms) => {
                let expected = refused_ms.map(|ms| OpenUntil {
                    until_ms: now_ms + ms,
                });
                assert_eq!(machine.refusal(*now_ms), expected, "step {at}");
                let got = machine.permit(*now_ms);
                assert_eq!(got.err(), expected, "step {at}");
                trial = got.unwrap_or(trial);
            }
            Step::Fails => machine.failed(Way::Free, *now_ms),
            Step::Succeeds => machine.succeeded(),
            Step::TrialFails => machine.failed(trial, *now_ms),
            Step::TrialLeaves => machine.gave_up(trial),
        }
        assert_eq!(machine.state(), *state, "step {at}");
    }
}

use BreakerState::{Closed, HalfOpen, Open};
use Step::{Ask, Fails, Succeeds, TrialFails, TrialLeaves};

#[test]
fn it_opens_when_everything_fails_at_once() {
    play(&[
        (0, Ask(None), Closed),
        (0, Fails, Closed),
        (5_000, Fails, Closed),
        (10_000, Fails, Open),
        (10_000, Ask(Some(2_000)), Open),
        (11_999, Ask(Some(1)), Open),
        // Late news of what began before.
        (11_999, Fails, Open),
        (12_000, Ask(None), HalfOpen),
    ]);
}

#[test]
fn it_stays_closed_when_something_works_or_little_is_asked() {
    play(&[
        (0, Fails, Closed),
        (1, Fails, Closed),
        (2, Succeeds, Closed),
        (3, Fails, Closed),
        (4, Fails, Closed),
        // Three in a row, but not within the window.
        (10_004, Fails, Closed),
        (10_004, Ask(None), Closed),
        // The window rolls.
        (10_004, Fails, Open),
    ]);
}

#[test]
fn one_trial_at_a_time_and_each_failure_doubles() {
    let mut steps = vec![(0, Fails, Closed), (0, Fails, Closed), (0, Fails, Open)];
    let mut now_ms = 0;
    for for_ms in [2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        steps.extend([
            (now_ms, Ask(Some(for_ms)), Open),
            (now_ms + for_ms, Ask(None), HalfOpen),
            (now_ms + for_ms, Ask(Some(10_000)), HalfOpen),
            (now_ms + for_ms + 1, Fails, HalfOpen),
            (now_ms + for_ms + 1, TrialFails, Open),
        ]);
        now_ms += for_ms + 1;
    }
    steps.extend([
        (now_ms + 30_000, Ask(None), HalfOpen),
        (now_ms + 30_001, Succeeds, Closed),
        // It has forgotten.
        (now_ms + 30_001, Fails, Closed),
        (now_ms + 30_001, Fails, Closed),
        (now_ms + 30_001, Fails, Open),
        (now_ms + 30_001, Ask(Some(2_000)), Open),
    ]);
    play(&steps);
}

#[test]
fn a_trial_that_says_nothing_makes_room() {
    let open = [(0, Fails, Closed), (0, Fails, Closed), (0, Fails, Open)];
    play(
        &[
            &open[..],
            &[
                (2_000, Ask(None), HalfOpen),
                (2_001, TrialLeaves, Open),
                (2_001, Ask(None), HalfOpen),
                // Silent until another takes its place.
                (12_000, Ask(Some(1)), HalfOpen),
                (12_001, Ask(None), HalfOpen),
                (12_002, TrialFails, Open),
                // No trial any more, so it changes nothing.
                (12_003, TrialFails, Open),
                (12_003, TrialLeaves, Open),
                (12_003, Ask(Some(3_999)), Open),
            ],
        ]
        .concat(),
    );
    // What began before it opened, and works.
    play(&[&open[..], &[(1, Succeeds, Closed), (1, Ask(None), Closed)]].concat());
}

proptest! {
    /// Whatever happens: it opens only after that many failures in a row, refuses for no longer than its most, and a
    /// trial is always to be had in the end.
    #[test]
    fn histories(steps in prop::collection::vec((0u64..4_000, 0u8..5), 0..300)) {
        let mut machine = Machine::new(SETTINGS);
        let (mut now_ms, mut in_a_row) = (0, 0);
        let mut ways = Vec::new();
        for (passed_ms, what) in steps {
            now_ms += passed_ms;
            let before = machine.state();
            match what {
                0 | 1 => match machine.permit(now_ms) {
                    Ok(way) => ways.push(way),
                    Err(OpenUntil { until_ms }) => {
                        prop_assert!(until_ms > now_ms && until_ms <= now_ms + SETTINGS.open_most_ms);
                    }
                },
                2 => if let Some(way) = ways.pop() {
                    machine.failed(way, now_ms);
                    in_a_row += 1;
                },
                3 => if ways.pop().is_some() {
                    machine.succeeded();
                    in_a_row = 0;
                    prop_assert!(machine.is_clean());
                },
                _ => if let Some(way) = ways.pop() {
                    machine.gave_up(way);
                },
            }
            if before == BreakerState::Closed && machine.state() == BreakerState::Open {
                prop_assert!(in_a_row >= SETTINGS.failures);
            }
        }
        prop_assert!(machine.permit(now_ms + SETTINGS.open_most_ms).is_ok());
    }
}
