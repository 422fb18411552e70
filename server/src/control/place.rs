//! Where the socket of a data folder is: in it, or, when that path is too long for a socket, in the runtime folder.
//!
//! ```text
//! DATA/run/troupe.sock    $XDG_RUNTIME_DIR/troupe-HASH/troupe.sock    /tmp/troupe-UID-HASH/troupe.sock
//! ```
//! Invariant: server and client come to the same candidates (the hash is of the real data path, UID is its owner); the
//! folder is the server's own, 0700, and never a link.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::ControlError;

const SOCKET: &str = "troupe.sock";
/// Its folder in the data folder.
const INSIDE: &str = "run";
/// `sun_path` has 108 bytes, the closing NUL included.
const PATH_MAX_BYTES: usize = 107;

/// Where the socket of `data_dir` may be, best first; the server takes the first, clients try each.
#[must_use]
pub fn candidates(data_dir: &Path) -> Vec<PathBuf> {
    of(data_dir, std::env::var_os("XDG_RUNTIME_DIR").as_deref())
}

pub(super) fn of(data_dir: &Path, runtime: Option<&OsStr>) -> Vec<PathBuf> {
    let data_dir = fs::canonicalize(data_dir)
        .or_else(|_| std::path::absolute(data_dir))
        .unwrap_or_else(|_| data_dir.to_owned());
    let owner = fs::metadata(&data_dir).map_or_else(|_| own_uid(), |meta| meta.uid());
    let hash = fnv_1a(data_dir.as_os_str().as_bytes());
    let runtime = runtime
        .map(Path::new)
        .filter(|folder| folder.is_absolute() && folder.is_dir());
    let folders = [
        Some(data_dir.join(INSIDE)),
        runtime.map(|folder| folder.join(format!("troupe-{hash:016x}"))),
        Some(PathBuf::from(format!("/tmp/troupe-{owner}-{hash:016x}"))),
    ];
    let sockets = folders
        .into_iter()
        .flatten()
        .map(|folder| folder.join(SOCKET));
    sockets
        .filter(|socket| socket.as_os_str().len() <= PATH_MAX_BYTES)
        .collect()
}

/// A folder in the runtime folder or in /tmp: made for one socket, and gone with it.
pub(super) fn is_outside(folder: &Path) -> bool {
    folder.file_name() != Some(OsStr::new(INSIDE))
}

/// Makes the folder of `socket`, or checks that the one there is ours alone.
pub(super) fn prepare_folder(socket: &Path) -> Result<(), ControlError> {
    let folder = socket.parent().ok_or(ControlError::NoPlace)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(ControlError::io(folder)(error));
        }
        _ => {}
    }
    // Not followed: in a shared folder somebody else may have put a link there.
    let meta = fs::symlink_metadata(folder).map_err(ControlError::io(folder))?;
    if !meta.is_dir() || meta.uid() != own_uid() {
        return Err(ControlError::Folder(folder.to_owned()));
    }
    if meta.mode() & 0o777 != 0o700 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))
            .map_err(ControlError::io(folder))?;
    }
    Ok(())
}

pub(super) fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// 64 bits, the same in every build (std's hasher promises nothing of the kind).
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
