//! Where the frames of a day stand: entries of `id 16 | offset u64 | crc32 u32`, little-endian.
//!
//! Invariant: either every entry of a file holds, or none of them is believed.

use std::fs::File;
use std::io;

use troupe_core::RequestId;

use crate::log::read_part;

pub(super) const ENTRY_BYTES: usize = 28;
const CHECKED_BYTES: usize = ENTRY_BYTES - 4;
/// Entries that are read at once.
const PART: usize = 4096;

pub(super) fn encode(id: RequestId, offset: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(id.0.as_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

fn decode(entry: &[u8]) -> Option<([u8; 16], u64)> {
    let (checked, crc) = entry.split_at_checked(CHECKED_BYTES)?;
    if crc != crc32fast::hash(checked).to_le_bytes() {
        return None;
    }
    let (id, offset) = checked.split_first_chunk()?;
    Some((*id, u64::from_le_bytes(offset.try_into().ok()?)))
}

/// What a look through the entries found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// Where the first frame of the id stands.
    pub at: Option<u64>,
    /// Where the last frame that has an entry stands.
    pub last: Option<u64>,
}

/// `None` when an entry does not hold.
pub(super) fn look(file: &File, id: Option<RequestId>) -> io::Result<Option<Looked>> {
    let mut looked = Looked::default();
    let mut part = Vec::new();
    let mut at = 0;
    loop {
        read_part(file, at, PART * ENTRY_BYTES, &mut part)?;
        if part.is_empty() {
            return Ok(Some(looked));
        }
        for entry in part.chunks(ENTRY_BYTES) {
            let Some((found, offset)) = decode(entry) else {
                return Ok(None);
            };
            if id.is_some_and(|id| *id.0.as_bytes() == found) && looked.at.is_none() {
                looked.at = Some(offset);
            }
            looked.last = looked.last.max(Some(offset));
        }
        at += part.len() as u64;
    }
}
