//! The store's word about the end of the trail, for whoever judges its files.

use serde::{Deserialize, Serialize};
use troupe_core::audit::AuditAnchor;

use super::super::{OpError, Operation, Operations};

/// The anchors of these nodes, as the store mirrors them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditAnchors {
    pub nodes: Vec<String>,
}

/// What the store knows of a node's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAnchor {
    pub node: String,
    /// Number and hash of the last line that the store has.
    pub seq: u64,
    pub hash: String,
}

impl From<KnownAnchor> for AuditAnchor {
    fn from(known: KnownAnchor) -> Self {
        Self {
            node: known.node.into(),
            seq: known.seq,
            hash: known.hash.into(),
        }
    }
}

impl Operation for AuditAnchors {
    type Outcome = Vec<KnownAnchor>;
    const NAME: &'static str = "audit.anchors";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<Vec<KnownAnchor>, OpError> {
        let mut known = Vec::new();
        for node in self.nodes {
            let anchor = ops.stores.audit.anchor(node.as_str().into()).await?;
            known.extend(anchor.map(|anchor| KnownAnchor {
                node,
                seq: anchor.seq,
                hash: anchor.hash.to_string(),
            }));
        }
        Ok(known)
    }
}
