//! Why the socket could not be bound or asked.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("another gateway answers at {}; stop it first", .0.display())]
    InUse(PathBuf),
    #[error("{} is not a socket; remove it", .0.display())]
    NotASocket(PathBuf),
    #[error("{} must be a folder of this user that nobody else can enter, and no link", .0.display())]
    Folder(PathBuf),
    #[error("no path for the control socket is short enough; use a shorter data folder")]
    NoPlace,
    #[error("the gateway at {} runs as another user ({uid}); run the command as that user", path.display())]
    Stranger { path: PathBuf, uid: u32 },
    #[error("the gateway at {} did not answer in time; look with `troupe healthcheck`", .0.display())]
    Timeout(PathBuf),
    #[error("the gateway at {} broke off; the change may have been made", .0.display())]
    BrokenOff(PathBuf),
    #[error("the gateway at {} gave an answer that this version does not understand; restart it with this one", .0.display())]
    Answer(PathBuf),
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl ControlError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
