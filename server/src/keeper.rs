//! Renews accounts' tokens: the exclusive part, from the intent in the store to the new generation in the store.
//!
//! ```text
//!  read the row ─▶ newer than ordered? adopt it
//!       │
//!       ▼
//!  write the intent (compare-and-set) ─▶ present the grant once ─▶ write the new generation | the refusal | no intent
//! ```
//! Invariant: nothing is presented before its intent is durable; a single-use grant is presented at most once for each
//! intent; an outcome that is unknown leaves the intent; no refusal deletes a credential.

pub(crate) mod grant;
mod save;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use secrecy::SecretString;
use troupe_core::AccountId;
use troupe_core::account::{
    AccountView, DEFAULT_LIFE_MS, Grant, Intent, OauthSettings, Renewal, Renewed, TokenRow,
};

use troupe_core::port::{AccountStore, Expect, Member, StoreError, TokenKeeper};
use troupe_storage::crypt::Vault;
use troupe_upstream::token::{self, TokenFault, Tokens};

use crate::networks::Networks;
use crate::ops::credential::{self, SealedTokens};
use crate::ops::now_ms;

/// The keeper of one process.
pub struct Keeper {
    pub store: Arc<dyn AccountStore>,
    pub vault: Arc<Vault>,
    pub networks: Arc<Networks>,
    pub member: Member,
    /// One renewal of an account at a time; bounded by the accounts.
    flights: DashMap<AccountId, Arc<tokio::sync::Mutex<()>>>,
    /// New generations that the store did not take: their predecessors are spent. Bounded by the accounts.
    unsaved: DashMap<AccountId, TokenRow>,
    /// Generations whose grant this process has presented; bounded by the accounts.
    pub(crate) presented: Mutex<HashMap<AccountId, u64>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

impl TokenKeeper for Keeper {
    fn renew(
        &self,
        account: Arc<AccountView>,
        client_secret: Option<SecretString>,
        order: Renewal,
    ) -> Pin<Box<dyn Future<Output = Renewed> + Send + '_>> {
        Box::pin(async move {
            // A machine that was rebuilt does not know that its predecessor's renewal goes on.
            let flight = Arc::clone(&self.flights.entry(account.id()).or_default());
            let _alone = flight.lock().await;
            let outcome = self.run(&account, client_secret, order).await;
            let outcome = outcome.unwrap_or_else(|early| early);
            tell(&account, &outcome);
            outcome
        })
    }
}

impl Keeper {
    #[must_use]
    pub fn new(
        store: Arc<dyn AccountStore>,
        vault: Arc<Vault>,
        networks: Arc<Networks>,
        member: Member,
    ) -> Self {
        Self {
            store,
            vault,
            networks,
            member,
            flights: DashMap::new(),
            unsaved: DashMap::new(),
            presented: Mutex::default(),
        }
    }

    async fn run(
        &self,
        account: &AccountView,
        client_secret: Option<SecretString>,
        order: Renewal,
    ) -> Result<Renewed, Renewed> {
        let id = account.id();
        let Some(settings) = &account.record.oauth else {
            return Err(postponed("the account has no oauth settings"));
        };
        self.save_late(id).await?;
        let row = self.store.token(id).await.map_err(away)?;
        if let Some(row) = &row {
            self.check(row, settings, order)?;
        }
        let network = self.networks.of(account).map_err(postponed)?;
        let http = network.control_client().map_err(postponed)?;
        let endpoint = grant::endpoint(settings, client_secret).map_err(postponed)?;
        let old = match &row {
            Some(row) => Some(credential::open_tokens(&self.vault, row).map_err(postponed)?),
            None => None,
        };
        let presented = grant::read(settings, old.as_ref()).await?;
        let row = self.intend(id, row, order).await?;
        if settings.grant.is_single_use() {
            self.presented
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id, row.generation);
        }
        match token::exchange(&http, &endpoint, presented).await {
            Ok(tokens) => Ok(self.accept(row, old, tokens).await),
            Err(fault) => Ok(self.failed(row, settings, order, fault).await),
        }
    }

    /// Another's work is adopted; another's intent is not meddled with while the old token lives.
    fn check(
        &self,
        row: &TokenRow,
        settings: &OauthSettings,
        order: Renewal,
    ) -> Result<(), Renewed> {
        if row.generation > order.generation
            && let Some(token) = credential::open_token(&self.vault, row).map_err(postponed)?
        {
            return Err(Renewed::Done {
                token,
                adopted: true,
            });
        }
        let is_open = row
            .intent
            .as_ref()
            .is_some_and(|intent| !self.is_void(row.account, intent));
        if settings.grant.is_single_use() && is_open && !order.last {
            return Err(Renewed::Unknown {
                reason: "an earlier renewal has no known outcome".into(),
            });
        }
        Ok(())
    }

    /// Is it an intent of this very process that was written and not acted upon?
    fn is_void(&self, id: AccountId, intent: &Intent) -> bool {
        let presented = self
            .presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        intent.node == self.member.node
            && intent.boot_epoch == self.member.boot_epoch
            && presented.get(&id) != Some(&intent.generation)
    }

    async fn intend(
        &self,
        id: AccountId,
        row: Option<TokenRow>,
        order: Renewal,
    ) -> Result<TokenRow, Renewed> {
        let (mut row, expect) = match row {
            Some(row) => {
                let expect = Expect::Version(row.version);
                (row, expect)
            }
            None => (self.first_row(id)?, Expect::Absent),
        };
        row.needs_login = None;
        row.intent = Some(Intent {
            generation: row.generation,
            node: self.member.node.clone(),
            boot_epoch: self.member.boot_epoch,
            at_ms: now_ms(),
            last: order.last,
        });
        self.store.put_token(row, expect, None).await.map_err(away)
    }

    /// Of an account whose first token is got by its settings alone.
    fn first_row(&self, id: AccountId) -> Result<TokenRow, Renewed> {
        let nothing = SealedTokens {
            access_token: SecretString::default(),
            refresh_token: None,
            declared: None,
        };
        Ok(TokenRow {
            account: id,
            generation: 0,
            obtained_ms: 0,
            expires_ms: 0,
            sealed: credential::seal_tokens(&self.vault, id, 0, &nothing).map_err(postponed)?,
            intent: None,
            needs_login: None,
            version: 0,
        })
    }

    /// The new generation. It is used even where the store does not take it: the old one is spent.
    async fn accept(
        &self,
        old: TokenRow,
        old_tokens: Option<SealedTokens>,
        new: Tokens,
    ) -> Renewed {
        let id = old.account;
        let (generation, obtained_ms) = (old.generation + 1, now_ms());
        let life_ms = new
            .expires_in_s
            .map_or(DEFAULT_LIFE_MS, |s| s.saturating_mul(1_000));
        let (old_refresh_token, declared) = old_tokens
            .map(|tokens| (tokens.refresh_token, tokens.declared))
            .unwrap_or_default();
        let tokens = SealedTokens {
            access_token: new.access_token.clone(),
            refresh_token: new.refresh_token.or(old_refresh_token),
            declared,
        };
        let sealed = match credential::seal_tokens(&self.vault, id, generation, &tokens) {
            Ok(sealed) => sealed,
            Err(error) => {
                return Renewed::Unknown {
                    reason: format!("new tokens cannot be sealed: {error}"),
                };
            }
        };
        let row = TokenRow {
            account: id,
            generation,
            obtained_ms,
            expires_ms: obtained_ms.saturating_add(life_ms),
            sealed,
            intent: None,
            needs_login: None,
            version: old.version,
        };
        let adopted = match self.save(row.clone()).await {
            Ok(None) => false,
            Ok(Some(other)) => match credential::open_token(&self.vault, &other) {
                Ok(Some(token)) => {
                    return Renewed::Done {
                        token,
                        adopted: true,
                    };
                }
                _ => false,
            },
            Err(error) => {
                tracing::error!(account.id = %id, %error, "renewed tokens could not be stored; they serve meanwhile, and are stored before the next renewal");
                self.unsaved.insert(id, row.clone());
                false
            }
        };
        match credential::token_of(&row, new.access_token) {
            Some(token) => Renewed::Done { token, adopted },
            None => Renewed::Unknown {
                reason: "the endpoint gave an empty token".into(),
            },
        }
    }

    async fn failed(
        &self,
        row: TokenRow,
        settings: &OauthSettings,
        order: Renewal,
        fault: TokenFault,
    ) -> Renewed {
        let single_use = settings.grant.is_single_use();
        let reason = fault.to_string();
        let (intent, needs_login, outcome) = match fault {
            TokenFault::Refused { .. } if single_use => {
                (None, Some(reason.clone()), Renewed::Refused { reason })
            }
            TokenFault::Unknown(_) if single_use && order.last => {
                (None, Some(reason.clone()), Renewed::Unknown { reason })
            }
            TokenFault::Unknown(_) if single_use => return Renewed::Unknown { reason },
            TokenFault::Busy { retry_after_ms } => {
                let outcome = Renewed::Postponed {
                    reason,
                    after_ms: retry_after_ms,
                };
                (earlier(&row, order), None, outcome)
            }
            _ => (earlier(&row, order), None, postponed(reason)),
        };
        if let Grant::RefreshToken = settings.grant
            && matches!(outcome, Renewed::Postponed { .. })
        {
            self.presented
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&row.account);
        }
        let concluded = TokenRow {
            intent,
            needs_login,
            ..row
        };
        let id = concluded.account;
        if let Err(error) = self.conclude(concluded).await {
            tracing::warn!(account.id = %id, %error, "the outcome of a renewal could not be stored");
        }
        outcome
    }
}

/// A last attempt that was not made leaves what was unknown before it unknown.
fn earlier(row: &TokenRow, order: Renewal) -> Option<Intent> {
    row.intent
        .clone()
        .filter(|_| order.last)
        .map(|intent| Intent {
            last: false,
            boot_epoch: 0,
            ..intent
        })
}

fn postponed(reason: impl ToString) -> Renewed {
    Renewed::Postponed {
        reason: reason.to_string(),
        after_ms: None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn away(error: StoreError) -> Renewed {
    postponed(format!("nothing was presented: {error}"))
}

fn tell(account: &AccountView, outcome: &Renewed) {
    let (id, name) = (account.id(), account.record.name.as_str());
    let word = match outcome {
        Renewed::Done { token, adopted } => {
            tracing::info!(account.id = %id, account.name = name, generation = token.generation, adopted, "tokens renewed");
            if *adopted { "adopted" } else { "renewed" }
        }
        Renewed::Refused { reason } => {
            tracing::warn!(account.id = %id, account.name = name, %reason, "renewal refused; log in with `troupe account login`");
            "refused"
        }
        Renewed::Postponed { reason, .. } => {
            tracing::warn!(account.id = %id, account.name = name, %reason, "renewal postponed");
            "postponed"
        }
        Renewed::Unknown { reason } => {
            tracing::warn!(account.id = %id, account.name = name, %reason, "renewal has no known outcome; the old token serves to its end");
            "unknown"
        }
    };
    metrics::counter!("troupe_token_refresh_total", "outcome" => word).increment(1);
}
