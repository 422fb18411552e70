//! All keys.

use serde::{Deserialize, Serialize};

use super::super::{OpError, Operation, Operations, now_ms};
use super::KeyInfo;

/// Lists keys by name; revoked ones only when asked for.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ListKeys {
    #[serde(default)]
    pub revoked: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyList {
    pub keys: Vec<KeyInfo>,
}

impl Operation for ListKeys {
    type Outcome = KeyList;
    const NAME: &'static str = "key.list";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<KeyList, OpError> {
        let now_ms = now_ms();
        let stored = ops.stores.keys.list().await?;
        let declared = ops.declared.load();
        let stored = stored
            .iter()
            .filter(|key| self.revoked || key.revoked_ms.is_none())
            .map(|key| KeyInfo::new(key, false, now_ms));
        let declared = declared
            .keys
            .iter()
            .map(|key| KeyInfo::new(key, true, now_ms));
        let mut keys: Vec<_> = stored.chain(declared).collect();
        keys.sort_by(|a, b| (&a.name, a.revoked_at).cmp(&(&b.name, b.revoked_at)));
        Ok(KeyList { keys })
    }
}
