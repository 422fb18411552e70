//! What a quota asks of the world: what was charged before, and the totals of a key.

use std::sync::Arc;

use troupe_core::KeyId;
use troupe_core::port::{KeyStore, QuotaStore};
use troupe_core::quota::{Quota, QuotaDone, QuotaEffect};

use crate::shell::{Clock, Effects, Job};

pub(crate) struct QuotaEffects {
    pub quotas: Arc<dyn QuotaStore>,
    pub keys: Arc<dyn KeyStore>,
    /// Whose totals; another scope has none.
    pub key: KeyId,
    pub clock: Clock,
}

impl Effects<Quota> for QuotaEffects {
    fn job(&self, effect: QuotaEffect) -> Job<QuotaDone> {
        let (quotas, keys, id) = (Arc::clone(&self.quotas), Arc::clone(&self.keys), self.key);
        match effect {
            QuotaEffect::Load(limits) => {
                let unread = QuotaDone::Loaded {
                    limits: limits.clone(),
                    rows: None,
                };
                let now_ms = self.clock.now().unix_ms;
                Job::new(unread, async move {
                    let rows = quotas.load(limits.clone(), now_ms).await;
                    if let Err(error) = &rows {
                        tracing::warn!(%error, "what limits have charged could not be read");
                    }
                    QuotaDone::Loaded {
                        limits,
                        rows: rows.ok(),
                    }
                })
            }
            QuotaEffect::Save(rows) => Job::new(QuotaDone::Saved { ok: false }, async move {
                let saved = quotas.save(rows).await;
                if let Err(error) = &saved {
                    tracing::warn!(%error, "what limits have charged could not be saved");
                }
                QuotaDone::Saved { ok: saved.is_ok() }
            }),
            QuotaEffect::LoadTotals => Job::new(QuotaDone::TotalsLoaded(None), async move {
                let totals = keys.totals(id).await;
                if let Err(error) = &totals {
                    tracing::warn!(key.id = %id, %error, "totals of a key could not be read");
                }
                QuotaDone::TotalsLoaded(totals.ok())
            }),
            QuotaEffect::SaveTotals(totals) => {
                Job::new(QuotaDone::TotalsSaved { ok: false }, async move {
                    let saved = keys.save_totals(id, totals).await;
                    if let Err(error) = &saved {
                        tracing::warn!(key.id = %id, %error, "totals of a key could not be saved");
                    }
                    QuotaDone::TotalsSaved { ok: saved.is_ok() }
                })
            }
        }
    }
}
