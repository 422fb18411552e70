//! Changes of an account.

use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;
use troupe_core::port::Expect;

use super::super::{ErrorCode, OpError, Operation, Operations, now_ms};
use super::settings::AccountSettings;
use super::{AccountInfo, TRIES, apply, not_found};

/// Changes what is given; `null` removes. What is running keeps what it holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UpdateAccount {
    pub name: String,
    /// What it is made for from now on; it must have the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(flatten)]
    pub settings: AccountSettings,
}

impl Operation for UpdateAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.update";

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        if self.kind.is_none() && self.settings.is_empty() {
            return Err(OpError::invalid(
                "nothing to change; say what, for example the API key or the weight",
            ));
        }
        let _changing = ops.change().await;
        ops.declared.load().refuse_account(&self.name)?;
        let mut last = None;
        for _ in 0..TRIES {
            let mut record = ops.stored_account(&self.name).await?;
            let expect = Expect::Version(record.version);
            let told_as = EventKind::AccountUpdated {
                id: record.id,
                name: record.name.clone(),
            };
            if let Some(kind) = &self.kind {
                record.kind = apply::kind(kind)?;
            }
            ops.apply_settings(&mut record, self.settings.clone())
                .await?;
            record.updated_ms = now_ms();
            let tokens = self.settings.tokens.as_ref();
            match ops.put_account(record, expect, told_as, tokens).await {
                Err(error) if error.code == ErrorCode::Conflict => last = Some(error),
                Err(error) => return Err(error),
                Ok(stored) => {
                    ops.settle_on(&stored, None).await;
                    return ops.info_of(&stored, false).await;
                }
            }
        }
        Err(last.unwrap_or_else(|| not_found(&self.name)))
    }
}
