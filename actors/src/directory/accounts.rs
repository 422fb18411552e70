//! Accounts in the directory: every account has a running actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use troupe_core::AccountId;
use troupe_core::account::{
    Account, AccountRecord, AccountState, AccountTell, AccountUpdate, AccountView, LaneState,
    Secrets, TokenSeed,
};
use troupe_core::gate::Slots;
use troupe_core::standing::Standing;

use super::Directory;
use crate::account::{AccountEffects, AccountSet, ActiveAccount};
use crate::shell::{Depth, Gone, Seed, spawn};
use crate::tree::Room;

/// What an account's actor is started from.
#[derive(Clone, Debug)]
pub struct AccountSeed {
    pub record: AccountRecord,
    /// The secrets, opened.
    pub secrets: Secrets,
    /// Its tokens, for a new actor; for one that runs only those that a login or an import brought.
    pub token: Option<TokenSeed>,
    /// What was learnt before the last stop.
    pub state: Option<AccountState>,
}

impl Directory {
    /// All accounts, by name; a lock-free read.
    #[must_use]
    pub fn accounts(&self) -> arc_swap::Guard<Arc<AccountSet>> {
        self.accounts.load()
    }

    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Arc<ActiveAccount>> {
        self.accounts.load().get(id).cloned()
    }

    #[must_use]
    pub fn account_by_name(&self, name: &str) -> Option<Arc<ActiveAccount>> {
        let accounts = self.accounts.load();
        accounts.iter().find(|a| &*a.name == name).cloned()
    }

    /// Starts or updates accounts and stops those in `gone`, in one swap. Running requests keep what they hold.
    pub fn put_accounts(self: &Arc<Self>, seeds: Vec<AccountSeed>, gone: &[AccountId]) {
        let _changing = self.change();
        let before = self.accounts.load_full();
        let mut accounts: Vec<_> = Vec::with_capacity(before.len() + seeds.len());
        for account in before.iter() {
            if gone.contains(&account.id) {
                let (handle, quota) = (account.handle.clone(), account.quota.load_full());
                self.tree.io.spawn(async move {
                    handle.stop().await;
                    if let Some(quota) = quota {
                        super::quotas::retire(&quota).await;
                    }
                });
            } else {
                accounts.push(Arc::clone(account));
            }
        }
        for seed in seeds {
            let running = before
                .get(seed.record.id)
                .filter(|a| !a.is_gone() && !gone.contains(&a.id));
            match running {
                Some(running) => {
                    self.limit_account(running, &seed.record);
                    running.secrets.store(Arc::new(seed.secrets.clone()));
                    running
                        .handle
                        .tell(AccountTell::Update(Box::new(AccountUpdate {
                            record: seed.record,
                            secrets: seed.secrets,
                            token: seed.token,
                        })));
                }
                None => {
                    accounts.retain(|a| a.id != seed.record.id);
                    accounts.push(Arc::new(self.start_account(seed)));
                }
            }
        }
        self.accounts.store(Arc::new(AccountSet::new(accounts)));
        self.waiting.room();
    }

    fn start_account(self: &Arc<Self>, seed: AccountSeed) -> ActiveAccount {
        let clock = self.tree.clock;
        let slots = Slots::new(seed.record.concurrent);
        let waiting = Arc::clone(&self.waiting);
        slots.on_room(move || waiting.room());
        let (id, name): (_, Arc<str>) = (seed.record.id, seed.record.name.as_str().into());
        let gone = Arc::new(AtomicBool::new(false));
        let first = Account::new(
            seed.record,
            seed.secrets.clone(),
            seed.token.unwrap_or_default(),
            seed.state,
            Arc::clone(&slots),
            clock.now(),
        );
        let secrets = Arc::new(ArcSwap::from_pointee(seed.secrets));
        let first_view = troupe_core::Machine::view(&first);
        let standing = Arc::new(Standing::new(&first_view.standing()));
        let view = Arc::new(ArcSwap::from_pointee(first_view));
        let build = {
            let (slots, view) = (Arc::clone(&slots), Arc::clone(&view));
            let (mut first, secrets) = (Some(first), Arc::clone(&secrets));
            move || {
                first
                    .take()
                    .unwrap_or_else(|| rebuilt(&secrets.load(), &view.load(), &slots, clock.now()))
            }
        };
        let published = (Arc::clone(&view), Arc::clone(&standing));
        let opened = Arc::clone(&self.waiting);
        let lost = Arc::clone(&gone);
        let handle = spawn(
            &self.tree,
            Room::Ledger,
            Seed {
                name: "account",
                build: Box::new(build),
                publish: Box::new(move |view| {
                    let now_ms = clock.now().unix_ms;
                    let was_closed = published.1.is_closed(now_ms);
                    published.1.publish(&view.standing());
                    published.0.store(Arc::new(view));
                    if was_closed && !published.1.is_closed(now_ms) {
                        opened.room();
                    }
                }),
                effects: Arc::new(AccountEffects {
                    store: Arc::clone(&self.stores.accounts),
                    prober: Arc::clone(&self.outside.prober),
                    keeper: Arc::clone(&self.outside.keeper),
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
        let account = ActiveAccount {
            id,
            name,
            standing,
            view,
            slots,
            handle,
            quota: ArcSwapOption::empty(),
            secrets,
            gone,
        };
        let record = Arc::clone(&account.view.load().record);
        self.limit_account(&account, &record);
        account
    }
}

/// After a panic: what the actor had published last. Its counters begin anew from what was saved.
fn rebuilt(
    secrets: &Secrets,
    view: &AccountView,
    slots: &Arc<Slots>,
    now: troupe_core::Now,
) -> Account {
    let mut state = AccountState::new(view.id(), now.unix_ms);
    for lane in &view.lanes {
        let known = LaneState {
            health: lane.health.clone(),
            cooldowns: lane.cooldowns.to_vec(),
            windows: lane.windows.to_vec(),
        };
        state.lanes.insert(lane.auth, known);
    }
    let tokens = view.lanes.iter().find_map(|lane| {
        let token = lane.token.as_ref()?;
        Some(TokenSeed::of_view(token, lane.credential.clone()))
    });
    Account::new(
        view.record.as_ref().clone(),
        secrets.clone(),
        tokens.unwrap_or_default(),
        Some(state),
        Arc::clone(slots),
        now,
    )
}
