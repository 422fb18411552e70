//! Account actors: one per account, alive as long as the account exists.

mod effects;
mod set;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use troupe_core::AccountId;
use troupe_core::account::{Account, AccountAsk, AccountTell, AccountView, Report, Secrets};
use troupe_core::gate::Slots;
use troupe_core::standing::Standing;

use crate::quota::ActiveQuota;
use crate::shell::Handle;

pub(crate) use effects::AccountEffects;
pub use set::AccountSet;

/// A running account: its gate and its handle.
#[derive(Debug)]
pub struct ActiveAccount {
    pub id: AccountId,
    pub name: Arc<str>,
    /// What ranking reads first.
    pub standing: Arc<Standing>,
    pub view: Arc<ArcSwap<AccountView>>,
    pub slots: Arc<Slots>,
    pub handle: Handle<Account>,
    /// What may be used of it, where that is limited here.
    pub quota: ArcSwapOption<ActiveQuota>,
    /// As they were given last, for a machine that is rebuilt.
    pub(crate) secrets: Arc<ArcSwap<Secrets>>,
    pub(crate) gone: Arc<std::sync::atomic::AtomicBool>,
}

impl ActiveAccount {
    /// The actor is quarantined; its account takes no requests.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Tells of an attempt, and returns when the view shows what it said. Told is told: whoever waits no longer, or is
    /// refused as one too many, takes nothing back.
    pub async fn note(&self, report: Report) {
        self.handle.tell(AccountTell::Reports(vec![report]));
        let _ = self.handle.ask(AccountAsk::Heard).await;
    }
}
