//! Bodies of requests and answers, as the log keeps them beside its rows.
//!
//! Invariant: whoever makes one has redacted and packed it; a store keeps the bytes as they are.

use serde::{Deserialize, Serialize};

use crate::id::RequestId;

/// What was kept of one request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBodies {
    pub id: RequestId,
    /// When the request began (ms since the Unix epoch): the day they go with.
    pub at_ms: u64,
    /// Packed by the gateway, with a version of its own in front.
    pub packed: Vec<u8>,
}

/// Never derived: bodies are the clients'.
impl std::fmt::Debug for StoredBodies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredBodies")
            .field("id", &self.id)
            .field("packed_bytes", &self.packed.len())
            .finish_non_exhaustive()
    }
}
