//! Where a backup comes to stand: written beside its name, whole and on the disk before it has it.
//!
//! Invariant: nobody else can read the file, not even while it is written; what is there already is replaced only when
//! that was said, and then in one step; what was begun and not finished is removed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::ArchiveError;
use super::seal::hex;
use crate::fs::sync_dir;

/// A file without its name yet.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    temporary: PathBuf,
    replace: bool,
    placed: bool,
}

impl Place {
    /// Creates the file, 0600.
    pub fn create(path: &Path, replace: bool) -> Result<(Self, File), ArchiveError> {
        if !replace && path.symlink_metadata().is_ok() {
            return Err(ArchiveError::Exists(path.to_owned()));
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| ArchiveError::NoRandom)?;
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}", hex(&random)));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(ArchiveError::io(path))?;
        let place = Self {
            path: path.to_owned(),
            temporary,
            replace,
            placed: false,
        };
        Ok((place, file))
    }

    /// Gives the file its name. Its contents are on the disk.
    pub fn keep(mut self) -> Result<(), ArchiveError> {
        let at = ArchiveError::io(&self.path);
        if self.replace {
            fs::rename(&self.temporary, &self.path).map_err(&at)?;
            self.placed = true;
        } else {
            match fs::hard_link(&self.temporary, &self.path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(ArchiveError::Exists(self.path.clone()));
                }
                // Not every file system has links. Somebody may take the name just now, and is replaced then.
                Err(_) if self.path.symlink_metadata().is_ok() => {
                    return Err(ArchiveError::Exists(self.path.clone()));
                }
                Err(_) => {
                    fs::rename(&self.temporary, &self.path).map_err(&at)?;
                    self.placed = true;
                }
            }
        }
        sync_dir(folder(&self.path)).map_err(&at)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Where a name stands.
fn folder(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_nothing_is_left_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        let (place, mut file) = Place::create(&path, false).unwrap();
        file.write_all(b"whole").unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!((mode & 0o777, path.exists()), (0o600, false));
        place.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        let (left, _) = Place::create(&folder.path().join("c"), false).unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop(left);
        assert_eq!(names(folder.path()), ["b"]);
    }

    #[test]
    fn what_is_there_is_only_replaced_when_that_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        let (late, _) = Place::create(&path, false).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(matches!(late.keep(), Err(ArchiveError::Exists(_))));
        assert!(matches!(
            Place::create(&path, false),
            Err(ArchiveError::Exists(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let (place, _) = Place::create(&path, true).unwrap();
        place.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(names(folder.path()), ["b"]);
    }
}
