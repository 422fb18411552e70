//! What an account asks of the world: probes, renewals, and its state.

use std::sync::Arc;

use troupe_core::account::{Account, AccountDone, AccountEffect, Probe, Renewed};
use troupe_core::event::DomainEvent;
use troupe_core::port::{AccountStore, Prober, TokenKeeper};

use crate::shell::{Effects, Job};

pub(crate) struct AccountEffects {
    pub store: Arc<dyn AccountStore>,
    pub prober: Arc<dyn Prober>,
    pub keeper: Arc<dyn TokenKeeper>,
}

impl Effects<Account> for AccountEffects {
    fn job(&self, effect: AccountEffect) -> Job<AccountDone> {
        match effect {
            AccountEffect::Probe { view, auth, kind } => {
                let prober = Arc::clone(&self.prober);
                let lost = Probe::Inconclusive {
                    message: "the probe failed inside the gateway".into(),
                };
                let done = move |probe| AccountDone::Probed { auth, kind, probe };
                Job::new(done(lost), async move {
                    done(prober.probe(view, auth, kind).await)
                })
            }
            AccountEffect::Renew {
                view,
                client_secret,
                order,
            } => {
                let keeper = Arc::clone(&self.keeper);
                let lost = Renewed::Unknown {
                    reason: "the renewal failed inside the gateway".into(),
                };
                let done = move |outcome| AccountDone::Renewed { order, outcome };
                Job::new(done(lost), async move {
                    done(keeper.renew(view, client_secret, order).await)
                })
            }
            AccountEffect::Save { state, changes } => {
                let store = Arc::clone(&self.store);
                Job::new(AccountDone::Saved, async move {
                    let event = |kind| DomainEvent::new(state.updated_ms, "system", kind);
                    let events = changes.into_iter().map(event).collect();
                    let id = state.id;
                    if let Err(error) = store.save_state(*state, events).await {
                        tracing::warn!(account.id = %id, %error, "state of an account could not be saved");
                    }
                    AccountDone::Saved
                })
            }
        }
    }
}
