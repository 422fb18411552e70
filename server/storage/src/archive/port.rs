//! What a backend does to be archived.
//!
//! ```text
//!  empty ── begin ──▶ marked ── put … put ──▶ marked ── finish ──▶ a store like any other
//! ```
//! Invariant: a marked store does not open to serve; rows are put as they are, with their ids, versions and numbers, and
//! putting them twice is putting them once.

use serde::{Deserialize, Serialize};
use troupe_core::port::{PortFuture, StoreError};

use super::digest::Summary;
use super::format::Trailer;
use super::row::{Row, Wanted};
use super::stream::Rows;

/// The mark's name among the facts of a store; it is in no archive.
pub(crate) const FILLING: &str = "filling";

/// How far a store was filled, as it stands in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark(pub Summary);

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    done: Trailer,
}

impl Mark {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let written = Written {
            version: 1,
            done: Trailer::of(&self.0),
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// # Errors
    /// `Corrupt`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let written: Option<Written> = serde_json::from_slice(bytes).ok();
        let written = written.filter(|written| written.version == 1);
        let summary = written.and_then(|written| written.done.summary());
        summary.map(Self).ok_or_else(|| {
            StoreError::Corrupt("how far the store was filled cannot be read".into())
        })
    }
}

/// What was found of a store that is to be filled.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Empty or marked. These rows are there: the first ones of each kind, in the order of the stream.
    With(Mark),
    NotEmpty,
}

pub(crate) trait Archived: Send + Sync {
    /// Everything that is wanted, of one moment; kinds in their order, rows of a kind always in the same order.
    fn export(&self, wanted: Wanted) -> PortFuture<'_, Rows>;
    /// Marks an empty store.
    fn begin(&self) -> PortFuture<'_, Begun>;
    /// Rows of one kind, and how far it was come with them.
    fn put(&self, rows: Vec<Row>, mark: Mark) -> PortFuture<'_, ()>;
    /// Makes everything durable, and takes the mark away.
    fn finish(&self) -> PortFuture<'_, ()>;
}
