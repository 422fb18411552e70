//! Disabling and enabling: a pause, where revoking is for good.

use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;

use super::super::{OpError, Operation, Operations, now_ms};
use super::KeyInfo;

/// Refuses new requests of the key until it is enabled again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DisableKey {
    pub name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnableKey {
    pub name: String,
}

impl Operation for DisableKey {
    type Outcome = KeyInfo;
    const NAME: &'static str = "key.disable";

    async fn run(self, ops: &Operations) -> Result<KeyInfo, OpError> {
        ops.switch_key(&self.name, false).await
    }
}

impl Operation for EnableKey {
    type Outcome = KeyInfo;
    const NAME: &'static str = "key.enable";

    async fn run(self, ops: &Operations) -> Result<KeyInfo, OpError> {
        ops.switch_key(&self.name, true).await
    }
}

impl Operations {
    async fn switch_key(&self, name: &str, enabled: bool) -> Result<KeyInfo, OpError> {
        let told_as = |id, name| EventKind::KeyUpdated { id, name };
        let stored = self
            .change_key(name, told_as, |key| {
                key.enabled = enabled;
                Ok(())
            })
            .await?;
        Ok(KeyInfo::new(&stored, false, now_ms()))
    }
}
