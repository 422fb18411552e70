//! Accounts. Index: [`add`], [`list`], [`show`], [`test`], [`switch`] (disable, enable), [`remove`].
//!
//! Invariant: a credential enters once, is sealed before it is stored, and no operation gives it out.

mod add;
mod info;
mod list;
mod remove;
mod show;
mod switch;
mod test;

use troupe_core::account::{AccountRecord, AccountState};
use troupe_core::event::EventKind;
use troupe_core::port::{Expect, StoreError};

pub use self::add::AddAccount;
pub use self::info::{AccountInfo, CoolDownInfo, SlotsInfo};
pub use self::list::{AccountList, ListAccounts};
pub use self::remove::{RemoveAccount, RemovedAccount};
pub use self::show::ShowAccount;
pub use self::switch::{DisableAccount, EnableAccount};
pub use self::test::{TestAccount, TestResult, TestedAccount};
use super::{ErrorCode, OpError, Operations, credential, now_ms};

/// How often a change is tried on a row that another writer changes meanwhile.
const TRIES: usize = 3;

impl Operations {
    async fn stored_account(&self, name: &str) -> Result<AccountRecord, OpError> {
        let accounts = self.stores.accounts.list().await?;
        let found = accounts.into_iter().find(|account| account.name == name);
        found.ok_or_else(|| not_found(name))
    }

    /// Stored and declared ones: the record, and is it declared?
    async fn any_account(&self, name: &str) -> Result<(AccountRecord, bool), OpError> {
        if let Some(declared) = self.declared.load().account(name) {
            return Ok((declared.record.clone(), true));
        }
        Ok((self.stored_account(name).await?, false))
    }

    /// Switches `name` on or off in store and directory. The caller holds [`Operations::change`].
    async fn set_enabled(&self, name: &str, enabled: bool) -> Result<AccountRecord, OpError> {
        let mut last = None;
        for _ in 0..TRIES {
            let mut record = self.stored_account(name).await?;
            let (id, expect) = (record.id, Expect::Version(record.version));
            record.enabled = enabled;
            record.updated_ms = now_ms();
            let name = record.name.clone();
            match self
                .put_account(record, expect, EventKind::AccountUpdated { id, name })
                .await
            {
                Err(error) if error.code == ErrorCode::Conflict => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| not_found(name)))
    }

    /// Stores and publishes. Where the store cannot say whether it wrote, what stands there is published.
    async fn put_account(
        &self,
        record: AccountRecord,
        expect: Expect,
        told_as: EventKind,
    ) -> Result<AccountRecord, OpError> {
        let (id, event) = (record.id, self.event(told_as));
        match self.stores.accounts.put(record, expect, event).await {
            Ok(stored) => {
                self.publish_account(stored.clone())?;
                Ok(stored)
            }
            Err(StoreError::Unknown(why)) => {
                let accounts = self.stores.accounts.list().await.unwrap_or_default();
                if let Some(stands) = accounts.into_iter().find(|account| account.id == id) {
                    self.publish_account(stands)?;
                }
                Err(StoreError::Unknown(why).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn publish_account(&self, record: AccountRecord) -> Result<(), OpError> {
        if let Some(directory) = &self.directory {
            let seed = credential::seed(&self.vault, record, None)?;
            directory.put_accounts(vec![seed], &[]);
        }
        Ok(())
    }

    /// What was learnt about accounts: by the running actors, else as it was saved.
    async fn account_states(&self) -> Result<Vec<AccountState>, OpError> {
        match &self.directory {
            Some(_) => Ok(Vec::new()),
            None => Ok(self.stores.accounts.states().await?),
        }
    }

    fn account_info(
        &self,
        record: &AccountRecord,
        declared: bool,
        states: &[AccountState],
    ) -> AccountInfo {
        let now_ms = now_ms();
        match self
            .directory
            .as_ref()
            .and_then(|directory| directory.account(record.id))
        {
            Some(active) => AccountInfo::of_active(record, declared, &active, now_ms),
            None => {
                let state = states.iter().find(|state| state.id == record.id);
                AccountInfo::of_state(record, declared, state, now_ms)
            }
        }
    }
}

fn not_found(name: &str) -> OpError {
    let message = format!("there is no account {name}; see `troupe account list`");
    OpError::new(ErrorCode::NotFound, message)
}
