//! Disabling and enabling. Enabling also forgets what was held against the account: the operator says it is well.

use serde::{Deserialize, Serialize};
use troupe_core::account::{
    AccountRecord, AccountTell, AccountView, Auth, Health, SecretName, TokenRow,
};
use troupe_core::event::EventKind;
use troupe_core::port::Expect;

use super::super::{OpError, Operation, Operations, now_ms};
use super::AccountInfo;

/// Keeps new requests away from the account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DisableAccount {
    pub name: String,
}

/// Lets requests to the account again, and revives one that was rejected, challenged, out of service or cooling down. Of
/// a declared account only its state changes.
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
        let switch = |record: &mut AccountRecord| record.enabled = false;
        let record = ops.change_account(&self.name, switch).await?;
        ops.settled_info(&record, false, |view| !view.record.enabled)
            .await
    }
}

impl Operation for EnableAccount {
    type Outcome = AccountInfo;
    const NAME: &'static str = "account.enable";

    async fn run(self, ops: &Operations) -> Result<AccountInfo, OpError> {
        let _changing = ops.change().await;
        let (mut record, declared) = ops.any_account(&self.name).await?;
        if has_only_web(&record) && !declared {
            ops.refuse_web()?;
        }
        if !record.enabled {
            let switch = |record: &mut AccountRecord| record.enabled = true;
            record = ops.change_account(&self.name, switch).await?;
        }
        ops.revive(&record).await?;
        ops.settled_info(&record, declared, |view| {
            let well = |lane: &troupe_core::account::LaneView| {
                lane.health == Health::Active && lane.cooldowns.is_empty()
            };
            view.record.enabled && view.lanes.iter().all(well)
        })
        .await
    }
}

/// Is the fallback mode all that the account can serve by?
fn has_only_web(record: &AccountRecord) -> bool {
    record.secrets.contains_key(&SecretName::WebCookie)
        && record.sealed.is_empty()
        && record.oauth.is_none()
}

impl Operations {
    async fn revive(&self, record: &AccountRecord) -> Result<(), OpError> {
        let active = self.directory.as_ref().and_then(|d| d.account(record.id));
        match active {
            // The actor tells and saves its own change.
            Some(active) => active.handle.tell(AccountTell::Revive),
            None => self.revive_stored(record).await?,
        }
        Ok(())
    }

    async fn revive_stored(&self, record: &AccountRecord) -> Result<(), OpError> {
        let accounts = &self.stores.accounts;
        let mut states = accounts.states().await?.into_iter();
        if let Some(mut state) = states.find(|state| state.id == record.id) {
            let lanes = state.clone().into_lanes();
            let told = |lane: &troupe_core::account::LaneState| {
                (lane.health != Health::Active).then(|| {
                    self.event(EventKind::AccountStateChanged {
                        id: record.id,
                        from: lane.health.as_str().to_owned(),
                        to: Health::Active.as_str().to_owned(),
                    })
                })
            };
            let events = lanes.values().filter_map(told).collect();
            let mut well = troupe_core::account::AccountState::new(record.id, now_ms());
            well.stats = std::mem::take(&mut state.stats);
            accounts.save_state(well, events).await?;
        }
        // Whether a login is needed is found out anew; what is perhaps spent stays perhaps spent.
        if let Some(row) = accounts.token(record.id).await?
            && row.needs_login.is_some()
        {
            let expect = Expect::Version(row.version);
            let asked_again = TokenRow {
                needs_login: None,
                ..row
            };
            accounts.put_token(asked_again, expect, None).await?;
        }
        Ok(())
    }

    /// The account once its actor shows `settled`; after a moment, however it is then.
    pub(super) async fn settled_info(
        &self,
        record: &AccountRecord,
        declared: bool,
        settled: impl Fn(&AccountView) -> bool + Send,
    ) -> Result<AccountInfo, OpError> {
        self.settle(record, settled).await;
        self.info_of(record, declared).await
    }

    /// Waits until the account's actor shows `settled`, for a moment.
    async fn settle(&self, record: &AccountRecord, settled: impl Fn(&AccountView) -> bool + Send) {
        const LOOKS: u32 = 100;
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
        let Some(active) = self.directory.as_ref().and_then(|d| d.account(record.id)) else {
            return;
        };
        for _ in 0..LOOKS {
            if settled(&active.view.load()) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until the account's actor shows these settings and at least this generation of tokens.
    pub(super) async fn settle_on(&self, record: &AccountRecord, generation: Option<u64>) {
        self.settle(record, |view| {
            let has = |lane: &troupe_core::account::LaneView| {
                lane.token
                    .as_ref()
                    .is_some_and(|token| Some(token.generation) >= generation)
            };
            view.record.version >= record.version
                && (generation.is_none() || view.lane(Auth::Oauth).is_some_and(has))
        })
        .await;
    }
}
