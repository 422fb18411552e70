//! The directory: published snapshots of keys, accounts and sessions, and the activation of their actors.
//!
//! Reads are lock-free; changes swap a snapshot whole. A record in the directory is the authority for actors that are
//! rebuilt after a panic.
//!
//! Invariant: a key's secret, or an account's, is never a map key in clear; maps are bounded; a request that meets a
//! closed gate looks the actor up again.

mod accounts;
mod keys;
mod quotas;
mod sessions;
mod waiting;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use troupe_core::account::AccountAsk;
use troupe_core::port::{Prober, Stores, TokenKeeper};
use troupe_core::quota::QuotaAsk;
use troupe_core::recorder::{Recorder, RecorderAsk, RecorderView, Retention};
use troupe_core::{KeyHash, KeyId, SessionKey};

use crate::account::AccountSet;
use crate::key::KeyEntry;
use crate::recorder::{ActiveRecorder, RecorderEffects};
use crate::session::{ActiveSession, Affinities};
use crate::shell::{Clock, Depth, Gone, Seed, spawn};
use crate::tree::{Room, Tree};

pub use accounts::AccountSeed;
pub use keys::Inactive;
pub use waiting::{Waiter, Waiting};

/// Bounds and lifetimes; changed only by a restart, except the affinity.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryConfig {
    /// Asks that may wait in one actor.
    pub ask_bound: usize,
    pub key_idle: Duration,
    pub session_idle: Duration,
    pub max_sessions: usize,
    /// Sessions whose account is remembered, active or not.
    pub max_affinities: u64,
    pub affinity_ttl: Duration,
    pub log_retention: Duration,
    pub bodies_retention: Duration,
    pub usage_retention: Duration,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            ask_bound: 1_024,
            key_idle: Duration::from_secs(900),
            session_idle: Duration::from_secs(900),
            max_sessions: 100_000,
            max_affinities: 100_000,
            affinity_ttl: Duration::from_secs(3_600),
            log_retention: Duration::from_secs(30 * 86_400),
            bodies_retention: Duration::from_secs(7 * 86_400),
            usage_retention: Duration::from_secs(400 * 86_400),
        }
    }
}

impl DirectoryConfig {
    /// As the recorder counts it.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let ms = |kept: Duration| u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        Retention {
            log_ms: ms(self.log_retention),
            bodies_ms: ms(self.bodies_retention),
            usage_ms: ms(self.usage_retention),
        }
    }
}

/// Keys by hash (the request path) and by id (everything else), swapped together.
#[derive(Debug, Default)]
struct KeyMap {
    by_hash: HashMap<KeyHash, Arc<KeyEntry>, BuildHasherDefault<Spread>>,
    by_id: HashMap<KeyId, Arc<KeyEntry>>,
    /// Some are stored as another gateway hashed them.
    foreign: bool,
}

/// A key's hash is already spread evenly, under a secret that nobody outside knows: its first bytes serve as they are.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

/// What is published, and who can be woken.
#[derive(Debug)]
pub struct Directory {
    tree: Tree,
    stores: Stores,
    outside: Outside,
    config: DirectoryConfig,
    keys: Arc<ArcSwap<KeyMap>>,
    accounts: ArcSwap<AccountSet>,
    /// The quotas of the gateway and of groups.
    wide: ArcSwap<quotas::WideQuotas>,
    /// Requests that wait for a slot of any account.
    waiting: Arc<Waiting>,
    sessions: DashMap<SessionKey, Arc<ActiveSession>>,
    affinities: Affinities,
    recorder: ActiveRecorder,
    /// Serialises changes of the snapshots; never taken by a request.
    changing: std::sync::Mutex<()>,
}

/// What accounts ask of the world besides the store.
#[derive(Clone)]
pub struct Outside {
    pub prober: Arc<dyn Prober>,
    pub keeper: Arc<dyn TokenKeeper>,
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outside")
    }
}

impl Directory {
    /// Must be called inside an actix system (see [`Tree::start`]).
    #[must_use]
    pub fn start(
        tree: Tree,
        stores: Stores,
        outside: Outside,
        config: DirectoryConfig,
    ) -> Arc<Self> {
        let keys: Arc<ArcSwap<KeyMap>> = Arc::default();
        let recorder = start_recorder(&tree, &stores, config, Arc::clone(&keys));
        let affinities = Affinities::start(
            Arc::clone(&stores.sessions),
            &tree.io,
            config.max_affinities,
            config.affinity_ttl,
            tree.clock,
        );
        let directory = Arc::new(Self {
            tree,
            stores,
            outside,
            config,
            keys,
            accounts: ArcSwap::default(),
            wide: ArcSwap::default(),
            waiting: Arc::default(),
            sessions: DashMap::new(),
            affinities,
            recorder,
            changing: std::sync::Mutex::new(()),
        });
        directory.prune_quotas();
        directory
    }

    #[must_use]
    pub fn clock(&self) -> Clock {
        self.tree.clock
    }

    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Requests that wait for a slot of any account.
    #[must_use]
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    #[must_use]
    pub fn recorder(&self) -> &ActiveRecorder {
        &self.recorder
    }

    fn change(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Stops every actor in order: sessions, keys (their totals saved), accounts, recorder (its rows written).
    /// The arbiters end when the directory is dropped or [`Self::finish`]ed.
    pub async fn drain(&self) {
        let sessions: Vec<_> = self
            .sessions
            .iter()
            .map(|s| Arc::clone(s.value()))
            .collect();
        for session in sessions {
            session.entry.close();
            session.handle.stop().await;
        }
        let keys: Vec<_> = self
            .keys
            .load()
            .by_id
            .values()
            .filter_map(|k| k.active())
            .collect();
        for key in keys {
            let _ = key.handle.ask(QuotaAsk::Flush).await;
            key.entry.close();
            key.handle.stop().await;
        }
        self.drain_quotas().await;
        self.affinities.flush().await;
        for account in self.accounts.load().iter() {
            let _ = account.handle.ask(AccountAsk::Flush).await;
            account.handle.stop().await;
        }
        let _ = self.recorder.handle.ask(RecorderAsk::Flush).await;
        self.recorder.handle.stop().await;
    }

    /// Ends the arbiters; call after [`Self::drain`], when no request holds the directory any more.
    pub fn finish(self: Arc<Self>) -> bool {
        let Ok(directory) = Arc::try_unwrap(self).map_err(drop) else {
            return false;
        };
        directory.tree.stop();
        true
    }
}

fn start_recorder(
    tree: &Tree,
    stores: &Stores,
    config: DirectoryConfig,
    keys: Arc<ArcSwap<KeyMap>>,
) -> ActiveRecorder {
    let view = Arc::new(ArcSwap::from_pointee(RecorderView::default()));
    let (published, clock) = (Arc::clone(&view), tree.clock);
    let stats = Arc::clone(&tree.stats);
    let retention = Arc::new(ArcSwap::from_pointee(config.retention()));
    let kept = Arc::clone(&retention);
    let handle = spawn(
        tree,
        Room::Bulk,
        Seed {
            name: "recorder",
            build: Box::new(move || Recorder::new(**kept.load(), clock.now())),
            publish: Box::new(move |v| published.store(Arc::new(v))),
            effects: Arc::new(RecorderEffects {
                log: Arc::clone(&stores.log),
                bodies: Arc::clone(&stores.bodies),
                usage: Arc::clone(&stores.usage),
                key_names: Arc::new(move |id| {
                    let entry = Arc::clone(keys.load().by_id.get(&id)?);
                    Some(entry.record().name.as_str().into())
                }),
            }),
            on_gone: Box::new(move |how| {
                if how == Gone::Quarantined {
                    stats.lose();
                }
            }),
            depth: Depth::new(config.ask_bound),
            clock,
            io: tree.io.clone(),
            stats: Arc::clone(&tree.stats),
        },
    );
    ActiveRecorder {
        view,
        handle,
        retention,
    }
}
