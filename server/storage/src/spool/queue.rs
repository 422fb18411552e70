//! A queue of items in files: `00000001.spool`, `00000002.spool` …, and how far they have been told in `told`.
//!
//! A frame is its length (u32), the CRC-32 of its bytes (u32, both little-endian), and the item. A damaged item is passed
//! over; a frame that a crash cut, or whose length is nonsense, ends its file: what follows cannot be found any more.
//!
//! Invariant: a file that is told whole is removed; files are written without a sync, so they survive the process and not
//! the machine's power.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::item::Item;
use crate::codec::{decode, encode};
use crate::fs::{private_dir, private_file};

/// A file that has reached this is closed, and another one begun.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
const HEAD_BYTES: u64 = 8;
/// No item is longer; what says so is damage.
const ITEM_BYTES: u32 = 256 * 1024 * 1024;
const SUFFIX: &str = ".spool";
const TOLD: &str = "told";

/// The queue. Its calls block on the disk.
pub(super) struct Queue {
    folder: PathBuf,
    max_bytes: u64,
    files: Mutex<Files>,
    /// Bytes that have not been told.
    bytes: AtomicU64,
    /// Frames and rests of files that could not be read, since [`Queue::take_lost`].
    lost: AtomicU64,
}

struct Files {
    /// From the oldest to the newest: number and length.
    all: VecDeque<(u64, u64)>,
    /// How much of the oldest has been told.
    told: u64,
    /// The newest, while it is written.
    writing: Option<File>,
    /// The number of the next file.
    next: u64,
    /// Where the frame that was read last ends.
    head_end: Option<u64>,
}

impl Queue {
    pub(super) fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        private_dir(folder)?;
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
                all.push((number, entry.metadata()?.len()));
            }
        }
        all.sort_unstable();
        let mark = told(folder)?;
        // What was told whole may have been left behind by a crash.
        if let Some((file, u64::MAX)) = mark {
            for (number, _) in all.extract_if(.., |(number, _)| *number <= file) {
                remove(folder, number)?;
            }
        }
        let last = all.last().map_or(0, |(number, _)| *number);
        // Never a number that the mark may speak of.
        let next = last.max(mark.map_or(0, |(file, _)| file)) + 1;
        let told = match (mark, all.first()) {
            (Some((file, at)), Some((oldest, len))) if file == *oldest => at.min(*len),
            _ => 0,
        };
        let queue = Self {
            folder: folder.to_owned(),
            max_bytes,
            files: Mutex::new(Files {
                all: all.into(),
                told,
                writing: None,
                next,
                head_end: None,
            }),
            bytes: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        };
        queue.count(&queue.lock());
        Ok(queue)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// How many frames and rests of files could not be read since this was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// # Errors
    /// `StorageFull` when the item's share of the queue is used up, and what the disk says. Nothing of the item is there
    /// then.
    pub(super) fn push(&self, item: &Item) -> io::Result<()> {
        let body = encode(item).map_err(io::Error::other)?;
        let len = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(body.len() + 8);
        frame.extend(len.to_le_bytes());
        frame.extend(crc32fast::hash(&body).to_le_bytes());
        frame.extend(body);
        let mut files = self.lock();
        let most = self.max_bytes / 100 * item.share();
        if self.bytes() + frame.len() as u64 > most {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{} bytes are spooled already", self.bytes()),
            ));
        }
        let written = files.append(&self.folder, &frame);
        self.count(&files);
        written
    }

    /// The oldest item. Passes over what is damaged.
    pub(super) fn head(&self) -> io::Result<Option<Item>> {
        let mut files = self.lock();
        loop {
            let Some(&(number, len)) = files.all.front() else {
                return Ok(None);
            };
            let file = match File::open(path(&self.folder, number)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    tracing::error!("a file of the spool is gone");
                    files.drop_file(&self.folder)?;
                    self.count(&files);
                    continue;
                }
                opened => opened?,
            };
            match frame(&file, files.told, len)? {
                Some((Some(item), end)) => {
                    files.head_end = Some(end);
                    return Ok(Some(item));
                }
                Some((None, end)) => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    files.told = end;
                    self.count(&files);
                }
                None if files.told >= len && files.all.len() == 1 => return Ok(None),
                None => {
                    if files.told < len {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(
                            lost_bytes = len - files.told,
                            "a file of the spool is damaged; its rest is dropped"
                        );
                    }
                    files.drop_file(&self.folder)?;
                    self.count(&files);
                }
            }
        }
    }

    /// Drops the item that [`Self::head`] gave last.
    pub(super) fn drop_head(&self) -> io::Result<()> {
        let mut files = self.lock();
        let Some(end) = files.head_end.take() else {
            return Ok(());
        };
        files.told = end;
        let done = files.all.front().is_some_and(|(_, len)| end >= *len);
        let dropped = if done {
            files.drop_file(&self.folder)
        } else {
            files.save_told(&self.folder)
        };
        self.count(&files);
        dropped
    }

    fn count(&self, files: &Files) {
        let all: u64 = files.all.iter().map(|(_, len)| len).sum();
        self.bytes
            .store(all.saturating_sub(files.told), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn append(&mut self, folder: &Path, frame: &[u8]) -> io::Result<()> {
        let full = self.all.back().is_none_or(|(_, len)| *len >= FILE_BYTES);
        if full || self.writing.is_none() {
            // Somebody may have removed it.
            private_dir(folder)?;
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path(folder, self.next))?;
            self.writing = Some(file);
            self.all.push_back((self.next, 0));
            self.next += 1;
        }
        let (Some(file), Some((_, len))) = (&mut self.writing, self.all.back_mut()) else {
            return Ok(());
        };
        let written = file.write_all(frame);
        if written.is_ok() {
            *len += frame.len() as u64;
        } else {
            // A part of it would hide what comes after: the next item begins another file.
            let _ = file.set_len(*len);
            self.writing = None;
        }
        written
    }

    /// The oldest, which has been told.
    fn drop_file(&mut self, folder: &Path) -> io::Result<()> {
        let Some((number, _)) = self.all.pop_front() else {
            return Ok(());
        };
        self.told = 0;
        self.head_end = None;
        if self.all.is_empty() {
            self.writing = None;
        }
        save(folder, number, u64::MAX)?;
        remove(folder, number)
    }

    fn save_told(&self, folder: &Path) -> io::Result<()> {
        match self.all.front() {
            Some((number, _)) => save(folder, *number, self.told),
            None => Ok(()),
        }
    }
}

/// Of the file `number`, `told` bytes are told; `u64::MAX` is all of it.
fn save(folder: &Path, number: u64, told: u64) -> io::Result<()> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend(told.to_le_bytes());
    let file = private_file(&folder.join(TOLD))?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()
}

fn remove(folder: &Path, number: u64) -> io::Result<()> {
    match std::fs::remove_file(path(folder, number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}{SUFFIX}"))
}

/// Of which file how much has been told.
fn told(folder: &Path) -> io::Result<Option<(u64, u64)>> {
    let bytes = match std::fs::read(folder.join(TOLD)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = |part: &[u8]| part.try_into().ok().map(u64::from_le_bytes);
    let parts = bytes.split_at_checked(8);
    Ok(parts.and_then(|(file, at)| Some((number(file)?, number(at)?))))
}

/// The item at `at` and where it ends, without it when it is damaged or of no known form (another version's); none where the
/// file ends or has no frame.
fn frame(file: &File, at: u64, len: u64) -> io::Result<Option<(Option<Item>, u64)>> {
    if at + HEAD_BYTES > len {
        return Ok(None);
    }
    let mut head = [0; 8];
    file.read_exact_at(&mut head, at)?;
    let [a, b, c, d, crc @ ..] = head;
    let size = u32::from_le_bytes([a, b, c, d]);
    let end = at + HEAD_BYTES + u64::from(size);
    if size > ITEM_BYTES || end > len {
        return Ok(None);
    }
    let mut body = vec![0; size as usize];
    file.read_exact_at(&mut body, at + HEAD_BYTES)?;
    if crc32fast::hash(&body) != u32::from_le_bytes(crc) {
        tracing::error!("a spooled item is damaged, and is dropped");
        return Ok(Some((None, end)));
    }
    match decode("spooled item", &body) {
        Ok(item) => Ok(Some((Some(item), end))),
        Err(error) => {
            tracing::error!(%error, "a spooled item is of no known form, and is dropped");
            Ok(Some((None, end)))
        }
    }
}
