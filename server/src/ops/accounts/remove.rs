//! The end of an account.

use serde::{Deserialize, Serialize};
use troupe_core::AccountId;
use troupe_core::event::EventKind;
use troupe_core::port::StoreError;

use super::super::audit::{told_account, told_change};
use super::super::{OpError, Operation, Operations};

/// Removes an account and its credentials, or what a declared account left when it was declared no more; running
/// requests finish.
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
        let accounts = ops.stores.accounts.list().await?;
        let stored = accounts
            .into_iter()
            .find(|account| account.name == self.name);
        // Of an account that was declared once, what it left: its tokens and what was learnt.
        let met = stored.as_ref().map(told_account);
        let id = stored.map_or_else(|| AccountId::declared(&self.name), |account| account.id);
        let name = self.name;
        let event = ops.event(EventKind::AccountRemoved {
            id,
            name: name.clone(),
        });
        let event = told_change(event, met, None);
        match ops.stores.accounts.remove(id, event).await {
            Err(StoreError::Conflict(_)) => return Err(super::not_found(&name)),
            removed => removed?,
        }
        if let Some(directory) = &ops.directory {
            directory.put_accounts(Vec::new(), &[id]);
        }
        Ok(RemovedAccount { id, name })
    }
}
