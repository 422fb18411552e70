//! Rows of the request log into rows of usage and of series, held until they are written.
//!
//! Invariant: no request is left out for want of room, it is only counted with less detail; a model's name leaves only
//! when an upstream has answered for it, since clients may write anything there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::points::SeriesFold;
use super::{OTHER, SeriesRow, UsageKey, UsageRow, UsageSums, day_of};
use crate::record::{RequestRecord, Route};

/// Names of models that are known to be real. More are not told apart.
const MAX_MODELS: usize = 1_000;
/// Names, of those held, that may yet turn out to be real: rows of different threads come out of order.
const MAX_GUESSES: usize = 64;
/// Bytes of a model's name.
const MAX_MODEL_NAME: usize = 128;

/// What has been counted and not been taken yet.
#[derive(Debug, Default)]
pub struct UsageFold {
    rows: HashMap<UsageKey, UsageRow>,
    answered: HashSet<Arc<str>>,
    /// Models that rows are held of and that are not known to be real.
    guesses: HashSet<Arc<str>>,
    series: SeriesFold,
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
        let (model, sums) = (self.model(row), UsageSums::of(row));
        self.series.add(row, model.as_ref(), &sums);
        let key = UsageKey {
            day: day_of(row.at_ms),
            key: row.key,
            owner: row.owner.clone(),
            group: row.group.clone(),
            account: row.account,
            model,
        };
        let counted = UsageRow {
            account_name: row.account_name.clone(),
            sums,
            ..UsageRow::empty(key)
        };
        self.count(counted);
    }

    fn count(&mut self, row: UsageRow) {
        let held = self.rows.len();
        let mut places = row.key.places().into_iter();
        let place = places.find(|(key, room)| self.rows.contains_key(key) || held < *room);
        // The last place always has room.
        let Some((key, _)) = place else { return };
        let stands = self.rows.entry(key);
        stands
            .or_insert_with_key(|key| UsageRow::empty(key.clone()))
            .merge(&row);
    }

    fn model(&mut self, row: &RequestRecord) -> Option<Arc<str>> {
        let model = row.model.as_ref()?;
        if self.answered.contains(model) {
            return Some(Arc::clone(model));
        }
        let is_answered = row.upstream_status.is_some_and(|s| (200..300).contains(&s));
        let (names, most) = if is_answered {
            (&mut self.answered, MAX_MODELS)
        } else {
            (&mut self.guesses, MAX_GUESSES)
        };
        let has_room = names.len() < most && model.len() <= MAX_MODEL_NAME;
        if !names.contains(model) && !has_room {
            return Some(OTHER.into());
        }
        names.insert(Arc::clone(model));
        Some(Arc::clone(model))
    }

    /// Rows of models that nobody has answered for since they came are of `other`.
    fn give_up_guesses(&mut self) {
        let guesses = std::mem::take(&mut self.guesses);
        let is_invented =
            |model: &Arc<str>| guesses.contains(model) && !self.answered.contains(model);
        let of_invented = |key: &UsageKey| key.model.as_ref().is_some_and(is_invented);
        let invented: Vec<_> = self.rows.extract_if(|key, _| of_invented(key)).collect();
        for (_, mut row) in invented {
            row.key.model = Some(OTHER.into());
            self.count(row);
        }
    }

    /// No rows of usage; there may be some of series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows of usage since the last time.
    pub fn take(&mut self) -> Vec<UsageRow> {
        self.give_up_guesses();
        std::mem::take(&mut self.rows).into_values().collect()
    }

    #[must_use]
    pub fn has_series(&self) -> bool {
        !self.series.is_empty()
    }

    /// Rows of series since they were last taken, of each grain.
    pub fn take_series(&mut self) -> Vec<SeriesRow> {
        self.series.take(&self.answered)
    }
}

/// As limits count: asking what a message would cost, or which models there are, uses nothing.
fn is_counted(route: Route) -> bool {
    match route {
        Route::Messages | Route::Relay => true,
        Route::CountTokens | Route::Models | Route::Other => false,
    }
}
