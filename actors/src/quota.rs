//! Quota actors: one for the gateway, one for each group and account that has limits, one for each key in use.

mod effects;

use std::sync::Arc;

use troupe_core::gate::Entry;
use troupe_core::limit::Gate;
use troupe_core::quota::{KeyLedger, Quota};

use crate::shell::Handle;

pub(crate) use effects::QuotaEffects;

/// A quota whose actor runs: its gate and its handle.
#[derive(Debug)]
pub struct ActiveQuota {
    pub entry: Arc<Entry>,
    pub gate: Arc<Gate>,
    /// What a key has used since it was made.
    pub ledger: KeyLedger,
    pub handle: Handle<Quota>,
}
