//! A machine that blocks, panics, waits and counts on demand.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use troupe_core::{Input, Machine, Now, Ticket, Turn};

use crate::shell::{Clock, Depth, Effects, Handle, Job, Seed, spawn};
use crate::tree::{Room, Tree};

pub enum Ask {
    Count,
    /// How many callers left while they waited.
    Left,
    Panic,
    /// Holds the thread until the other end is dropped or sends.
    Block(Receiver<()>),
    /// One effect for all that wait.
    Shared,
    /// Answered when the time has come.
    At(u64),
}

#[derive(Default)]
pub struct Probe {
    pub count: u64,
    waiting: Vec<Ticket>,
    flying: bool,
    pub left: u64,
    timed: Vec<(u64, Ticket)>,
}

impl Machine for Probe {
    type Ask = Ask;
    type Reply = u64;
    type Tell = ();
    type Effect = ();
    type Done = u64;
    type View = u64;

    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>) {
        match input {
            Input::Ask(ticket, Ask::Count) => turn.reply(ticket, self.count),
            Input::Ask(ticket, Ask::Left) => turn.reply(ticket, self.left),
            Input::Ask(_, Ask::Panic) => panic!("told to"),
            Input::Ask(ticket, Ask::Block(until)) => {
                let _ = until.recv();
                turn.reply(ticket, 0);
            }
            Input::Ask(ticket, Ask::Shared) => {
                self.waiting.push(ticket);
                if !std::mem::replace(&mut self.flying, true) {
                    turn.effect(());
                }
            }
            Input::Ask(ticket, Ask::At(ms)) => self.timed.push((now.mono_ms + ms, ticket)),
            Input::Tell(()) => {
                self.count += 1;
                turn.publish();
            }
            Input::Done(value) => {
                self.flying = false;
                self.waiting
                    .drain(..)
                    .for_each(|ticket| turn.reply(ticket, value));
            }
            Input::Left(ticket) => {
                self.waiting.retain(|&t| t != ticket);
                self.timed.retain(|&(_, t)| t != ticket);
                self.left += 1;
            }
            Input::Wake => {
                for (_, ticket) in self.timed.extract_if(.., |(at, _)| *at <= now.mono_ms) {
                    turn.reply(ticket, now.mono_ms);
                }
            }
        }
    }

    fn view(&self) -> u64 {
        self.count
    }

    fn deadline(&self) -> Option<u64> {
        self.timed.iter().map(|&(at, _)| at).min()
    }
}

/// Counts effects; each takes a little tokio time.
#[derive(Clone, Default)]
pub struct Counted(pub Arc<Mutex<u64>>);

impl Effects<Probe> for Counted {
    fn job(&self, (): ()) -> Job<u64> {
        *self.0.lock().unwrap() += 1;
        Job::new(0, async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            7
        })
    }
}

pub fn start(tree: &Tree, room: Room, bound: usize, effects: Counted) -> Handle<Probe> {
    spawn(
        tree,
        room,
        Seed {
            name: "probe",
            build: Box::new(Probe::default),
            publish: Box::new(|_| {}),
            effects: Arc::new(effects),
            on_gone: Box::new(|_| {}),
            depth: Depth::new(bound),
            clock: tree.clock,
            io: tree.io.clone(),
            stats: Arc::clone(&tree.stats),
        },
    )
}

/// Runs `test` in an actix system with a control runtime beside it, then asserts that nothing is left alive.
pub fn in_system<F: Future<Output = ()>>(test: impl FnOnce(Arc<Tree>) -> F) {
    let io = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    actix_rt::System::new().block_on(async {
        let tree = Arc::new(Tree::start(Clock::system(), io.handle().clone()));
        test(Arc::clone(&tree)).await;
        let stats = Arc::clone(&tree.stats);
        Arc::try_unwrap(tree).unwrap().stop();
        assert_eq!(
            stats.alive.load(std::sync::atomic::Ordering::SeqCst),
            0,
            "an actor outlived its tree"
        );
    });
}
