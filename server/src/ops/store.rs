//! The store as a whole: a backup of it, while the gateway runs or when it is stopped.
//!
//! A running gateway writes the file itself, for longer than a command waits for one answer: it begins, and is asked how
//! far it is.
//!
//! Invariant: one backup at a time; the trail tells of each that was made or failed, before the command learns of it; the
//! passphrase is in no `Debug`, error or line of the trail.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use troupe_core::audit::AuditStatus;
use troupe_storage::archive::{Archive, ArchiveError, BackUp, Progress, Summary, Wanted};

use super::secret_json::optional;
use super::{ErrorCode, OpError, Operation, Operations, now_ms};

/// Makes a backup. On a running gateway it only begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackUpStore {
    /// Absolute.
    pub path: PathBuf,
    /// What is there already is replaced.
    #[serde(default)]
    pub replace: bool,
    pub requests: bool,
    pub bodies: bool,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional::serialize",
        deserialize_with = "optional::deserialize"
    )]
    pub passphrase: Option<SecretString>,
}

/// How far the last backup is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WatchBackup {}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupState {
    /// Rows that were written.
    pub rows: u64,
    /// The kind of the last one.
    pub kind: Option<String>,
    /// How it ended.
    pub ended: Option<BackupEnd>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupEnd {
    Made(Vec<HeldRows>),
    Failed(OpError),
}

/// Rows of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRows {
    pub kind: String,
    pub rows: u64,
    /// Of their contents, whatever their order.
    pub hash: String,
}

/// What a store or a file holds, kind by kind.
#[must_use]
pub fn held(summary: &Summary) -> Vec<HeldRows> {
    let kinds = summary.0.iter().map(|(kind, digest)| HeldRows {
        kind: kind.name().to_owned(),
        rows: digest.rows,
        hash: digest.hash(),
    });
    kinds.collect()
}

/// The backup that is made, or was made last.
#[derive(Debug, Default)]
pub struct Backups(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    progress: Arc<Progress>,
    is_running: bool,
    ended: Option<BackupEnd>,
}

impl Backups {
    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn state(&self) -> BackupState {
        let last = self.last();
        BackupState {
            rows: last.progress.rows(),
            kind: last.progress.kind().map(|kind| kind.name().to_owned()),
            ended: last.ended.clone(),
        }
    }

    fn begin(&self) -> Result<Arc<Progress>, OpError> {
        let mut last = self.last();
        if last.is_running {
            let message = "a backup is being made; wait until it has ended";
            return Err(OpError::new(ErrorCode::Conflict, message));
        }
        *last = Last {
            is_running: true,
            ..Last::default()
        };
        Ok(Arc::clone(&last.progress))
    }

    fn end(&self, how: BackupEnd) {
        let mut last = self.last();
        last.is_running = false;
        last.ended = Some(how);
    }
}

impl Drop for Backups {
    fn drop(&mut self) {
        self.last().progress.stop();
    }
}

impl Operation for BackUpStore {
    type Outcome = BackupState;
    const NAME: &'static str = "store.backup";

    async fn run(self, ops: &Operations) -> Result<BackupState, OpError> {
        let Some(archive) = ops.archive.clone() else {
            let message = "this store is in memory, and cannot be backed up";
            return Err(OpError::new(ErrorCode::NotAvailable, message));
        };
        if !self.path.is_absolute() {
            return Err(OpError::invalid("the file's path must be absolute"));
        }
        let progress = ops.backups.begin()?;
        if ops.directory.is_none() {
            let end = make(self, &archive, progress, ops).await;
            ops.backups.end(end.clone());
            return match end {
                BackupEnd::Failed(error) => Err(error),
                BackupEnd::Made(_) => Ok(ops.backups.state()),
            };
        }
        let ops = ops.clone();
        let state = ops.backups.state();
        tokio::spawn(async move {
            let end = make(self, &archive, progress, &ops).await;
            ops.backups.end(end);
        });
        Ok(state)
    }
}

async fn make(
    wanted: BackUpStore,
    archive: &Archive,
    progress: Arc<Progress>,
    ops: &Operations,
) -> BackupEnd {
    let how = BackUp {
        path: wanted.path.clone(),
        replace: wanted.replace,
        wanted: Wanted {
            requests: wanted.requests,
            bodies: wanted.bodies,
        },
        passphrase: wanted.passphrase,
        troupe: env!("CARGO_PKG_VERSION").to_owned(),
        created_ms: now_ms(),
    };
    let sealed = how.passphrase.is_some();
    let made = archive.back_up(how, progress).await;
    let rows = made.as_ref().map_or(0, Summary::rows);
    let after = json!({
        "file": wanted.path,
        "rows": rows,
        "passphrase": sealed,
        "requests": wanted.requests,
        "bodies": wanted.requests && wanted.bodies,
    });
    let end = match made {
        Ok(summary) => BackupEnd::Made(held(&summary)),
        Err(error) => BackupEnd::Failed(error.into()),
    };
    // A stopped gateway's failure is told by whoever carries the operation out.
    let status = match &end {
        BackupEnd::Made(_) => AuditStatus::Ok,
        BackupEnd::Failed(_) if ops.directory.is_none() => return end,
        BackupEnd::Failed(_) => AuditStatus::Failed,
    };
    let told = ops.audit("store.backed_up", "store", status, None, Some(after));
    match (told.await, end) {
        // A stopped gateway's line is waited for once more, by whoever carries the operation out.
        (Err(late), BackupEnd::Made(_)) if ops.directory.is_some() => BackupEnd::Failed(late),
        (_, end) => end,
    }
}

impl Operation for WatchBackup {
    type Outcome = BackupState;
    const NAME: &'static str = "store.backup_state";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<BackupState, OpError> {
        Ok(ops.backups.state())
    }
}

impl From<ArchiveError> for OpError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Store(error) => error.into(),
            ArchiveError::Exists(_) => Self::new(ErrorCode::Conflict, error.to_string()),
            error => Self::new(ErrorCode::Internal, error.to_string()),
        }
    }
}
