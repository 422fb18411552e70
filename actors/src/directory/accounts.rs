//! Accounts in the directory: every account has a running actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use troupe_core::AccountId;
use troupe_core::account::{
    Account, AccountRecord, AccountState, AccountTell, AccountView, Credential,
};
use troupe_core::gate::Slots;

use super::Directory;
use crate::account::{AccountEffects, ActiveAccount};
use crate::shell::{Depth, Gone, Seed, spawn};
use crate::tree::Room;

/// What an account's actor is started from.
#[derive(Clone, Debug)]
pub struct AccountSeed {
    pub record: AccountRecord,
    /// The credential, opened.
    pub credential: Arc<Credential>,
    /// What was learnt before the last stop.
    pub state: Option<AccountState>,
}

impl Directory {
    /// All accounts, by name; a lock-free read.
    #[must_use]
    pub fn accounts(&self) -> arc_swap::Guard<Arc<Vec<Arc<ActiveAccount>>>> {
        self.accounts.load()
    }

    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Arc<ActiveAccount>> {
        self.accounts.load().iter().find(|a| a.id == id).cloned()
    }

    #[must_use]
    pub fn account_by_name(&self, name: &str) -> Option<Arc<ActiveAccount>> {
        self.accounts
            .load()
            .iter()
            .find(|a| &*a.name == name)
            .cloned()
    }

    /// Starts or updates accounts and stops those in `gone`, in one swap. Running requests keep what they hold.
    pub fn put_accounts(self: &Arc<Self>, seeds: Vec<AccountSeed>, gone: &[AccountId]) {
        let _changing = self.change();
        let mut accounts: Vec<_> = self.accounts.load().as_ref().clone();
        accounts.retain(|account| {
            let stays = !gone.contains(&account.id);
            if !stays {
                let handle = account.handle.clone();
                self.tree.io.spawn(async move { handle.stop().await });
            }
            stays
        });
        for seed in seeds {
            match accounts
                .iter()
                .find(|a| a.id == seed.record.id && !a.is_gone())
            {
                Some(running) => running.handle.tell(AccountTell::Update(Box::new((
                    seed.record,
                    seed.credential,
                )))),
                None => {
                    accounts.retain(|a| a.id != seed.record.id);
                    accounts.push(Arc::new(self.start_account(seed)));
                }
            }
        }
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        self.accounts.store(Arc::new(accounts));
    }

    fn start_account(self: &Arc<Self>, seed: AccountSeed) -> ActiveAccount {
        let clock = self.tree.clock;
        let slots = Slots::new(seed.record.concurrent);
        let (id, name): (_, Arc<str>) = (seed.record.id, seed.record.name.as_str().into());
        let gone = Arc::new(AtomicBool::new(false));
        let first = Account::new(
            seed.record.clone(),
            Arc::clone(&seed.credential),
            seed.state.clone(),
            Arc::clone(&slots),
            clock.now(),
        );
        let view = Arc::new(ArcSwap::from_pointee(troupe_core::Machine::view(&first)));
        let build = {
            let (slots, view) = (Arc::clone(&slots), Arc::clone(&view));
            let mut first = Some(first);
            move || {
                first
                    .take()
                    .unwrap_or_else(|| rebuilt(&seed, &view.load(), &slots, clock.now()))
            }
        };
        let (published, lost) = (Arc::clone(&view), Arc::clone(&gone));
        let handle = spawn(
            &self.tree,
            Room::Ledger,
            Seed {
                name: "account",
                build: Box::new(build),
                publish: Box::new(move |v| published.store(Arc::new(v))),
                effects: Arc::new(AccountEffects {
                    store: Arc::clone(&self.stores.accounts),
                    prober: Arc::clone(&self.prober.0),
                }),
                on_gone: Box::new(move |how| {
                    if how == Gone::Quarantined {
                        lost.store(true, Ordering::SeqCst);
                    }
                }),
                depth: Depth::new(self.config.ask_bound),
                clock,
                io: self.tree.io.clone(),
                stats: Arc::clone(&self.tree.stats),
            },
        );
        ActiveAccount {
            id,
            name,
            view,
            slots,
            handle,
            gone,
        }
    }
}

/// After a panic: the record the actor was started with, overlaid by what it had published last.
fn rebuilt(
    seed: &AccountSeed,
    view: &AccountView,
    slots: &Arc<Slots>,
    now: troupe_core::Now,
) -> Account {
    let record = AccountRecord {
        base_url: view.base_url.to_string(),
        headers: view.headers.as_ref().clone(),
        models: view.models.as_ref().clone(),
        enabled: view.enabled,
        concurrent: Some(slots.limit()).filter(|&limit| limit != troupe_core::gate::UNLIMITED),
        ..seed.record.clone()
    };
    let state = AccountState {
        id: seed.record.id,
        health: view.health.clone(),
        cooldowns: view.cooldowns.to_vec(),
        updated_ms: now.unix_ms,
    };
    Account::new(
        record,
        Arc::clone(&view.credential),
        Some(state),
        Arc::clone(slots),
        now,
    )
}
