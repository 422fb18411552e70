//! Fills a store from a stream, and compares.
//!
//! A stream is begun anew at every attempt; what the store has already is passed over, and must be the same.
//!
//! Invariant: a store loses its mark only when what was read back of it is what the stream told.

use super::digest::Summary;
use super::error::ArchiveError;
use super::port::{Archived, Begun, Mark};
use super::progress::Progress;
use super::row::{Kind, Packed, Wanted};
use super::stream::Rows;

pub(super) async fn fill(
    store: &dyn Archived,
    mut rows: Rows,
    wanted: Wanted,
    progress: &Progress,
) -> Result<Summary, ArchiveError> {
    let Begun::With(Mark(there)) = store.begin().await? else {
        return Err(ArchiveError::NotEmpty);
    };
    let mut seen = Summary::default();
    while let Some(batch) = rows.next().await {
        let fresh = fresh(batch?, &there, &mut seen)?;
        for row in &fresh {
            progress.passed(row.kind);
        }
        if !fresh.is_empty() {
            let unpacked = fresh.iter().map(Packed::unpack).collect::<Result<_, _>>();
            store.put(unpacked?, Mark(seen.clone())).await?;
        }
        if progress.is_stopped() {
            return Err(ArchiveError::Stopped);
        }
    }
    for kind in Kind::ALL {
        if there.of(kind).rows > seen.of(kind).rows {
            return Err(ArchiveError::OtherSource(kind.name()));
        }
    }
    compare(store, &seen, wanted, progress).await?;
    store.finish().await?;
    Ok(seen)
}

/// Rows of a batch that the store does not have, all of them counted as seen.
fn fresh(
    mut batch: Vec<Packed>,
    there: &Summary,
    seen: &mut Summary,
) -> Result<Vec<Packed>, ArchiveError> {
    let mut known = 0;
    for row in &batch {
        let stands = there.of(row.kind);
        seen.add(row);
        let now = seen.of(row.kind);
        known += usize::from(now.rows <= stands.rows);
        if now.rows == stands.rows && now != stands {
            return Err(ArchiveError::OtherSource(row.kind.name()));
        }
    }
    batch.drain(..known);
    Ok(batch)
}

async fn compare(
    store: &dyn Archived,
    told: &Summary,
    wanted: Wanted,
    progress: &Progress,
) -> Result<(), ArchiveError> {
    let mut copied = Summary::default();
    let mut rows = store.export(wanted).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        for row in &batch {
            copied.add(row);
        }
        if let Some(first) = batch.first() {
            progress.compared(first.kind, batch.len());
        }
        if progress.is_stopped() {
            return Err(ArchiveError::Stopped);
        }
    }
    match told.differs_in(&copied) {
        None => Ok(()),
        Some(kind) => Err(ArchiveError::Differs {
            kind: kind.name(),
            copied: copied.of(kind).rows,
            of: told.of(kind).rows,
        }),
    }
}
