use std::sync::mpsc;
use std::time::Duration;

use futures_util::future::join_all;
use troupe_core::AskError;

use super::machine::{Ask, Counted, in_system, start};
use crate::shell::Clock;
use crate::tree::{Room, Tree};

#[test]
fn a_panic_answers_its_caller_and_loses_nothing_else() {
    in_system(|tree| async move {
        let actor = start(&tree, Room::Ledger, 64, Counted::default());
        let neighbour = start(&tree, Room::Ledger, 64, Counted::default());
        neighbour.tell(());
        let (go, wait) = mpsc::sync_channel(1);
        let blocked = actor.ask(Ask::Block(wait));
        let panics = actor.ask(Ask::Panic);
        let behind = actor.ask(Ask::Count);
        drop(go);
        let (blocked, panics, behind) = tokio::join!(blocked, panics, behind);
        assert_eq!(
            (blocked, panics, behind),
            (Ok(0), Err(AskError::Restarted), Ok(0))
        );
        assert_eq!(neighbour.ask(Ask::Count).await, Ok(1));
        assert_eq!((actor.stats().restarts, tree.panics()), (1, 1));
    });
}

#[test]
fn a_machine_that_keeps_panicking_is_stopped() {
    in_system(|tree| async move {
        let actor = start(&tree, Room::Ledger, 64, Counted::default());
        let answers = join_all((0..8).map(|_| actor.ask(Ask::Panic))).await;
        assert_eq!(
            answers
                .iter()
                .filter(|a| **a == Err(AskError::Restarted))
                .count(),
            6
        );
        assert_eq!(
            answers
                .iter()
                .filter(|a| **a == Err(AskError::Stopped))
                .count(),
            2
        );
        assert_eq!(actor.ask(Ask::Count).await, Err(AskError::Stopped));
    });
}

#[test]
fn two_thousand_asks_on_a_blocked_actor_give_sixty_four() {
    in_system(|tree| async move {
        let actor = start(&tree, Room::Ledger, 64, Counted::default());
        let (go, wait) = mpsc::sync_channel(1);
        let release = async {
            tokio::task::yield_now().await;
            drop(go);
        };
        let first = actor.ask(Ask::Block(wait));
        let rest = join_all((0..1_999).map(|_| actor.ask(Ask::Count)));
        let (first, rest, ()) = tokio::join!(first, rest, release);
        let admitted = usize::from(first.is_ok()) + rest.iter().filter(|a| a.is_ok()).count();
        assert_eq!(admitted, 64);
        assert!(
            rest.iter()
                .all(|a| matches!(a, Ok(0) | Err(AskError::Overloaded)))
        );
        assert_eq!(actor.stats().asks, 0);
    });
}

#[test]
fn a_dropped_ask_is_cancelled_and_gives_its_place_back() {
    in_system(|tree| async move {
        let actor = start(&tree, Room::Ledger, 2, Counted::default());
        let (go, wait) = mpsc::sync_channel(1);
        let blocked = tokio::task::spawn_local({
            let actor = actor.clone();
            async move { actor.ask(Ask::Block(wait)).await }
        });
        // Not before the other is in the mailbox: an idle actor would handle this one at once.
        while actor.stats().asks == 0 {
            tokio::task::yield_now().await;
        }
        assert!(futures_util::FutureExt::now_or_never(actor.ask(Ask::Panic)).is_none());
        drop(go);
        assert_eq!(blocked.await.unwrap(), Ok(0));
        assert_eq!(
            actor.ask(Ask::Count).await,
            Ok(0),
            "the cancelled ask never panicked"
        );
        assert_eq!(actor.stats().restarts, 0);
    });
}

#[test]
fn a_flooded_bulk_arbiter_does_not_delay_the_ledger() {
    in_system(|tree| async move {
        let bulk = start(&tree, Room::Bulk, 64, Counted::default());
        let (go, wait) = mpsc::sync_channel(1);
        let held = tokio::task::spawn_local({
            let bulk = bulk.clone();
            async move { bulk.ask(Ask::Block(wait)).await }
        });
        tokio::task::yield_now().await;
        (0..10_000).for_each(|_| bulk.tell(()));
        let ledger = start(&tree, Room::Ledger, 64, Counted::default());
        // Answered while the bulk arbiter still stands.
        assert_eq!(ledger.ask(Ask::Count).await, Ok(0));
        assert!(!held.is_finished());
        drop(go);
        assert_eq!(held.await.unwrap(), Ok(0));
        assert_eq!(bulk.ask(Ask::Count).await, Ok(10_000), "no tell was lost");
    });
}

#[test]
fn fifty_callers_become_one_effect_and_fifty_answers() {
    in_system(|tree| async move {
        let effects = Counted::default();
        let actor = start(&tree, Room::Ledger, 64, effects.clone());
        let answers = join_all((0..50).map(|_| actor.ask(Ask::Shared))).await;
        assert_eq!(answers, vec![Ok(7); 50]);
        assert_eq!(*effects.0.lock().unwrap(), 1);
    });
}

#[test]
fn deadlines_follow_virtual_time() {
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    actix_rt::System::with_tokio_rt(paused).block_on(async {
        let tree = Tree::on_this_thread(Clock::virtual_time());
        let actor = start(&tree, Room::Ledger, 64, Counted::default());
        let began = std::time::Instant::now();
        let asks = [3_600_000, 60_000, 7_200_000].map(|ms| actor.ask(Ask::At(ms)));
        assert_eq!(
            join_all(asks).await,
            [Ok(3_600_000), Ok(60_000), Ok(7_200_000)]
        );
        assert!(
            began.elapsed() < Duration::from_secs(3_600),
            "two hours passed in no time"
        );
        actor.stop().await;
        tokio::task::yield_now().await;
        assert_eq!(tree.alive(), 0);
    });
}

#[test]
fn callers_that_leave_give_their_place_in_the_queue_back() {
    in_system(|tree| async move {
        let actor = start(&tree, Room::Ledger, 1_024, Counted::default());
        for _ in 0..500 {
            let asked = tokio::task::spawn_local({
                let actor = actor.clone();
                async move { actor.ask(Ask::At(u64::MAX / 2)).await }
            });
            tokio::task::yield_now().await;
            asked.abort();
        }
        // Each of them says so itself.
        let mut left = 0;
        for _ in 0..64 {
            left = actor.ask(Ask::Left).await.unwrap();
        }
        // Those that left before their turn came are not counted by the machine.
        assert!(left > 0);
        // The last one's place is given back just after its answer.
        while actor.stats().asks > 0 {
            tokio::task::yield_now().await;
        }
    });
}
