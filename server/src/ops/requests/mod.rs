//! The request log, read. Index: [`show`], [`bodies`], [`tail`], [`search`]; what is told of a row: [`info`].
//!
//! Invariant: nothing is changed; what has ended is found, also when its row is not written yet.

mod bodies;
mod info;
mod search;
mod show;
mod tail;

use std::time::Duration;

use troupe_core::recorder::RecorderAsk;

pub use self::bodies::{ShowBodies, ShownBodies, ShownBody};
pub use self::info::RequestInfo;
pub use self::search::{FoundRequests, SearchRequests};
pub use self::show::ShowRequest;
pub use self::tail::{RequestPage, TailRequests};
use super::Operations;

/// A recorder that is slower than this has more to do than to be waited for.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

impl Operations {
    /// Has the running gateway write the rows that it holds.
    pub(in crate::ops) async fn write_rows(&self) {
        if let Some(directory) = &self.directory {
            let written = directory.recorder().handle.ask(RecorderAsk::Flush);
            let _ = tokio::time::timeout(WRITTEN_WITHIN, written).await;
        }
    }
}
