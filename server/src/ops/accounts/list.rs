//! All accounts.

use serde::{Deserialize, Serialize};

use super::super::{OpError, Operation, Operations};
use super::AccountInfo;

/// Lists accounts by name.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ListAccounts {}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountList {
    pub accounts: Vec<AccountInfo>,
}

impl Operation for ListAccounts {
    type Outcome = AccountList;
    const NAME: &'static str = "account.list";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<AccountList, OpError> {
        let states = ops.account_states().await?;
        let stored = ops.stores.accounts.list().await?;
        let declared = ops.declared.load();
        let stored = stored.iter().map(|record| (record, false));
        let declared = declared
            .accounts
            .iter()
            .map(|account| (&account.record, true));
        let mut accounts: Vec<_> = stored
            .chain(declared)
            .map(|(record, declared)| ops.account_info(record, declared, &states))
            .collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(AccountList { accounts })
    }
}
