use super::*;
use crate::id::{KeyId, RequestId};
use crate::record::Route;
use crate::usage::SeriesOf;
use uuid::Uuid;

const RETENTION: Retention = Retention {
    log_ms: 1,
    bodies_ms: 3,
    usage_ms: 2 * 86_400_000,
};

/// Of nobody: no usage.
fn row() -> RequestRecord {
    RequestRecord::begin(RequestId(Uuid::nil()), 0, Route::Messages)
}

fn of_key() -> RequestRecord {
    RequestRecord {
        key: Some(KeyId::declared("k")),
        ..row()
    }
}

fn recorder() -> Recorder {
    Recorder::new(RETENTION, Now::default())
}

fn step(recorder: &mut Recorder, now: Now, input: Input<Recorder>) -> Turn<Recorder> {
    let mut turn = Turn::default();
    recorder.handle(now, input, &mut turn);
    turn
}

fn tell(recorder: &mut Recorder, now: Now, rows: Vec<RequestRecord>) -> Turn<Recorder> {
    step(recorder, now, Input::Tell(RecorderTell::Rows(rows)))
}

fn flush(recorder: &mut Recorder, now: Now, ticket: u64) -> Turn<Recorder> {
    let asked = Input::Ask(Ticket(ticket), RecorderAsk::Flush);
    step(recorder, now, asked)
}

fn done(recorder: &mut Recorder, now: Now, counted: Counted) -> Turn<Recorder> {
    let done = RecorderDone::Written {
        rows: 1,
        logged: true,
        counted,
    };
    step(recorder, now, Input::Done(done))
}

/// Rows that are to be appended; the number of the batch of usage and how many requests it counts.
fn written(turn: &Turn<Recorder>) -> Option<(usize, Option<(u64, u64)>)> {
    turn.effects.iter().find_map(|effect| {
        let RecorderEffect::Write { rows, usage } = effect else {
            return None;
        };
        let counted = usage.as_ref().map(|batch| {
            let requests = batch.rows.iter().map(|row| row.sums.requests);
            (batch.number, requests.sum())
        });
        Some((rows.len(), counted))
    })
}

fn appended(turn: &Turn<Recorder>) -> usize {
    written(turn).map_or(0, |(rows, _)| rows)
}

#[test]
fn few_rows_wait_a_little_and_many_leave_at_once() {
    let mut recorder = recorder();
    let now = Now::default();
    assert_eq!(written(&tell(&mut recorder, now, vec![row()])), None);
    let later = now.plus(recorder.deadline().unwrap());
    let turn = step(&mut recorder, later, Input::Wake);
    assert_eq!(written(&turn), Some((1, None)));
    let turn = tell(&mut recorder, later, vec![row(); BATCH]);
    assert_eq!(written(&turn), None, "one write at a time");
    let turn = done(&mut recorder, later, Counted::Nothing);
    assert_eq!(appended(&turn), BATCH);
}

#[test]
fn a_slow_store_drops_the_oldest_and_counts() {
    let mut recorder = recorder();
    let now = Now::default();
    tell(&mut recorder, now, vec![of_key(); BATCH]);
    tell(&mut recorder, now, vec![of_key(); MAX_ROWS + 7]);
    let view = RecorderView {
        held: MAX_ROWS,
        dropped: 7,
    };
    assert_eq!(recorder.view(), view);
    let turn = done(&mut recorder, now, Counted::Written);
    let (_, usage) = written(&turn).unwrap();
    let counted = usage.map(|(_, requests)| requests);
    assert_eq!(counted, Some(MAX_ROWS as u64 + 7), "the dropped ones too");
}

#[test]
fn a_flush_is_answered_when_all_is_written() {
    let mut recorder = recorder();
    let now = Now::default();
    tell(&mut recorder, now, vec![of_key(); 3]);
    let turn = flush(&mut recorder, now, 1);
    assert_eq!((appended(&turn), turn.replies.len()), (3, 0));
    // What came meanwhile is written too.
    tell(&mut recorder, now, vec![of_key()]);
    let turn = done(&mut recorder, now, Counted::Written);
    assert_eq!((appended(&turn), turn.replies.len()), (1, 0));
    let turn = done(&mut recorder, now, Counted::Written);
    assert_eq!(turn.replies, [(Ticket(1), ())]);
    let turn = flush(&mut recorder, now, 2);
    assert_eq!(turn.replies, [(Ticket(2), ())]);
}

#[test]
fn usage_that_may_not_be_there_is_told_again_before_any_other() {
    let mut recorder = recorder();
    let now = Now::default().plus(1_000);
    tell(&mut recorder, now, vec![of_key(); BATCH]);
    let turn = tell(&mut recorder, now, vec![of_key(); 3]);
    assert_eq!(written(&turn), None);
    // Not at once: the store has its troubles. The log goes on.
    let turn = done(&mut recorder, now, Counted::Unknown);
    assert_eq!(written(&turn), None);
    let turn = tell(&mut recorder, now, vec![of_key(); BATCH]);
    assert_eq!(written(&turn), Some((BATCH + 3, None)));
    let turn = done(&mut recorder, now, Counted::Nothing);
    assert_eq!(written(&turn), None);
    let mut later = now;
    let again = loop {
        let at = recorder.deadline().unwrap();
        later = later.plus(at.saturating_sub(later.mono_ms));
        let turn = step(&mut recorder, later, Input::Wake);
        if let Some(written) = written(&turn) {
            break written;
        }
    };
    assert!(later.mono_ms >= now.mono_ms + USAGE_AGAIN_MS);
    assert_eq!(again, (0, Some((1_000, BATCH as u64))), "the same batch");
    done(&mut recorder, later, Counted::Written);
    let turn = flush(&mut recorder, later, 1);
    let (rows, usage) = written(&turn).unwrap();
    let (number, requests) = usage.unwrap();
    assert_eq!((rows, requests), (0, BATCH as u64 + 3));
    assert!(number > 1_000, "another number");
}

#[test]
fn a_flush_tries_once_and_does_not_hang_on_a_store_that_is_away() {
    let mut recorder = recorder();
    let now = Now::default();
    tell(&mut recorder, now, vec![of_key()]);
    for ticket in 1..3 {
        let turn = flush(&mut recorder, now, ticket);
        let (_, usage) = written(&turn).unwrap();
        assert_eq!(usage, Some((1, 1)), "{ticket}");
        let turn = done(&mut recorder, now, Counted::Unknown);
        assert_eq!(written(&turn), None);
        assert_eq!(turn.replies, [(Ticket(ticket), ())]);
    }
    let turn = flush(&mut recorder, now, 3);
    assert_eq!(written(&turn), Some((0, Some((1, 1)))));
    let turn = done(&mut recorder, now, Counted::Written);
    assert_eq!(turn.replies, [(Ticket(3), ())]);
}

#[test]
fn batches_of_one_moment_have_numbers_of_their_own() {
    let mut recorder = recorder();
    let now = Now::default().plus(5);
    let numbers = [(); 3].map(|()| {
        let turn = tell(&mut recorder, now, vec![of_key(); BATCH]);
        done(&mut recorder, now, Counted::Written);
        let (_, usage) = written(&turn).unwrap();
        usage.unwrap().0
    });
    assert_eq!(numbers, [5, 6, 7]);
}

#[test]
fn what_is_old_is_dropped_now_and_then() {
    let start = Now::default().plus(10 * 86_400_000);
    let mut recorder = Recorder::new(RETENTION, start);
    let retained = |turn: &Turn<Recorder>| {
        turn.effects.iter().find_map(|effect| match effect {
            RecorderEffect::Retain {
                oldest_ms,
                oldest_bodies_ms,
                usage_from_day,
                series_from,
            } => {
                assert_eq!(*oldest_bodies_ms, *oldest_ms - 2);
                Some((*oldest_ms, *usage_from_day, *series_from))
            }
            _ => None,
        })
    };
    let recalled = |turn: &Turn<Recorder>| {
        let effects = turn.effects.iter();
        let recalls = effects.filter(|e| matches!(e, RecorderEffect::Recall { from_day: 9 }));
        recalls.count()
    };
    assert_eq!(recorder.deadline(), Some(start.mono_ms));
    let turn = step(&mut recorder, start, Input::Wake);
    // No longer than usage itself.
    let series_from = [
        (Grain::Minute, 8 * 24 * 60),
        (Grain::Hour, 8 * 24),
        (Grain::Day, 8),
    ];
    assert_eq!(retained(&turn), Some((start.unix_ms - 1, 8, series_from)));
    assert_eq!(recalled(&turn), 1);
    let turn = step(&mut recorder, start.plus(1), Input::Wake);
    assert_eq!(retained(&turn), None);
    let next = start.plus(recorder.deadline().unwrap() - start.mono_ms);
    let turn = step(&mut recorder, next, Input::Wake);
    assert!(retained(&turn).is_some());
    assert_eq!(recalled(&turn), 0, "only at the start");
}

/// How many requests the series of a write count at their days.
fn in_series(turn: &Turn<Recorder>) -> Option<u64> {
    turn.effects.iter().find_map(|effect| {
        let RecorderEffect::Write { usage, .. } = effect else {
            return None;
        };
        let rows = usage.as_ref()?.series.iter();
        let days = rows.filter(|row| (row.key.grain, row.key.of) == (Grain::Day, SeriesOf::All));
        Some(days.map(|row| row.sums.requests).sum())
    })
}

#[test]
fn series_wait_for_more_but_not_for_ever() {
    let mut recorder = recorder();
    let start = Now::default().plus(1_000);
    step(&mut recorder, start, Input::Wake);
    let (mut now, mut told) = (start, Vec::new());
    for _ in 0..5 {
        tell(&mut recorder, now, vec![of_key()]);
        now = now.plus(recorder.deadline().unwrap() - now.mono_ms);
        told.push(in_series(&step(&mut recorder, now, Input::Wake)));
        done(&mut recorder, now, Counted::Written);
    }
    assert_eq!(
        told,
        [Some(0); 5],
        "each row came in its time, and no series"
    );
    assert_eq!(now.mono_ms, start.mono_ms + 5 * FLUSH_AFTER_MS);
    let turn = loop {
        now = now.plus(recorder.deadline().unwrap() - now.mono_ms);
        let turn = step(&mut recorder, now, Input::Wake);
        if written(&turn).is_some() {
            break turn;
        }
    };
    assert_eq!(now.mono_ms, start.mono_ms + SERIES_AFTER_MS);
    assert_eq!((appended(&turn), in_series(&turn)), (0, Some(5)));
    done(&mut recorder, now, Counted::Written);
    now = now.plus(recorder.deadline().unwrap() - now.mono_ms);
    assert_eq!(written(&step(&mut recorder, now, Input::Wake)), None);
    assert_eq!(
        recorder.deadline(),
        Some(start.mono_ms + RETAIN_EVERY_MS),
        "nothing is left"
    );
}

#[test]
fn a_flush_writes_series_too() {
    let mut recorder = recorder();
    let now = Now::default();
    tell(&mut recorder, now, vec![of_key(); 3]);
    let turn = flush(&mut recorder, now, 1);
    assert_eq!(in_series(&turn), Some(3));
    // Told again, they are the same; what came meanwhile waits for them.
    tell(&mut recorder, now, vec![of_key()]);
    let turn = done(&mut recorder, now, Counted::Unknown);
    assert_eq!(in_series(&turn), None);
    done(&mut recorder, now, Counted::Nothing);
    let turn = flush(&mut recorder, now, 2);
    assert_eq!(in_series(&turn), Some(3));
    let turn = done(&mut recorder, now, Counted::Written);
    assert_eq!(in_series(&turn), Some(1));
    let turn = done(&mut recorder, now, Counted::Written);
    assert_eq!(turn.replies, [(Ticket(2), ())]);
}

#[test]
fn rows_that_are_not_logged_count_in_usage() {
    let mut recorder = recorder();
    let uses = Input::Tell(RecorderTell::Uses(vec![of_key(), of_key()]));
    assert_eq!(written(&step(&mut recorder, Now::default(), uses)), None);
    let turn = flush(&mut recorder, Now::default(), 1);
    let (rows, counted) = written(&turn).unwrap();
    assert_eq!((rows, counted.unwrap().1), (0, 2));
}

#[test]
fn another_retention_holds_at_once() {
    let start = Now::default().plus(10 * 86_400_000);
    let mut recorder = Recorder::new(RETENTION, start);
    let dropped = |turn: &Turn<Recorder>| {
        turn.effects.iter().find_map(|effect| match effect {
            RecorderEffect::Retain {
                oldest_ms,
                oldest_bodies_ms,
                ..
            } => Some((*oldest_ms, *oldest_bodies_ms)),
            _ => None,
        })
    };
    step(&mut recorder, start, Input::Wake);
    let keep = |retention| Input::Tell(RecorderTell::Keep(retention));
    assert_eq!(dropped(&step(&mut recorder, start, keep(RETENTION))), None);
    let shorter = Retention {
        log_ms: 0,
        bodies_ms: 0,
        ..RETENTION
    };
    let turn = step(&mut recorder, start, keep(shorter));
    assert_eq!(dropped(&turn), Some((start.unix_ms, start.unix_ms)));
}
