//! Collects the notes of one plan.
//!
//! Invariant: bounded; what is said twice is said once, with its number.

use std::cell::RefCell;
use std::collections::HashMap;

use super::plan::Note;

const MAX_NOTES: usize = 10_000;

/// Shared by all who read a source.
#[derive(Debug, Default)]
pub(super) struct Notes {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    notes: Vec<(Note, u64)>,
    known: HashMap<(String, String), usize>,
    left_out: u64,
}

impl Notes {
    /// `what` comes along, but `why` should be known.
    pub fn taken(&self, what: impl Into<String>, why: impl Into<String>) {
        self.add(what.into(), true, why.into());
    }

    /// `what` stays behind.
    pub fn left(&self, what: impl Into<String>, why: impl Into<String>) {
        self.add(what.into(), false, why.into());
    }

    fn add(&self, what: String, taken: bool, why: String) {
        let mut inner = self.inner.borrow_mut();
        let at = inner.notes.len();
        let known = inner.known.get(&(what.clone(), why.clone())).copied();
        match known.and_then(|at| inner.notes.get_mut(at)) {
            Some((_, times)) => *times += 1,
            None if at >= MAX_NOTES => inner.left_out += 1,
            None => {
                inner.known.insert((what.clone(), why.clone()), at);
                inner.notes.push((Note { what, taken, why }, 1));
            }
        }
    }

    pub fn finish(self) -> Vec<Note> {
        let inner = self.inner.into_inner();
        let counted = |(mut note, times): (Note, u64)| {
            if times > 1 {
                note.what = format!("{} ({times} times)", note.what);
            }
            note
        };
        let mut notes: Vec<Note> = inner.notes.into_iter().map(counted).collect();
        if inner.left_out > 0 {
            notes.push(Note {
                what: format!("{} more items", inner.left_out),
                taken: false,
                why: format!("a report names {MAX_NOTES} at most"),
            });
        }
        notes
    }
}
