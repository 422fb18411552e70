//! What all HTTP workers of a process share.
//!
//! Invariant: requests read published snapshots here and copy nothing of the configuration at start; what a reload
//! changes is swapped whole.

use std::ops::Deref;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use secrecy::SecretString;
use tokio::sync::mpsc;
use troupe_actors::Directory;
use troupe_core::KeyId;
use troupe_core::account::Health;
use troupe_core::port::{Members, Stores};
use troupe_storage::StoreHealth;
use troupe_storage::crypt::KeyHasher;
use troupe_upstream::breaker::Breakers;

use crate::audit::Audit;
use crate::bodies::BodyQueue;
use crate::load::Load;
use crate::networks::Networks;
use crate::pipeline::web::WebSessions;
use crate::plan::Plan;
use crate::telemetry::Telemetry;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Starting,
    Ready,
    /// No new work is wanted; what runs is finished.
    Draining,
    /// What still runs is cut, and told so.
    Stopping,
}

/// Writes of keys that may wait.
const KEY_WRITES: usize = 64;

/// What a key's use means for its row. Each is asked for again by the next use, until it is written.
#[derive(Debug)]
pub enum KeyWrite {
    /// It is stored as another gateway hashed it, and was used with this secret: hash it as ours.
    Rehash { id: KeyId, secret: SecretString },
    /// Its end counts from its first use, which was this one (ms since the Unix epoch).
    FirstUse { id: KeyId, at_ms: u64 },
}

/// What the gateway is made of.
#[derive(Clone)]
pub struct Shared {
    pub directory: Arc<Directory>,
    pub stores: Stores,
    pub hasher: Arc<KeyHasher>,
    pub networks: Arc<Networks>,
    pub telemetry: Arc<Telemetry>,
    pub members: Arc<dyn Members>,
    pub audit: Audit,
    /// How the store does; `None` where nothing can be away.
    pub store: Option<Arc<StoreHealth>>,
}

/// Shared by the workers, the control socket and the lifecycle.
pub struct Gateway {
    shared: Shared,
    pub plan: ArcSwap<Plan>,
    pub load: Arc<Load>,
    /// One for each upstream host.
    pub breakers: Breakers,
    pub web: WebSessions,
    /// Where bodies that are kept are handed over.
    pub bodies: BodyQueue,
    /// Taken by the composition root.
    key_writes: OnceLock<mpsc::Sender<KeyWrite>>,
    phase: AtomicU8,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

impl Gateway {
    #[must_use]
    pub fn new(shared: Shared, plan: Plan) -> Arc<Self> {
        let load = Arc::new(Load::new(plan.bodies_in_memory_bytes));
        shared.stores.bodies.bound(plan.bodies.all_bytes);
        let bodies = BodyQueue::start(
            Arc::clone(&shared.stores.bodies),
            shared.directory.tree().io(),
        );
        Arc::new(Self {
            shared,
            plan: ArcSwap::from_pointee(plan),
            load,
            breakers: Breakers::new(troupe_upstream::breaker::Settings::default()),
            web: WebSessions::default(),
            bodies,
            key_writes: OnceLock::new(),
            phase: AtomicU8::new(0),
        })
    }

    /// Where writes of keys come out. The first caller has them.
    #[must_use]
    pub fn key_writes(&self) -> mpsc::Receiver<KeyWrite> {
        let (to, writes) = mpsc::channel(KEY_WRITES);
        let _ = self.key_writes.set(to);
        writes
    }

    /// A request found what is to be written. Over the bound the key's next use asks again.
    pub fn ask_key_write(&self, write: KeyWrite) {
        if let Some(to) = self.key_writes.get() {
            let _ = to.try_send(write);
        }
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            2 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Prometheus text, with the gauges that are read at the moment of asking.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        use metrics::{counter, gauge};
        let now_ms = self.directory.clock().now().unix_ms;
        for account in self.directory.accounts().iter() {
            let view = account.view.load();
            let state = view.state();
            for known in Health::WORDS.into_iter().chain(["disabled"]) {
                let value = f64::from(u8::from(known == state));
                gauge!("troupe_account_state", "account" => account.name.to_string(), "state" => known).set(value);
            }
            for window in view.lanes.iter().flat_map(|lane| lane.windows.iter()) {
                let name = window.name.to_string();
                let used = if window.reset_ms > now_ms {
                    window.used_ppm
                } else {
                    0
                };
                gauge!("troupe_account_utilization", "account" => account.name.to_string(), "window" => name)
                    .set(f64::from(used) / 1e6);
            }
        }
        let (waiting, affinities) = (self.directory.waiting(), self.directory.affinities());
        gauge!("troupe_requests_waiting").set(waiting.count() as f64);
        gauge!("troupe_sessions_active").set(self.directory.session_count() as f64);
        gauge!("troupe_session_rows_unsaved").set(affinities.unsaved() as f64);
        counter!("troupe_session_rows_saved_total").absolute(affinities.saved());
        counter!("troupe_session_rows_dropped_total").absolute(affinities.dropped());
        gauge!("troupe_cluster_nodes").set(self.members.live() as f64);
        self.audit.figures().publish();
        if let Some(store) = &self.store {
            gauge!("troupe_store_up").set(f64::from(u8::from(store.is_up())));
            gauge!("troupe_store_rows_unsaved").set(store.dirty_rows() as f64);
            counter!("troupe_store_failures_total").absolute(store.failures());
            gauge!("troupe_spool_bytes").set(store.spooled_bytes() as f64);
            counter!("troupe_spool_lost_total").absolute(store.spool_lost());
        }
        counter!("troupe_log_rows_dropped_total")
            .absolute(self.directory.recorder().view.load().dropped);
        for (why, count) in self.bodies.dropped() {
            counter!("troupe_log_bodies_dropped_total", "why" => why).absolute(count);
        }
        gauge!("troupe_log_bodies_held_bytes").set(self.bodies.room.used_bytes() as f64);
        counter!("troupe_actor_restarts_total").absolute(self.directory.tree().panics());
        gauge!("troupe_actor_mailbox_depth", "actor" => "recorder")
            .set(self.directory.recorder().handle.stats().asks as f64);
        self.telemetry.render()
    }

    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }
}
