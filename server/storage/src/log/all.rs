//! The whole log from its first row on, as it was at one moment.
//!
//! Invariant: rows that are appended meanwhile are not told, and segments that are dropped meanwhile are told all the same;
//! memory is bounded by a block, whatever a segment holds.

use std::fs::File;
use std::io;
use std::path::Path;

use memchr::memrchr;
use troupe_core::record::RequestRecord;

use super::file::{BLOCK_BYTES, opened, read_part, whole_len};
use super::read::parsed;
use super::segment::segments;

/// The segments of one moment, the oldest day first, each with its length in whole lines.
#[derive(Debug)]
pub(crate) struct WholeLog(Vec<(File, u64)>);

impl WholeLog {
    /// The log in `data_dir`.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let mut all = segments(&data_dir.join("requests"))?;
        all.sort_unstable();
        let mut held = Vec::with_capacity(all.len());
        for (_, path) in all {
            if let Some(file) = opened(&path)? {
                let len = whole_len(&file)?;
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

    /// Tells every row, until `told` refuses. How many lines could not be understood.
    pub(crate) fn each<E: From<io::Error>>(
        self,
        mut told: impl FnMut(RequestRecord) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut unreadable = 0;
        let mut block = Vec::new();
        for (file, len) in self.0 {
            let mut at = 0;
            while at < len {
                let most = usize::try_from(len - at).unwrap_or(BLOCK_BYTES);
                read_part(&file, at, most.min(BLOCK_BYTES), &mut block)?;
                if block.is_empty() {
                    break;
                }
                let Some(end) = memrchr(b'\n', &block) else {
                    // A line that is longer than any row: passed over, and counted at its end.
                    at += block.len() as u64;
                    continue;
                };
                for line in block[..end].split(|byte| *byte == b'\n') {
                    match parsed(line) {
                        Some(row) => told(row)?,
                        None if line.is_empty() => {}
                        None => unreadable += 1,
                    }
                }
                at += end as u64 + 1;
            }
        }
        Ok(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use troupe_core::port::LogStore;

    use super::*;
    use crate::contract::sample;
    use crate::log::SegmentLog;

    const DAY_MS: u64 = 86_400_000;

    fn times(log: WholeLog) -> (Vec<u64>, u64) {
        let mut times = Vec::new();
        let unreadable = log.each(|row| {
            times.push(row.at_ms);
            Ok::<_, io::Error>(())
        });
        (times, unreadable.unwrap())
    }

    #[tokio::test]
    async fn rows_are_told_as_they_were_at_the_moment() {
        let folder = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(folder.path()).unwrap();
        assert!(WholeLog::open(folder.path()).unwrap().is_empty());
        let rows = [DAY_MS + 1, 2, 1].map(sample::request).to_vec();
        log.append(rows).await.unwrap();
        let held = WholeLog::open(folder.path()).unwrap();
        log.append(vec![sample::request(3)]).await.unwrap();
        log.retain(DAY_MS).await.unwrap();
        assert_eq!(times(held), (vec![2, 1, DAY_MS + 1], 0));
        assert_eq!(
            times(WholeLog::open(folder.path()).unwrap()).0,
            [DAY_MS + 1]
        );
    }

    #[tokio::test]
    async fn damage_costs_its_own_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(folder.path()).unwrap();
        log.append(vec![sample::request(1)]).await.unwrap();
        let path = folder.path().join("requests/1970-01-01.jsonl");
        let line = std::fs::read(&path).unwrap();
        let long = vec![b'x'; 2 * BLOCK_BYTES + 7];
        let parts = [&line[..], b"{\"id\":1}\n\n", &long, b"\n", &line, b"torn"];
        std::fs::write(&path, parts.concat()).unwrap();
        let (told, unreadable) = times(WholeLog::open(folder.path()).unwrap());
        assert_eq!(told, [1, 1]);
        assert_eq!(unreadable, 2);
    }
}
