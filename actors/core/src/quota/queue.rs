//! Requests that wait: by class, and within a class the keys take turns.
//!
//! Invariant: bounded as a whole and per key; within a key first come, first served.

use std::collections::VecDeque;

use super::message::Wanted;
use crate::id::KeyId;
use crate::key::Priority;
use crate::machine::Ticket;

/// How many may wait at one scope.
pub const MAX_QUEUE: usize = 512;
/// How many of one key may wait at a scope that it shares with others.
pub const MAX_PER_KEY: usize = 128;

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub ticket: Ticket,
    pub wanted: Wanted,
    /// It came then (monotonic).
    pub since_ms: u64,
}

/// Those of one key, in the order in which they came.
#[derive(Debug)]
struct Line {
    key: KeyId,
    waiters: VecDeque<Waiter>,
}

#[derive(Debug, Default)]
pub(super) struct FairQueue {
    /// High, normal, low; in each the line whose turn is next goes first.
    classes: [VecDeque<Line>; 3],
    len: usize,
}

/// What is to be done with the head of a line.
pub(super) enum Served {
    /// It is done with.
    Done,
    /// It goes on waiting, its line with it.
    Waits(Waiter),
}

impl FairQueue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ticket comes back when there is no room.
    pub(super) fn push(&mut self, waiter: Waiter, is_shared: bool) -> Result<(), Ticket> {
        let class = &mut self.classes[place(waiter.wanted.priority)];
        let line = class.iter_mut().find(|line| line.key == waiter.wanted.key);
        let of_key = line.as_ref().map_or(0, |line| line.waiters.len());
        if self.len >= MAX_QUEUE || (is_shared && of_key >= MAX_PER_KEY) {
            return Err(waiter.ticket);
        }
        self.len += 1;
        match line {
            Some(line) => line.waiters.push_back(waiter),
            None => class.push_back(Line {
                key: waiter.wanted.key,
                waiters: VecDeque::from([waiter]),
            }),
        }
        Ok(())
    }

    /// Shows heads of lines, one of each key in turn, until all that are left wait.
    pub(super) fn serve(&mut self, mut visit: impl FnMut(Waiter) -> Served) {
        for class in &mut self.classes {
            let mut blocked = 0;
            while blocked < class.len()
                && let Some(mut line) = class.pop_front()
            {
                match line.waiters.pop_front().map(&mut visit) {
                    Some(Served::Done) => {
                        self.len -= 1;
                        blocked = 0;
                    }
                    Some(Served::Waits(waiter)) => {
                        line.waiters.push_front(waiter);
                        blocked += 1;
                    }
                    None => {}
                }
                if !line.waiters.is_empty() {
                    class.push_back(line);
                }
            }
        }
    }

    /// Takes out everybody for whom `leaves` says so.
    pub(super) fn remove(&mut self, leaves: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        let mut gone = Vec::new();
        for class in &mut self.classes {
            for line in class.iter_mut() {
                let (out, stay) = line.waiters.drain(..).partition(&leaves);
                line.waiters = stay;
                gone.extend::<VecDeque<Waiter>>(out);
            }
            class.retain(|line| !line.waiters.is_empty());
        }
        self.len -= gone.len();
        gone
    }

    /// When the first one's time is over.
    pub(super) fn deadline(&self) -> Option<u64> {
        let lines = self.classes.iter().flatten();
        lines
            .flat_map(|line| &line.waiters)
            .map(|waiter| waiter.wanted.deadline_ms)
            .min()
    }
}

fn place(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}
