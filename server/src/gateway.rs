//! What all HTTP workers of a process share.
//!
//! Invariant: requests read published snapshots here and copy nothing of the configuration at start; what a reload
//! changes is swapped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use troupe_actors::Directory;
use troupe_core::port::{Members, Stores};
use troupe_storage::crypt::KeyHasher;

use crate::load::Load;
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

/// Shared by the workers, the control socket and the lifecycle.
pub struct Gateway {
    pub directory: Arc<Directory>,
    pub stores: Stores,
    pub hasher: Arc<KeyHasher>,
    pub plan: ArcSwap<Plan>,
    pub load: Arc<Load>,
    pub telemetry: Arc<Telemetry>,
    pub members: Arc<dyn Members>,
    phase: AtomicU8,
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
    pub fn new(
        directory: Arc<Directory>,
        stores: Stores,
        hasher: Arc<KeyHasher>,
        plan: Plan,
        telemetry: Arc<Telemetry>,
        members: Arc<dyn Members>,
    ) -> Arc<Self> {
        let load = Arc::new(Load::new(plan.bodies_in_memory_bytes));
        let plan = ArcSwap::from_pointee(plan);
        Arc::new(Self {
            directory,
            stores,
            hasher,
            plan,
            load,
            telemetry,
            members,
            phase: AtomicU8::new(0),
        })
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
        for account in self.directory.accounts().iter() {
            let view = account.view.load();
            let state = if view.enabled {
                view.health.as_str()
            } else {
                "disabled"
            };
            for known in ["active", "rejected", "out_of_service", "disabled"] {
                let value = f64::from(u8::from(known == state));
                gauge!("troupe_account_state", "account" => account.name.to_string(), "state" => known).set(value);
            }
        }
        gauge!("troupe_cluster_nodes").set(self.members.live() as f64);
        counter!("troupe_log_rows_dropped_total")
            .absolute(self.directory.recorder().view.load().dropped);
        counter!("troupe_actor_restarts_total").absolute(self.directory.tree().panics());
        gauge!("troupe_actor_mailbox_depth", "actor" => "recorder")
            .set(self.directory.recorder().handle.stats().asks as f64);
        self.telemetry.render()
    }

    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }
}
