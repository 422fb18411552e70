//! All accounts.

use futures_util::future::join_all;
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
        let learnt = ops.learnt().await?;
        let stored = ops.stores.accounts.list().await?;
        let declared = ops.declared.load_full();
        let stored = stored.iter().map(|record| (record, false));
        let declared = declared
            .accounts
            .iter()
            .map(|account| (&account.record, true));
        let told = stored
            .chain(declared)
            .map(|(record, declared)| ops.account_info(record, declared, &learnt));
        // All at once: one that does not tell its counters keeps the others waiting for that long only.
        let mut accounts = join_all(told).await;
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(AccountList { accounts })
    }
}
