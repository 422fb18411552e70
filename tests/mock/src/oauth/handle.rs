//! The authorization server's state behind its lock, and the handle that tests hold.
//!
//! Invariant: each change is one step under the lock, and wakes those who wait for it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::access::Verdict;
use super::facts::{FamilyFacts, FamilySeed, OauthConfig, SeededTokens};
use super::families::Families;
use crate::journal::{PATIENCE, WaitTimeout};

pub(crate) struct OauthStore {
    families: Mutex<Families>,
    changes: watch::Sender<u64>,
}

impl OauthStore {
    pub(crate) fn new(config: OauthConfig) -> Self {
        Self {
            families: Mutex::new(Families::new(config)),
            changes: watch::Sender::new(0),
        }
    }

    /// What the API does with this bearer token; `None` when it was not given out here.
    pub(crate) fn verdict(&self, token: &str) -> Option<Verdict> {
        self.lock().verdict(Instant::now(), token)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Families, Instant) -> T) -> T {
        let changed = change(&mut self.lock(), Instant::now());
        self.changes.send_modify(|version| *version += 1);
        changed
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Families) -> T) -> T {
        read(&self.lock())
    }

    pub(super) fn facts(&self) -> Vec<FamilyFacts> {
        self.lock().facts(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to the authorization server; clones share it.
#[derive(Clone)]
pub struct Oauth {
    store: Arc<OauthStore>,
}

impl Oauth {
    pub(crate) fn new(store: Arc<OauthStore>) -> Self {
        Self { store }
    }

    pub fn configure(&self, config: OauthConfig) {
        self.store.change(|families, _| families.config = config);
    }

    /// Begins a family, in place of one of the same name.
    pub fn seed(&self, seed: FamilySeed) -> SeededTokens {
        self.store.change(|families, now| families.seed(now, seed))
    }

    /// All families by name: seeded ones by theirs, logins as `login:N`, others as `client:ID` and `jwt:ID`.
    pub fn families(&self) -> Vec<FamilyFacts> {
        self.store.facts()
    }

    pub fn family(&self, name: &str) -> Option<FamilyFacts> {
        self.families()
            .into_iter()
            .find(|facts| facts.family == name)
    }

    /// Revokes all tokens of a family; `false` when there is none of that name.
    pub fn revoke(&self, name: &str) -> bool {
        self.store.change(|families, _| families.revoke(name))
    }

    /// Ends all access tokens of a family now; `false` when there is none of that name.
    pub fn expire(&self, name: &str) -> bool {
        self.store
            .change(|families, now| families.expire(now, name))
    }

    /// Hashes of the assertions that came, oldest first, at most 1 000.
    pub fn assertions(&self) -> Vec<String> {
        self.store.read(Families::assertions)
    }

    /// Waits until the families satisfy `predicate`. What changes by time alone wakes nobody.
    ///
    /// # Errors
    /// After 20 s.
    pub async fn wait_for(
        &self,
        predicate: impl Fn(&[FamilyFacts]) -> bool,
    ) -> Result<(), WaitTimeout> {
        let mut changes = self.store.changes.subscribe();
        let satisfied = async {
            loop {
                changes.borrow_and_update();
                if predicate(&self.families()) {
                    return Some(());
                }
                changes.changed().await.ok()?;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, satisfied).await;
        waited.ok().flatten().ok_or(WaitTimeout)
    }
}

impl fmt::Debug for Oauth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oauth")
            .field("families", &self.families())
            .finish_non_exhaustive()
    }
}
