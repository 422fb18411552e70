//! What an account is asked and told, and what it wants done.

use std::sync::Arc;

use secrecy::SecretString;

use super::health::{Unavailable, Window};
use super::record::{AccountRecord, AccountState, Auth};
use super::stats::{AccountStats, AttemptFacts};
use super::token::{Renewal, Renewed, TokenSeed};
use super::verdict::{Probe, ProbeKind, Verdict};
use super::view::{AccountView, AuthSet, Reach, Want};
use crate::event::EventKind;
use crate::gate::SlotGuard;

/// An account's secrets, opened. Those of its tokens stay with the store.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub api_key: Option<SecretString>,
    pub web_cookie: Option<SecretString>,
    pub client_secret: Option<SecretString>,
    pub reach: Arc<Reach>,
}

/// What one attempt told about the account.
#[derive(Clone, Debug)]
pub struct Report {
    pub auth: Auth,
    /// Of the credential that was presented ([`super::LaneView::generation`]), so that a fault of one that was replaced
    /// meanwhile is not its successor's; 0 when the caller does not know, and for tokens that were never got.
    pub generation: u64,
    pub model: Option<Arc<str>>,
    /// See [`Want::betas`].
    pub betas: u64,
    pub verdict: Verdict,
    /// What the answer said about windows.
    pub windows: Vec<Window>,
    pub facts: AttemptFacts,
}

impl Report {
    /// A verdict and nothing else.
    #[must_use]
    pub fn new(auth: Auth, generation: u64, model: Option<Arc<str>>, verdict: Verdict) -> Self {
        Self {
            auth,
            generation,
            model,
            betas: 0,
            verdict,
            windows: Vec::new(),
            facts: AttemptFacts::default(),
        }
    }
}

/// [`Want`] without borrows.
#[derive(Clone, Debug)]
pub struct LeaseAccount {
    pub model: Option<Arc<str>>,
    pub betas: u64,
    pub is_message: bool,
    pub web: bool,
    pub tried: AuthSet,
}

impl LeaseAccount {
    #[must_use]
    pub fn of(want: &Want<'_>) -> Self {
        Self {
            model: want.model.map(Into::into),
            betas: want.betas,
            is_message: want.is_message,
            web: want.web,
            tried: want.tried,
        }
    }

    pub(super) fn want(&self, unix_ms: u64) -> Want<'_> {
        Want {
            model: self.model.as_deref(),
            betas: self.betas,
            is_message: self.is_message,
            web: self.web,
            tried: self.tried,
            unix_ms,
        }
    }
}

/// Questions to an account.
#[derive(Clone, Debug)]
pub enum AccountAsk {
    /// Probe a credential. Callers that come while one of that kind runs share its answer.
    Test {
        auth: Auth,
        kind: ProbeKind,
    },
    /// The gate was not enough: a slot, after a renewal if it takes one, or why not.
    Lease(LeaseAccount),
    /// The token of this generation was refused (`dead`), or an operator wants a new one. Answered when a newer one
    /// stands or none can be had.
    Renew {
        generation: u64,
        dead: bool,
    },
    /// Answered when what the asker told before is taken in.
    Heard,
    Stats,
    /// Save what is not saved; answered when it is, or cannot be.
    Flush,
}

/// Why a lease is refused.
pub type Refused = Unavailable;

#[derive(Debug)]
pub enum AccountReply {
    Tested(Probe),
    Leased {
        auth: Auth,
        slot: SlotGuard,
        /// The place of the trial after a pause.
        trial: Option<SlotGuard>,
    },
    Refused(Refused),
    /// The view shows a newer token.
    Renewed,
    Noted,
    Stats(Box<AccountStats>),
    Flushed,
}

/// New settings of an account; `token` is there when a login or an import brought one.
#[derive(Debug)]
pub struct AccountUpdate {
    pub record: AccountRecord,
    pub secrets: Secrets,
    pub token: Option<TokenSeed>,
}

/// Facts told to an account.
#[derive(Debug)]
pub enum AccountTell {
    Reports(Vec<Report>),
    /// A trial was answered: the pause is over, before the answer has ended.
    Recovered {
        auth: Auth,
        model: Option<Arc<str>>,
    },
    Update(Box<AccountUpdate>),
    /// The operator says it is well again.
    Revive,
}

#[derive(Debug)]
pub enum AccountEffect {
    Probe {
        view: Arc<AccountView>,
        auth: Auth,
        kind: ProbeKind,
    },
    Renew {
        view: Arc<AccountView>,
        client_secret: Option<SecretString>,
        order: Renewal,
    },
    Save {
        state: Box<AccountState>,
        changes: Vec<EventKind>,
    },
}

#[derive(Debug)]
pub enum AccountDone {
    Probed {
        auth: Auth,
        kind: ProbeKind,
        probe: Probe,
    },
    Renewed {
        order: Renewal,
        outcome: Renewed,
    },
    Saved,
}
