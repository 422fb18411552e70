//! The actor itself. See the module above for its duties.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};
use tokio::sync::oneshot;
use troupe_core::{AskError, Input, Machine, Ticket, Turn};

use super::clock::Clock;
use super::depth::{Depth, DepthGuard};
use super::effects::Effects;
use super::handle::Handle;
use crate::tree::{Stats, Tree};

/// More restarts than this within the window stop the actor for good.
const MAX_RESTARTS: usize = 5;
const RESTART_WINDOW_MS: u64 = 30_000;

/// How an actor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It was idle, or told to stop.
    Stopped,
    /// It panicked too often.
    Quarantined,
}

/// Everything an actor is made from.
pub(crate) struct Seed<M: Machine> {
    pub name: &'static str,
    /// Makes a machine from what is published and stored; called at the start and after each panic.
    pub build: Box<dyn FnMut() -> M + Send>,
    pub publish: Box<dyn Fn(M::View) + Send>,
    pub effects: Arc<dyn Effects<M>>,
    pub on_gone: Box<dyn FnOnce(Gone) + Send>,
    pub depth: Arc<Depth>,
    pub clock: Clock,
    pub io: tokio::runtime::Handle,
    pub stats: Arc<Stats>,
}

/// What arrives in the mailbox.
pub(crate) enum Post<M: Machine> {
    Ask(
        M::Ask,
        oneshot::Sender<Result<M::Reply, AskError>>,
        DepthGuard,
    ),
    Tell(M::Tell),
    /// A caller went away while it waited.
    Left,
    /// An effect's outcome, for the incarnation that asked for it.
    Done(M::Done, u64),
    Stop(oneshot::Sender<()>),
}

impl<M: Machine> Message for Post<M> {
    type Result = ();
}

type Answer<M> = (
    oneshot::Sender<Result<<M as Machine>::Reply, AskError>>,
    DepthGuard,
);

pub(crate) struct Shell<M: Machine> {
    seed: Seed<M>,
    on_gone: Option<Box<dyn FnOnce(Gone) + Send>>,
    machine: Option<M>,
    pending: BTreeMap<Ticket, Answer<M>>,
    next_ticket: u64,
    incarnation: u64,
    restarts: VecDeque<u64>,
    timer: Option<(u64, SpawnHandle)>,
    stopping: Vec<oneshot::Sender<()>>,
    gone: Gone,
}

/// Never pinned: the context owns it by value.
impl<M: Machine> Unpin for Shell<M> {}

/// Starts an actor on the tree's arbiter for `room`; returns at once with its handle.
pub(crate) fn spawn<M: Machine>(
    tree: &Tree,
    room: crate::tree::Room,
    mut seed: Seed<M>,
) -> Handle<M> {
    let depth = Arc::clone(&seed.depth);
    let machine = (seed.build)();
    (seed.publish)(machine.view());
    seed.stats.alive.fetch_add(1, Ordering::SeqCst);
    let on_gone = Some(std::mem::replace(&mut seed.on_gone, Box::new(|_| {})));
    let addr = Shell::start_in_arbiter(&tree.arbiter(room), move |_| Shell {
        seed,
        on_gone,
        machine: Some(machine),
        pending: BTreeMap::new(),
        next_ticket: 0,
        incarnation: 0,
        restarts: VecDeque::new(),
        timer: None,
        stopping: Vec::new(),
        gone: Gone::Stopped,
    });
    Handle::new(addr, depth)
}

impl<M: Machine> Actor for Shell<M> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.arm(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.answer_all(AskError::Stopped);
        if let Some(on_gone) = self.on_gone.take() {
            on_gone(self.gone);
        }
        for waiter in self.stopping.drain(..) {
            let _ = waiter.send(());
        }
    }
}

impl<M: Machine> Drop for Shell<M> {
    fn drop(&mut self) {
        self.seed.stats.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<M: Machine> Handler<Post<M>> for Shell<M> {
    type Result = ();

    fn handle(&mut self, post: Post<M>, ctx: &mut Self::Context) {
        self.seed.depth.handled();
        match post {
            // The caller went away before its turn came.
            Post::Ask(_, answer, _) if answer.is_closed() => {}
            Post::Ask(ask, answer, place) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.pending.insert(ticket, (answer, place));
                self.step(Input::Ask(ticket, ask), ctx);
            }
            Post::Left => self.sweep(ctx),
            Post::Tell(tell) => self.step(Input::Tell(tell), ctx),
            Post::Done(done, incarnation) if incarnation == self.incarnation => {
                self.step(Input::Done(done), ctx)
            }
            Post::Done(..) => {}
            Post::Stop(gone) => {
                self.stopping.push(gone);
                ctx.stop();
            }
        }
    }
}

impl<M: Machine> Shell<M> {
    fn step(&mut self, input: Input<M>, ctx: &mut Context<Self>) {
        let Some(machine) = self.machine.as_mut() else {
            return;
        };
        let now = self.seed.clock.now();
        let mut turn = Turn::default();
        match catch_unwind(AssertUnwindSafe(|| machine.handle(now, input, &mut turn))) {
            Ok(()) => self.finish(turn, ctx),
            Err(_) => self.restart(ctx),
        }
        self.arm(ctx);
    }

    /// Tells the machine of callers that went away while they waited, so that they hold no place in its queue.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let waiting = self.pending.iter();
        let left: Vec<_> = waiting
            .filter(|(_, (answer, _))| answer.is_closed())
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in left {
            self.pending.remove(&ticket);
            self.step(Input::Left(ticket), ctx);
        }
    }

    fn finish(&mut self, turn: Turn<M>, ctx: &mut Context<Self>) {
        if turn.publish
            && let Some(machine) = &self.machine
        {
            (self.seed.publish)(machine.view());
        }
        for (ticket, reply) in turn.replies {
            if let Some((answer, place)) = self.pending.remove(&ticket) {
                // First: who hears the answer may ask again at once.
                drop(place);
                let _ = answer.send(Ok(reply));
            }
        }
        for effect in turn.effects {
            self.run(effect, ctx);
        }
        if turn.stop {
            ctx.stop();
        }
    }

    fn run(&self, effect: M::Effect, ctx: &Context<Self>) {
        let job = self.seed.effects.job(effect);
        let (addr, incarnation, io) = (ctx.address(), self.incarnation, self.seed.io.clone());
        let work = self.seed.io.spawn(job.work);
        io.spawn(async move {
            let done = work.await.unwrap_or(job.if_lost);
            addr.do_send(Post::Done(done, incarnation));
        });
    }

    /// Rebuilds the machine. Those it had not answered yet hear `Restarted`; the mailbox goes on.
    fn restart(&mut self, ctx: &mut Context<Self>) {
        let now_ms = self.seed.clock.now().mono_ms;
        self.machine = None;
        self.incarnation += 1;
        self.seed.depth.restarted();
        self.seed.stats.panics.fetch_add(1, Ordering::SeqCst);
        self.answer_all(AskError::Restarted);
        self.restarts.retain(|&at| at + RESTART_WINDOW_MS > now_ms);
        self.restarts.push_back(now_ms);
        tracing::error!(
            actor = self.seed.name,
            restarts = self.restarts.len(),
            "actor panicked and is rebuilt"
        );
        if self.restarts.len() > MAX_RESTARTS {
            tracing::error!(
                actor = self.seed.name,
                "actor panicked too often and is quarantined"
            );
            self.gone = Gone::Quarantined;
            return ctx.stop();
        }
        match catch_unwind(AssertUnwindSafe(&mut self.seed.build)) {
            Ok(machine) => {
                (self.seed.publish)(machine.view());
                self.machine = Some(machine);
            }
            Err(_) => {
                self.gone = Gone::Quarantined;
                ctx.stop();
            }
        }
    }

    fn answer_all(&mut self, error: AskError) {
        for (_, (answer, place)) in std::mem::take(&mut self.pending) {
            drop(place);
            let _ = answer.send(Err(error));
        }
    }

    /// One timer, moved only when the machine's deadline came nearer or the timer has fired.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let Some(at) = self.machine.as_ref().and_then(Machine::deadline) else {
            return;
        };
        if self.timer.as_ref().is_some_and(|&(armed, _)| armed <= at) {
            return;
        }
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel_future(handle);
        }
        let pause = at.saturating_sub(self.seed.clock.now().mono_ms);
        let handle = ctx.run_later(Duration::from_millis(pause), |shell, ctx| {
            shell.timer = None;
            let due = shell.machine.as_ref().and_then(Machine::deadline);
            if due.is_some_and(|at| at <= shell.seed.clock.now().mono_ms) {
                shell.step(Input::Wake, ctx);
            } else {
                shell.arm(ctx);
            }
        });
        self.timer = Some((at, handle));
    }
}
