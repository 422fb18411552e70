//! Disabling and enabling. Enabling also forgets what was held against the account: the operator says it is well.

use serde::{Deserialize, Serialize};
use troupe_core::account::{AccountRecord, AccountState, AccountTell, Health};
use troupe_core::event::EventKind;

use super::super::{OpError, Operation, Operations, now_ms};
use super::AccountInfo;

/// Keeps new requests away from the account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DisableAccount {
    pub name: String,
}

/// Lets requests to the account again, and revives one that was rejected, out of service or cooling down. Of a declared
/// account only its state changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnableAccount {
    pub name: String,
}

impl Operation for DisableAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.disable";

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        let _changing = ops.change().await;
        ops.declared.load().refuse_account(&self.name)?;
        let record = ops.set_enabled(&self.name, false).await?;
        ops.settled_info(&record, false, |view| !view.enabled).await
    }
}

impl Operation for EnableAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.enable";

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        let _changing = ops.change().await;
        let (record, declared) = ops.any_account(&self.name).await?;
        let record = if record.enabled {
            record
        } else {
            ops.set_enabled(&self.name, true).await?
        };
        ops.revive(&record).await?;
        ops.settled_info(&record, declared, |view| {
            view.enabled && view.health == Health::Active && view.cooldowns.is_empty()
        })
        .await
    }
}

impl Operations {
    async fn revive(&self, record: &AccountRecord) -> Result<(), OpError> {
        let active = self.directory.as_ref().and_then(|d| d.account(record.id));
        let event = match &active {
            // The actor tells its own change.
            Some(_) => None,
            None => {
                let states = self.stores.accounts.states().await?;
                let state = states.into_iter().find(|state| state.id == record.id);
                let from = state.map_or(Health::Active, |state| state.health);
                (from != Health::Active).then(|| {
                    self.event(EventKind::AccountStateChanged {
                        id: record.id,
                        from: from.as_str().to_owned(),
                        to: Health::Active.as_str().to_owned(),
                    })
                })
            }
        };
        let state = AccountState {
            id: record.id,
            health: Health::Active,
            cooldowns: Vec::new(),
            updated_ms: now_ms(),
        };
        self.stores.accounts.save_state(state, event).await?;
        if let Some(active) = active {
            active.handle.tell(AccountTell::Revive);
        }
        Ok(())
    }

    /// The account once its actor shows `settled`; after a moment, however it is then.
    async fn settled_info(
        &self,
        record: &AccountRecord,
        declared: bool,
        settled: impl Fn(&troupe_core::account::AccountView) -> bool + Send,
    ) -> Result<AccountInfo, OpError> {
        const LOOKS: u32 = 100;
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
        let active = self.directory.as_ref().and_then(|d| d.account(record.id));
        if let Some(active) = active {
            for _ in 0..LOOKS {
                if settled(&active.view.load()) {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        let states = self.account_states().await?;
        Ok(self.account_info(record, declared, &states))
    }
}
