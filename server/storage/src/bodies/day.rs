//! One day's frames and ids.
//!
//! Invariant: a frame is written before its id; what a crash cut is removed before the next is written; what is damaged
//! costs its own frame only.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::civil::Date;
use memchr::memmem;
use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;

use super::frame::{HEADER_BYTES, Header, MAGIC};
use super::{FRAMES, IDS, ids, path};
use crate::fs::private_file;
use crate::log::{opened, read_part};

/// Read at once where a frame is looked for after damage.
const PART_BYTES: usize = 256 * 1024;

/// A day that is written to.
#[derive(Debug)]
pub(super) struct Day {
    frames: File,
    ids: File,
    end: u64,
}

impl Day {
    /// Cuts a torn last frame, and adds the ids that are missing.
    pub(super) fn open(folder: &Path, day: Date) -> io::Result<Self> {
        let mut frames = private_file(&path(folder, day, FRAMES))?;
        let mut ids = private_file(&path(folder, day, IDS))?;
        let len = frames.metadata()?.len();
        let named_to = match ids::look(&ids, None)? {
            Some(looked) => end_of(&frames, len, looked.last)?,
            None => None,
        };
        if named_to.is_none() {
            ids.set_len(0)?;
        }
        ids.seek(SeekFrom::End(0))?;
        let mut entries = Vec::new();
        let end = walk(&frames, named_to.unwrap_or(0), len, |at, header| {
            ids::encode(header.id, at, &mut entries);
            if entries.len() >= PART_BYTES {
                ids.write_all(&entries)?;
                entries.clear();
            }
            Ok(true)
        })?;
        ids.write_all(&entries)?;
        if end < len {
            tracing::warn!(
                cut_bytes = len - end,
                "bodies: a torn last frame was removed"
            );
            frames.set_len(end)?;
        }
        frames.seek(SeekFrom::Start(end))?;
        Ok(Self { frames, ids, end })
    }

    /// Bytes that were added. After an error the frames are as many as before.
    pub(super) fn append(&mut self, bodies: &[StoredBodies]) -> io::Result<u64> {
        let mut entries = Vec::with_capacity(bodies.len() * ids::ENTRY_BYTES);
        let mut at = self.end;
        for one in bodies {
            let header = Header::of(one);
            let written = self
                .frames
                .write_all(&header.encode())
                .and_then(|()| self.frames.write_all(&one.packed));
            if let Err(error) = written {
                self.frames.set_len(self.end)?;
                self.frames.seek(SeekFrom::Start(self.end))?;
                return Err(error);
            }
            ids::encode(one.id, at, &mut entries);
            at += header.frame_bytes();
        }
        let added = at - self.end;
        self.end = at;
        // What has no id is found all the same.
        if let Err(error) = self.ids.write_all(&entries) {
            tracing::warn!(%error, "bodies: ids were not written; finding them takes longer");
        }
        Ok(added + entries.len() as u64)
    }
}

/// What was found of an id.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Whole(StoredBodies),
    Damaged,
}

/// The first frame of that id.
pub(super) fn find(folder: &Path, day: Date, id: RequestId) -> io::Result<Found> {
    let Some(frames) = opened(&path(folder, day, FRAMES))? else {
        return Ok(Found::Nothing);
    };
    let len = frames.metadata()?.len();
    let looked = match opened(&path(folder, day, IDS))? {
        Some(ids) => ids::look(&ids, Some(id))?,
        None => None,
    };
    let mut from = 0;
    if let Some(looked) = looked {
        let named = match looked.at {
            Some(at) => header_at(&frames, at, len)?.map(|header| (at, header)),
            None => None,
        };
        if let Some((at, header)) = named.filter(|(_, header)| header.id == id) {
            return whole(&frames, at, &header);
        }
        // An id that leads elsewhere: the ids are of other frames.
        if looked.at.is_none() {
            from = end_of(&frames, len, looked.last)?.unwrap_or(0);
        }
    }
    let mut found = None;
    walk(&frames, from, len, |at, header| {
        if header.id == id {
            found = Some((at, header));
        }
        Ok(found.is_none())
    })?;
    match found {
        Some((at, header)) => whole(&frames, at, &header),
        None => Ok(Found::Nothing),
    }
}

pub(super) fn whole(frames: &File, at: u64, header: &Header) -> io::Result<Found> {
    let len = usize::try_from(header.packed_bytes).unwrap_or(usize::MAX);
    let mut packed = Vec::new();
    read_part(frames, at + HEADER_BYTES as u64, len, &mut packed)?;
    if packed.len() != len || crc32fast::hash(&packed) != header.packed_crc {
        return Ok(Found::Damaged);
    }
    Ok(Found::Whole(StoredBodies {
        id: header.id,
        at_ms: header.at_ms,
        packed,
    }))
}

/// The header that stands there, when its frame ends within `len`.
fn header_at(frames: &File, at: u64, len: u64) -> io::Result<Option<Header>> {
    let mut bytes = Vec::new();
    read_part(frames, at, HEADER_BYTES, &mut bytes)?;
    let fits = |header: &Header| at.saturating_add(header.frame_bytes()) <= len;
    Ok(Header::decode(&bytes).filter(fits))
}

/// Where the frame that stands at `last` ends; `None` when none stands there. 0 without one.
fn end_of(frames: &File, len: u64, last: Option<u64>) -> io::Result<Option<u64>> {
    let Some(last) = last else {
        return Ok(Some(0));
    };
    let header = header_at(frames, last, len)?;
    Ok(header.map(|header| last + header.frame_bytes()))
}

/// Tells each whole frame from `at` on, until `told` has enough; damage is passed over. Where the last whole one ends.
pub(super) fn walk(
    frames: &File,
    mut at: u64,
    len: u64,
    mut told: impl FnMut(u64, Header) -> io::Result<bool>,
) -> io::Result<u64> {
    let mut end = at;
    while at < len {
        match header_at(frames, at, len)? {
            Some(header) => {
                let is_wanted = told(at, header)?;
                at += header.frame_bytes();
                end = at;
                if !is_wanted {
                    break;
                }
            }
            None => match next_frame(frames, at + 1, len)? {
                Some(next) => at = next,
                None => break,
            },
        }
    }
    Ok(end)
}

/// Where the next whole frame stands.
fn next_frame(frames: &File, from: u64, len: u64) -> io::Result<Option<u64>> {
    let mut part = Vec::new();
    let mut at = from;
    while at < len {
        read_part(frames, at, PART_BYTES, &mut part)?;
        for near in memmem::find_iter(&part, MAGIC) {
            let here = at + near as u64;
            if header_at(frames, here, len)?.is_some() {
                return Ok(Some(here));
            }
        }
        if part.len() < PART_BYTES {
            break;
        }
        // A magic may lie across the end.
        at += (part.len() - MAGIC.len() + 1) as u64;
    }
    Ok(None)
}
