//! Accounts. Index: [`add`], [`update`], [`batch`], [`list`], [`show`], [`explain`], [`test`], [`login`], [`refresh`],
//! [`exchange`], [`switch`] (disable, enable), [`remove`]. What can be set: [`settings`], onto a record in `apply`, `plain`
//! and `oauth`; `tokens` writes those that were brought; `pending` holds logins; `still` sees an account that does not run
//! as if it did; what is shown: [`info`], [`stats`].
//!
//! Invariant: a credential enters once, is sealed before it is stored, and no operation gives it out; of what an operator
//! gives nothing is dropped in silence.

mod add;
mod apply;
mod batch;
mod exchange;
mod explain;
mod info;
mod list;
mod login;
mod oauth;
mod pending;
mod plain;
mod refresh;
mod remove;
mod settings;
mod show;
mod stats;
mod still;
mod switch;
mod test;
mod tokens;
mod update;

use std::time::Duration;

use troupe_core::account::{
    AccountAsk, AccountRecord, AccountReply, AccountState, AccountStats, Auth, TokenRow,
};
use troupe_core::event::EventKind;
use troupe_core::port::{Expect, StoreError};

pub use self::add::AddAccount;
pub use self::apply::WEB_TERMS;
pub(super) use self::apply::kind;
pub use self::batch::{BatchAccounts, BatchItem, BatchOutcome, BatchResult};
pub use self::exchange::ExchangeAccount;
pub use self::explain::{ExplainRouting, ExplainedAccount, Explanation};
pub use self::info::{
    AccountInfo, CoolDownInfo, CredentialInfo, OauthInfo, SlotsInfo, TokenInfo, WebInfo, WindowInfo,
};
pub use self::list::{AccountList, ListAccounts};
pub use self::login::{CompleteLogin, LoggedIn, LoginHow, StartLogin, StartedLogin};
pub use self::pending::Logins;
pub use self::refresh::RefreshAccount;
pub use self::remove::{RemoveAccount, RemovedAccount};
pub use self::settings::{
    AccountSettings, BroughtTokens, Entries, OauthChange, Reserve, WebChange,
};
pub use self::show::ShowAccount;
pub use self::stats::{ModelInfo, Quantiles, RenewalInfo, StatsInfo};
pub use self::switch::{DisableAccount, EnableAccount};
pub use self::test::{TestAccount, TestResult, TestedAccount, TestedCredential};
use self::tokens::NewTokens;
pub use self::update::UpdateAccount;
use super::audit::{told_account, told_change};
use super::{ErrorCode, OpError, Operations, credential, now_ms};

/// How often a change is tried on a row that another writer changes meanwhile.
const TRIES: usize = 3;
/// An account that does not tell its counters within this time is shown without.
const STATS_WITHIN: Duration = Duration::from_secs(2);

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

    /// Changes the stored account `name` in store and directory. The caller holds [`Operations::change`].
    async fn change_account(
        &self,
        name: &str,
        mut change: impl FnMut(&mut AccountRecord) + Send,
    ) -> Result<AccountRecord, OpError> {
        let mut last = None;
        for _ in 0..TRIES {
            let mut record = self.stored_account(name).await?;
            let (id, expect) = (record.id, Expect::Version(record.version));
            change(&mut record);
            record.updated_ms = now_ms();
            let name = record.name.clone();
            match self
                .put_account(record, expect, EventKind::AccountUpdated { id, name }, None)
                .await
            {
                Err(error) if error.code == ErrorCode::Conflict => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| not_found(name)))
    }

    /// Stores and publishes, the tokens that come along after the record that they belong to. Where the store cannot say
    /// whether it wrote, what stands there is published.
    pub(super) async fn put_account(
        &self,
        record: AccountRecord,
        expect: Expect,
        told_as: EventKind,
        tokens: Option<&BroughtTokens>,
    ) -> Result<AccountRecord, OpError> {
        if tokens.is_some_and(|tokens| tokens.refresh_token.is_some()) {
            add::refuse_shared_tokens(&record, &self.stores.accounts.list().await?)?;
        }
        let (id, event) = (record.id, self.event(told_as));
        // In the order of changes: what stands now is what the put meets, or it is a conflict.
        let met = match expect {
            Expect::Absent => None,
            Expect::Version(_) => {
                let accounts = self.stores.accounts.list().await?;
                accounts.iter().find(|a| a.id == id).map(told_account)
            }
        };
        let event = told_change(event, met, Some(told_account(&record)));
        let stored = match self.stores.accounts.put(record, expect, event).await {
            Ok(stored) => stored,
            Err(StoreError::Unknown(why)) => {
                let accounts = self.stores.accounts.list().await.unwrap_or_default();
                if let Some(stands) = accounts.into_iter().find(|account| account.id == id) {
                    self.publish_account(stands, None)?;
                }
                return Err(StoreError::Unknown(why).into());
            }
            Err(error) => return Err(error.into()),
        };
        let Some(brought) = tokens else {
            self.publish_account(stored.clone(), None)?;
            return Ok(stored);
        };
        let new = NewTokens::brought(brought, now_ms());
        match self.put_tokens(id, &stored.name, &new).await {
            Ok(row) => {
                self.publish_account(stored.clone(), Some(&row))?;
                Ok(stored)
            }
            Err(error) => {
                let stored = self.without_print(stored).await;
                self.publish_account(stored.clone(), None)?;
                let name = &stored.name;
                let message = format!(
                    "account {name} is stored, its tokens are not ({error}); give them again with `troupe account update {name} --tokens-stdin`"
                );
                // Never a conflict: the record's part is done and must not be tried again.
                Err(OpError::new(ErrorCode::Unknown, message))
            }
        }
    }

    /// Tokens that were not stored have not been brought.
    async fn without_print(&self, record: AccountRecord) -> AccountRecord {
        let (id, name) = (record.id, record.name.clone());
        let event = self.event(EventKind::AccountUpdated { id, name });
        let expect = Expect::Version(record.version);
        let mut without = record.clone();
        without.brought.remove(&Auth::Oauth);
        let put = self.stores.accounts.put(without, expect, event).await;
        put.unwrap_or(record)
    }

    fn publish_account(
        &self,
        record: AccountRecord,
        tokens: Option<&TokenRow>,
    ) -> Result<(), OpError> {
        if let Some(directory) = &self.directory {
            let is_new = directory.account(record.id).is_none();
            let mut seed = credential::seed(&self.vault, record, tokens, None)?;
            if is_new && tokens.is_none() {
                // It need not find out.
                seed.token = Some(still::seed(&seed.record, None));
            }
            directory.put_accounts(vec![seed], &[]);
        }
        Ok(())
    }

    /// Tells the running actor of tokens that are stored, be the account stored or declared.
    fn publish_tokens(&self, record: &AccountRecord, row: &TokenRow) -> Result<(), OpError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let declared = self.declared.load();
        let seed = match declared.account(&record.name) {
            Some(declared) => declared.seed(Some(credential::token_seed(&self.vault, row)?), None),
            None => credential::seed(&self.vault, record.clone(), Some(row), None)?,
        };
        directory.put_accounts(vec![seed], &[]);
        Ok(())
    }

    /// What was learnt about accounts, and their tokens, as stored: for those that do not run.
    async fn learnt(&self) -> Result<Learnt, OpError> {
        if self.directory.is_some() {
            return Ok(Learnt::default());
        }
        Ok(Learnt {
            states: self.stores.accounts.states().await?,
            tokens: self.stores.accounts.tokens().await?,
        })
    }

    /// One account as it is shown.
    async fn info_of(
        &self,
        record: &AccountRecord,
        declared: bool,
    ) -> Result<AccountInfo, OpError> {
        let learnt = self.learnt().await?;
        Ok(self.account_info(record, declared, &learnt).await)
    }

    async fn account_info(
        &self,
        record: &AccountRecord,
        declared: bool,
        learnt: &Learnt,
    ) -> AccountInfo {
        let now_ms = now_ms();
        let active = self.directory.as_ref().and_then(|d| d.account(record.id));
        match active {
            Some(active) => {
                let stats = async {
                    match active.handle.ask(AccountAsk::Stats).await {
                        Ok(AccountReply::Stats(stats)) => Some(*stats),
                        _ => None,
                    }
                };
                let stats = tokio::time::timeout(STATS_WITHIN, stats).await;
                let stats = stats.ok().flatten();
                AccountInfo::of_active(record, declared, &active, stats.as_ref(), now_ms)
            }
            None => {
                let state = learnt.states.iter().find(|state| state.id == record.id);
                let row = learnt.tokens.iter().find(|row| row.account == record.id);
                let declared_account = self.declared.load().account(&record.name).cloned();
                let secrets = match declared_account {
                    Some(account) => account.secrets,
                    None => still::shape(record),
                };
                let view = still::view(record, secrets, row, state.cloned());
                let stats: Option<&AccountStats> = state.map(|state| &state.stats);
                AccountInfo::of_view(record, declared, &view, stats, now_ms)
            }
        }
    }
}

/// What a stopped gateway had learnt.
#[derive(Debug, Default)]
struct Learnt {
    states: Vec<AccountState>,
    tokens: Vec<TokenRow>,
}

fn not_found(name: &str) -> OpError {
    let message = format!("there is no account {name}; see `troupe account list`");
    OpError::new(ErrorCode::NotFound, message)
}
