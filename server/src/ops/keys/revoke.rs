//! The end of a key.

use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;

use super::super::{OpError, Operation, Operations, now_ms};
use super::KeyInfo;

/// Refuses new and queued requests of the key for good; running streams finish. Its name is free again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RevokeKey {
    pub name: String,
}

impl Operation for RevokeKey {
    type Outcome = KeyInfo;
    const NAME: &'static str = "key.revoke";

    async fn run(self, ops: &Operations) -> Result<KeyInfo, OpError> {
        let told_as = |id, name| EventKind::KeyRevoked { id, name };
        let stored = ops
            .change_key(&self.name, told_as, |key| {
                key.revoked_ms = Some(now_ms());
                Ok(())
            })
            .await?;
        Ok(KeyInfo::new(&stored, false, now_ms()))
    }
}
