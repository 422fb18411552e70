//! All keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use troupe_core::key::KeyRecord;

use super::super::{OpError, Operation, Operations, now_ms};
use super::KeyInfo;

/// Lists keys by name; revoked ones only when asked for. Of the others each that is given must be the key's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListKeys {
    pub revoked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl ListKeys {
    fn wants(&self, key: &KeyRecord) -> bool {
        let is = |wanted: &Option<String>, given: &Option<Arc<str>>| {
            wanted.is_none() || wanted.as_deref() == given.as_deref()
        };
        (self.revoked || key.revoked_ms.is_none())
            && is(&self.owner, &key.owner)
            && is(&self.group, &key.group)
            && self.tag.as_ref().is_none_or(|tag| key.tags.contains(tag))
    }
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
            .filter(|key| self.wants(key))
            .map(|key| KeyInfo::new(key, false, now_ms));
        let declared = declared
            .keys
            .iter()
            .filter(|key| self.wants(key))
            .map(|key| KeyInfo::new(key, true, now_ms));
        let mut keys: Vec<_> = stored.chain(declared).collect();
        keys.sort_by(|a, b| (&a.name, a.revoked_at).cmp(&(&b.name, b.revoked_at)));
        Ok(KeyList { keys })
    }
}
