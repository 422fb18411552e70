//! What an account asks of the world: probes and its state.

use std::sync::Arc;

use troupe_core::account::{Account, AccountDone, AccountEffect, Probe};
use troupe_core::event::DomainEvent;
use troupe_core::port::{AccountStore, Prober};

use crate::shell::{Effects, Job};

pub(crate) struct AccountEffects {
    pub store: Arc<dyn AccountStore>,
    pub prober: Arc<dyn Prober>,
}

impl Effects<Account> for AccountEffects {
    fn job(&self, effect: AccountEffect) -> Job<AccountDone> {
        match effect {
            AccountEffect::Probe(view) => {
                let prober = Arc::clone(&self.prober);
                let lost = Probe::Inconclusive {
                    message: "the probe failed inside the gateway".into(),
                };
                Job::new(AccountDone::Probed(lost), async move {
                    AccountDone::Probed(prober.probe(view).await)
                })
            }
            AccountEffect::Save { state, change } => {
                let store = Arc::clone(&self.store);
                Job::new(AccountDone::Saved, async move {
                    let event = change.map(|kind| DomainEvent {
                        at_ms: state.updated_ms,
                        actor: "system".into(),
                        kind,
                    });
                    let id = state.id;
                    if let Err(error) = store.save_state(state, event).await {
                        tracing::warn!(account.id = %id, %error, "state of an account could not be saved");
                    }
                    AccountDone::Saved
                })
            }
        }
    }
}
