//! One account: its record, its credentials, what it has done, and its slots while the gateway runs.

use serde::{Deserialize, Serialize};

use super::super::{OpError, Operation, Operations};
use super::AccountInfo;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShowAccount {
    pub name: String,
}

impl Operation for ShowAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.show";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        let (record, declared) = ops.any_account(&self.name).await?;
        ops.info_of(&record, declared).await
    }
}
