//! A circuit breaker for each upstream host, shared by all workers of the process.
//!
//! Invariant: it opens only when everything failed: [`Settings::failures`] in a row within [`Settings::window_ms`], with no
//! success between. What it decides is in [`machine`]; here is what makes a success cost next to nothing, and how a
//! permit is given back.

mod machine;
mod outcome;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use self::machine::{Machine, Way};
pub use self::{
    machine::{BreakerState, OpenUntil, Settings},
    outcome::Outcome,
};

/// Hosts that are remembered; they come from base URLs, which operators write.
const HOSTS_MAX: usize = 1024;

/// The breakers of all hosts.
#[derive(Debug)]
pub struct Breakers {
    settings: Settings,
    hosts: Mutex<HashMap<Arc<str>, Arc<Breaker>>>,
}

// === impl Breakers ===

impl Breakers {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            hosts: Mutex::default(),
        }
    }

    /// The breaker of a host, as [`crate::BaseUrl::authority`] says it. To be kept with the account's route: it locks.
    ///
    /// Where there is no room, and every host known is in use, the host gets one that nobody else finds.
    #[must_use]
    pub fn host(&self, host: &str) -> Arc<Breaker> {
        let mut hosts = locked(&self.hosts);
        if let Some(known) = hosts.get(host) {
            return Arc::clone(known);
        }
        let made = Arc::new(Breaker::new(self.settings));
        if hosts.len() >= HOSTS_MAX {
            // Nobody else can take one out while the map is locked.
            hosts.retain(|_, breaker| Arc::strong_count(breaker) > 1);
        }
        if hosts.len() < HOSTS_MAX {
            hosts.insert(host.into(), Arc::clone(&made));
        }
        made
    }

    /// Of each known host, in no order.
    #[must_use]
    pub fn states(&self) -> Vec<(Arc<str>, BreakerState)> {
        locked(&self.hosts)
            .iter()
            .map(|(host, breaker)| (Arc::clone(host), breaker.state()))
            .collect()
    }
}

/// Closed, and no failure since the last success: nothing to look at, nothing to note.
const CLEAN: u8 = 0;
/// Closed, with failures.
const CLOSED: u8 = 1;
/// Open, or trying.
const OPEN: u8 = 2;

/// Of one host. Times are milliseconds of one monotonic clock.
pub struct Breaker {
    /// What the machine says, for those who need no more; written under its lock.
    gist: AtomicU8,
    machine: Mutex<Machine>,
}

// === impl Breaker ===

impl Breaker {
    fn new(settings: Settings) -> Self {
        Self {
            gist: AtomicU8::new(CLEAN),
            machine: Mutex::new(Machine::new(settings)),
        }
    }

    /// Leave for one request, to be concluded with what came of it.
    pub fn permit(self: &Arc<Self>, now_ms: u64) -> Result<Permit, OpenUntil> {
        let way = if self.gist.load(Ordering::Relaxed) < OPEN {
            Way::Free
        } else {
            self.with(|machine| machine.permit(now_ms))?
        };
        Ok(Permit {
            breaker: Arc::clone(self),
            way,
            concluded: false,
        })
    }

    /// Would a permit be refused now? Takes none, for ranking.
    #[must_use]
    pub fn is_open(&self, now_ms: u64) -> bool {
        self.gist.load(Ordering::Relaxed) == OPEN && locked(&self.machine).refusal(now_ms).is_some()
    }

    #[must_use]
    pub fn state(&self) -> BreakerState {
        locked(&self.machine).state()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = locked(&self.machine);
        let out = change(&mut machine);
        let gist = match machine.state() {
            BreakerState::Closed if machine.is_clean() => CLEAN,
            BreakerState::Closed => CLOSED,
            BreakerState::Open | BreakerState::HalfOpen => OPEN,
        };
        self.gist.store(gist, Ordering::Relaxed);
        out
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Breaker({:?})", self.state())
    }
}

/// Leave for one request. Dropped without a verdict it says nothing of the host, and another may try.
#[derive(Debug)]
#[must_use = "a permit that is dropped has no verdict"]
pub struct Permit {
    breaker: Arc<Breaker>,
    way: Way,
    concluded: bool,
}

// === impl Permit ===

impl Permit {
    /// The host answered as one that works.
    pub fn success(mut self) {
        self.concluded = true;
        if self.breaker.gist.load(Ordering::Relaxed) != CLEAN {
            self.breaker.with(Machine::succeeded);
        }
    }

    pub fn failure(mut self, now_ms: u64) {
        self.concluded = true;
        self.breaker
            .with(|machine| machine.failed(self.way, now_ms));
    }

    pub fn conclude(self, outcome: Outcome, now_ms: u64) {
        match outcome {
            Outcome::Success => self.success(),
            Outcome::Failure => self.failure(now_ms),
            Outcome::Neither => drop(self),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.concluded && self.way != Way::Free {
            self.breaker.with(|machine| machine.gave_up(self.way));
        }
    }
}

/// A panic while it was held leaves nothing half done: each change is a few plain assignments.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
