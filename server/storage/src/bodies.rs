//! Bodies of the embedded backend, a file of frames per UTC day: `bodies/2026-11-24.frames`, with the ids of its frames and
//! where they stand beside it (`.ids`).
//!
//! Invariant: the ids are only a way to be quick: what they do not name, or name wrongly, is found in the frames. All
//! files together are bounded; what finds no room is refused. As with the log, the last moments may be lost with the
//! machine, never with the process.

mod all;
mod day;
mod frame;
mod ids;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;
use troupe_core::port::{BodyStore, PortFuture, StoreError};

pub(crate) use self::all::WholeBodies;
use self::day::{Day, Found};
use self::frame::{HEADER_BYTES, MAX_PACKED_BYTES};
use crate::fs::private_dir;
use crate::log::{blocking, day_of, days_near, opened};

/// What all files may have together, until somebody says otherwise.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;

const FRAMES: &str = ".frames";
const IDS: &str = ".ids";

/// The bodies; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct FrameBodies {
    folder: Arc<Path>,
    max_bytes: Arc<AtomicU64>,
    writing: Arc<Mutex<Writing>>,
}

#[derive(Debug)]
struct Writing {
    folder: PathBuf,
    /// The day written last.
    open: Option<(Date, Day)>,
    /// Of all files.
    bytes: u64,
}

impl FrameBodies {
    /// Creates the folder and repairs the newest day.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join("bodies");
        private_dir(&folder)?;
        let newest = days(&folder)?.into_iter().max();
        let open = match newest {
            Some(day) => Some((day, Day::open(&folder, day)?)),
            None => None,
        };
        let bytes = bytes_in(&folder)?;
        Ok(Self {
            folder: folder.as_path().into(),
            max_bytes: Arc::new(AtomicU64::new(MAX_BYTES)),
            writing: Arc::new(Mutex::new(Writing {
                folder,
                open,
                bytes,
            })),
        })
    }

    async fn writing<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Writing) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writing = Arc::clone(&self.writing);
        let step = move || {
            Ok(step(
                &mut writing.lock().unwrap_or_else(PoisonError::into_inner),
            ))
        };
        blocking(step).await.map_err(unknown)?
    }
}

fn unknown(error: io::Error) -> StoreError {
    StoreError::Unknown(format!("bodies: {error}"))
}

impl BodyStore for FrameBodies {
    fn append(&self, bodies: Vec<StoredBodies>) -> PortFuture<'_, ()> {
        let max_bytes = Arc::clone(&self.max_bytes);
        Box::pin(self.writing(move |writing| {
            writing.room_for(&bodies, max_bytes.load(Ordering::Relaxed))?;
            bodies
                .chunk_by(|a, b| day_of(a.at_ms) == day_of(b.at_ms))
                .try_for_each(|day| writing.append(day))
                .map_err(unknown)
        }))
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<StoredBodies>> {
        let folder = Arc::clone(&self.folder);
        Box::pin(async move {
            let look = move || {
                for day in days_near(id.time_ms()) {
                    match day::find(&folder, day, id)? {
                        Found::Nothing => {}
                        found => return Ok(found),
                    }
                }
                Ok(Found::Nothing)
            };
            let failed = |error| StoreError::Unavailable(format!("bodies: {error}"));
            match blocking(look).await.map_err(failed)? {
                Found::Nothing => Ok(None),
                Found::Whole(bodies) => Ok(Some(bodies)),
                Found::Damaged => Err(StoreError::Corrupt(format!(
                    "the bodies of {id} are damaged"
                ))),
            }
        })
    }

    fn bound(&self, max_bytes: u64) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    fn of_day(&self, at_ms: u64) -> PortFuture<'_, u64> {
        let path = path(&self.folder, day_of(at_ms), FRAMES);
        Box::pin(async move {
            let look = move || match opened(&path)? {
                Some(frames) => Ok(frames.metadata()?.len()),
                None => Ok(0),
            };
            blocking(look).await.map_err(unknown)
        })
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        Box::pin(self.writing(move |writing| writing.retain(day_of(oldest_ms)).map_err(unknown)))
    }
}

impl Writing {
    fn room_for(&self, bodies: &[StoredBodies], max_bytes: u64) -> Result<(), StoreError> {
        let len = |bodies: &StoredBodies| bodies.packed.len() as u64;
        if bodies.iter().any(|one| len(one) > MAX_PACKED_BYTES) {
            let reason = format!("bodies of more than {MAX_PACKED_BYTES} bytes are not kept");
            return Err(StoreError::Unavailable(reason));
        }
        let more: u64 = bodies
            .iter()
            .map(|one| len(one) + HEADER_BYTES as u64 + ids::ENTRY_BYTES as u64)
            .sum();
        if self.bytes.saturating_add(more) > max_bytes {
            return Err(StoreError::Unavailable(format!(
                "bodies have no room: {} of {max_bytes} bytes are used; keep them for a shorter time or allow more",
                self.bytes
            )));
        }
        Ok(())
    }

    /// Bodies of one day. After an error the day is as long as before.
    fn append(&mut self, bodies: &[StoredBodies]) -> io::Result<()> {
        let Some(first) = bodies.first() else {
            return Ok(());
        };
        let date = day_of(first.at_ms);
        let mut day = match self.open.take() {
            Some((open, day)) if open == date => day,
            _ => Day::open(&self.folder, date)?,
        };
        self.bytes += day.append(bodies)?;
        self.open = Some((date, day));
        Ok(())
    }

    fn retain(&mut self, oldest: Date) -> io::Result<usize> {
        let mut gone = 0;
        for day in days(&self.folder)?.into_iter().filter(|day| *day < oldest) {
            std::fs::remove_file(path(&self.folder, day, FRAMES))?;
            match std::fs::remove_file(path(&self.folder, day, IDS)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => gone += 1,
            }
        }
        self.open.take_if(|(day, _)| *day < oldest);
        self.bytes = bytes_in(&self.folder)?;
        Ok(gone)
    }
}

fn path(folder: &Path, day: Date, suffix: &str) -> PathBuf {
    folder.join(format!("{day}{suffix}"))
}

fn days(folder: &Path) -> io::Result<Vec<Date>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let day = name.to_str().and_then(|name| name.strip_suffix(FRAMES));
        found.extend(day.and_then(|day| day.parse::<Date>().ok()));
    }
    Ok(found)
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
