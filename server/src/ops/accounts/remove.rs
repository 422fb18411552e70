//! The end of an account.

use serde::{Deserialize, Serialize};
use troupe_core::AccountId;
use troupe_core::event::EventKind;

use super::super::{OpError, Operation, Operations};

/// Removes an account and its credential; running requests finish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemoveAccount {
    pub name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemovedAccount {
    pub id: AccountId,
    pub name: String,
}

impl Operation for RemoveAccount {
    type Outcome = RemovedAccount;
    const NAME: &'static str = "account.remove";

    async fn run(self, ops: &Operations) -> Result<RemovedAccount, OpError> {
        let _changing = ops.change().await;
        ops.declared.load().refuse_account(&self.name)?;
        let record = ops.stored_account(&self.name).await?;
        let (id, name) = (record.id, record.name);
        let event = ops.event(EventKind::AccountRemoved {
            id,
            name: name.clone(),
        });
        ops.stores.accounts.remove(id, event).await?;
        if let Some(directory) = &ops.directory {
            directory.put_accounts(Vec::new(), &[id]);
        }
        Ok(RemovedAccount { id, name })
    }
}
