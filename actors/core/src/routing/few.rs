//! The first few of many in linear time, with turns among equals.
//!
//! Equals take turns: of `k` equal ones the `turn mod k`-th is first, then its followers. Counting turns over the whole
//! list instead would hand the turns of those who are not equal to whoever stands next to them. The start jumps once
//! in 64 rounds, so that a caller whose turns keep step with something (every second one, say) is still fair.
//!
//! Invariant: [`first`] gives the beginning of what [`all`] gives.

use std::cmp::Ordering;

use smallvec::{SmallVec, smallvec};

use super::race::mix;

/// Up to so many, [`first`] costs a comparison or two per key.
pub(super) const FEW: usize = 8;

/// Those who have one value, while their places are given out.
#[derive(Clone, Copy)]
struct Equals<K> {
    key: K,
    count: usize,
    /// How many come before them.
    start: usize,
    /// Which of them is first.
    shift: usize,
    /// How many of them were seen.
    seen: usize,
}

impl<K> Equals<K> {
    /// Puts the next of them into its place, if that is one of the `places`.
    #[inline]
    fn put(&mut self, position: usize, places: &mut [usize]) {
        let wrapped = if self.seen < self.shift {
            self.count
        } else {
            0
        };
        let place = self.start + self.seen + wrapped - self.shift;
        self.seen += 1;
        if let Some(slot) = places.get_mut(place) {
            *slot = position;
        }
    }
}

/// Positions of the `most` (at most [`FEW`]) smallest keys, in order.
pub(super) fn first<K: Ord + Copy>(keys: &[K], turn: usize, most: usize) -> SmallVec<[usize; 4]> {
    let most = most.min(keys.len()).min(FEW);
    let mut places: SmallVec<[usize; 4]> = smallvec![0; most];
    let mut start = 0;
    let mut equals: SmallVec<[Equals<K>; FEW]> = smallest(keys, most)
        .into_iter()
        .map(|(key, count)| {
            let before = start;
            start += count;
            Equals {
                key,
                count,
                start: before,
                shift: shift(turn, count),
                seen: 0,
            }
        })
        .collect();
    let Some((last, better)) = equals.split_last_mut() else {
        return places;
    };
    let slots = places.as_mut_slice();
    for (position, key) in keys.iter().enumerate() {
        match key.cmp(&last.key) {
            Ordering::Greater => {}
            Ordering::Equal => last.put(position, slots),
            Ordering::Less => {
                if let Some(equals) = better.iter_mut().find(|equals| equals.key == *key) {
                    equals.put(position, slots);
                }
            }
        }
    }
    places
}

/// The smallest values of the keys, ascending, as many as are needed for `most` keys, and how many keys have each.
fn smallest<K: Ord + Copy>(keys: &[K], most: usize) -> SmallVec<[(K, usize); FEW]> {
    let mut values: SmallVec<[(K, usize); FEW]> = SmallVec::new();
    let mut held = 0;
    // The largest value of use, once enough are held, and how many more have it: most keys only touch these two.
    let mut bound: Option<K> = None;
    let mut more = 0;
    for &key in keys {
        match bound.map(|bound| key.cmp(&bound)) {
            Some(Ordering::Greater) => continue,
            Some(Ordering::Equal) => {
                more += 1;
                continue;
            }
            Some(Ordering::Less) | None => {}
        }
        if let Some((_, count)) = values.last_mut() {
            let more = std::mem::take(&mut more);
            *count += more;
            held += more;
        }
        let at = values
            .iter()
            .position(|(value, _)| key <= *value)
            .unwrap_or(values.len());
        match values.get_mut(at) {
            Some((value, count)) if *value == key => *count += 1,
            _ => values.insert(at, (key, 1)),
        }
        held += 1;
        while let Some(&(_, count)) = values.last()
            && held - count >= most
        {
            held -= count;
            values.pop();
        }
        if held >= most {
            bound = values.last().map(|&(value, _)| value);
        }
    }
    if let Some((_, count)) = values.last_mut() {
        *count += more;
    }
    values
}

/// Positions of all keys, in order.
pub(super) fn all<K: Ord + Copy>(keys: &[K], turn: usize) -> Vec<usize> {
    let mut order: Vec<(K, usize)> = keys
        .iter()
        .enumerate()
        .map(|(position, &key)| (key, position))
        .collect();
    order.sort_unstable();
    for equals in order.chunk_by_mut(|a, b| a.0 == b.0) {
        equals.rotate_left(shift(turn, equals.len()));
    }
    order.into_iter().map(|(_, position)| position).collect()
}

/// Which of `count` equals is first.
fn shift(turn: usize, count: usize) -> usize {
    if count < 2 {
        return 0;
    }
    let jump = mix((turn / (count * 64)) as u64) % count as u64;
    (turn % count + usize::try_from(jump).unwrap_or_default()) % count
}
