//! Quotas in the directory: those of the gateway and of groups run as long as there are limits for them; those of keys
//! and accounts belong to their entries.
//!
//! Invariant: a change of the policy reaches every quota that runs, and those that start later start with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use troupe_core::KeyId;
use troupe_core::gate::Entry;
use troupe_core::key::KeyRecord;
use troupe_core::limit::{Gate, Scope, ScopeView};
use troupe_core::quota::{
    KeyLedger, LimitPolicy, Quota, QuotaAsk, QuotaRecord, QuotaShared, QuotaTell,
};

use super::Directory;
use crate::quota::{ActiveQuota, QuotaEffects};
use crate::shell::{Depth, Gone, Seed, spawn};
use crate::tree::Room;

/// How often what is stored of windows that are over is dropped.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// What it has charged is in the store, and it has left.
pub(super) async fn retire(quota: &ActiveQuota) {
    let _ = quota.handle.ask(QuotaAsk::Flush).await;
    quota.entry.close();
    quota.handle.stop().await;
}

/// The quotas that are wider than one key, and what they were made of.
#[derive(Debug, Default)]
pub(super) struct WideQuotas {
    policy: Arc<LimitPolicy>,
    gateway: Option<Arc<ActiveQuota>>,
    groups: HashMap<Arc<str>, Arc<ActiveQuota>>,
}

impl Directory {
    /// What the configuration says about limits.
    #[must_use]
    pub fn limit_policy(&self) -> Arc<LimitPolicy> {
        Arc::clone(&self.wide.load().policy)
    }

    /// Takes over what the configuration says now; what was charged stays.
    pub fn set_limit_policy(self: &Arc<Self>, policy: Arc<LimitPolicy>) {
        let _changing = self.change();
        let before = self.wide.load_full();
        if before.policy == policy && before.gateway.is_some() {
            return;
        }
        // First the policy alone: a quota that starts looks here for what it is.
        self.wide.store(Arc::new(WideQuotas {
            policy: Arc::clone(&policy),
            gateway: before.gateway.clone(),
            groups: before.groups.clone(),
        }));
        let gateway = self.put_quota(&before.gateway, QuotaRecord::of_gateway(&policy));
        // A group that has no limits any more keeps its actor: they may come back within the window.
        let mut groups = before.groups.clone();
        for name in before.groups.keys().chain(policy.groups.keys()) {
            let running = groups.get(name).cloned();
            let quota = self.put_quota(&running, QuotaRecord::of_group(name, &policy));
            groups.insert(Arc::clone(name), quota);
        }
        self.wide.store(Arc::new(WideQuotas {
            policy: Arc::clone(&policy),
            gateway: Some(gateway),
            groups,
        }));
        for entry in self.keys.load().by_id.values() {
            if let Some(active) = entry.active() {
                let record = QuotaRecord::of_key(&entry.record(), &policy);
                active.handle.tell(QuotaTell::Update(Arc::new(record)));
            }
        }
        for account in self.accounts.load().iter() {
            self.limit_account(account, &account.view.load().record);
        }
    }

    /// The quotas of other scopes that a key's requests have to keep, the gateway last; none without limits.
    pub fn wide_quotas(&self, key: &KeyRecord, mut each: impl FnMut(&Arc<ActiveQuota>)) {
        let wide = self.wide.load();
        let group = key.group.as_ref().and_then(|group| wide.groups.get(group));
        for quota in group.into_iter().chain(wide.gateway.iter()) {
            if !quota.gate.is_open() {
                each(quota);
            }
        }
    }

    /// What they have charged is in the store, and they have left.
    pub(super) async fn drain_quotas(&self) {
        let wide = self.wide.load_full();
        let accounts = self.accounts.load_full();
        let of_accounts = accounts
            .iter()
            .filter_map(|account| account.quota.load_full());
        for quota in wide
            .gateway
            .iter()
            .chain(wide.groups.values())
            .cloned()
            .chain(of_accounts)
        {
            retire(&quota).await;
        }
    }

    /// Drops what is stored of windows that are over, now and then, as long as the directory lives.
    pub(super) fn prune_quotas(self: &Arc<Self>) {
        let (directory, clock) = (Arc::downgrade(self), self.tree.clock);
        self.tree.io.spawn(async move {
            loop {
                let Some(stores) = directory.upgrade().map(|found| found.stores.clone()) else {
                    return;
                };
                let now_ms = clock.now().unix_ms;
                if let Err(error) = stores.quotas.prune(now_ms).await {
                    tracing::warn!(%error, "what limits have charged of past windows could not be dropped");
                }
                drop(stores);
                tokio::time::sleep(PRUNE_EVERY).await;
            }
        });
    }

    fn put_quota(
        self: &Arc<Self>,
        running: &Option<Arc<ActiveQuota>>,
        record: QuotaRecord,
    ) -> Arc<ActiveQuota> {
        match running {
            Some(quota) => {
                quota.handle.tell(QuotaTell::Update(Arc::new(record)));
                Arc::clone(quota)
            }
            None => {
                // The present record, for a machine that is rebuilt, is what the policy says then.
                let (directory, scope) = (Arc::downgrade(self), record.scope.clone());
                let first = Arc::new(record);
                let rebuilt = move || {
                    let policy = directory
                        .upgrade()
                        .map(|directory| directory.limit_policy());
                    match (&scope, policy) {
                        (Scope::Gateway, Some(policy)) => {
                            Arc::new(QuotaRecord::of_gateway(&policy))
                        }
                        (Scope::Group(name), Some(policy)) => {
                            Arc::new(QuotaRecord::of_group(name, &policy))
                        }
                        _ => Arc::clone(&first),
                    }
                };
                let is_gateway = matches!(rebuilt().scope, Scope::Gateway);
                let stats = Arc::clone(&self.tree.stats);
                Arc::new(self.start_quota(rebuilt, move |how, _| {
                    // Without it nothing could be let through; of a group only its keys are lost.
                    if how == Gone::Quarantined && is_gateway {
                        stats.lose();
                    }
                }))
            }
        }
    }

    /// Starts a quota of what `record` says at its start and after a panic.
    pub(super) fn start_quota(
        self: &Arc<Self>,
        record: impl Fn() -> Arc<QuotaRecord> + Send + 'static,
        on_gone: impl FnOnce(Gone, &Arc<Entry>) + Send + 'static,
    ) -> ActiveQuota {
        let clock = self.tree.clock;
        let entry = Entry::new(clock.now().mono_ms);
        let first = record();
        let shared = QuotaShared {
            gate: Gate::new(ScopeView::cold(first.scope.clone(), &first.label)),
            entry: Arc::clone(&entry),
            ledger: KeyLedger::default(),
            rows: Arc::clone(&self.stores.cells),
        };
        let key = match first.scope {
            Scope::Key(id) => id,
            _ => KeyId::declared(""),
        };
        let idle_ms = u64::try_from(self.config.key_idle.as_millis()).unwrap_or(u64::MAX);
        let build = {
            let shared = shared.clone();
            move || Quota::new(record(), &shared, idle_ms, clock.now())
        };
        let closing = Arc::clone(&entry);
        let handle = spawn(
            &self.tree,
            Room::Ledger,
            Seed {
                name: "quota",
                build: Box::new(build),
                publish: Box::new(|()| {}),
                effects: Arc::new(QuotaEffects {
                    quotas: Arc::clone(&self.stores.quotas),
                    keys: Arc::clone(&self.stores.keys),
                    key,
                    clock,
                }),
                on_gone: Box::new(move |how| {
                    closing.close();
                    on_gone(how, &closing);
                }),
                depth: Depth::new(self.config.ask_bound),
                clock,
                io: self.tree.io.clone(),
                stats: Arc::clone(&self.tree.stats),
            },
        );
        let waker = handle.clone();
        shared.gate.on_freed(move || waker.tell(QuotaTell::Freed));
        ActiveQuota {
            entry,
            gate: shared.gate,
            ledger: shared.ledger,
            handle,
        }
    }

    /// Gives an account the quota of its limits: started with the first, told of changes.
    pub(super) fn limit_account(
        self: &Arc<Self>,
        account: &crate::account::ActiveAccount,
        record: &troupe_core::account::AccountRecord,
    ) {
        let policy = self.limit_policy();
        let quota = QuotaRecord::of_account(record, &policy);
        match account.quota.load_full() {
            Some(running) => running.handle.tell(QuotaTell::Update(Arc::new(quota))),
            None if quota.rules.is_empty() => {}
            None => {
                let (directory, id, first) = (Arc::downgrade(self), account.id, Arc::new(quota));
                let record = move || {
                    let directory = directory.upgrade();
                    let account = directory.as_ref().and_then(|directory| {
                        Some((directory.account(id)?, directory.limit_policy()))
                    });
                    account.map_or_else(
                        || Arc::clone(&first),
                        |(account, policy)| {
                            let record = &account.view.load().record;
                            Arc::new(QuotaRecord::of_account(record, &policy))
                        },
                    )
                };
                let started = self.start_quota(record, |_, _| {});
                account.quota.store(Some(Arc::new(started)));
            }
        }
    }
}
