//! The audit trail of a running process: what happened becomes lines, and lines become durable.
//!
//! Index. [`Audit`]: what others hold. `writer`: the one task that writes lines. `outbox`: changes that the store has
//! told. `event`: a change as a line. `flood`: many failed sign-ins as few lines. `quota`: one line a window. `mirror`:
//! the store's copy. `resume`: what that knows of the end. `notes`: lines that no request waits for.
//!
//! ```text
//! operations ── commit with event ──▶ outbox ── settle ──┐ waits for the fsync
//! lifecycle, failed operations ── tell ──────────────────┤
//! requests ── note (bounded, never waits) ───────────────┴─▶ writer ──▶ file ──▶ mirror ──▶ store
//! ```
//! Invariant: no change is acknowledged before its line is on the disk; a committed change gets its line also when the
//! process dies between the two; no request waits for a line; a line that cannot be written is kept, and counted when it
//! is one of too many.

mod event;
mod flood;
mod mirror;
mod notes;
mod outbox;
mod quota;
mod resume;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use troupe_core::AccountId;
use troupe_core::port::Stores;
use troupe_storage::audit::Entry;

use crate::config::Config;

use self::flood::Flood;
use self::notes::Notes;
use self::outbox::Outbox;
pub use self::quota::Exceeded;
use self::quota::Quotas;
use self::state::State;
use self::writer::{Command, Writer};

/// Appends that may wait for the writer, each with its caller.
const WAITING: usize = 64;
/// How long an operation waits for its line.
const WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked for changes that no operation made.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often old files are looked for.
const RETIRE_EVERY: Duration = Duration::from_secs(3_600);
/// How long the end of the process waits for the mirror.
const FAREWELL: Duration = Duration::from_secs(2);
const DAY_MS: u64 = 86_400_000;
/// The line after which events are numbered anew.
const STORE_CHANGED: &str = "trail.store_changed";
/// In the data folder.
const FOLDER: &str = "audit";

/// Where a trail stands, and how long it is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: nothing is kept on disk, and the store has the only copy.
    pub dir: Option<PathBuf>,
    pub node: Arc<str>,
    pub retention: Duration,
}

impl Settings {
    /// As the configuration says; relative to `cwd`, or in the data folder.
    #[must_use]
    pub fn of(config: &Config, cwd: &Path, data_dir: Option<&Path>, node: &str) -> Self {
        let own = config.audit.dir.as_ref().map(|dir| cwd.join(dir));
        Self {
            dir: own.or_else(|| data_dir.map(|folder| folder.join(FOLDER))),
            node: node.into(),
            retention: config.audit.retention.get(),
        }
    }
}

/// Why a line is not on the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    #[error(
        "the audit trail cannot be written: {0}; nothing was changed: free the disk or correct audit.dir, then try again"
    )]
    Broken(String),
    #[error(
        "the audit trail could not be written: {0}; the line is kept and follows when it can be"
    )]
    Late(String),
    #[error("the store did not tell its changes to the audit trail: {0}")]
    Store(String),
    #[error("the audit trail is closed")]
    Closed,
}

/// A handle on the trail; clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    state: Arc<State>,
    commands: mpsc::Sender<Command>,
    notes: Notes,
    outbox: tokio::sync::Mutex<Outbox>,
    flood: Mutex<Flood>,
    quotas: Mutex<Quotas>,
    stores: Stores,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit")
            .field("seq", &self.0.state.seq())
            .field("broken", &self.0.state.broken())
            .finish_non_exhaustive()
    }
}

impl Audit {
    /// Opens the trail, compares it with the store as it is now, and starts its tasks on `io`. A trail that cannot be
    /// opened or compared is tried again every second; until then operations are refused and requests go on.
    pub async fn start(settings: Settings, stores: Stores, io: &Handle) -> Self {
        let state = Arc::new(State::default());
        let (commands, asked) = mpsc::channel(WAITING);
        let (notes, noted) = notes::channel();
        let (stop, stopped) = watch::channel(false);
        let (opened, is_open) = oneshot::channel();
        let writer = Writer::new(&settings, stores.clone(), Arc::clone(&state));
        let tasks = vec![
            io.spawn(writer.run(asked, noted, notes.clone(), opened)),
            io.spawn(mirror::run(
                settings.clone(),
                Arc::clone(&stores.audit),
                Arc::clone(&state),
                stopped.clone(),
            )),
        ];
        let audit = Self(Arc::new(Shared {
            state,
            commands,
            notes,
            outbox: tokio::sync::Mutex::new(Outbox::new(stores.clone())),
            flood: Mutex::default(),
            quotas: Mutex::default(),
            stores,
            stop,
            tasks: Mutex::new(tasks),
        }));
        // Also when it fails it is tried once.
        let _ = is_open.await;
        let compared = async { audit.0.outbox.lock().await.compare(&audit).await };
        if let Ok(Err(error)) = tokio::time::timeout(WITHIN, compared).await {
            tracing::warn!(%error, "the audit trail is compared with the store later");
        }
        let watching = io.spawn(watch(Arc::downgrade(&audit.0), settings.retention, stopped));
        audit.lock_tasks().push(watching);
        audit
    }

    /// How lines call an account that an event names by its id alone.
    pub async fn name_accounts(
        &self,
        name: impl Fn(AccountId) -> Option<String> + Send + Sync + 'static,
    ) {
        self.0.outbox.lock().await.name_accounts(Box::new(name));
    }

    /// May something be changed now?
    ///
    /// # Errors
    /// `Broken`: its line could not be written, or it is not known yet what of the store was told.
    pub fn ready(&self) -> Result<(), AuditError> {
        let why = self.0.state.broken();
        let uncompared = || "it is not compared with the store yet".to_owned();
        let why = why.or_else(|| (!self.0.state.is_compared()).then(uncompared));
        why.map_or(Ok(()), |why| Err(AuditError::Broken(why)))
    }

    fn unbroken(&self) -> Result<(), AuditError> {
        let why = self.0.state.broken();
        why.map_or(Ok(()), |why| Err(AuditError::Late(why)))
    }

    /// Returns when every change that the store has committed is a line on the disk.
    ///
    /// # Errors
    /// They are not yet; they follow when they can.
    pub async fn settle(&self) -> Result<(), AuditError> {
        let settled = async {
            let mut outbox = self.0.outbox.lock().await;
            outbox.catch_up(self).await
        };
        let late = || Err(AuditError::Late("it takes too long".into()));
        tokio::time::timeout(WITHIN, settled)
            .await
            .unwrap_or_else(|_| late())
    }

    /// Returns when the line is on the disk.
    ///
    /// # Errors
    /// `Late`: it is kept, and written when it can be.
    pub async fn tell(&self, entry: Entry) -> Result<(), AuditError> {
        self.append(vec![entry], true).await
    }

    /// From a request: never waits. What is too much is counted by action and told in one line.
    pub fn note(&self, entry: Entry) {
        self.0.notes.push(entry);
    }

    /// Somebody was not let in. `prefix` is how the key would be shown, never the key.
    pub fn sign_in_failed(
        &self,
        at_ms: u64,
        prefix: Option<&str>,
        remote: Option<&str>,
        id: String,
    ) {
        let line = lock(&self.0.flood).failed(at_ms, prefix, remote, id);
        if let Some(line) = line {
            self.note(line);
        }
    }

    /// A limit kept a request out: the first time in its window for this key it is a line.
    pub fn quota_exceeded(&self, at_ms: u64, exceeded: &Exceeded<'_>) {
        let line = lock(&self.0.quotas).exceeded(at_ms, exceeded);
        if let Some(line) = line {
            self.note(line);
        }
    }

    /// Lines written by this process, lines that the store does not mirror yet, notes that became counts, and is it
    /// broken?
    #[must_use]
    pub fn figures(&self) -> Figures {
        let state = &self.0.state;
        Figures {
            rows: state.rows(),
            unmirrored: state.unmirrored(),
            aggregated: self.0.notes.aggregated(),
            is_broken: state.broken().is_some(),
            is_damaged: state.is_damaged(),
        }
    }

    /// Tells the last of it, waits for the mirror a moment and lets go of the file.
    pub async fn close(self) {
        if let Err(error) = self.settle().await {
            tracing::error!(%error, "the last changes follow in the audit trail at the next start");
        }
        if let Some(line) = lock(&self.0.flood).rest(now_ms()) {
            self.note(line);
        }
        let _ = self.0.commands.send(Command::Close).await;
        let tasks = std::mem::take(&mut *self.lock_tasks());
        let mut tasks = tasks.into_iter();
        if let Some(writer) = tasks.next() {
            let _ = tokio::time::timeout(WITHIN, writer).await;
        }
        self.0.state.mirrored_within(FAREWELL).await;
        let _ = self.0.stop.send(true);
        for task in tasks {
            let _ = tokio::time::timeout(FAREWELL, task).await;
        }
    }

    async fn append(&self, entries: Vec<Entry>, keep: bool) -> Result<(), AuditError> {
        let (done, outcome) = oneshot::channel();
        let append = Command::Append {
            entries,
            keep,
            done,
        };
        let sent = self.0.commands.send(append).await;
        sent.map_err(|_| AuditError::Closed)?;
        outcome.await.unwrap_or(Err(AuditError::Closed))
    }

    async fn look(&self) {
        if let Err(error) = self.settle().await {
            // Whoever is away has said so itself; every second is too often to repeat it.
            tracing::debug!(%error, "the audit trail follows later");
        }
        let line = lock(&self.0.flood).tick(now_ms());
        if let Some(line) = line {
            self.note(line);
        }
    }

    async fn retire(&self, retention: Duration) {
        // What the store does not have yet is not deleted.
        self.0.state.mirrored_within(FAREWELL).await;
        let keep_ms = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
        let _ = self
            .0
            .commands
            .send(Command::Retire {
                keep_days: keep_ms / DAY_MS,
            })
            .await;
        let oldest_ms = now_ms().saturating_sub(keep_ms);
        if let Err(error) = self.0.stores.audit.retain(oldest_ms).await {
            tracing::warn!(%error, "old lines stay in the store's mirror of the audit trail");
        }
    }

    fn lock_tasks(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        lock(&self.0.tasks)
    }

    fn told(&self) -> u64 {
        self.0.state.told()
    }
}

/// Changes that no operation waits for, the rest of a flood, and what is old; until nobody holds the trail.
async fn watch(shared: Weak<Shared>, retention: Duration, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut retire = tokio::time::interval(RETIRE_EVERY);
    loop {
        let is_to_retire = tokio::select! {
            _ = stopped.changed() => return,
            _ = ticks.tick() => false,
            _ = retire.tick() => true,
        };
        let Some(audit) = shared.upgrade().map(Audit) else {
            return;
        };
        if is_to_retire {
            audit.retire(retention).await;
        } else {
            audit.look().await;
        }
    }
}

/// What metrics say of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub rows: u64,
    pub unmirrored: u64,
    pub aggregated: u64,
    pub is_broken: bool,
    pub is_damaged: bool,
}

impl Figures {
    /// As gauges and counters.
    pub fn publish(self) {
        use metrics::{counter, gauge};
        counter!("troupe_audit_rows_total").absolute(self.rows);
        counter!("troupe_audit_notes_aggregated_total").absolute(self.aggregated);
        gauge!("troupe_audit_rows_unmirrored").set(self.unmirrored as f64);
        gauge!("troupe_audit_broken").set(f64::from(u8::from(self.is_broken)));
        gauge!("troupe_audit_damaged").set(f64::from(u8::from(self.is_damaged)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}
