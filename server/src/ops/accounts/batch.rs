//! Many accounts in one call, each with its own result.
//!
//! Invariant: an item that is there already, with the same content, is not an error, so that a batch may be sent again;
//! one that is there with another content is refused and changes nothing.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use troupe_core::account::{AccountRecord, Auth, Secrets};

use super::super::{OpError, Operation, Operations, credential};
use super::AddAccount;

const ITEMS_MAX: usize = 1_000;

/// Adds accounts, one after the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BatchAccounts {
    pub accounts: Vec<AddAccount>,
}

/// What became of each, in the order of the items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResult {
    pub results: Vec<BatchItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchItem {
    pub name: String,
    pub outcome: BatchOutcome,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchOutcome {
    Added,
    /// It was there with the same content.
    Unchanged,
    Refused,
}

impl Operation for BatchAccounts {
    type Outcome = BatchResult;
    const NAME: &'static str = "account.batch";

    async fn run(self, ops: &Operations) -> Result<BatchResult, OpError> {
        if self.accounts.len() > ITEMS_MAX {
            return Err(OpError::invalid(format!(
                "a batch has at most {ITEMS_MAX} accounts; send the rest in another"
            )));
        }
        let _changing = ops.change().await;
        let mut results = Vec::with_capacity(self.accounts.len());
        for add in self.accounts {
            let name = add.name.clone();
            let (outcome, why) = match ops.add_or_know(add).await {
                Ok(outcome) => (outcome, None),
                Err(error) => (BatchOutcome::Refused, Some(error.message)),
            };
            results.push(BatchItem { name, outcome, why });
        }
        Ok(BatchResult { results })
    }
}

impl Operations {
    async fn add_or_know(&self, add: AddAccount) -> Result<BatchOutcome, OpError> {
        let accounts = self.stores.accounts.list().await?;
        let known = accounts
            .into_iter()
            .find(|account| account.name == add.name);
        if let Some(known) = known
            && self.has_content(&known, &add).await?
        {
            return Ok(BatchOutcome::Unchanged);
        }
        self.add_account(add).await?;
        Ok(BatchOutcome::Added)
    }

    /// Is `known` what `add` would make?
    async fn has_content(&self, known: &AccountRecord, add: &AddAccount) -> Result<bool, OpError> {
        let new = self.new_record(add).await?;
        let tokens = match &add.settings.tokens {
            None => true,
            // As they were brought: since then they may have been renewed. A record is stored before them: where an
            // earlier try ended in between, there are none.
            Some(_) => {
                known.brought.get(&Auth::Oauth) == new.brought.get(&Auth::Oauth)
                    && self.stores.accounts.token(known.id).await?.is_some()
            }
        };
        if !tokens || settings(known) != settings(&new) {
            return Ok(false);
        }
        let opened = |record: &AccountRecord| {
            credential::seed(&self.vault, record.clone(), None, None).map(|seed| seed.secrets)
        };
        Ok(same_secrets(&opened(known)?, &opened(&new)?))
    }
}

/// What an operator sets, without its secrets.
fn settings(record: &AccountRecord) -> AccountRecord {
    AccountRecord {
        id: troupe_core::AccountId(uuid::Uuid::nil()),
        sealed: Vec::new(),
        secrets: Default::default(),
        enabled: true,
        imported_from: None,
        brought: Default::default(),
        created_ms: 0,
        updated_ms: 0,
        version: 0,
        ..record.clone()
    }
}

fn same_secrets(one: &Secrets, other: &Secrets) -> bool {
    fn text(secret: &Option<SecretString>) -> Option<&str> {
        secret.as_ref().map(ExposeSecret::expose_secret)
    }
    text(&one.api_key) == text(&other.api_key)
        && text(&one.web_cookie) == text(&other.web_cookie)
        && text(&one.client_secret) == text(&other.client_secret)
        && text(&one.reach.proxy) == text(&other.reach.proxy)
}
