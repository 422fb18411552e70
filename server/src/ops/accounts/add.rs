//! A new account.

use serde::{Deserialize, Serialize};
use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, Auth};
use troupe_core::event::EventKind;
use troupe_core::port::Expect;

use super::super::{ErrorCode, OpError, Operation, Operations, fields, now_ms};
use super::settings::AccountSettings;
use super::{AccountInfo, apply};
use crate::config::accounts::DEFAULT_BASE_URL;

/// Adds an account. A name that is taken is a conflict: nothing that stands is replaced.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AddAccount {
    pub name: String,
    /// `api_key`, `oauth` or `web_session`.
    #[serde(default = "api_key")]
    pub kind: String,
    #[serde(flatten)]
    pub settings: AccountSettings,
}

fn api_key() -> String {
    "api_key".to_owned()
}

impl Operation for AddAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.add";

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        let _changing = ops.change().await;
        let stored = ops.add_account(self).await?;
        ops.settle_on(&stored, None).await;
        ops.info_of(&stored, false).await
    }
}

impl Operations {
    /// The caller holds [`Operations::change`].
    pub(super) async fn add_account(&self, add: AddAccount) -> Result<AccountRecord, OpError> {
        let record = self.new_record(&add).await?;
        let name = record.name.clone();
        self.declared.load().refuse_account(&name)?;
        let accounts = self.stores.accounts.list().await?;
        if accounts.iter().any(|account| account.name == name) {
            return Err(taken(&name));
        }
        let told_as = EventKind::AccountCreated {
            id: record.id,
            name,
        };
        let tokens = add.settings.tokens.as_ref();
        self.put_account(record, Expect::Absent, told_as, tokens)
            .await
    }

    /// What would be stored.
    pub(super) async fn new_record(&self, add: &AddAccount) -> Result<AccountRecord, OpError> {
        fields::check_name("an account", &add.name)?;
        let kind = apply::kind(&add.kind)?;
        let (id, now_ms) = (AccountId(uuid::Uuid::now_v7()), now_ms());
        let mut record = AccountRecord {
            created_ms: now_ms,
            updated_ms: now_ms,
            ..AccountRecord::new(id, add.name.clone(), kind, DEFAULT_BASE_URL.to_owned())
        };
        self.apply_settings(&mut record, add.settings.clone())
            .await?;
        Ok(record)
    }
}

/// A refresh token is for one use: of two accounts that had it, one would revoke the other.
pub(super) fn refuse_shared_tokens(
    record: &AccountRecord,
    accounts: &[AccountRecord],
) -> Result<(), OpError> {
    let print = record.brought.get(&Auth::Oauth);
    let shares = |other: &&AccountRecord| {
        other.id != record.id && print.is_some() && other.brought.get(&Auth::Oauth) == print
    };
    let Some(other) = accounts.iter().find(shares) else {
        return Ok(());
    };
    let message = format!(
        "these tokens are those of account {}; log in anew for a second account",
        other.name
    );
    Err(OpError::new(ErrorCode::Conflict, message))
}

pub(super) fn taken(name: &str) -> OpError {
    let message = format!(
        "an account {name} exists already; change it with `troupe account update {name}`, or take another name"
    );
    OpError::new(ErrorCode::Conflict, message)
}
