//! What a key asks of the world: its totals.

use std::sync::Arc;

use troupe_core::KeyId;
use troupe_core::key::{Key, KeyDone, KeyEffect};
use troupe_core::port::KeyStore;

use crate::shell::{Effects, Job};

pub(crate) struct KeyEffects {
    pub store: Arc<dyn KeyStore>,
    pub id: KeyId,
}

impl Effects<Key> for KeyEffects {
    fn job(&self, effect: KeyEffect) -> Job<KeyDone> {
        let (store, id) = (Arc::clone(&self.store), self.id);
        match effect {
            KeyEffect::LoadTotals => Job::new(KeyDone::Loaded(None), async move {
                let totals = store.totals(id).await;
                if let Err(error) = &totals {
                    tracing::warn!(key.id = %id, %error, "totals of a key could not be read");
                }
                KeyDone::Loaded(totals.ok())
            }),
            KeyEffect::SaveTotals(totals) => Job::new(KeyDone::Saved { ok: false }, async move {
                let saved = store.save_totals(id, totals).await;
                if let Err(error) = &saved {
                    tracing::warn!(key.id = %id, %error, "totals of a key could not be saved");
                }
                KeyDone::Saved { ok: saved.is_ok() }
            }),
        }
    }
}
