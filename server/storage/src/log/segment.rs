//! Append-only segments of JSON lines, one per UTC day: `requests/2026-11-24.jsonl`.
//!
//! Invariant: a segment is whole lines. A line that a crash or a full disk cut is removed before the next is written;
//! batches are not synced (the log may lose its last moments with the machine, never with the process).

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use troupe_core::RequestId;
use troupe_core::log::{LogFound, LogPage, LogQuery, LogSearch};
use troupe_core::port::{LogStore, PortFuture, StoreError};
use troupe_core::record::RequestRecord;

use super::cursor::Cursor;
use super::file::whole_len;
use super::{SUFFIX, day_of, foreign_cursor, read, search, segment_path};
use crate::fs::{private_dir, private_file};

const BUFFER_BYTES: usize = 64 * 1024;
/// Leaves room for the row that passes it.
const WRITE_FROM_BYTES: usize = BUFFER_BYTES - 4 * 1024;

/// The log; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SegmentLog {
    folder: Arc<Path>,
    writing: Arc<Mutex<Segments>>,
}

#[derive(Debug)]
struct Segments {
    folder: PathBuf,
    /// The segment written last, open at its end.
    open: Option<(Date, File)>,
}

impl SegmentLog {
    /// Creates the folder and repairs the newest segment.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join("requests");
        private_dir(&folder)?;
        if let Some((_, path)) = segments(&folder)?.into_iter().max() {
            repair(&mut private_file(&path)?)?;
        }
        Ok(Self {
            folder: folder.as_path().into(),
            writing: Arc::new(Mutex::new(Segments { folder, open: None })),
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
                std::fs::remove_file(path)?;
                gone += 1;
            }
            open.open.take_if(|(day, _)| *day < oldest);
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
            found.await?.ok_or_else(foreign_cursor)
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
        let mut file = match self.open.take() {
            Some((open, file)) if open == day => file,
            _ => {
                let mut file = private_file(&segment_path(&self.folder, day))?;
                repair(&mut file)?;
                file
            }
        };
        let start = file.stream_position()?;
        let written = write_rows(&file, rows);
        if written.is_err() {
            file.set_len(start)?;
            file.seek(SeekFrom::Start(start))?;
        }
        self.open = Some((day, file));
        written
    }
}

/// Written into memory first, where serde_json's many small writes are cheap.
fn write_rows(mut file: &File, rows: &[RequestRecord]) -> io::Result<()> {
    let mut lines = Vec::with_capacity(BUFFER_BYTES);
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
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
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::contract::sample;

    const DAY_MS: u64 = 86_400_000;

    fn lines(path: PathBuf) -> Vec<RequestRecord> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn rows_go_to_the_segment_of_their_day() {
        let folder = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(folder.path()).unwrap();
        let rows: Vec<_> = [1, 2, DAY_MS, 3].map(sample::request).to_vec();
        log.append(rows.clone()).await.unwrap();
        let first = folder.path().join("requests/1970-01-01.jsonl");
        assert_eq!(
            lines(first.clone()),
            [rows[0].clone(), rows[1].clone(), rows[3].clone()]
        );
        assert_eq!(
            lines(folder.path().join("requests/1970-01-02.jsonl")),
            [rows[2].clone()]
        );
        assert_eq!(
            first.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[tokio::test]
    async fn a_torn_last_line_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests/1970-01-01.jsonl");
        SegmentLog::open(folder.path())
            .unwrap()
            .append(vec![sample::request(1)])
            .await
            .unwrap();
        let whole = std::fs::read(&path).unwrap();
        for torn in ["{\"id\":".to_owned(), "x".repeat(9000)] {
            std::fs::write(&path, [&whole, torn.as_bytes()].concat()).unwrap();
            let log = SegmentLog::open(folder.path()).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
            log.append(vec![sample::request(2)]).await.unwrap();
            assert_eq!(lines(path.clone()).len(), 2);
        }
        std::fs::write(&path, "no line at all").unwrap();
        SegmentLog::open(folder.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[tokio::test]
    async fn old_days_go_and_foreign_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(folder.path()).unwrap();
        let foreign = folder.path().join("requests/notes.jsonl");
        std::fs::write(&foreign, "mine").unwrap();
        log.append((0..4).map(|day| sample::request(day * DAY_MS)).collect())
            .await
            .unwrap();
        assert_eq!(log.retain(2 * DAY_MS + 5).await.unwrap(), 2);
        assert_eq!(log.retain(2 * DAY_MS + 5).await.unwrap(), 0);
        assert!(foreign.exists());
        assert_eq!(log.retain(9 * DAY_MS).await.unwrap(), 2);
        log.append(vec![sample::request(3 * DAY_MS)]).await.unwrap();
        assert!(folder.path().join("requests/1970-01-04.jsonl").exists());
    }
}
