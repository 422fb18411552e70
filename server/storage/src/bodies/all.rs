//! All bodies from the first day on, as they were at one moment. Invariant: as with the whole log; damaged ones are passed
//! over and counted, memory is bounded by one request's bodies.

use std::fs::File;
use std::io;
use std::path::Path;

use troupe_core::bodies::StoredBodies;

use super::day::{Found, walk, whole};
use super::{FRAMES, days, path};
use crate::log::opened;

/// The days of one moment, each with its length.
#[derive(Debug)]
pub(crate) struct WholeBodies(Vec<(File, u64)>);

impl WholeBodies {
    /// The bodies in `data_dir`.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join("bodies");
        let mut all = days(&folder)?;
        all.sort_unstable();
        let mut held = Vec::with_capacity(all.len());
        for day in all {
            if let Some(file) = opened(&path(&folder, day, FRAMES))? {
                let len = file.metadata()?.len();
                held.push((file, len));
            }
        }
        Ok(Self(held))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, len)| *len == 0)
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|(file, _)| file.sync_all())
    }

    /// Tells all of them, until `told` refuses. How many are damaged.
    pub(crate) fn each<E: From<io::Error>>(
        self,
        mut told: impl FnMut(StoredBodies) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut damaged = 0;
        for (file, len) in self.0 {
            let mut refused = None;
            walk(&file, 0, len, |at, header| {
                match whole(&file, at, &header)? {
                    Found::Whole(bodies) => refused = told(bodies).err(),
                    Found::Damaged | Found::Nothing => damaged += 1,
                }
                Ok(refused.is_none())
            })?;
            if let Some(error) = refused {
                return Err(error);
            }
        }
        Ok(damaged)
    }
}
