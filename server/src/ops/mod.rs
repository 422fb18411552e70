//! Operations on keys and accounts: the one place where an operator's wish becomes a change.
//!
//! Index. [`keys`] and [`accounts`]: one file per operation. [`audit`]: how an operation is
//! carried out, and told. [`dispatch`]: operations by name, for doors that take
//! JSON. [`declared`]: what the configuration file owns. [`credential`]: sealing and opening of accounts' secrets.
//! [`import`]: what other gateways kept. [`limits`]: how they are written. [`patch`]: fields that are kept, removed or set. [`open`]: the master key and
//! what it gives access to. [`reseal`]: after a change of it. [`requests`]: the request log. [`usage`]: who spent what.
//! The command line runs them on a stopped gateway's store, the control socket on a running one.
//!
//! Invariant: a change is stored with its event first and published second, one change at a time, so that the directory
//! never shows what the store does not have; no secret is in a `Debug` or in an error.

pub mod accounts;
pub mod audit;
pub mod credential;
pub mod declared;
pub mod dispatch;
mod error;
mod fields;
mod first_tokens;
pub mod import;
pub mod keys;
pub mod limits;
pub mod open;
pub mod patch;
pub mod prober;
pub mod requests;
pub mod reseal;
pub mod secret_json;
pub mod store;
#[cfg(test)]
pub(crate) mod tests;
pub mod usage;

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use troupe_actors::Directory;
use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::port::{Prober, Stores};
use troupe_storage::archive::Archive;
use troupe_storage::crypt::{KeyHasher, Vault};

use self::accounts::Logins;
pub use self::declared::Declared;
pub use self::error::{ErrorCode, OpError};
pub use self::prober::UpstreamProber;
use self::store::Backups;
use crate::audit::Audit;
use crate::bodies::BodyQueue;
use crate::config::Config;
use crate::plan::Plan;

/// One operation: what goes in, what comes out, both as JSON with the names of the configuration file.
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    type Outcome: Serialize + DeserializeOwned + Send + 'static;
    /// Its name on the control socket.
    const NAME: &'static str;
    /// It changes nothing, so it needs no store where none was made yet.
    const READS: bool = false;

    /// What to do when it ends with [`ErrorCode::Unknown`]: it may be done, and its outcome is lost.
    fn when_unknown(&self) -> Option<String> {
        None
    }

    fn run(self, ops: &Operations) -> impl Future<Output = Result<Self::Outcome, OpError>> + Send;
}

/// What operations work on. Clones share everything, the order of changes included.
#[derive(Clone)]
pub struct Operations {
    pub stores: Stores,
    pub vault: Arc<Vault>,
    pub hasher: Arc<KeyHasher>,
    /// The running gateway's; `None` when only the store is there.
    pub directory: Option<Arc<Directory>>,
    pub declared: Arc<ArcSwap<Declared>>,
    pub prober: Arc<dyn Prober>,
    /// Bodies that the running gateway has not written yet.
    bodies: Option<BodyQueue>,
    /// The store as a whole; none of one in memory.
    archive: Option<Archive>,
    backups: Arc<Backups>,
    /// Logins under way.
    pub logins: Arc<Logins>,
    plan: Arc<dyn Fn() -> Arc<Plan> + Send + Sync>,
    /// Where changes are told before they are acknowledged; none where operations only read.
    audit: Option<Audit>,
    /// Who acts, as the events tell it.
    actor: String,
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations")
            .field("actor", &self.actor)
            .field("live", &self.directory.is_some())
            .finish_non_exhaustive()
    }
}

impl Operations {
    /// On a store alone, as actor `cli`.
    #[must_use]
    pub fn new(
        stores: Stores,
        vault: Arc<Vault>,
        hasher: Arc<KeyHasher>,
        declared: Arc<ArcSwap<Declared>>,
        prober: Arc<dyn Prober>,
    ) -> Self {
        Self {
            stores,
            vault,
            hasher,
            directory: None,
            bodies: None,
            declared,
            prober,
            archive: None,
            backups: Arc::default(),
            logins: Arc::default(),
            plan: Arc::new(|| Arc::new(Plan::compile(&Config::default()))),
            audit: None,
            actor: "cli".into(),
            changing: Arc::default(),
        }
    }

    /// On a running gateway: changes are published at once.
    #[must_use]
    pub fn live(mut self, directory: Arc<Directory>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// With the queue of bodies that are to be kept.
    #[must_use]
    pub fn keeping(mut self, bodies: BodyQueue) -> Self {
        self.bodies = Some(bodies);
        self
    }

    /// What the configuration says at the moment of an operation; without it, its defaults.
    #[must_use]
    pub fn planned_by(mut self, plan: impl Fn() -> Arc<Plan> + Send + Sync + 'static) -> Self {
        self.plan = Arc::new(plan);
        self
    }

    /// Changes are told there before they are acknowledged.
    #[must_use]
    pub fn audited_by(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// With the store as a whole, for backups.
    #[must_use]
    pub fn archiving(mut self, archive: Option<Archive>) -> Self {
        self.archive = archive;
        self
    }

    /// With the state of backups where somebody looks at it.
    #[must_use]
    pub fn with_backups(mut self, backups: Arc<Backups>) -> Self {
        self.backups = backups;
        self
    }

    /// With logins that outlive these operations.
    #[must_use]
    pub fn with_logins(mut self, logins: Arc<Logins>) -> Self {
        self.logins = logins;
        self
    }

    fn plan(&self) -> Arc<Plan> {
        (self.plan)()
    }

    /// Web sessions are switched on and their terms acknowledged.
    #[must_use]
    pub fn web_allowed(&self) -> bool {
        self.plan().web.is_some()
    }

    /// The same operations on behalf of another actor (`cli`, `system`, `user:NAME`).
    #[must_use]
    pub fn acting_as(&self, actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            ..self.clone()
        }
    }

    fn event(&self, kind: EventKind) -> DomainEvent {
        DomainEvent::new(now_ms(), self.actor.clone(), kind)
    }

    /// Held from the read of a row until its change is published.
    async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}
