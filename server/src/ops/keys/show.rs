//! One key and what it has used.

use serde::{Deserialize, Serialize};

use super::super::{OpError, Operation, Operations, now_ms};
use super::{KeyInfo, KeyUsage, not_found};

/// Shows the live key of that name, else the one revoked last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShowKey {
    pub name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShownKey {
    #[serde(flatten)]
    pub key: KeyInfo,
    pub usage: KeyUsage,
    /// Requests in flight; `None` when the gateway does not run.
    pub in_flight: Option<u32>,
}

impl Operation for ShowKey {
    type Outcome = ShownKey;
    const NAME: &'static str = "key.show";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<ShownKey, OpError> {
        let now_ms = now_ms();
        let declared = ops.declared.load_full();
        let key = match declared.key(&self.name) {
            Some(key) => KeyInfo::new(key, true, now_ms),
            None => {
                let keys = ops.stores.keys.list().await?;
                let named = keys.iter().filter(|key| key.name == self.name);
                let last = named.max_by_key(|key| (key.revoked_ms.is_none(), key.revoked_ms));
                KeyInfo::new(last.ok_or_else(|| not_found(&self.name))?, false, now_ms)
            }
        };
        let entry = ops
            .directory
            .as_ref()
            .and_then(|directory| directory.key_by_id(key.id));
        let active = entry.and_then(|entry| entry.active());
        let totals = match &active {
            // What was stored before is not read yet in the first moment.
            Some(active) if active.ledger.totals().is_some() => {
                active.ledger.totals().unwrap_or_default()
            }
            _ => ops.stores.keys.totals(key.id).await?,
        };
        let in_flight = active.map_or(0, |active| active.entry.inside());
        Ok(ShownKey {
            key,
            usage: totals.into(),
            in_flight: ops
                .directory
                .as_ref()
                .map(|_| in_flight.try_into().unwrap_or(u32::MAX)),
        })
    }
}
