//! Says when the configuration's files may have changed, or SIGHUP came.
//!
//! Folders are watched (editors rename, orchestrators swap symlinks), events within 200 ms are one,
//! and a look at the files each second covers what no event tells. A file's event only counts when
//! the file's fingerprint changed, so writes beside it, or reading it, do not.
//! Invariant: the channel holds one unit: any number of changes while the receiver is busy is one.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

const DEBOUNCE: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_secs(1);

/// Watching ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    task: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Device, inode, length, modification and change time; `None` when there is no file.
type Fingerprint = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// Watches `files` (see [`super::Loaded::inputs`]; they need not exist). Call within a tokio
/// runtime. A unit arrives within a second and a bit of a change, and at each SIGHUP.
///
/// # Errors
/// SIGHUP cannot be listened to. Folders that cannot be watched are only polled.
pub fn watch(files: Vec<PathBuf>) -> std::io::Result<(Watcher, mpsc::Receiver<()>)> {
    let (changed, receiver) = mpsc::channel(1);
    let hangups = signal(SignalKind::hangup())?;
    let (touched, touches) = mpsc::channel(1);
    let folders = watch_folders(&files, touched);
    let seen = fingerprints(&files);
    let task = tokio::spawn(async move {
        // Kept here: dropping it ends the events.
        let _folders = folders;
        run(files, seen, touches, hangups, changed).await;
    });
    Ok((Watcher { task }, receiver))
}

async fn run(
    files: Vec<PathBuf>,
    mut seen: Vec<Fingerprint>,
    mut touches: mpsc::Receiver<()>,
    mut hangups: tokio::signal::unix::Signal,
    changed: mpsc::Sender<()>,
) {
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let hangup = tokio::select! {
            Some(()) = touches.recv() => {
                sleep(DEBOUNCE).await;
                // What came meanwhile is covered by the look that follows.
                while touches.try_recv().is_ok() {}
                false
            }
            Some(()) = hangups.recv() => true,
            _ = poll.tick() => false,
            () = changed.closed() => return,
        };
        let now = look(files.clone()).await;
        if now == seen && !hangup {
            continue;
        }
        seen = now;
        // Full: a unit is waiting already, and whoever takes it reads the newest files.
        if let Err(mpsc::error::TrySendError::Closed(())) = changed.try_send(()) {
            return;
        }
    }
}

fn watch_folders(files: &[PathBuf], touched: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let told = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|e| !e.kind.is_access()) {
            // Full: one is waiting already.
            let _ = touched.try_send(());
        }
    };
    let mut watcher = match notify::recommended_watcher(told) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "configuration files are polled only");
            return None;
        }
    };
    let folders: BTreeSet<&Path> = files.iter().filter_map(|f| folder(f)).collect();
    for path in folders {
        if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, folder = %path.display(), "folder is polled only");
        }
    }
    Some(watcher)
}

fn folder(file: &Path) -> Option<&Path> {
    let parent = file.parent()?;
    Some(if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    })
}

/// The fingerprints, taken off the runtime's threads: a network file system may be slow.
async fn look(files: Vec<PathBuf>) -> Vec<Fingerprint> {
    let looked = tokio::task::spawn_blocking(move || fingerprints(&files));
    looked.await.unwrap_or_default()
}

fn fingerprints(files: &[PathBuf]) -> Vec<Fingerprint> {
    let of = |file: &PathBuf| {
        let meta = std::fs::metadata(file).ok()?;
        let modified = (meta.mtime(), meta.mtime_nsec());
        let changed = (meta.ctime(), meta.ctime_nsec());
        Some((meta.dev(), meta.ino(), meta.len(), modified, changed))
    };
    files.iter().map(of).collect()
}
