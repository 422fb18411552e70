//! Keeps a [`Board`] fresh while its component is shown.
//!
//! Invariant: at most one question is on its way, and none is asked while nobody looks.

use std::cell::Cell;
use std::rc::Rc;

use gloo_timers::callback::Interval;
use yew::platform::spawn_local;
use yew::prelude::*;

use crate::board::{Board, Event};
use crate::browser::is_visible;
use crate::probe::probe;

const EVERY_MS: u32 = 5_000;

/// The board and a way to ask at once.
#[derive(Clone)]
pub(crate) struct BoardHandle {
    pub(crate) board: UseReducerHandle<Board>,
    pub(crate) check_now: Callback<()>,
}

impl Reducible for Board {
    type Action = Event;

    fn reduce(self: Rc<Self>, event: Event) -> Rc<Self> {
        Rc::new(self.next(event))
    }
}

#[hook]
pub(crate) fn use_board() -> BoardHandle {
    let board = use_reducer_eq(Board::default);
    let busy = use_memo((), |()| Cell::new(false));

    let check_now = use_callback((), {
        let dispatcher = board.dispatcher();
        move |(), ()| {
            if busy.replace(true) {
                return;
            }
            dispatcher.dispatch(Event::Asked);
            let (dispatcher, busy) = (dispatcher.clone(), busy.clone());
            spawn_local(async move {
                let event = probe().await;
                busy.set(false);
                dispatcher.dispatch(event);
            });
        }
    });

    use_effect_with(check_now.clone(), |check_now| {
        check_now.emit(());
        let check_now = check_now.clone();
        let timer = Interval::new(EVERY_MS, move || {
            if is_visible() {
                check_now.emit(());
            }
        });
        move || drop(timer)
    });

    BoardHandle { board, check_now }
}
