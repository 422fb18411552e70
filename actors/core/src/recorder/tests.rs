use super::*;
use crate::id::RequestId;
use crate::record::Route;
use uuid::Uuid;

fn row() -> RequestRecord {
    RequestRecord::begin(RequestId(Uuid::nil()), 0, Route::Messages)
}

fn step(recorder: &mut Recorder, now: Now, input: Input<Recorder>) -> Turn<Recorder> {
    let mut turn = Turn::default();
    recorder.handle(now, input, &mut turn);
    turn
}

fn appended(turn: &Turn<Recorder>) -> usize {
    turn.effects
        .iter()
        .map(|e| {
            if let RecorderEffect::Append(rows) = e {
                rows.len()
            } else {
                0
            }
        })
        .sum()
}

#[test]
fn few_rows_wait_a_little_and_many_leave_at_once() {
    let mut recorder = Recorder::new(1, Now::default());
    let now = Now::default();
    assert_eq!(
        appended(&step(
            &mut recorder,
            now,
            Input::Tell(RecorderTell::Rows(vec![row()]))
        )),
        0
    );
    let later = now.plus(recorder.deadline().unwrap());
    assert_eq!(appended(&step(&mut recorder, later, Input::Wake)), 1);
    assert_eq!(
        appended(&step(
            &mut recorder,
            later,
            Input::Tell(RecorderTell::Rows(vec![row(); BATCH]))
        )),
        0,
        "one write at a time"
    );
    let turn = step(
        &mut recorder,
        later,
        Input::Done(RecorderDone::Appended { rows: 1, ok: true }),
    );
    assert_eq!(appended(&turn), BATCH);
}

#[test]
fn a_slow_store_drops_the_oldest_and_counts() {
    let mut recorder = Recorder::new(1, Now::default());
    let now = Now::default();
    step(
        &mut recorder,
        now,
        Input::Tell(RecorderTell::Rows(vec![row(); BATCH])),
    );
    step(
        &mut recorder,
        now,
        Input::Tell(RecorderTell::Rows(vec![row(); MAX_ROWS + 7])),
    );
    assert_eq!(
        recorder.view(),
        RecorderView {
            held: MAX_ROWS,
            dropped: 7
        }
    );
}

#[test]
fn a_flush_is_answered_when_all_is_written() {
    let mut recorder = Recorder::new(1, Now::default());
    let now = Now::default();
    step(
        &mut recorder,
        now,
        Input::Tell(RecorderTell::Rows(vec![row(); 3])),
    );
    let turn = step(
        &mut recorder,
        now,
        Input::Ask(Ticket(1), RecorderAsk::Flush),
    );
    assert_eq!((appended(&turn), turn.replies.len()), (3, 0));
    let done = step(
        &mut recorder,
        now,
        Input::Done(RecorderDone::Appended { rows: 3, ok: true }),
    );
    assert_eq!(done.replies, [(Ticket(1), ())]);
    assert_eq!(
        step(
            &mut recorder,
            now,
            Input::Ask(Ticket(2), RecorderAsk::Flush)
        )
        .replies,
        [(Ticket(2), ())]
    );
}
