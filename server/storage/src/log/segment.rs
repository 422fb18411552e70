//! Append-only segments of JSON lines, one per UTC day: `requests/2026-11-24.jsonl`.
//!
//! Invariant: a segment is whole lines. A line that a crash or a full disk cut is removed before the next is written;
//! batches are not synced (the log may lose its last moments with the machine, never with the process).

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use troupe_core::RequestId;
use troupe_core::log::{LogFound, LogPage, LogQuery, LogSearch};
use troupe_core::port::{LogStore, PortFuture, StoreError};
use troupe_core::record::RequestRecord;

use super::block::Block;
use super::cursor::Cursor;
use super::file::whole_len;
use super::{SUFFIX, complete, day_of, foreign_cursor, index, read, search, segment_path};
use crate::fs::{private_dir, private_file};

const BUFFER_BYTES: usize = 64 * 1024;
/// Leaves room for the row that passes it.
const WRITE_FROM_BYTES: usize = BUFFER_BYTES - 4 * 1024;

/// The log; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SegmentLog {
    folder: Arc<Path>,
    writing: Arc<Mutex<Segments>>,
    /// Is an index being completed?
    completing: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Segments {
    folder: PathBuf,
    /// The segment written last.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    day: Date,
    path: PathBuf,
    /// At its end.
    file: File,
    /// The rows at its end that no entry of the index covers yet.
    block: Block,
}

impl SegmentLog {
    /// Creates the folder and repairs the newest segment.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join("requests");
        private_dir(&folder)?;
        let open = match segments(&folder)?.into_iter().max() {
            Some((day, path)) => Some(Open::at(day, path)?),
            None => None,
        };
        Ok(Self {
            folder: folder.as_path().into(),
            writing: Arc::new(Mutex::new(Segments { folder, open })),
            completing: Arc::default(),
        })
    }

    async fn writing<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Segments) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let segments = self.writing.clone();
        blocking(move || step(&mut segments.lock().unwrap_or_else(PoisonError::into_inner)))
            .await
            .map_err(|error| StoreError::Unknown(format!("request log: {error}")))
    }

    /// Goes on with the index of a segment, beside everything else; one at a time, and a bounded part of it.
    fn complete(&self, segment: PathBuf) {
        if self.completing.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let add = |file: &File, blocks: &[Block]| {
                let _alone = this.writing.lock().unwrap_or_else(PoisonError::into_inner);
                // Retention may have taken it.
                if segment.exists() {
                    index::add(&segment, file, blocks)?;
                }
                Ok(())
            };
            if let Err(error) = complete::complete(&this.folder, &segment, add) {
                tracing::warn!(%error, "request log: an index was not completed; searches take longer");
            }
            this.completing.store(false, Ordering::Release);
        });
    }

    /// Beside the writer, not instead of it: a long look must not cost rows.
    async fn reading<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folder = self.folder.clone();
        blocking(move || step(&folder))
            .await
            .map_err(|error| StoreError::Unavailable(format!("request log: {error}")))
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(step)
        .await
        .map_err(io::Error::other)?
}

impl LogStore for SegmentLog {
    fn append(&self, rows: Vec<RequestRecord>) -> PortFuture<'_, ()> {
        Box::pin(self.writing(move |segments| {
            rows.chunk_by(|a, b| day_of(a.at_ms) == day_of(b.at_ms))
                .try_for_each(|day| segments.append(day))
        }))
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.writing(move |open| {
            let oldest = day_of(oldest_ms);
            let mut gone = 0;
            for (_, path) in segments(&open.folder)?
                .into_iter()
                .filter(|(day, _)| *day < oldest)
            {
                std::fs::remove_file(&path)?;
                gone += 1;
                match std::fs::remove_file(index::index_path(&path)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            open.open.take_if(|open| open.day < oldest);
            Ok(gone)
        }))
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<RequestRecord>> {
        Box::pin(self.reading(move |folder| read::find(folder, id)))
    }

    fn tail(&self, query: LogQuery) -> PortFuture<'_, LogPage> {
        Box::pin(self.reading(move |folder| read::tail(folder, &query)))
    }

    fn search(&self, search: LogSearch) -> PortFuture<'_, LogFound> {
        Box::pin(async move {
            let after = search.after.as_ref().map(Cursor::parse).transpose()?;
            let found = self.reading(move |folder| search::search(folder, &search, after));
            let searched = found.await?.ok_or_else(foreign_cursor)?;
            if let Some(segment) = searched.incomplete {
                self.complete(segment);
            }
            Ok(searched.found)
        })
    }
}

impl Segments {
    /// Rows of one day. After an error the segment is as long as before.
    fn append(&mut self, rows: &[RequestRecord]) -> io::Result<()> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let day = day_of(first.at_ms);
        let mut open = match self.open.take() {
            Some(open) if open.day == day => open,
            _ => Open::at(day, segment_path(&self.folder, day))?,
        };
        let written = open.append(rows);
        if written.is_ok() || open.is_whole() {
            self.open = Some(open);
        }
        written
    }
}

impl Open {
    fn at(day: Date, path: PathBuf) -> io::Result<Self> {
        let mut file = private_file(&path)?;
        repair(&mut file)?;
        let end = file.stream_position()?;
        index::forget_behind(&path, end)?;
        Ok(Self {
            day,
            path,
            file,
            block: Block::at(end),
        })
    }

    fn append(&mut self, rows: &[RequestRecord]) -> io::Result<()> {
        let start = self.file.stream_position()?;
        let mut full = Vec::new();
        let written = write_rows(&self.file, rows, &mut self.block, &mut full);
        if written.is_err() {
            self.file.set_len(start)?;
            self.file.seek(SeekFrom::Start(start))?;
            self.block = Block::at(start);
        } else if let Err(error) = index::add(&self.path, &self.file, &full) {
            tracing::warn!(%error, "request log: the index was not written; searches take longer");
        }
        written
    }

    /// Does the file end where the last row that was written ends?
    fn is_whole(&mut self) -> bool {
        let len = self.file.metadata().map(|found| found.len());
        matches!((len, self.file.stream_position()), (Ok(len), Ok(at)) if len == at)
    }
}

/// Written into memory first, where serde_json's many small writes are cheap. Blocks that became full are put into
/// `full`.
fn write_rows(
    mut file: &File,
    rows: &[RequestRecord],
    block: &mut Block,
    full: &mut Vec<Block>,
) -> io::Result<()> {
    let mut lines = Vec::with_capacity(BUFFER_BYTES);
    for row in rows {
        let start = lines.len();
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
        block.add(Some(row), (lines.len() - start) as u64);
        if block.is_full() {
            let next = Block::at(block.end);
            full.push(std::mem::replace(block, next));
        }
        if lines.len() >= WRITE_FROM_BYTES {
            file.write_all(&lines)?;
            lines.clear();
        }
    }
    file.write_all(&lines)
}

/// Cuts what follows the last line end and leaves the file open at its end.
fn repair(file: &mut File) -> io::Result<()> {
    let len = file.seek(SeekFrom::End(0))?;
    let end = whole_len(file)?;
    if end < len {
        tracing::warn!(
            cut_bytes = len - end,
            "request log: a torn last line was removed"
        );
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
    }
    Ok(())
}

pub(super) fn segments(folder: &Path) -> io::Result<Vec<(Date, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let day = name
            .to_str()
            .and_then(|name| name.strip_suffix(SUFFIX))
            .and_then(|day| day.parse().ok());
        if let Some(day) = day {
            found.push((day, entry.path()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
