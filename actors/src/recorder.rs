//! The recorder actor: one per node.
//!
//! Invariant: of a write, the log comes first; neither part waits for the other's success.

use std::sync::Arc;

use arc_swap::ArcSwap;
use troupe_core::KeyId;
use troupe_core::port::{BodyStore, LogStore, StoreError, UsageStore};
use troupe_core::record::RequestRecord;
use troupe_core::recorder::{
    Counted, Recorder, RecorderDone, RecorderEffect, RecorderTell, RecorderView, Retention,
};
use troupe_core::usage::{Grain, UsageBatch, UsageBy, UsageFilter, UsageQuery};

use crate::shell::{Effects, Handle, Job};

/// The running recorder.
#[derive(Clone, Debug)]
pub struct ActiveRecorder {
    pub view: Arc<ArcSwap<RecorderView>>,
    pub handle: Handle<Recorder>,
    /// What a recorder that is built anew keeps.
    pub(crate) retention: Arc<ArcSwap<Retention>>,
}

impl ActiveRecorder {
    /// From now on; what is older goes at once.
    pub fn keep(&self, retention: Retention) {
        self.retention.store(Arc::new(retention));
        self.handle.tell(RecorderTell::Keep(retention));
    }
}

/// What a key is called now.
pub(crate) type KeyNames = Arc<dyn Fn(KeyId) -> Option<Arc<str>> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct RecorderEffects {
    pub log: Arc<dyn LogStore>,
    pub bodies: Arc<dyn BodyStore>,
    pub usage: Arc<dyn UsageStore>,
    pub key_names: KeyNames,
}

impl Effects<Recorder> for RecorderEffects {
    fn job(&self, effect: RecorderEffect) -> Job<RecorderDone> {
        let this = self.clone();
        match effect {
            RecorderEffect::Write { rows, usage } => {
                let count = rows.len();
                let written = move |logged, counted| RecorderDone::Written {
                    rows: count,
                    logged,
                    counted,
                };
                let unknown = match usage {
                    None => Counted::Nothing,
                    Some(_) => Counted::Unknown,
                };
                Job::new(written(false, unknown), async move {
                    let logged = this.append(rows).await;
                    written(logged, this.count(usage).await)
                })
            }
            RecorderEffect::Retain {
                oldest_ms,
                oldest_bodies_ms,
                usage_from_day,
                series_from,
            } => Job::new(RecorderDone::Retained, async move {
                this.retain(oldest_ms, oldest_bodies_ms, usage_from_day)
                    .await;
                this.retain_series(series_from).await;
                RecorderDone::Retained
            }),
            RecorderEffect::Recall { from_day } => {
                Job::new(RecorderDone::Recalled(Vec::new()), async move {
                    RecorderDone::Recalled(this.recall(from_day).await)
                })
            }
        }
    }
}

impl RecorderEffects {
    async fn append(&self, rows: Vec<RequestRecord>) -> bool {
        let count = rows.len();
        if count == 0 {
            return true;
        }
        let written = self.log.append(rows).await;
        if let Err(error) = &written {
            tracing::error!(rows = count, %error, "request rows were lost");
        }
        written.is_ok()
    }

    async fn count(&self, usage: Option<Arc<UsageBatch>>) -> Counted {
        let Some(batch) = usage else {
            return Counted::Nothing;
        };
        match self.usage.add(self.named(&batch)).await {
            Ok(()) => Counted::Written,
            Err(error) => {
                tracing::error!(%error, "usage was not written; it is kept and told again");
                Counted::Unknown
            }
        }
    }

    /// With the names that keys have now: a report is read when some of them are gone.
    fn named(&self, batch: &UsageBatch) -> UsageBatch {
        let mut batch = batch.clone();
        for row in &mut batch.rows {
            row.key_name = row.key.key.and_then(|id| (self.key_names)(id));
        }
        batch
    }

    async fn retain(&self, oldest_ms: u64, oldest_bodies_ms: u64, usage_from_day: u32) {
        if let Err(error) = self.log.retain(oldest_ms).await {
            tracing::warn!(%error, "old request rows could not be dropped");
        }
        if let Err(error) = self.bodies.retain(oldest_bodies_ms).await {
            tracing::warn!(%error, "old bodies of requests could not be dropped");
        }
        if let Err(error) = self.usage.prune(usage_from_day).await {
            tracing::warn!(%error, "old usage could not be dropped");
        }
    }

    async fn retain_series(&self, from: [(Grain, u32); 3]) {
        for (grain, from) in from {
            if let Err(error) = self.usage.prune_series(grain, from).await {
                tracing::warn!(?grain, %error, "old points of usage could not be dropped");
            }
        }
    }

    async fn recall(&self, from_day: u32) -> Vec<Arc<str>> {
        let query = UsageQuery {
            by: UsageBy::Model,
            from_day,
            to_day: u32::MAX,
            filter: UsageFilter::default(),
        };
        let found: Result<_, StoreError> = self.usage.query(query).await;
        let rows = found.unwrap_or_else(|error| {
            // They are told apart again once an upstream has answered for them.
            tracing::debug!(%error, "models that were used before are not known");
            Vec::new()
        });
        rows.into_iter().filter_map(|row| row.key.model).collect()
    }
}
