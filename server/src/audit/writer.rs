//! The one task that writes lines.
//!
//! ```text
//!            ┌── cannot be opened or written ──▶ Broken ── every second ──┐
//! Opening ──▶ Open ◀── what was kept, and a line that says since when ────┘
//! ```
//! Lines that arrive while others are written share the next write and its fsync.
//!
//! Invariant: whoever waits is answered when the line is on the disk, or when it is not; lines that nobody can tell again
//! are kept in their order, at most `KEPT`, and above that counted.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use troupe_core::audit::AuditRow;
use troupe_core::port::{StoreError, Stores};
use troupe_storage::audit::{Chain, Entry, Found, Trail};

use super::notes::Notes;
use super::state::State;
use super::{AuditError, STORE_CHANGED, Settings, now_ms, resume};

/// Lines of one write.
const BATCH: usize = 512;
/// Lines that are kept while nothing can be written.
const KEPT: usize = 4_096;
const AGAIN: Duration = Duration::from_secs(1);

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Append {
        entries: Vec<Entry>,
        /// Nobody can tell it again.
        keep: bool,
        done: oneshot::Sender<Result<(), AuditError>>,
    },
    Retire {
        keep_days: u64,
    },
    /// Writes what is left and ends.
    Close,
}

/// Where lines go.
enum Sink {
    Closed,
    Files(Box<Trail>),
    /// The store has the only copy.
    Memory(Chain),
}

pub(super) struct Writer {
    dir: Option<PathBuf>,
    node: Arc<str>,
    stores: Stores,
    state: Arc<State>,
    sink: Sink,
    /// Lines that nobody waits for (any more).
    kept: VecDeque<Entry>,
    broken_since: Option<u64>,
}

type Waiting = Vec<(Vec<Entry>, bool, oneshot::Sender<Result<(), AuditError>>)>;

impl Writer {
    pub fn new(settings: &Settings, stores: Stores, state: Arc<State>) -> Self {
        Self {
            dir: settings.dir.clone(),
            node: Arc::clone(&settings.node),
            stores,
            state,
            sink: Sink::Closed,
            kept: VecDeque::new(),
            broken_since: None,
        }
    }

    /// Until it is closed. `opened` is told when it was tried to open it.
    pub async fn run(
        mut self,
        mut asked: mpsc::Receiver<Command>,
        mut noted: mpsc::Receiver<Entry>,
        notes: Notes,
        opened: oneshot::Sender<()>,
    ) {
        self.retry().await;
        let _ = opened.send(());
        let mut again = tokio::time::interval(AGAIN);
        let mut is_closing = false;
        while !is_closing {
            let mut waiting = Waiting::new();
            let mut retire = None;
            tokio::select! {
                command = asked.recv() => {
                    let mut next = command.or(Some(Command::Close));
                    let mut lines = 0;
                    while let Some(command) = next.take() {
                        match command {
                            Command::Append { entries, keep, done } => {
                                lines += entries.len();
                                waiting.push((entries, keep, done));
                            }
                            Command::Retire { keep_days } => retire = Some(keep_days),
                            Command::Close => is_closing = true,
                        }
                        if lines < BATCH && !is_closing {
                            next = asked.try_recv().ok();
                        }
                    }
                }
                Some(note) = noted.recv() => self.keep(note, &notes),
                _ = again.tick() => {}
            }
            while self.kept.len() < KEPT
                && let Ok(note) = noted.try_recv()
            {
                self.kept.push_back(note);
            }
            if self.broken_since.is_some() {
                self.retry().await;
            } else {
                self.kept.extend(notes.counted());
            }
            self.write(waiting, &notes).await;
            if let Some(keep_days) = retire {
                self.retire(keep_days).await;
            }
        }
        for lost in self.kept {
            tracing::error!(action = lost.action, resource = lost.resource, actor = lost.actor, at_ms = lost.at_ms, count = ?lost.count, "a line of the audit trail could not be written");
        }
    }

    fn keep(&mut self, entry: Entry, notes: &Notes) {
        if self.kept.len() < KEPT {
            self.kept.push_back(entry);
        } else {
            notes.count(entry);
        }
    }

    /// Everything that waits, in one write; the kept ones first, they are older.
    async fn write(&mut self, waiting: Waiting, notes: &Notes) {
        if self.broken_since.is_some() {
            let why = self.state.broken().unwrap_or_default();
            return self.refuse(waiting, &why, notes);
        }
        let kept = self.kept.len();
        let mut entries: Vec<_> = self.kept.drain(..).collect();
        entries.extend(
            waiting
                .iter()
                .flat_map(|(entries, ..)| entries.iter().cloned()),
        );
        if entries.is_empty() {
            return;
        }
        match self.append(&entries).await {
            Ok(()) => {
                for (.., done) in waiting {
                    let _ = done.send(Ok(()));
                }
            }
            Err(why) => {
                self.breaks(&why);
                entries.truncate(kept);
                self.kept.extend(entries);
                self.refuse(waiting, &why, notes);
            }
        }
    }

    fn refuse(&mut self, waiting: Waiting, why: &str, notes: &Notes) {
        for (entries, keep, done) in waiting {
            if keep {
                entries
                    .into_iter()
                    .for_each(|entry| self.keep(entry, notes));
            }
            let _ = done.send(Err(AuditError::Late(why.to_owned())));
        }
    }

    fn breaks(&mut self, why: &str) {
        if self.broken_since.is_none() {
            tracing::error!(
                why,
                "the audit trail cannot be written; operations are refused until it can"
            );
            self.broken_since = Some(now_ms());
        }
        self.state.breaks(why.to_owned());
    }

    /// Opens what is not open, and writes a line that says how long nothing was written.
    async fn retry(&mut self) {
        if matches!(self.sink, Sink::Closed) {
            match self.open().await {
                // Before what happened since: a folder begins with the line that says what it continues.
                Ok(found) => found
                    .into_iter()
                    .rev()
                    .for_each(|line| self.kept.push_front(line)),
                Err(why) => return self.breaks(&why),
            }
        }
        let mut lines: Vec<Entry> = self.kept.iter().cloned().collect();
        if let Some(since_ms) = self.broken_since {
            let mut line = Entry::new(now_ms(), "system", "trail.recovered", "trail");
            line.after = Some(serde_json::json!({ "broken_since_ms": since_ms }));
            lines.push(line);
        }
        match self.append(&lines).await {
            Ok(()) => {
                self.kept.clear();
                if self.broken_since.take().is_some() {
                    tracing::info!("the audit trail is written again");
                }
            }
            Err(why) => self.breaks(&why),
        }
    }

    async fn open(&mut self) -> Result<Vec<Entry>, String> {
        let known = resume::known(&self.stores.audit, &self.node).await;
        let Some(dir) = self.dir.clone() else {
            self.sink = Sink::Memory(Chain::new(Arc::clone(&self.node)));
            return Ok(Vec::new());
        };
        let node = Arc::clone(&self.node);
        let opened = blocking(move || {
            let (mut trail, mut found) = Trail::open(&dir, &node)?;
            match known {
                Ok(known) => {
                    let (anchor, told) = known.unzip();
                    found.extend(trail.judge(anchor.as_ref(), told.flatten()));
                }
                // Without a line it cannot be known where it begins.
                Err(error) if trail.chain().seq() == 0 => return Err(std::io::Error::other(error)),
                Err(error) => {
                    tracing::warn!(%error, "the end of the audit trail is not compared with the store's mirror");
                }
            }
            Ok((Box::new(trail), found))
        });
        let (trail, found) = opened.await?;
        self.sink = Sink::Files(trail);
        for found in &found {
            match found {
                Found::Torn { .. } | Found::Continued { .. } => {
                    tracing::warn!("audit trail: {found}")
                }
                Found::Damaged { .. } | Found::TailCut { .. } => {
                    self.state.damaged();
                    tracing::error!("audit trail: {found}; see `troupe audit verify`");
                }
            }
        }
        Ok(found.iter().map(|found| found.entry(now_ms())).collect())
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), String> {
        let (sink, written) = match std::mem::replace(&mut self.sink, Sink::Closed) {
            Sink::Closed => return Err("it is not open".into()),
            Sink::Files(mut trail) => {
                let entries = entries.to_vec();
                let appended = blocking(move || {
                    let entries = untold(trail.chain().told(), &entries);
                    let rows = trail.append(now_ms(), &entries);
                    Ok((trail, rows))
                });
                let (trail, rows) = appended.await?;
                let end = (trail.chain().seq(), trail.chain().told());
                (
                    Sink::Files(trail),
                    rows.map(|rows| (rows.len(), end))
                        .map_err(|e| e.to_string()),
                )
            }
            Sink::Memory(mut chain) => {
                let mut next = chain.clone();
                let entries = untold(next.told(), entries);
                let rows: Vec<AuditRow> = entries.iter().map(|entry| next.seal(entry)).collect();
                let count = rows.len();
                let stored = self.stores.audit.append(rows).await;
                if stored.is_ok() {
                    chain = next;
                    self.state.mirrored(chain.seq());
                }
                let end = (chain.seq(), chain.told());
                let stored = stored.map_err(|error: StoreError| error.to_string());
                (Sink::Memory(chain), stored.map(|()| (count, end)))
            }
        };
        self.sink = sink;
        let (count, (seq, told)) = written?;
        self.state.written(seq, told, count);
        Ok(())
    }

    async fn retire(&mut self, keep_days: u64) {
        let mut trail = match std::mem::replace(&mut self.sink, Sink::Closed) {
            Sink::Files(trail) => trail,
            other => {
                self.sink = other;
                return;
            }
        };
        let mirrored = self.state.last_mirrored();
        let retired = blocking(move || {
            let rows = trail.retire(now_ms(), keep_days, mirrored);
            Ok((trail, rows))
        });
        let Ok((trail, rows)) = retired.await else {
            return;
        };
        let (seq, told) = (trail.chain().seq(), trail.chain().told());
        self.sink = Sink::Files(trail);
        match rows {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => self.state.written(seq, told, rows.len()),
            Err(error) => tracing::error!(%error, "old files of the audit trail stay"),
        }
    }
}

/// Without the events that lines behind `told` are there for: who gave up waiting for them asks for them again.
fn untold(mut told: u64, entries: &[Entry]) -> Vec<Entry> {
    let is_new = |entry: &Entry| {
        let Some(event) = entry.event else {
            return true;
        };
        let is_new = match entry.action == STORE_CHANGED {
            true => event != told,
            false => event > told,
        };
        if is_new {
            told = event;
        }
        is_new
    };
    let mut entries = entries.to_vec();
    entries.retain(is_new);
    entries
}

/// Files are written on threads that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the process is stopping".into()),
    }
}
