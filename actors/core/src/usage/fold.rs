//! Rows of the request log into rows of usage, held until they are written.
//!
//! Invariant: no request is left out for want of room, it is only counted with less detail; a model's name is told only
//! when an upstream has answered for it, since clients may write anything there.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{OTHER, UsageKey, UsageRow, UsageSums, day_of};
use crate::record::{RequestRecord, Route};

/// Names of models that are known to be real. More are not told apart.
const MAX_MODELS: usize = 1_000;
/// Bytes of a model's name.
const MAX_MODEL_NAME: usize = 128;

/// What has been counted and not been taken yet.
#[derive(Debug, Default)]
pub struct UsageFold {
    rows: HashMap<UsageKey, UsageRow>,
    answered: HashSet<Arc<str>>,
}

impl UsageFold {
    /// These models are real: they were answered for before.
    pub fn know(&mut self, models: impl IntoIterator<Item = Arc<str>>) {
        for model in models {
            if self.answered.len() < MAX_MODELS {
                self.answered.insert(model);
            }
        }
    }

    /// Counts a request, if it is one of a key and one that limits count.
    pub fn add(&mut self, row: &RequestRecord) {
        if row.key.is_none() || !is_counted(row.route) {
            return;
        }
        let key = UsageKey {
            day: day_of(row.at_ms),
            key: row.key,
            owner: row.owner.clone(),
            group: row.group.clone(),
            account: row.account,
            model: self.model(row),
        };
        let held = self.rows.len();
        let places = key.places();
        let place = places
            .into_iter()
            .find(|(place, room)| self.rows.contains_key(place) || held < *room);
        // The last place always has room.
        let (place, _) = place.unwrap_or((key, 0));
        let counted = UsageRow {
            key: place.clone(),
            key_name: None,
            account_name: row.account_name.clone().filter(|_| place.account.is_some()),
            sums: UsageSums::of(row),
        };
        match self.rows.entry(place) {
            Entry::Occupied(mut held) => held.get_mut().merge(&counted),
            Entry::Vacant(free) => {
                free.insert(counted);
            }
        }
    }

    fn model(&mut self, row: &RequestRecord) -> Option<Arc<str>> {
        let model = row.model.as_ref()?;
        if self.answered.contains(model) {
            return Some(Arc::clone(model));
        }
        let is_real = row.upstream_status.is_some_and(|s| (200..300).contains(&s))
            && model.len() <= MAX_MODEL_NAME
            && self.answered.len() < MAX_MODELS;
        if !is_real {
            return Some(OTHER.into());
        }
        self.answered.insert(Arc::clone(model));
        Some(Arc::clone(model))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Everything since the last time.
    pub fn take(&mut self) -> Vec<UsageRow> {
        std::mem::take(&mut self.rows).into_values().collect()
    }
}

/// As limits count: asking what a message would cost, or which models there are, uses nothing.
fn is_counted(route: Route) -> bool {
    match route {
        Route::Messages | Route::Relay => true,
        Route::CountTokens | Route::Models | Route::Other => false,
    }
}
