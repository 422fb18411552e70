//! What all connections of one mock share.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codes::PendingCodes;
use crate::journal::Journal;
use crate::oauth::OauthStore;
use crate::resources::Resources;
use crate::scenario::Scenario;
use crate::server::MockConfig;
use crate::web::WebStore;

pub(crate) struct State {
    pub(crate) config: MockConfig,
    pub(crate) journal: Journal,
    script: Mutex<VecDeque<Scenario>>,
    treated: Mutex<HashMap<String, Scenario>>,
    resources: Mutex<Resources>,
    codes: Mutex<PendingCodes>,
    pub(crate) web: Arc<WebStore>,
    pub(crate) oauth: Arc<OauthStore>,
    serial: AtomicU64,
    connections: AtomicU64,
}

impl State {
    pub(crate) fn new(config: MockConfig) -> Self {
        Self {
            journal: Journal::new(config.journal_entries, config.journal_body_bytes),
            oauth: Arc::new(OauthStore::new(config.oauth.clone())),
            serial: AtomicU64::new(config.last_serial),
            config,
            script: Mutex::default(),
            treated: Mutex::default(),
            resources: Mutex::default(),
            codes: Mutex::default(),
            web: Arc::default(),
            connections: AtomicU64::new(0),
        }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, VecDeque<Scenario>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers by the credential that asks.
    pub(crate) fn treated(&self) -> MutexGuard<'_, HashMap<String, Scenario>> {
        self.treated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn resources(&self) -> MutexGuard<'_, Resources> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Codes that the token endpoint accepts.
    pub(crate) fn codes(&self) -> MutexGuard<'_, PendingCodes> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that was not given before, from 1 unless configured otherwise.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}
