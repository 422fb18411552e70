//! What a quota is asked and told, and what it asks of the world.

use std::sync::Arc;

use super::record::QuotaRecord;
use crate::gate::EntryGuard;
use crate::id::{KeyId, LimitId};
use crate::key::{KeyTotals, Priority};
use crate::limit::{Demand, Hold};
use crate::port::QuotaRow;

/// A request that the gate did not let through.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub demand: Demand,
    pub model: Arc<str>,
    /// Whose request: keys take turns.
    pub key: KeyId,
    pub priority: Priority,
    /// It waits until then at most (monotonic).
    pub deadline_ms: u64,
}

/// Questions to a quota.
#[derive(Debug)]
pub enum QuotaAsk {
    /// Its units, waiting for them if need be.
    Reserve(Box<Wanted>),
    /// Answered when everything settled before is saved, or one attempt to save it failed.
    Flush,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a grant is what most replies are; it is moved a few times and never stored"
)]
pub enum QuotaReply {
    Granted(Hold),
    /// It cannot pass by waiting: to be judged again, with all its scopes.
    Judge,
    /// Its time is over.
    Late,
    /// Too many wait already.
    Full,
    /// Revoked, expired or disabled while waiting.
    Unusable(&'static str),
    /// What earlier windows used could not be read.
    Unread,
    Flushed,
}

/// What a finished request owes its key. Holding it keeps the actor from leaving.
#[derive(Debug)]
pub struct Settlement {
    pub hold: Option<EntryGuard>,
    pub used: KeyTotals,
}

/// Facts told to a quota.
#[derive(Debug)]
pub enum QuotaTell {
    Settle(Vec<Settlement>),
    Update(Arc<QuotaRecord>),
    /// Units were given back while somebody waits.
    Freed,
}

#[derive(Debug)]
pub enum QuotaEffect {
    /// What is stored of these limits' open windows.
    Load(Vec<LimitId>),
    Save(Vec<QuotaRow>),
    LoadTotals,
    SaveTotals(KeyTotals),
}

#[derive(Debug)]
pub enum QuotaDone {
    /// `rows` is `None` where they could not be read.
    Loaded {
        limits: Vec<LimitId>,
        rows: Option<Vec<QuotaRow>>,
    },
    Saved {
        ok: bool,
    },
    /// `None`: could not be read; tried again before the first save.
    TotalsLoaded(Option<KeyTotals>),
    TotalsSaved {
        ok: bool,
    },
}
