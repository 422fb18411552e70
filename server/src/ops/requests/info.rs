//! A row of the log for people and programs.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use troupe_core::KeyId;
use troupe_core::record::RequestRecord;

use super::super::{OpError, Operations};

/// The row as it is stored, and the name that its key has now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestInfo {
    #[serde(flatten)]
    pub row: RequestRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
}

impl Operations {
    /// Rows with the names of their keys, revoked ones included.
    pub(super) async fn told(&self, rows: Vec<RequestRecord>) -> Result<Vec<RequestInfo>, OpError> {
        let mut names: HashMap<KeyId, Option<String>> = HashMap::new();
        let mut unknown = false;
        for id in rows.iter().filter_map(|row| row.key) {
            let name = names.entry(id).or_insert_with(|| self.published_name(id));
            unknown |= name.is_none();
        }
        if unknown {
            for key in self.stores.keys.list().await? {
                if let Some(name) = names.get_mut(&key.id) {
                    name.get_or_insert(key.name);
                }
            }
        }
        let named = |row: RequestRecord| RequestInfo {
            key_name: row.key.and_then(|id| names.get(&id).cloned().flatten()),
            row,
        };
        Ok(rows.into_iter().map(named).collect())
    }

    fn published_name(&self, id: KeyId) -> Option<String> {
        let declared = self.declared.load();
        let declared = declared.keys.iter().find(|key| key.id == id);
        declared.map(|key| key.name.clone()).or_else(|| {
            let entry = self.directory.as_ref()?.key_by_id(id)?;
            Some(entry.record().name.clone())
        })
    }
}
