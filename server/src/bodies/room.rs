//! Memory for bodies that are captured, or wait to be written.
//!
//! Invariant: what is held never exceeds the bound; it is given back by Drop at the latest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of all captured bodies of a process.
const MAX_BYTES: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct Room {
    used_bytes: AtomicUsize,
    max_bytes: usize,
}

/// A part of it.
#[derive(Debug)]
pub struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(MAX_BYTES)
    }
}

impl Room {
    #[must_use]
    pub fn of(max_bytes: usize) -> Self {
        Self {
            used_bytes: AtomicUsize::new(0),
            max_bytes,
        }
    }

    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Nothing of it yet.
    #[must_use]
    pub fn hold(self: &Arc<Self>) -> Held {
        Held {
            room: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Held {
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// `false` when there is no room for so much more; then it is as before.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let used = &self.room.used_bytes;
        let before = used.fetch_add(more, Ordering::Relaxed);
        let fits = before.saturating_add(more) <= self.room.max_bytes;
        if fits {
            self.bytes += more;
        } else {
            used.fetch_sub(more, Ordering::Relaxed);
        }
        fits
    }

    /// Gives all of it back.
    pub fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.room.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let room = Arc::new(Room::of(10));
        let (mut one, mut two) = (room.hold(), room.hold());
        assert!(one.grow(6) && two.grow(4) && !two.grow(1));
        assert_eq!((room.used_bytes(), two.bytes()), (10, 4));
        drop(one);
        assert!(two.grow(6));
        drop(two);
        assert_eq!(room.used_bytes(), 0);
    }
}
