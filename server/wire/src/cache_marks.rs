//! Finds prompt-cache marks in a request and names the prefixes they stand for.
//!
//! Invariant: the hashes depend on bytes of the body alone, are equal on every node and build, and
//! leave out the `cache_control` members themselves, because clients move their marks from turn to
//! turn. They choose an account (affinity) and protect nothing: they are not cryptographic.

use std::ops::Range;

use crate::json;

/// Prompt-cache marks of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheMarks {
    /// Number of `cache_control` members, wherever they stand.
    pub count: usize,
    /// Hash of model, tools, system and messages up to the last mark: equal for requests that can
    /// read the same cache entry.
    pub prefix_hash: u64,
    /// Hash of model, tools, system and the first message: stays the same over the turns of a
    /// conversation while `prefix_hash` moves on.
    pub conversation_hash: u64,
}

const MESSAGES: usize = 2;

/// Reads the marks of `text`. `sections` are the values of tools, system and messages in the
/// order in which the service caches them, `marks` the positions of each `cache_control` key and its
/// value in the order of the text; `automatic` tells of a top-level mark, which covers all.
pub(crate) fn read(
    text: &[u8],
    model: &str,
    sections: &[Range<usize>; 3],
    marks: &[(usize, usize)],
    automatic: bool,
) -> Option<CacheMarks> {
    if marks.is_empty() {
        return None;
    }
    let last = (0..sections.len()).rev().find_map(|index| {
        let section = &sections[index];
        let (at, _) = marks.iter().rev().find(|(at, _)| section.contains(at))?;
        Some((index, json::enclosing_end(text, *at)))
    });
    let messages = &sections[MESSAGES];
    let last = match last {
        Some(last) if !automatic => last,
        _ => (MESSAGES, messages.end),
    };
    let first_message = json::skip_space(text, messages.start + 1);
    let conversation = (
        MESSAGES,
        json::value_end(text, first_message).min(messages.end),
    );

    let mut hash = Fold::new(model);
    let mut walk = Walk {
        text,
        sections,
        marks,
        at: (0, sections[0].start),
    };
    let (near, far) = (last.min(conversation), last.max(conversation));
    walk.feed_to(near, &mut hash);
    let near_hash = hash.finish();
    walk.feed_to(far, &mut hash);
    let far_hash = hash.finish();
    let (prefix_hash, conversation_hash) = if near == last {
        (near_hash, far_hash)
    } else {
        (far_hash, near_hash)
    };
    Some(CacheMarks {
        count: marks.len(),
        prefix_hash,
        conversation_hash,
    })
}

/// Feeds the sections in order, without the marks.
struct Walk<'a> {
    text: &'a [u8],
    sections: &'a [Range<usize>; 3],
    marks: &'a [(usize, usize)],
    at: (usize, usize),
}

impl Walk<'_> {
    fn feed_to(&mut self, goal: (usize, usize), hash: &mut Fold) {
        while self.at.0 < goal.0 {
            self.feed(self.sections[self.at.0].end, hash);
            let next = self.at.0 + 1;
            self.at = (next, self.sections[next].start);
        }
        self.feed(goal.1, hash);
    }

    fn feed(&mut self, end: usize, hash: &mut Fold) {
        let mut from = self.at.1;
        for &(key, value) in self.marks {
            if key < from || key >= end {
                continue;
            }
            let (cut, resume) = member(self.text, key, value);
            hash.update(&self.text[from..cut.max(from)]);
            from = resume;
        }
        if from < end {
            hash.update(&self.text[from..end]);
        }
        self.at.1 = end.max(from);
    }
}

/// The range of a member with one of the commas beside it.
fn member(text: &[u8], key: usize, value: usize) -> (usize, usize) {
    let end = json::value_end(text, value);
    let space_before = text[..key]
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let before = key - space_before;
    if before > 0 && text[before - 1] == b',' {
        return (before - 1, end);
    }
    let comma = json::skip_space(text, end);
    if text.get(comma) == Some(&b',') {
        (key, json::skip_space(text, comma + 1))
    } else {
        (key, end)
    }
}

const LANES: usize = 4;
const BLOCK: usize = LANES * 8;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A streaming hash over four independent lanes of folded 64 × 64 → 128 bit products, the
/// construction of wyhash; about 10 GB/s.
struct Fold {
    lanes: [u64; LANES],
    held: [u8; BLOCK],
    held_len: usize,
    total_len: u64,
}

impl Fold {
    fn new(model: &str) -> Self {
        let lanes = [
            0xA076_1D64_78BD_642F,
            0xE703_7ED1_A0B4_28DB,
            0x8EBC_6AF0_9C88_C6E3,
            0x5899_65CC_7537_4CC3,
        ];
        let mut fold = Self {
            lanes,
            held: [0; BLOCK],
            held_len: 0,
            total_len: 0,
        };
        fold.update(model.as_bytes());
        fold.update(&[0]);
        fold
    }

    fn update(&mut self, mut bytes: &[u8]) {
        self.total_len += bytes.len() as u64;
        if self.held_len > 0 {
            let taken = bytes.len().min(BLOCK - self.held_len);
            self.held[self.held_len..self.held_len + taken].copy_from_slice(&bytes[..taken]);
            self.held_len += taken;
            bytes = &bytes[taken..];
            if self.held_len < BLOCK {
                return;
            }
            let held = self.held;
            mix(&mut self.lanes, &held);
            self.held_len = 0;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            mix(&mut self.lanes, block);
        }
        self.held[..rest.len()].copy_from_slice(rest);
        self.held_len = rest.len();
    }

    fn finish(&self) -> u64 {
        let mut lanes = self.lanes;
        let mut last = [0; BLOCK];
        last[..self.held_len].copy_from_slice(&self.held[..self.held_len]);
        mix(&mut lanes, &last);
        lanes.iter().fold(self.total_len, |hash, lane| {
            product(hash ^ lane, MULTIPLIER)
        })
    }
}

fn mix(lanes: &mut [u64; LANES], block: &[u8; BLOCK]) {
    let (words, _) = block.as_chunks::<8>();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = product(*lane ^ u64::from_le_bytes(*word), MULTIPLIER);
    }
}

fn product(left: u64, right: u64) -> u64 {
    let wide = u128::from(left) * u128::from(right);
    // The low half is the product modulo 2^64, the high half its carry.
    (wide as u64) ^ ((wide >> 64) as u64)
}
