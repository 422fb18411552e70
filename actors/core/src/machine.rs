//! The contract between a pure machine and the shell that runs it.
//!
//! A machine is plain Rust: one synchronous step per input. Replies may come now or in a later step (by [`Ticket`]);
//! slow work is an effect whose outcome comes back as [`Input::Done`]. The shell owns tickets, timers and restarts.
//!
//! Invariant: a machine never blocks, and every ticket it was given is answered by it or, after its panic, by the shell.

use crate::time::Now;

/// Names one pending answer. Tickets are unique within one incarnation of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Why an ask has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The handle's counted bound is reached; nothing was enqueued.
    #[error("actor is overloaded")]
    Overloaded,
    /// The machine panicked while this ask was in its hands; it has been rebuilt and the ask may be repeated.
    #[error("actor was restarted")]
    Restarted,
    /// The actor is gone (passivated, quarantined or the process stops); look it up again.
    #[error("actor is stopped")]
    Stopped,
}

/// One thing that happens to a machine.
#[derive(Debug)]
pub enum Input<M: Machine> {
    /// A question; must be answered through [`Turn::reply`], in this step or a later one.
    Ask(Ticket, M::Ask),
    /// A fact; never answered, never refused.
    Tell(M::Tell),
    /// The outcome of an effect that this incarnation asked for.
    Done(M::Done),
    /// The caller of this ask has gone away; nobody takes its reply.
    Left(Ticket),
    /// The time given by [`Machine::deadline`] has come.
    Wake,
}

/// What one step produced.
#[derive(Debug)]
pub struct Turn<M: Machine> {
    pub replies: Vec<(Ticket, M::Reply)>,
    pub effects: Vec<M::Effect>,
    /// The view changed and must be published before the replies leave.
    pub publish: bool,
    /// The machine has closed its gate and wants to be passivated.
    pub stop: bool,
}

impl<M: Machine> Default for Turn<M> {
    fn default() -> Self {
        Self {
            replies: Vec::new(),
            effects: Vec::new(),
            publish: false,
            stop: false,
        }
    }
}

impl<M: Machine> Turn<M> {
    pub fn reply(&mut self, ticket: Ticket, reply: M::Reply) {
        self.replies.push((ticket, reply));
    }

    pub fn effect(&mut self, effect: M::Effect) {
        self.effects.push(effect);
    }

    pub fn publish(&mut self) {
        self.publish = true;
    }

    pub fn stop(&mut self) {
        self.stop = true;
    }
}

/// A pure state machine: `handle(now, input) → replies, effects, view`.
pub trait Machine: Send + Sized + 'static {
    type Ask: Send + 'static;
    type Reply: Send + 'static;
    type Tell: Send + 'static;
    type Effect: Send + 'static;
    type Done: Send + 'static;
    /// The immutable picture that readers see; swapped whole.
    type View: Send + Sync + 'static;

    /// One synchronous step.
    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>);

    /// The picture to publish; called after a step that asked for it and after every (re)start.
    fn view(&self) -> Self::View;

    /// When [`Input::Wake`] is wanted next, on the monotonic clock; asked after every step.
    fn deadline(&self) -> Option<u64> {
        None
    }
}
