//! The recorder actor: one per node.

use std::sync::Arc;

use arc_swap::ArcSwap;
use troupe_core::port::LogStore;
use troupe_core::recorder::{Recorder, RecorderDone, RecorderEffect, RecorderView};

use crate::shell::{Effects, Handle, Job};

/// The running recorder.
#[derive(Clone, Debug)]
pub struct ActiveRecorder {
    pub view: Arc<ArcSwap<RecorderView>>,
    pub handle: Handle<Recorder>,
}

pub(crate) struct RecorderEffects {
    pub store: Arc<dyn LogStore>,
}

impl Effects<Recorder> for RecorderEffects {
    fn job(&self, effect: RecorderEffect) -> Job<RecorderDone> {
        let store = Arc::clone(&self.store);
        match effect {
            RecorderEffect::Append(rows) => {
                let count = rows.len();
                Job::new(
                    RecorderDone::Appended {
                        rows: count,
                        ok: false,
                    },
                    async move {
                        let written = store.append(rows).await;
                        if let Err(error) = &written {
                            tracing::error!(rows = count, %error, "request rows were lost");
                        }
                        RecorderDone::Appended {
                            rows: count,
                            ok: written.is_ok(),
                        }
                    },
                )
            }
            RecorderEffect::Retain { oldest_ms } => Job::new(RecorderDone::Retained, async move {
                if let Err(error) = store.retain(oldest_ms).await {
                    tracing::warn!(%error, "old request rows could not be dropped");
                }
                RecorderDone::Retained
            }),
        }
    }
}
