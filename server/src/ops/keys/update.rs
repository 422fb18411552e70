//! Changes of what a key may do.

use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;

use super::super::{OpError, Operation, Operations, now_ms};
use super::{KeyInfo, KeyRights};

/// Changes what is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateKey {
    pub name: String,
    #[serde(flatten)]
    pub rights: KeyRights,
}

impl Operation for UpdateKey {
    type Outcome = KeyInfo;
    const NAME: &'static str = "key.update";

    async fn run(self, ops: &Operations) -> Result<KeyInfo, OpError> {
        if self.rights == KeyRights::default() {
            return Err(OpError::invalid(
                "nothing to change; say what, for example the expiry or a limit",
            ));
        }
        let now_ms = now_ms();
        let told_as = |id, name| EventKind::KeyUpdated { id, name };
        let stored = ops
            .change_key(&self.name, told_as, |key| self.rights.apply(key, now_ms))
            .await?;
        Ok(KeyInfo::new(&stored, false, now_ms))
    }
}
